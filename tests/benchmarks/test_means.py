"""The benchmark of single means: what it switches, and that it measures steps."""

import json

import pytest

from benchmarks import means


def test_nothing_switches_all_off_and_all_switches_on_what_each_does():
    assert means.MEANS["nothing"] == {}
    alone = [switches for name, switches in means.MEANS.items() if name not in ("nothing", "all")]
    together = {key: value for switches in alone for key, value in switches.items()}
    assert means.MEANS["all"] == together and together.keys() == means.OFF.keys()


@pytest.mark.usefixtures("no_figures")
def test_a_variant_gives_seconds_a_step_and_peak_memory(model_folder, monkeypatch, capsys):
    asked = ["full", {**means.OFF, **means.MEANS["compact vocabulary"]}, str(model_folder("bert")), None, 3]
    monkeypatch.setattr("sys.argv", ["means", json.dumps(asked)])
    monkeypatch.setenv("TUNEOFF_CACHE", "")
    means.measure()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < found["step"] < 60 and found["peak"] > 1e8
