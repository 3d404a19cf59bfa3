"""Values of a study that code checks, each with what a schema says of it: seeds, a norm, a size of memory."""

import re
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import AfterValidator, WithJsonSchema

MOST_SEEDS = 1000
SIZE = re.compile(r"((?=[0-9.]*[1-9])[0-9]+(?:\.[0-9]+)?) ?(MB|GB|MiB|GiB)")
UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}


def _written_out(value: int | list[int]) -> list[int]:
    if isinstance(value, int):
        if not 1 <= value <= MOST_SEEDS:
            raise ValueError(f"a count of seeds is between 1 and {MOST_SEEDS}")
        return list(range(value))
    if not value or len(set(value)) < len(value):
        raise ValueError("a list needs at least one seed, and each once")
    return value


def _size(value: str) -> str:
    if not SIZE.fullmatch(value):
        raise ValueError("give a number and a unit (MB, GB, MiB or GiB), such as '12 GB'")
    return value


def in_bytes(size: str) -> int:
    """Return the bytes of a size such as '12 GB', which was checked."""
    found = SIZE.fullmatch(size)
    assert found is not None
    return round(float(found[1]) * UNITS[found[2]])


_SEED_LIST = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True}
_SEED_COUNT = {"type": "integer", "minimum": 1, "maximum": MOST_SEEDS}
Seeds = Annotated[
    int | list[Annotated[int, Ge(0)]],
    AfterValidator(_written_out),
    WithJsonSchema({"anyOf": [_SEED_COUNT, _SEED_LIST]}),
]
Norm = Annotated[
    float | Literal["off"], WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "off"}]})
]
MemorySize = Annotated[str, AfterValidator(_size), WithJsonSchema({"type": "string", "pattern": f"^{SIZE.pattern}$"})]
