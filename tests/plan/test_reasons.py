"""Why a stage would run."""

import math
from dataclasses import replace

import pytest
import torch

from tuneoff.files import digest
from tuneoff.store import StageRecord, Store

THREE = ["linear-probe", "linear-probe+lora", "linear-probe+lora+full"]


def chains(plan):
    return [stage.address.chain for stage in plan.stages]


def ended(store, stage, *, weights=True, **changes):
    """Put a stage into the store as if it had been computed."""
    record = StageRecord(
        address=stage.address,
        status="done",
        parent=stage.parent.chain if stage.parent else None,
        technique=stage.spec.technique,
        key=stage.key,
        key_parts=stage.key_parts,
        settings={},
        budget={},
        parameters={},
        seconds={},
        seconds_alone={},
        tokens={},
        peak_memory={},
        machine={},
        started="",
        ended="",
    )
    store.finish(replace(record, **changes), [], None, {"head.weight": torch.zeros(1)} if weights else None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def states(plan):
    return {stage.address.chain: stage.reason.state for stage in plan.stages}


def test_nothing_there_is_missing_and_a_begun_folder_is_incomplete(plan, store):
    (stage,) = plan(store=store).stages
    assert str(stage.reason) == "missing" and stage.reason.runs
    store.folder(stage.address).mkdir(parents=True)
    (stage,) = plan(store=store).stages
    assert str(stage.reason) == "incomplete: begun, not finished" and stage.reason.runs


def test_a_record_without_its_mark_is_incomplete(plan, store):
    (stage,) = plan(store=store).stages
    ended(store, stage)
    (store.folder(stage.address) / "DONE").unlink()
    assert states(plan(store=store)) == {"linear-probe": "incomplete"}


def test_a_failed_stage_says_why_and_runs_again(plan, store):
    (stage,) = plan(store=store).stages
    ended(store, stage, weights=False, status="failed", failure={"reason": "out of memory: 3 GB", "step": 2})
    (stage,) = plan(store=store).stages
    assert str(stage.reason) == "failed: out of memory: 3 GB" and stage.reason.runs


def test_a_changed_stage_says_what_changed_from_what_to_what(plan, store):
    for stage in plan(["linear-probe", "linear-probe+lora"], store=store).stages:
        ended(store, stage)
    assert set(states(plan(["linear-probe", "linear-probe+lora"], store=store)).values()) == {"done"}
    after = plan(
        [{"name": "linear-probe", "learning_rate": 0.5}, {"name": "linear-probe+lora", "rank": 4}],
        store=store,
        steps=7,
        model={"prefix": "query: "},
    )
    probe, lora = after.stages
    assert probe.reason.state == lora.reason.state == "changed"
    told = set(str(probe.reason).removeprefix("changed: ").split(", "))
    assert told == {
        "model.prefix  -> query: ",
        "settings.learning_rate 0.001 -> 0.5",
        "optimization.learning_rate 0.001 -> 0.5",
        "budget.steps 6 -> 7",
    }
    assert "settings.rank 8 -> 4" in str(lora.reason) and str(lora.reason).endswith(", parent")


def test_a_stage_changed_and_failed_is_told_as_changed(plan, store):
    (stage,) = plan(store=store).stages
    parts = dict(stage.key_parts) | {"precision": "bf16"}
    ended(store, stage, key=digest(parts), key_parts=parts, status="failed", failure={"reason": "x"}, weights=False)
    assert str(plan(store=store).stages[0].reason) == "changed: precision bf16 -> fp32"


def test_done_stages_whose_weights_are_needed_run_again(plan, store):
    for stage in plan(THREE, store=store).stages[:2]:
        ended(store, stage, weights=False)
    assert states(plan(THREE[:2], store=store)) == {"linear-probe": "done", "linear-probe+lora": "done"}
    after = plan(THREE, store=store)
    assert states(after) == {
        "linear-probe": "needed",
        "linear-probe+lora": "needed",
        "linear-probe+lora+full": "missing",
    }
    assert "weights were not kept" in str(after.stages[0].reason) and chains(after) == THREE
    assert len(after.to_run) == 3


def test_every_stage_before_one_that_runs_has_to_have_its_weights(plan, store):
    """The third stage is built from the weights of the first and of the second."""
    first, second, _ = plan(THREE, store=store).stages
    ended(store, first, weights=False)
    ended(store, second)
    assert list(states(plan(THREE, store=store)).values()) == ["needed", "done", "missing"]


def test_another_seeds_weights_are_left_alone(plan, store):
    for stage in plan(THREE[:2], store=store, seeds=2).stages:
        ended(store, stage, weights=False)
    assert {stage.reason.state for stage in plan(THREE[:2], store=store, seeds=2).stages} == {"done"}
    after = plan(THREE[:2], store=store, seeds=3)
    assert [stage.reason.state for stage in after.stages] == ["done"] * 4 + ["missing"] * 2


def test_a_plan_without_a_store_computes_all(plan):
    assert math.prod(stage.reason.state == "missing" for stage in plan(THREE).stages) == 1
