"""What a GPU computes, beside the CPU. Skipped where there is none."""

from time import perf_counter

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tuneoff.running import compute_study
from tuneoff.store import Store
from tuneoff.training.state import Interrupted

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")

WITHOUT_DROPOUT = {"name": "lora", "use": "lora", "dropout": 0.0}
TECHNIQUES = ["linear-probe", "full", WITHOUT_DROPOUT, "linear-probe+lora", "linear-probe+full"]


@pytest.fixture
def run(study, listener, tmp_path):
    """Return a function that runs a study in a folder and returns its store."""

    def go(folder, techniques=("full",), family="qwen3", watcher=None, **settings):
        read = study(techniques, family=family, **{"device": "cuda", "precision": "fp32"} | settings)
        return compute_study(read, tmp_path / folder, watcher or listener())

    return go


def losses(store: Store) -> dict[str, list[float]]:
    return {record.address.chain: [row["loss"] for row in store.history(record.address)] for record in store.records()}


def logits(store: Store) -> dict[str, np.ndarray]:
    found = {}
    for record in store.records():
        frame = store.predictions(record.address)
        found[record.address.chain] = np.stack(frame["logits"].to_list())
    return found


@pytest.mark.parametrize("family", ["qwen3", "gemma3", "llama"])
def test_in_fp32_it_gives_what_the_cpu_gives(run, family):
    here = run("cpu", TECHNIQUES, family, device="cpu")
    there = run("gpu", TECHNIQUES, family)
    assert {record.machine["device"] for record in there.records()} == {"cuda"}
    for chain, values in losses(here).items():
        np.testing.assert_allclose(losses(there)[chain], values, rtol=2e-4, atol=2e-5)
    for chain, values in logits(here).items():
        np.testing.assert_allclose(logits(there)[chain], values, rtol=2e-3, atol=2e-4)


def test_bf16_is_near_and_the_weights_stay_fp32(run):
    exact, near = run("fp32", TECHNIQUES), run("bf16", TECHNIQUES, precision="auto")
    assert {record.machine["precision"] for record in near.records()} == {"bf16"}
    for chain, values in losses(exact).items():
        np.testing.assert_allclose(losses(near)[chain], values, rtol=5e-2, atol=2e-2)
    for record in near.records():
        kept = near.weights(record.address)
        assert kept is not None and {value.dtype for value in load_file(kept).values()} == {torch.float32}


def test_the_token_budget_is_chosen_recorded_and_changes_nothing(run):
    chosen, small = run("chosen"), run("small", micro_tokens=30)
    (record,) = chosen.records()
    assert record.machine["micro_tokens"] > 1000
    for chain, values in losses(chosen).items():
        np.testing.assert_allclose(losses(small)[chain], values, rtol=2e-4, atol=2e-5)


def test_a_second_run_on_the_same_card_gives_the_same(run):
    first, second = run("first", TECHNIQUES), run("second", TECHNIQUES)
    for chain, values in logits(first).items():
        np.testing.assert_allclose(logits(second)[chain], values, rtol=1e-5, atol=1e-6)


def test_stopped_and_continued_it_ends_as_undisturbed(run, listener):
    whole = run("whole")
    with pytest.raises(Interrupted):
        run("parts", watcher=listener(stop_after=4))
    parts = run("parts")
    np.testing.assert_allclose(logits(parts)["full"], logits(whole)["full"], rtol=1e-5, atol=1e-6)


def test_the_waiting_for_the_gpu_is_in_the_seconds_of_training(run):
    begun = perf_counter()
    store = run("timed", steps=40, eval_every=40)
    wall = perf_counter() - begun
    (record,) = store.records()
    assert 0 < record.seconds["training"] < wall
    rows = [row for row in store.history(record.address) if row["event"] == "train"]
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    assert record.peak_memory["kind"] == "allocated on the GPU" and record.peak_memory["bytes"] > 0


def test_in_4_bits_it_gives_what_the_cpu_gives(run):
    pytest.importorskip("bitsandbytes")
    named = {"family": "wide-qwen3", "model": {"load": "4bit"}}
    techniques = ["linear-probe", {**WITHOUT_DROPOUT, "name": "linear-probe+lora", "use": "linear-probe+lora"}]
    here = run("cpu", techniques, device="cpu", **named)
    there = run("gpu", techniques, **named)
    for chain, values in losses(here).items():
        np.testing.assert_allclose(losses(there)[chain], values, rtol=2e-3, atol=2e-4)
