"""Pooled vectors of a frozen backbone, computed once and kept in the user's cache folder."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tuneoff.errors import StoreError
from tuneoff.files import write_atomically


def cache_folder() -> Path:
    """Return the folder of all caches: $TUNEOFF_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("TUNEOFF_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("tuneoff")


@dataclass(frozen=True)
class Cost:
    """What computing vectors took: seconds of loading the model, of tokenizing and of computing, and real tokens."""

    load: float
    tokenize: float
    features: float
    tokens: int


@dataclass(frozen=True)
class Features:
    """Vectors [N, H] in fp32 by split, what computing them cost, and whether that was paid just now."""

    vectors: Mapping[str, Tensor]
    cost: Cost
    computed_now: bool


def cached_features(key: str, compute: Callable[[], Features]) -> Features:
    """Return the vectors known by a key, computing them where they are not in the cache."""
    path = cache_folder() / "features" / f"{key}.safetensors"
    if path.is_file():
        with safe_open(path, framework="pt") as file:
            cost = Cost(**json.loads(file.metadata()["cost"]))
            vectors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return Features(vectors, cost, computed_now=False)
    features = compute()
    header = {"cost": json.dumps(asdict(features.cost))}
    tensors = {name: vectors.cpu().contiguous() for name, vectors in features.vectors.items()}
    try:
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=header))
    except OSError as error:
        raise StoreError(
            f"{cache_folder()}: the cache cannot be written ({error.strerror}); set TUNEOFF_CACHE to a folder that can"
        ) from error
    return features
