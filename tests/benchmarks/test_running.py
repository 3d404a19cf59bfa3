"""The benchmark as a command: its order of processes, its resuming, its results."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.__main__ import _parser, make_setting
from benchmarks.arithmetic import Whole
from benchmarks.parts import ROOT, order, run_all
from benchmarks.result import summarize, table
from benchmarks.setting import Setting, evaluation_steps
from tuneoff.reading import study_from_mapping


def setting(*arguments):
    return make_setting(_parser().parse_args([*arguments]))


def test_the_whole_is_46_steps_of_the_study_of_2025_and_three_evaluations():
    chosen = setting("--whole", "--data", ".")
    assert (chosen.steps, chosen.batch_size, chosen.limit) == (46, 24, None)
    assert evaluation_steps(chosen.steps, chosen.eval_every) == [0, 23, 46]
    assert len(evaluation_steps(chosen.whole_steps, chosen.whole_eval_every)) == 20


def test_our_side_gets_the_same_rates_as_the_peers():
    chosen = setting("--whole")
    for work in chosen.works:
        study = study_from_mapping(chosen.study(work, [0]))
        assert study.techniques[0].settings == chosen.techniques[work]
        assert study.protocol.weight_decay == chosen.protocol["weight_decay"]
        assert study.protocol.max_grad_norm == "off"


def test_ours_follows_each_peer_where_they_alternate():
    names = [place.name for place in order(setting("--whole", "--works", "full"))]
    assert names == [
        "full.notebook.1",
        "full.tuneoff.1",
        "full.trainer.2",
        "full.tuneoff.2",
        "full.trainer-grouped.3",
        "full.tuneoff.3",
    ]


def test_ours_comes_once_in_the_short_version():
    assert [place.peer for place in order(setting("--works", "full"))] == ["notebook", "tuneoff", "trainer"]


def test_a_setting_comes_back_from_its_file(tmp_path):
    chosen = setting("--whole")
    chosen.save(tmp_path / "setting.json")
    assert Setting.load(tmp_path / "setting.json") == chosen
    assert replace(chosen, threads=chosen.threads + 1).digest != chosen.digest


def test_results_name_no_place_of_this_machine(tmp_path):
    chosen = setting("--data", str(tmp_path), "--model", str(tmp_path))
    assert str(tmp_path) not in json.dumps({**chosen.described(), "model": ""})
    assert "/" not in chosen.described()["model"]


def fabricated(chosen):
    parts = []
    for place in order(chosen):
        speed = 1.0 if place.peer == "tuneoff" else 4.0
        parts.append(
            {
                "setting": chosen.digest,
                "work": place.work,
                "peer": place.peer,
                "turn": place.turn,
                "wall": 10.0 + 5 * speed,
                "seconds": {"load": 1, "tokenize": 1, "features": 0, "training": 4 * speed, "evaluation": speed}
                | {"apart": 2},
                "steps": [speed] * 4,
                "evaluations": [speed / 2] * 2,
                "tokens": {"training": 400, "evaluation": 200, "features": 0},
                "flops": {"training": 10**9, "evaluation": 10**8, "features": 0},
                "matmul_flops_per_second": [1e9, 1e9],
                "trained_parameters": 1,
                "last_loss": 0.7,
                "further_seed": None,
                "peak": int(speed * 10**9),
                "stage_peak": None,
                "git": {"commit": "0", "dirty": False},
                "time": "2026-01-01T00:00:00+00:00",
            }
        )
    return parts


WHOLE = Whole(437, 20, 100.0, 100, 1000)


def test_results_have_the_environment_each_part_and_a_table():
    chosen = setting("--works", "full", "lora")
    results = summarize(chosen, WHOLE, fabricated(chosen), "TERRa", "a model")
    assert results["environment"]["packages"]["torch"]
    assert len(results["parts"]) == len(order(chosen)) and "setting" not in results["parts"][0]
    assert any("scaled" in note for note in results["notes"])
    text = table(results)
    assert "| full | notebook |" in text and "| full | trainer |" in text
    row = next(row for row in results["rows"] if row["peer"] == "notebook")
    assert row["step_seconds_ratio"] == pytest.approx(4)
    assert row["peak_bytes_ratio"] == pytest.approx(4)


def test_parts_from_another_commit_are_told_of():
    chosen = setting("--works", "full")
    parts = fabricated(chosen)
    parts[0]["git"] = {"commit": "1", "dirty": False}
    assert any("different commits" in note for note in summarize(chosen, WHOLE, parts, "t", "m")["notes"])


def test_the_chart_shows_each_peer_with_its_ratio():
    from benchmarks.chart import chart_svg

    chosen = setting("--works", "full", "lora")
    svg = chart_svg(summarize(chosen, WHOLE, fabricated(chosen), "TERRa", "a model"))
    assert "trainer" in svg and "4.0×" in svg


def test_finished_processes_are_not_run_again(tmp_path, monkeypatch):
    chosen = setting("--works", "full")
    for place, part in zip(order(chosen), fabricated(chosen), strict=True):
        (tmp_path / f"{place.name}.json").write_text(json.dumps(part), encoding="utf-8")
    monkeypatch.setattr("benchmarks.parts._run", lambda *_: pytest.fail("ran"))
    assert len(run_all(chosen, WHOLE, tmp_path)) == len(order(chosen))


def test_parts_of_another_setting_are_run_again(tmp_path, monkeypatch):
    chosen = setting("--works", "full")
    parts = dict(zip(order(chosen), fabricated(chosen), strict=True))
    for place, part in parts.items():
        (tmp_path / f"{place.name}.json").write_text(json.dumps(part | {"setting": "another"}), encoding="utf-8")
    ran = []
    monkeypatch.setattr("benchmarks.parts._run", lambda _s, _f, place: ran.append(place) or parts[place])
    run_all(chosen, WHOLE, tmp_path)
    assert ran == order(chosen)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "works", "peers"),
    [
        ("roberta", ["linear-probe", "full"], ["notebook", "trainer-grouped"]),
        ("qwen3", ["lora"], ["notebook", "trainer"]),
    ],
)
def test_a_tiny_benchmark_from_end_to_end(family, works, peers, model_folder, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--model", str(model_folder(family)), "--out", str(tmp_path)]
    size = ["--steps", "2", "--batch", "4", "--limit", "12", "--matmul", "64", "--threads", "1"]
    subprocess.run([*command, *size, "--works", *works, "--peers", *peers], cwd=ROOT, check=True, capture_output=True)
    results = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    parts = {(part["work"], part["peer"]): part for part in results["parts"]}
    for work in set(works) - {"linear-probe"}:
        theirs, ours = parts[work, "notebook"], parts[work, "tuneoff"]
        assert theirs["tokens"] == ours["tokens"]
        assert theirs["flops"] == ours["flops"]
    for (work, peer), part in parts.items():
        assert part["trained_parameters"] == parts[work, "tuneoff"]["trained_parameters"], (work, peer)
        assert part["peak"] > 0
    if "linear-probe" in works:
        assert parts["linear-probe", "tuneoff"]["further_seed"] > 0
    assert (tmp_path / "bench.svg").is_file()
    assert not (tmp_path / "parts").exists()
