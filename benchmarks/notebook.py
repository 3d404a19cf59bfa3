"""The peer `notebook`: a plain loop, as a notebook has it, and as the experiment of 2025 had it.

Random batches padded to their longest text, every parameter in autograd even where the optimizer has the head alone,
torch's AdamW as it comes, evaluation in the order of the file.
"""

from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.classifier import load, trained_parameters
from benchmarks.counting import count_texts
from benchmarks.data import Texts, read_texts
from benchmarks.flops import Work
from benchmarks.measure import Measurement, clock
from benchmarks.setting import Precision, Setting, evaluation_steps
from tuneoff.models.text import collate
from tuneoff.training.order import batch_rows
from tuneoff.training.seeds import derive


@dataclass(frozen=True)
class Batch:
    """Texts and labels on the device, and the precision they are computed in."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    precision: Precision

    def compute(self, model: torch.nn.Module) -> Any:
        """Return the model's loss and logits, by autocast in bf16."""
        with torch.autocast(self.ids.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            return model(self.ids, self.mask, self.labels)


def measure(setting: Setting, work: Work) -> Measurement:
    """Train and evaluate a work the plain way."""
    found = Measurement()
    texts = read_texts(setting, found, limit=setting.limit)
    with found.phase("load"):
        model, classifier = load(texts, setting, work, freeze=False)
        model.to(setting.device)
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
            begun = clock(setting.device)
            _evaluate(model, texts, setting)
            found.add_evaluation(clock(setting.device) - begun)
        if step == setting.steps:
            break
        begun = clock(setting.device)
        rows = batch_rows(len(texts.labels["train"]), setting.batch_size, order, step)
        found.last_loss = _step(model, optimizer, _batch(texts, setting, "train", [int(row) for row in rows]))
        found.add_step(clock(setting.device) - begun)
    count_texts(found, setting, texts, work, classifier.lengths)
    return found


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    model.train()
    loss = batch.compute(model).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.item())


@torch.no_grad()
def _evaluate(model: torch.nn.Module, texts: Texts, setting: Setting) -> float:
    """Return the accuracy on test."""
    model.eval()
    rows = range(len(texts.labels["test"]))
    right = 0
    for start in rows[:: setting.batch_size]:
        batch = _batch(texts, setting, "test", list(rows[start : start + setting.batch_size]))
        right += int((batch.compute(model).logits.argmax(dim=1) == batch.labels).sum())
    return right / len(rows)


def _batch(texts: Texts, setting: Setting, split: str, rows: list[int]) -> Batch:
    pad = texts.tokenizer.pad_token_id
    assert isinstance(pad, int)
    ids, mask = collate([texts.ids[split][row] for row in rows], pad, "right")  # type: ignore[misc]  # lists will do
    labels = torch.from_numpy(texts.labels[split][rows])
    return Batch(ids.to(setting.device), mask.to(setting.device), labels.to(setting.device), setting.precision)
