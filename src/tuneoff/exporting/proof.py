"""Loading what was written, by the class that the folder is for, and comparing its logits with the classifier's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneoff.exporting.form import Form, NotExportableError
from tuneoff.exporting.plain import HEAD
from tuneoff.trained import TrainedClassifier
from tuneoff.words import shortened

TOLERANCE = 1e-3  # of the logits' norm: float32 in another order of operations differs by 1e-5 and less
SHORT = ("a", "a b c d e")

Columns = tuple[list[str], ...]


def expected_logits(trained: TrainedClassifier, columns: Columns) -> Any:
    """Return the classifier's own logits [B, C] of rows of texts, padded on the right."""
    import torch

    from tuneoff.models.text import collate, load_tokenizer, tokenize

    ids = tokenize(trained.model, load_tokenizer(trained.model), columns).ids
    with torch.no_grad():
        return trained.classifier(*collate(ids, trained.classifier.pad_id, "right"))


def check_written(
    folder: Path, trained: TrainedClassifier, form: Form, settings: dict[str, Any], columns: Columns, expected: Any
) -> float:
    """Return by how much the logits of what was written differ, as a share of their norm.

    Raises NotExportableError where that is more than rounding makes.
    """
    try:
        logits = _written_logits(folder, trained, form, settings, columns)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = shortened(" ".join(str(error).split()), 200)
        raise NotExportableError(f"{form.loader} cannot load or compute what was written ({reason}).") from error
    difference = float((logits - expected).norm() / expected.norm().clamp(min=1e-6))
    if not difference < TOLERANCE:
        raise NotExportableError(
            f"{form.loader} computes other logits from these weights: they differ by {difference:.1g} of their size."
        )
    return difference


def probe_columns(trained: TrainedClassifier, task: Mapping[str, Any]) -> Columns:
    """Return rows of texts to compare with, a column a field: those that the run directory has, and short ones.

    Rows that are too long for the model are left out: a plain tokenizer cuts a decoder's text elsewhere.
    """
    from tuneoff.models.text import load_tokenizer, tokenize

    fields = task["text_fields"]
    rows = [[str(example["texts"][field]) for field in fields] for example in task["examples"]]
    rows += [list(SHORT[: len(fields)]), list(SHORT[::-1][: len(fields)])]
    tokenizer = load_tokenizer(trained.model)
    whole = [row for row in rows if not tokenize(trained.model, tokenizer, tuple([text] for text in row)).cut]
    return tuple(map(list, zip(*whole, strict=True)))


def _written_logits(
    folder: Path, trained: TrainedClassifier, form: Form, settings: dict[str, Any], columns: Columns
) -> Any:
    import peft
    import torch
    import transformers
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    from tuneoff.models import backbones, quantised
    from tuneoff.models.pooling import pool

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    auto = getattr(peft if form.adapter else transformers, form.loader)
    with backbones.quiet(), backbones.random_state_kept():
        model = auto.from_pretrained(folder, use_safetensors=True, **settings).eval()
    quantised.settle(model)
    inputs = tokenizer(
        *_as_read(trained, columns),
        truncation=True,
        max_length=trained.model.max_length,
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        outputs = model(**inputs)
    if form.classifies:
        return outputs.logits
    vectors = pool(outputs.last_hidden_state, inputs["attention_mask"], trained.model.pooling)
    return vectors @ load_file(folder / HEAD)["weight"].T


def _as_read(trained: TrainedClassifier, columns: Columns) -> Columns:
    """Return the texts as the tokenizer gets them: with prefix and, for a decoder, template."""
    from tuneoff.models.text import joined

    model = trained.model
    fields = tuple([model.prefix + text for text in column] for column in columns)
    return (joined(model, fields),) if model.is_decoder else fields
