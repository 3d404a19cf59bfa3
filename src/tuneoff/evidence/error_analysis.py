"""Which errors techniques make: confusion matrices, and the test examples that some have right and others wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.answers import Answers
from tuneoff.evidence.metrics import count_answers
from tuneoff.evidence.task_files import KeptRows, KeptTexts

MOST_CLASSES = 30  # a matrix of more is no longer looked at, and its numbers grow with their square
MOST_SHOWN = 40


def analyse(
    found: Mapping[str, Answers], classes: int, most: int, kept: KeptRows | None, texts: KeptTexts | None
) -> dict[str, Any]:
    """Return the errors of a model's techniques on a task, as JSON values (see `error_analysis` in the schema).

    Techniques that were measured on other examples than the first are left out of the disagreements. A technique has
    an example right if more than half of its seeds have. Examples on which techniques disagree are those that some have
    right and some do not; `most` of them are shown, those first where the shares of seeds that are right vary most
    over techniques.
    """
    known = {name: one for name, one in found.items() if one.given is not None and one.labels is not None}
    alike = _alike(known)
    rows = next(iter(alike.values())).examples if alike else np.zeros(0, np.int64)
    shares = np.array([one.right.mean(axis=0) for one in alike.values()]).reshape(len(alike), len(rows))
    right = shares > 0.5
    differs: NDArray[np.bool_] = np.logical_and(right.any(axis=0), ~right.all(axis=0))
    slices = _slices(rows, kept)
    return {
        "confusion": {name: confusion(one, classes) for name, one in known.items()},
        "techniques": list(alike),
        "examples": len(rows),
        "all_right": int(right.all(axis=0).sum()) if alike else 0,
        "none_right": int((~right.any(axis=0)).sum()) if alike else 0,
        "disagreed": int(differs.sum()),
        "slices": {name: _by_value(values, right, differs) for name, values in slices.items()},
        "shown": [_example(place, alike, slices, texts) for place in _chosen(shares, differs, most)],
    }


def confusion(one: Answers, classes: int) -> dict[str, Any] | None:
    """Return how often each answer (column) was given to examples of each label (row), over all seeds.

    None for more than MOST_CLASSES classes, and where the classes are not those of the answers.
    """
    assert one.given is not None and one.labels is not None
    if not max(one.given.max(), one.labels.max()) < classes <= MOST_CLASSES:
        return None
    labels = np.broadcast_to(one.labels, one.given.shape)
    return {"seeds": len(one.seeds), "counts": count_answers(labels.ravel(), one.given.ravel(), classes).tolist()}


def _alike(found: Mapping[str, Answers]) -> dict[str, Answers]:
    """The techniques that were measured on the same examples as the first."""
    first = next(iter(found.values()), None)
    return {name: one for name, one in found.items() if first and np.array_equal(one.examples, first.examples)}


def _chosen(shares: NDArray[np.float64], differs: NDArray[np.bool_], most: int) -> list[int]:
    places = np.flatnonzero(differs)
    spread = shares[:, places].var(axis=0).round(12) if len(places) else np.zeros(0)  # equal ones stay in their order
    return [int(place) for place in places[np.argsort(-spread, kind="stable")][:most]]


def _slices(rows: NDArray[np.int64], kept: KeptRows | None) -> dict[str, list[str]]:
    """The values of each slice column in the order of the examples; empty where they are not known for all."""
    if kept is None:
        return {}
    places = {row: place for place, row in enumerate(kept.rows)}
    if not all(row in places for row in rows.tolist()):
        return {}
    order = [places[row] for row in rows.tolist()]
    return {name: [str(values[place]) for place in order] for name, values in kept.slices.items()}


def _by_value(values: Sequence[str], right: NDArray[np.bool_], differs: NDArray[np.bool_]) -> list[dict[str, Any]]:
    column = np.array(values)
    found = []
    for value in dict.fromkeys(sorted(values)):
        here = column == value
        none = ~right[:, here].any(axis=0)
        counts = {"examples": here.sum(), "disagreed": differs[here].sum(), "none_right": none.sum()}
        found.append({"value": value, **{name: int(n) for name, n in counts.items()}})
    return found


def _example(
    place: int, found: Mapping[str, Answers], slices: Mapping[str, Sequence[str]], texts: KeptTexts | None
) -> dict[str, Any]:
    one = next(iter(found.values()))
    assert one.labels is not None
    row = int(one.examples[place])
    return {
        "row": row,
        "label": int(one.labels[place]),
        "texts": None if texts is None else texts.get(row),
        "slices": {name: values[place] for name, values in slices.items()},
        "answers": {name: _counted(answers, place) for name, answers in found.items()},
    }


def _counted(one: Answers, place: int) -> dict[str, int]:
    """How many seeds gave each class, by its number, the commonest first."""
    assert one.given is not None
    classes, counts = np.unique(one.given[:, place], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(classes[n]): int(counts[n]) for n in order}
