"""How far training moved a model's representations: linear CKA between the vectors of test before and after."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.files import write_json
from tuneoff.store import StageAddress, Store, read_json

REPRESENTATION = "representation.json"
Vectors = NDArray[np.floating[Any]]


def linear_cka(before: Vectors, after: Vectors) -> float | None:
    """Return the linear centred kernel alignment of two sets of vectors (rows, sizes) of the same rows, from 0 to 1.

    Kornblith et al. (2019), Similarity of Neural Network Representations Revisited, ICML, section 3: |Y'X|^2 / (|X'X|
    |Y'Y|), Frobenius norms, columns centred. 1 means the same vectors but for rotation, one common factor and a shift.
    With fewer rows than numbers a vector it is too high. None where all rows of a set are equal, or a number is not
    finite.
    """
    x, y = (np.asarray(one, dtype=np.float64) for one in (before, after))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    size = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    if not size > 0:
        return None
    return min(1.0, float(np.linalg.norm(y.T @ x) ** 2 / size))  # rounding may end just above 1


def keep_representation(store: Store, address: StageAddress, found: dict[str, Any]) -> None:
    """Write what was found of a stage: `cka`, the number of `rows`, a `reason` if there is none, and the `key`."""
    write_json(store.folder(address) / REPRESENTATION, found)


def representation(store: Store, address: StageAddress, key: str | None) -> dict[str, Any] | None:
    """Return what was found of the stage with this key; None where nothing is known of it."""
    path = store.folder(address) / REPRESENTATION
    if not path.is_file():
        return None
    kept = read_json(path)
    return kept if kept.get("key") == key else None


def hand_on(store: Store, source: StageAddress, former: str, address: StageAddress, key: str) -> None:
    """Keep what was found of one stage for another, or under another key, that has the same weights."""
    found = representation(store, source, former)
    if found is not None:
        keep_representation(store, address, {**found, "key": key})
