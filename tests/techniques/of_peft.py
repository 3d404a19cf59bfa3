"""Techniques and studies of any of peft's types, for the tests of these."""

import pytest

from tuneoff.errors import StudyError
from tuneoff.reading import study_from_mapping
from tuneoff.techniques import get

# What a model of 32 numbers wide needs.
FITTING = {
    "C3A": {"block_size": 8},
    "ROAD": {"group_size": 8},
    "MISS": {"r": 8},
    "SHIRA": {"r": 4},
    "VBLORA": {"vector_length": 8, "num_vectors": 16},
    "WAVEFT": {"n_frequency": 100},
    "SUPERTUNING": {"sparsity": 0.9},
    "GRALORA": {"r": 8},
}


def study(*techniques):
    return study_from_mapping({"model": "m", "task": "mini_rte", "techniques": list(techniques)})


def complaints(**peft):
    with pytest.raises(StudyError) as caught:
        study({"name": "mine", "peft": peft})
    return str(caught.value)


def technique(kind, **fields):
    return get("peft")(get("peft").settings_class(peft={"type": kind, **FITTING.get(kind, {}), **fields}))
