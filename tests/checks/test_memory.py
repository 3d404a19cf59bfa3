import shutil
from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest
import torch

from tuneoff.checks import room as room_module
from tuneoff.checks.memory import Memory
from tuneoff.checks.room import need
from tuneoff.commands.plan import describe_plan
from tuneoff.footprint import costs_by_kind, kind_of, texts_of
from tuneoff.running import compute_study

CHECK = Memory()
GB = 10**9
Usage = namedtuple("Usage", "total used free")
ALL = ["full", "linear-probe", "lora", "linear-probe+full"]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that makes this a machine with some memory and disk, in bytes."""
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _: SimpleNamespace(rss=0))

    def make(total=64 * GB, free=60 * GB, disk=500 * GB, group=None):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total, available=free))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(500 * GB, 500 * GB - disk, disk))
        path = tmp_path / "memory.max"
        if group is not None:
            path.write_text(f"{group}\n")
        monkeypatch.setattr(room_module, "CGROUP_MAX", path)

    make()
    return make


@pytest.fixture
def gpu(machine, monkeypatch):
    """Return a function that makes a patient's device a GPU with some memory."""

    def on(made, total=16 * GB, free=15 * GB):
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=total))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, total))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
        for place in made.places:
            place.accelerator = SimpleNamespace(device=torch.device("cuda"))
        return made

    return on


def peak(made, chain="full"):
    """The predicted peak of a technique, as `tuneoff plan` tells it."""
    return next(one for one in predicted(made).items() if one[0].startswith(f"{chain} "))[1]


def predicted(made):
    return next(CHECK.of_study(made)).evidence["predicted"]


def test_what_fits_is_fine_with_the_peaks_that_the_plan_tells(patient, machine, tmp_path):
    made = patient(techniques=ALL)
    room, disk = CHECK.of_study(made)
    assert room.severity == disk.severity == "fine"
    told = describe_plan(made.prepared.read, tmp_path / "out")
    assert room.evidence["predicted"] == {
        f"{stage['chain']} (tiny-bert)": stage["peak_memory_bytes"] for stage in told["stages"]
    }
    assert room.evidence["total"] == 64 * GB and disk.evidence["kept"] == told["disk_bytes"]
    assert not made.store.root.exists()


def test_a_machine_with_less_memory_than_a_stage_takes_is_an_error(patient, machine):
    made = patient(techniques=ALL)
    needed = peak(made)
    machine(total=needed - 1, free=needed - 1)
    room, _ = CHECK.of_study(made)
    assert room.severity == "error" and "the machine has" in room.sentence and room.evidence["total"] == needed - 1
    machine(total=needed, free=needed)
    assert next(CHECK.of_study(made)).severity == "fine"


def test_a_container_that_may_take_less_is_an_error(patient, machine):
    made = patient(techniques=ALL)
    machine(group=peak(made) - 1)
    room, _ = CHECK.of_study(made)
    assert room.severity == "error" and "the control group has" in room.sentence
    machine(group="max")
    assert next(CHECK.of_study(made)).severity == "fine"


def test_memory_that_others_use_is_a_warning(patient, machine):
    made = patient(techniques=ALL)
    machine(free=peak(made) - 1)
    room, _ = CHECK.of_study(made)
    assert room.severity == "warning" and "are free now" in room.sentence


def test_what_this_process_takes_already_is_part_of_what_is_predicted(patient, machine, monkeypatch):
    made = patient(techniques=ALL)
    half = peak(made) // 2
    machine(free=half)
    assert next(CHECK.of_study(made)).severity == "warning"
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _: SimpleNamespace(rss=half + 1))
    assert next(CHECK.of_study(made)).severity == "fine"


def test_under_a_limit_smaller_micro_batches_may_do(patient, machine, monkeypatch):
    monkeypatch.setattr(room_module, "data_bytes", lambda: 200 * 10**6)
    made = patient(techniques=["full"])
    (place,), needed = made.places, peak(made)
    place.limit = needed
    assert next(CHECK.of_study(made)).severity == "fine"
    least = need(made.plan.stages[0], *parts(made)).least
    cost, texts, _ = parts(made)
    trained = cost.parameters["trained"] - cost.table.spared(texts.used)
    assert least == 200 * 10**6 + 3 * 4 * trained < needed
    severity = {}
    for place.limit in (least - 1, least, needed - 1):
        severity[place.limit] = next(CHECK.of_study(made))
    assert [one.severity for one in severity.values()] == ["error", "warning", "warning"]
    assert all("protocol.memory_limit has" in one.sentence for one in severity.values())


def parts(made):
    (place,) = made.places
    costs = costs_by_kind(made.plan, {place.model.name: place.model}, {made.task_name: 2})
    return costs[kind_of(made.plan.stages[0])], texts_of(place.tokens()), place


def test_on_a_gpu_the_error_is_for_what_no_smaller_batch_spares(patient, gpu):
    made = patient(techniques=["full"])
    room, _ = CHECK.of_study(gpu(made))
    assert room.severity == "fine" and room.evidence["set_by"] == "the GPU"
    cost, texts, place = parts(made)
    found = need(made.plan.stages[0], cost, texts, place)
    spared = cost.table.spared(texts.used)
    assert found.least == 4 * (cost.parameters["total"] - spared + 3 * (cost.parameters["trained"] - spared))
    longest = max(int(lengths.max()) for lengths in texts.lengths.values())
    assert found.peak > found.least + cost.per_token * longest  # the study's budget is more than one text
    made.places[0].automatic_budget = True
    assert need(made.plan.stages[0], cost, texts, place).peak == found.least + cost.per_token * longest
    severity = {
        total: next(CHECK.of_study(gpu(made, total, total))).severity for total in (found.least - 1, found.least)
    }
    assert list(severity.values()) == ["error", "warning"]
    assert next(CHECK.of_study(gpu(made, free=found.least))).severity == "warning"


def test_a_device_that_tells_nothing_of_its_memory_is_not_judged(patient, machine):
    made = patient()
    made.places[0].accelerator = SimpleNamespace(device=torch.device("mps"))
    room, _ = CHECK.of_study(made)
    assert room.severity == "fine" and room.sentence == "How much memory mps has is not known."


def test_a_full_disk_is_an_error_and_a_nearly_full_one_a_warning(patient, machine):
    made = patient(techniques=ALL, seeds=3)
    kept = list(CHECK.of_study(made))[1].evidence["kept"]
    full = made.prepared.questions[0].model
    trained = costs_by_kind(made.plan, {full.name: full}, {made.task_name: 2})
    assert kept == 3 * 4 * sum(cost.parameters["trained"] for cost in trained.values())
    cost, texts, _ = parts(made)
    moved = cost.parameters["trained"] - cost.table.spared(texts.used)
    assert list(CHECK.of_study(made))[1].evidence["checkpoint"] == 2 * 4 * 3 * moved  # weights and moments, twice
    found = {}
    for free in (kept - 1, kept, 100 * kept):
        machine(disk=free)
        found[free] = list(CHECK.of_study(made))[1]
    assert [one.severity for one in found.values()] == ["error", "warning", "fine"]
    assert "protocol.keep_weights" in found[kept - 1].advice and found[kept - 1].about == "disk"


def test_weights_that_are_not_kept_need_no_disk(patient, machine):
    machine(disk=0)
    none = list(CHECK.of_study(patient(techniques=ALL, keep_weights="none")))[1]
    assert (none.severity, none.evidence["kept"]) == ("warning", 0)  # a checkpoint still does


def test_activations_of_frozen_layers_count_within_the_caches_limit(patient, machine, monkeypatch):
    made = patient(techniques=[{"name": "top", "use": "top-layers", "layers": 1}])
    tokens = texts_of(made.places[0].tokens()).tokens
    assert list(CHECK.of_study(made))[1].evidence["cache"] == 4 * 32 * tokens
    monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", "1 kB")
    assert list(CHECK.of_study(made))[1].evidence["cache"] == 1000


def test_a_study_that_is_done_needs_nothing(patient, machine, listener):
    made = patient()
    compute_study(made.prepared.read, made.store.root, listener())
    machine(total=1, free=1, disk=0)
    (finding,) = CHECK.of_study(patient())
    assert finding.severity == "fine"


def test_nothing_is_trained_or_timed(patient, machine, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "__call__", lambda *_, **__: pytest.fail("a model was computed"))
    assert [one.severity for one in CHECK.of_study(patient(techniques=ALL))] == ["fine", "fine"]
