"""The peak of what runs inside, measured in a process of its own, where nothing else allocates."""

import json
import subprocess
import sys
import time

import psutil
import pytest
import torch

from tuneoff import c_library
from tuneoff.training import memory
from tuneoff.training.memory import PeakMemory, release

MB = 10**6
# Memory is counted where it is written to; each case runs with and without `keep_freed_memory`, as a study has it,
# and with what a limit on memory puts in its place.
CODE = """
import json, sys, psutil, torch
from tuneoff.training.memory import PeakMemory, keep_freed_memory, release, return_freed_memory
if sys.argv[1] != "plain":
    keep_freed_memory()
if sys.argv[1] == "return":
    return_freed_memory()
resident = lambda: psutil.Process().memory_info().rss
cpu = torch.device("cpu")
before = torch.ones(100_000_000)  # 400 MB that were there before, and are gone
del before
release()
start = resident()
with PeakMemory(cpu) as nothing:
    pass
with PeakMemory(cpu) as some:
    inside = torch.ones(50_000_000)  # 200 MB, freed before the end
    del inside
freed = resident()
with PeakMemory(cpu) as after:
    pass
print(json.dumps({"start": start, "nothing": nothing.bytes, "some": some.bytes, "freed": freed, "after": after.bytes}))
"""


@pytest.mark.parametrize("mode", ["keep", "plain", "return"])
def test_the_peak_sees_what_is_made_and_freed_inside_and_nothing_of_before(mode):
    done = subprocess.run([sys.executable, "-c", CODE, mode], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert abs(seen["nothing"] - seen["start"]) < 20 * MB
    assert 190 * MB < seen["some"] - seen["nothing"] < 230 * MB
    assert abs(seen["after"] - seen["nothing"]) < 20 * MB
    held = seen["freed"] - seen["start"]  # before memory is released
    assert held > 150 * MB if mode == "keep" else held < 20 * MB


@pytest.mark.parametrize("counted", [True, False])
def test_counted_by_the_kernel_or_sampled_it_sees_what_is_held_for_a_moment(monkeypatch, counted):
    if not counted:
        monkeypatch.setattr(memory, "_reset_high_water", lambda: False)
    release()
    before = psutil.Process().memory_info().rss
    with PeakMemory(torch.device("cpu")) as peak:
        inside = torch.ones(25_000_000)
        time.sleep(0.2)  # four samples
        del inside
    assert 90 * MB < peak.bytes - before < 130 * MB


def test_it_is_told_with_its_kind():
    with PeakMemory(torch.device("cpu")) as peak:
        pass
    assert peak.as_json() == {"bytes": peak.bytes, "kind": "resident set of the process"} and peak.bytes > 10 * MB


def test_an_error_inside_comes_out_and_ends_the_measure(monkeypatch):
    monkeypatch.setattr(memory, "_reset_high_water", lambda: False)
    with pytest.raises(ZeroDivisionError), PeakMemory(torch.device("cpu")) as peak:
        raise ZeroDivisionError
    assert not peak._sampler.is_alive()


def test_release_works_without_glibc(monkeypatch):
    monkeypatch.setattr(c_library.sys, "platform", "darwin")
    release()
