"""What is known of a study's models and tasks, kept in its run directory for the report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneoff.models.classifier import build_meta
from tuneoff.models.resolve import describe as describe_model
from tuneoff.store import Store
from tuneoff.tasks import describe as describe_task
from tuneoff.training.workplace import Lengths, Workplace

if TYPE_CHECKING:
    from tuneoff.running import Prepared


def describe_study(prepared: "Prepared", store: Store) -> None:
    """Keep what is known of the models and their tasks in the store, for the report."""
    for (model_name, name, fold), place in prepared.places.items():
        if fold:  # the first describes what all share
            continue
        meta = build_meta(place.model, len(place.data.classes))
        classes = {len(one.data.classes) for (model, *_), one in prepared.places.items() if model == model_name}
        heads = sum(value.numel() for value in meta.head_parameters().values())
        counts = {
            "parameters": sum(value.numel() for value in meta.backbone_parameters().values()),
            "head_parameters": heads if len(classes) == 1 else None,  # tasks with other classes have other heads
        }
        store.describe_model(model_name, {**describe_model(place.model), **counts})
        places = [one for (*of, _), one in prepared.places.items() if of == [model_name, name]]
        store.describe_task(model_name, name, _with_tokens(describe_task(prepared.tasks[name].whole), places))
        if len(prepared.tasks) > 1:
            for one in places:
                one.put_away()


def _with_tokens(description: dict[str, Any], places: Sequence[Workplace]) -> dict[str, Any]:
    """Add to each labelled split how long its texts are in this model's tokens, and which share was cut.

    Of several folds train and dev are the first one's, and test is what they hold out together.
    """
    found = dict(places[0].read())
    if len(places) > 1:
        held_out = [place.read()["test"] for place in places]
        found["test"] = Lengths(np.concatenate([one.lengths for one in held_out]), sum(one.cut for one in held_out))
    for split, one in found.items():
        lengths = sorted(one.lengths.tolist())
        description["splits"][split]["tokens"] = {
            "mean": one.mean,
            "median": lengths[len(lengths) // 2],
            "max": lengths[-1],
            "cut": one.cut / len(lengths),
        }
    return description
