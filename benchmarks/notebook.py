"""The peer `notebook`: a plain loop, as a notebook has it, and as the experiment of 2025 had it.

Random batches padded to their longest text, every parameter in autograd even where the optimizer has the head alone,
torch's AdamW as it comes, evaluation in the order of the file.
"""

import time

import torch

from benchmarks.classifier import load, trained_parameters
from benchmarks.counting import count_texts
from benchmarks.data import Texts, read_texts
from benchmarks.flops import Work
from benchmarks.measure import Measurement
from benchmarks.setting import Setting, evaluation_steps
from tuneoff.models.text import collate
from tuneoff.training.order import batch_rows
from tuneoff.training.seeds import derive


def measure(setting: Setting, work: Work) -> Measurement:
    """Train and evaluate a work the plain way."""
    found = Measurement()
    texts = read_texts(setting, found, limit=setting.limit)
    with found.phase("load"):
        model, classifier = load(texts, setting, work, freeze=False)
        # With every parameter in autograd, the optimizer alone makes it a linear probe. Of peft's, what it trains.
        trained = classifier.head.parameters() if work == "linear-probe" else model.parameters()
        parameters = [value for value in trained if value.requires_grad]
        rate, decay = setting.techniques[work]["learning_rate"], setting.protocol["weight_decay"]
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    found.trained_parameters = trained_parameters(parameters)
    order = derive(0, "order", 0)  # tuneoff's own batches, so that both see the same texts
    evaluated_after = evaluation_steps(setting.steps, setting.eval_every)
    for step in range(setting.steps + 1):
        if step in evaluated_after:
            begun = time.perf_counter()
            _evaluate(model, texts, setting.batch_size)
            found.add_evaluation(time.perf_counter() - begun)
        if step == setting.steps:
            break
        begun = time.perf_counter()
        rows = batch_rows(len(texts.labels["train"]), setting.batch_size, order, step)
        found.last_loss = _step(model, optimizer, texts, [int(row) for row in rows])
        found.add_step(time.perf_counter() - begun)
    count_texts(found, setting, texts, work, classifier.lengths)
    return found


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, texts: Texts, rows: list[int]) -> float:
    model.train()
    loss = model(*_batch(texts, "train", rows)).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.item())


@torch.no_grad()
def _evaluate(model: torch.nn.Module, texts: Texts, batch_size: int) -> float:
    """Return the accuracy on test."""
    model.eval()
    rows = range(len(texts.labels["test"]))
    right = 0
    for start in rows[::batch_size]:
        ids, mask, labels = _batch(texts, "test", list(rows[start : start + batch_size]))
        right += int((model(ids, mask).logits.argmax(dim=1) == labels).sum())
    return right / len(rows)


def _batch(texts: Texts, split: str, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    pad = texts.tokenizer.pad_token_id
    assert isinstance(pad, int)
    ids, mask = collate([texts.ids[split][row] for row in rows], pad, "right")  # type: ignore[misc]  # lists will do
    return ids, mask, torch.from_numpy(texts.labels[split][rows])
