"""tuneoff from Python: the public names, a run and its result, the same from disk, and what is refused."""

import struct
import subprocess
import sys

import altair as alt
import pytest

import tuneoff
from tuneoff.errors import DataError, ExecutorError, ModelError, StoreError, StudyError, TuneoffError
from tuneoff.evidence.results import read_results
from tuneoff.store import Store

COLUMNS = [
    *("model", "task", "technique", "seed", "status", "accuracy", "loss", "macro_f1", "f1", "mcc", "ece"),
    *("trained_parameters", "total_parameters", "seconds", "peak_memory_bytes"),
]


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def parts(model_folder, write_rows, tmp_path, monkeypatch):
    """What a study is made of, as arguments of `tuneoff.run`."""
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    task = {"train": str(write_rows("train.jsonl", 41, seed=1)), "test": str(write_rows("test.jsonl", 17, seed=6))}
    task |= {"name": "pets", "text": ["premise", "hypothesis"], "label": "label"}
    protocol = {"steps": 2, "eval_every": 1, "batch_size": 8, "seeds": 2, "eval_on": "test", "threads": 1}
    return {"model": str(model_folder("bert")), "task": task, "techniques": ["linear-probe"], **protocol}


# The names


def test_the_public_names():
    assert tuneoff.__all__ == [
        *("DataError", "ExecutorError", "ModelError", "Result", "StoreError", "Study", "StudyError", "TuneoffError"),
        *("doctor", "export", "load", "predict", "run"),
    ]
    assert dir(tuneoff) == tuneoff.__all__
    for name in tuneoff.__all__:
        assert getattr(tuneoff, name).__name__ == name
    with pytest.raises(AttributeError, match=r"has no attribute 'train'"):
        _ = tuneoff.train


def test_a_star_import_gives_the_public_names():
    shown = python("from tuneoff import *; print(sorted(n for n in dir() if not n.startswith('_')))")
    assert shown == f"{sorted(tuneoff.__all__)}\n"


def test_importing_tuneoff_costs_nothing():
    loaded = python("import sys, tuneoff; print(*sys.modules)").split()
    assert not {"torch", "pydantic", "numpy", "pandas", "transformers", "altair", "yaml"} & set(loaded)


def test_every_error_is_a_tuneoff_error():
    assert all(
        issubclass(kind, TuneoffError) for kind in (DataError, ExecutorError, ModelError, StoreError, StudyError)
    )


# A run


def test_a_run_gives_its_result_and_the_directory_gives_it_again(parts, tmp_path, capsys, no_figures):
    result = tuneoff.run(**parts, out=tmp_path / "out")
    assert "[1/2] linear-probe, seed 0" in capsys.readouterr().err
    table = result.table()
    assert list(table.columns) == COLUMNS and len(table) == 2
    assert table["technique"].tolist() == ["linear-probe"] * 2 and table["seed"].tolist() == [0, 1]
    assert set(table["status"]) == {"done"} and set(table["task"]) == {"pets"}
    assert table["trained_parameters"].tolist() == [64, 64] and table["accuracy"].between(0, 1).all()
    assert (table["seconds"] > 0).all() and (table["peak_memory_bytes"] > 0).all()
    assert table.notna().all(axis=None)
    assert result.path == tmp_path / "out" and result.results == read_results(result.store)
    again = tuneoff.run(**parts, out=str(tmp_path / "out"), quiet=True)
    assert capsys.readouterr().err == ""
    loaded = tuneoff.load(str(tmp_path / "out"))
    assert again.table().equals(table) and loaded.table().equals(table)
    assert repr(loaded) == repr(result) and loaded.notices == result.notices != []


def test_an_error_of_the_doctor_is_set_aside_by_its_name(parts, tmp_path):
    rows = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "test.jsonl").write_text("".join(rows[:8]), encoding="utf-8")
    leaking = {**parts, "out": tmp_path / "out", "quiet": True}
    with pytest.raises(StudyError, match="--force leakage"):
        tuneoff.run(**leaking)
    with pytest.raises(StudyError, match="--force leek: there is no such check"):
        tuneoff.run(**leaking, force=["leek"])
    result = tuneoff.run(**leaking, force=["leakage"])
    assert any("set aside by --force leakage" in notice for notice in result.notices)


def test_a_whole_study_can_be_given_as_a_mapping_or_a_file(parts, tmp_path, monkeypatch):
    """The run directory is named by the study, below the folder in which Python runs."""
    asked = []

    def run_study(read, out, listener, forced, execute):
        asked.append((read.study.name, read.study.protocol.steps, out.as_posix()))
        store = Store(tmp_path / "made")
        store.create("name: x\nmodels: [{id: m}]\ntask: {name: mini_rte}\ntechniques: [{name: full}]\n", {})
        return store

    monkeypatch.setattr("tuneoff.running.run_study", run_study)
    mapping = {"name": "mine", "model": "m", "task": "mini_rte", "protocol": {"steps": 3}}
    tuneoff.run(study=mapping)
    (tmp_path / "from-a-file.yaml").write_text("model: m\ntask: mini_rte\nprotocol: {steps: 4}\n")
    tuneoff.run(study=tmp_path / "from-a-file.yaml", out="there")
    tuneoff.run(study="demo")
    tuneoff.run("m", "mini_rte", steps=5)
    assert asked[0] == ("mine", 3, "runs/mine") and asked[1] == ("from-a-file", 4, "there")
    assert asked[2][2] == "runs/demo" and asked[3] == ("study", 5, "runs/study")


def test_lists_of_models_and_tasks_are_what_a_file_has_under_models_and_tasks(parts, tmp_path, no_figures):
    few = parts["task"] | {"called": "few", "limit": 20}
    again = {"id": parts["model"], "name": "again", "prefix": "query: "}
    several = {"model": (parts["model"], again), "task": [parts["task"], few], "seeds": 1}
    table = tuneoff.run(**parts | several, out=tmp_path / "out", quiet=True).table()
    places = list(zip(table["model"], table["task"], strict=True))
    assert sorted(places) == [("again", "few"), ("again", "pets"), ("tiny-bert", "few"), ("tiny-bert", "pets")]
    assert set(table["status"]) == {"done"} and set(table["technique"]) == {"linear-probe"}


def test_an_executor_that_there_is_not_is_refused_before_anything_is_written(parts, tmp_path):
    with pytest.raises(ExecutorError, match="there is no 'slurm'"):
        tuneoff.run(**parts, out=tmp_path / "out", executor="slurm")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "'model' is missing"),
        ({"model": "m"}, "'task' is missing"),
        ({"model": "m", "task": "mini_rte", "stepz": 3}, "stepz.*'steps'"),
        ({"model": "m", "task": "mini_rte", "techniques": ["loar"]}, "unknown technique 'loar'.*'lora'"),
        ({"model": "m", "task": "mini_rte", "steps": "ten"}, "steps"),
        ({"study": "no-such-study"}, "no-such-study"),
        ({"study": "demo", "steps": 3}, "not both"),
        ({"study": {"model": "m", "task": "mini_rte"}, "model": "n"}, "not both"),
        ({"study": "demo", "task": ["mini_rte"]}, "not both"),
        ({"model": "m", "task": []}, "expected a list of tasks, found the list"),
        ({"model": ["m", "m"], "task": "mini_rte"}, "models.*Give one of them a `name` of its own"),
        ({"model": "m", "task": ["mini_rte", {"name": "mini_rte", "limit": 9}]}, "Give one of them.*`called: NAME`"),
        ({"model": "m", "tasks": ["mini_rte"]}, r"tasks: several are given as a list, task=\[..., ...\]"),
        ({"models": ["m"], "task": "mini_rte"}, r"models: several are given as a list, model=\[..., ...\]"),
    ],
)
def test_a_study_that_cannot_be_meant_is_refused_before_anything_is_written(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=message):
        tuneoff.run(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_and_missing_data_are_refused(parts, tmp_path):
    with pytest.raises(ModelError):
        tuneoff.run(**parts | {"model": str(tmp_path / "none")}, out=tmp_path / "out", quiet=True)
    with pytest.raises(DataError):
        tuneoff.run(**parts | {"task": parts["task"] | {"train": "none.csv"}}, out=tmp_path / "out", quiet=True)


# A result


@pytest.fixture
def result(made_up, tmp_path):
    return tuneoff.load(
        made_up(techniques=("linear-probe", "lora"), seeds=2, failed=(("lora", 1),)).write(tmp_path / "run").root
    )


def test_a_failed_run_is_a_row_without_numbers(result):
    table = result.table().set_index(["technique", "seed"])
    assert table.loc[("lora", 1), "status"] == "failed"
    assert table.loc[("lora", 1), ["accuracy", "loss", "macro_f1"]].isna().all()
    assert table.loc[("lora", 0), ["accuracy", "loss", "macro_f1"]].notna().all()
    assert any("failed" in notice for notice in result.notices)


def test_a_result_shows_itself(result):
    assert "linear-probe" in repr(result) and "|" in repr(result)
    page = result._repr_html_()
    assert page.lstrip().startswith("<") and "linear-probe" in page and "<table" in page


@pytest.mark.parametrize("kind", ["steps", "seconds", "time", "parameters", "memory", "lora"])
def test_a_result_is_plotted(result, kind):
    plot = result.plot(kind)
    assert isinstance(plot.chart, alt.TopLevelMixin) and repr(plot) == f"Plot('{kind}')"


def test_a_plot_is_a_picture_in_a_notebook_and_shown_at_half_its_size(result):
    png, shown = result.plot("time")._repr_png_()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (2 * shown["width"], 2 * shown["height"]) and min(width, height) > 100


def test_a_plot_that_there_is_not_is_refused(result):
    with pytest.raises(StoreError, match="steps"):
        result.plot("stepz")


def test_the_report_is_written_and_copied(result, tmp_path, no_figures):
    page = result.report()
    assert page == result.path / "report.html" and page.is_file()
    copy = result.report(tmp_path / "new" / "mine.html")
    assert copy == tmp_path / "new" / "mine.html" and copy.read_bytes() == page.read_bytes()
    assert result.report(tmp_path / "new") == tmp_path / "new" / "report.html"


def test_loading_needs_a_run_directory_and_no_torch(result, tmp_path):
    with pytest.raises(StoreError, match="not a run directory"):
        tuneoff.load(tmp_path / "none")
    code = f"import sys, tuneoff; r = tuneoff.load({str(result.path)!r}); r.table(); r._repr_html_()\n"
    assert python(code + "print(sorted({'torch', 'transformers', 'peft'} & sys.modules.keys()))") == "[]\n"


def test_a_study_is_run_from_its_parts_and_tells_of_it_in_plain_lines(
    model_folder, tmp_path, monkeypatch, capsys, no_figures
):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Jupyter's kernel does
    asked = {"task": {"name": "mini_rte", "limit": 60}, "techniques": ["linear-probe"], "out": tmp_path / "out"}
    given = {"model": str(model_folder("bert")), "steps": 2, "seeds": [4], "threads": 1, **asked}
    result = tuneoff.run(**given)
    assert result.path == tmp_path / "out" and [run["seed"] for run in result.results["runs"]] == [4]
    assert result.table().loc[0, "status"] == "done"
    told = capsys.readouterr()
    assert "done   linear-probe, seed 4" in told.err and "\x1b" not in told.err and told.out == ""
    tuneoff.run(**given, quiet=True)
    assert capsys.readouterr() == ("", "")
