"""What a study starts from where that is no plain pre-trained model: an adapter, or a model with a head of its own."""

from collections.abc import Sequence
from typing import Any

from tuneoff.models.resolve import ResolvedModel
from tuneoff.words import listed, visible

CLASSIFIES = "ForSequenceClassification"


def starting_notes(model: ResolvedModel, classes: Sequence[str]) -> list[str]:
    """Return sentences on what a model brings with it: an adapter that is merged, a head that is kept or left out."""
    notes = []
    if model.adapter is not None:
        kind = str(model.adapter.settings.get("peft_type")).lower()
        notes.append(f"{model.name} starts from the {kind} adapter '{model.source}' merged into '{_base(model)}'")
    if note := _head_note(model, classes):
        notes.append(note)
    return [visible(note) for note in notes]


def _base(model: ResolvedModel) -> str:
    assert model.adapter is not None
    return model.adapter.base.source


def _head_note(model: ResolvedModel, classes: Sequence[str]) -> str | None:
    if model.adapter is not None:
        if model.adapter.settings.get("task_type") != "SEQ_CLS":
            return None
        if model.head == "native":
            return f"{model.name}: the adapter's head is kept if it is for {len(classes)} labels, else made anew"
        return f"{model.name}: the adapter's own head is left out; `head: native` would start from it"
    config: Any = model.config
    if not any(name.endswith(CLASSIFIES) for name in config.architectures or ()):
        return None
    own = [str(config.id2label[number]) for number in sorted(config.id2label)]
    what = f"{model.name}: its own head, for {len(own)} labels,"
    if model.head == "linear":
        return f"{what} is left out; `head: native` would start from it"
    if len(own) != len(classes):
        return f"{what} is left out, since the task has {len(classes)}: a new one is made"
    order = "" if own == list(classes) else f" (by number they were {listed(own)}, and are now {listed(classes)})"
    return f"{what} is kept{order}"
