"""What a run directory holds, to be held against another."""

import pytest
from safetensors.torch import load_file


def without_times(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.fixture
def outcome():
    """Return a function that gives all that a run directory holds of its stages, timings aside."""

    def found(store):
        return {
            record.address: (
                record.key,
                without_times(store.history(record.address)),
                store.predictions(record.address).to_dict("list"),
                {name: value.tolist() for name, value in load_file(store.weights(record.address)).items()},
            )
            for record in store.records()
        }

    return found
