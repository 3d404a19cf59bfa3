"""Loading what was written, by the class that the folder is for, and comparing its logits with the classifier's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneoff.exporting.form import BASE, Form, NotExportableError
from tuneoff.exporting.head import HEAD, head_logits
from tuneoff.exporting.virtual import hidden_states
from tuneoff.trained import TrainedClassifier
from tuneoff.words import shortened

TOLERANCE = 1e-4  # of the logits' norm: float32 in another order of operations differs by 1e-5 and less
SHORT = ("a", "a b c d e")

Columns = tuple[list[str], ...]


@dataclass(frozen=True)
class Computed:
    """What is made of some rows: logits [B, C], and the vectors [B, H] under the head; None where a class has them."""

    logits: Any
    vectors: Any | None

    def difference(self, other: "Computed") -> float:
        """Return by how much two differ, as a share of the norm: the logits, or the vectors if they differ more.

        Votes hide what vectors show.
        """
        pairs = [(self.logits, other.logits)]
        if self.vectors is not None and other.vectors is not None:
            pairs.append((self.vectors, other.vectors))
        return max(float((one - two).norm() / two.norm().clamp(min=1e-6)) for one, two in pairs)


def expected(trained: TrainedClassifier, columns: Columns) -> Computed:
    """Return what the classifier itself makes of rows of texts, padded on the right."""
    import torch

    from tuneoff.models.pairs import pair_features
    from tuneoff.models.text import collate, load_tokenizer, tokenize

    classifier, tokenizer = trained.classifier, load_tokenizer(trained.model)
    batches = [
        collate(tokenize(trained.model, tokenizer, part).ids, classifier.pad_id, "right")
        for part in _parts(trained, columns)
    ]
    with torch.no_grad():
        if classifier.head is None:
            return Computed(classifier(*batches[0]), None)
        found = [classifier.vectors(*batch) for batch in batches]
        vectors = pair_features(*found) if trained.technique.reads_pairs else found[0]
        return Computed(classifier.classify(vectors), vectors)


def check_written(
    folder: Path, trained: TrainedClassifier, form: Form, settings: dict[str, Any], columns: Columns, own: Computed
) -> float:
    """Return by how much what is computed with the files that were written differs from the classifier's own.

    Raises NotExportableError where that is more than rounding makes.
    """
    try:
        found = _written(folder, trained, form, settings, columns)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = shortened(" ".join(str(error).split()), 200)
        raise NotExportableError(f"{form.loader} cannot load or compute what was written ({reason}).") from error
    difference = found.difference(own)
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

    def is_cut(row: list[str]) -> bool:
        parts = _parts(trained, tuple([text] for text in row))
        return any(tokenize(trained.model, tokenizer, part).cut for part in parts)

    whole = [row for row in rows if not is_cut(row)]
    return tuple(map(list, zip(*whole, strict=True)))


def _parts(trained: TrainedClassifier, columns: Columns) -> list[Columns]:
    """Return what is read at once of rows of texts: all fields together, or each by itself for features of pairs."""
    return [(column,) for column in columns] if trained.technique.reads_pairs else [columns]


def _written(
    folder: Path, trained: TrainedClassifier, form: Form, settings: dict[str, Any], columns: Columns
) -> Computed:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    from tuneoff.models import backbones, quantised
    from tuneoff.models.pairs import pair_features
    from tuneoff.models.pooling import pool

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with backbones.quiet(), backbones.random_state_kept():
        model = _loaded(folder, form, settings).eval()
    quantised.settle(model)
    inputs = tokenizer(
        *_as_read(trained, columns),
        truncation=True,
        max_length=trained.model.max_length,
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        if form.classifies:
            return Computed(model(**inputs).logits, None)
        hidden = hidden_states(trained, model, inputs)
        vectors = pool(hidden, inputs["attention_mask"], trained.model.pooling)
        if trained.technique.reads_pairs:
            vectors = pair_features(*vectors.chunk(2))
        return Computed(head_logits(trained, load_file(folder / HEAD), vectors), vectors)


def _loaded(folder: Path, form: Form, settings: dict[str, Any]) -> Any:
    """Return the model that a folder's class loads; an adapter is put on its base, which is loaded with it."""
    import peft
    import transformers

    if form.beside:
        auto = getattr(transformers, form.base.loader)
        base = auto.from_pretrained(folder / BASE, use_safetensors=True, **settings)
        return peft.PeftModel.from_pretrained(base, folder, use_safetensors=True)
    return getattr(peft if form.adapter else transformers, form.loader).from_pretrained(
        folder, use_safetensors=True, **settings
    )


def _as_read(trained: TrainedClassifier, columns: Columns) -> Columns:
    """Return the texts as the tokenizer gets them: with prefix and, for a decoder, template.

    Where each is read by itself they are one column, all first texts before all second ones.
    """
    from tuneoff.models.text import joined

    model = trained.model
    if trained.technique.reads_pairs:
        columns = ([text for column in columns for text in column],)
    fields = tuple([model.prefix + text for text in column] for column in columns)
    return (joined(model, fields),) if model.is_decoder else fields
