"""The norm of the head is kept of every stage, and is that of the head among its weights."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from tuneoff.evidence import build_results
from tuneoff.running import compute_study


def norm_of_head(store, record):
    """Of the stored weights those of the head, as one vector."""
    weights = load_file(store.weights(record.address))
    parts = [np.asarray(value, dtype=np.float64).ravel() for name, value in weights.items() if name.startswith("head")]
    assert parts
    return np.linalg.norm(np.concatenate(parts))


def test_it_is_that_of_the_stored_head_and_a_next_stage_starts_from_it(study, listener, tmp_path):
    store = compute_study(study(["linear-probe+lora", "knn", "logistic-regression"]), tmp_path / "out", listener())
    records = {record.address.chain: record for record in store.records()}
    for chain in ("linear-probe", "linear-probe+lora", "logistic-regression"):
        assert records[chain].head_norm == pytest.approx(norm_of_head(store, records[chain]), rel=1e-6)
    assert records["knn"].head_norm is None  # it keeps rows of train there
    results = build_results(store)
    details = {row["technique"]: row["head_norms"] for row in results["details"]}
    first, last = details["linear-probe+lora"]
    assert (first["chain"], last["chain"]) == ("linear-probe", "linear-probe+lora")
    assert first["norm"]["mean"] == records["linear-probe"].head_norm
    assert last["norm"]["mean"] == records["linear-probe+lora"].head_norm
    assert details["knn"][0]["norm"]["mean"] is None
