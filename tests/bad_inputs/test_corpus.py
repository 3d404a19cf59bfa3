"""Bad study files, data files, model folders and command lines: one plain message each, which names the place.

The cases stand in the YAML files beside this one, by kind; a new one is an entry more there.
"""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tuneoff.cli import main

HERE = Path(__file__).parent
KINDS = ("studies", "data", "models", "commands")
GOOD_HEAD = "model: intfloat/multilingual-e5-small\ntask: mini_rte\n"


GOOD_TRAIN = "text,label\n" + "".join(f"word {number},{'xy'[number % 2]}\n" for number in range(30))
GOOD_TEST = "text,label\nother one,x\nother two,y\n"


def _making():
    spec = importlib.util.spec_from_file_location("making", HERE / "making.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


making = _making()


def cases(kind):
    return yaml.safe_load((HERE / f"{kind}.yaml").read_text(encoding="utf-8"))


def params(kind):
    return [pytest.param(case, id=case["name"]) for case in cases(kind)]


@pytest.fixture
def run(capfd, tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder and returns its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def told(run):
    """Return a function that runs a command and returns its one message."""

    def told(*arguments):
        status, out, err = run(*arguments)
        assert status == 2, f"status {status}: {out}{err}"
        assert out == "" and "Traceback" not in err
        assert err.count("error: ") == 1, err
        return err[err.index("error: ") + len("error: ") :]

    return told


def holds(message, case):

    for fragment in case["says"]:
        assert fragment in message


@pytest.mark.parametrize("case", params("studies"))
def test_a_study_that_cannot_be_run_is_told_with_its_line(case, told, tmp_path):
    text = case["study"] if "study" in case else GOOD_HEAD + case["add"]
    (tmp_path / "study.yaml").write_bytes(text.encode(case.get("encoding", "utf-8")))
    message = told("plan", "study.yaml")
    holds(message, case)
    for problem in message.splitlines():
        assert re.match(r"study\.yaml(:\d+)*: ", problem), problem


def write(folder, files, encoding):
    """Write a case's files: each a text, or what is made by a function of making.py from the rest of its mapping."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict) and "link" in content:
            path.symlink_to(content["link"])
        elif isinstance(content, dict):
            arguments = {key: value for key, value in content.items() if key != "made"}
            if "of" in arguments:
                arguments["of"] = folder / arguments["of"]
            path.write_bytes(getattr(making, content["made"])(**arguments))
        else:
            path.write_bytes(content.encode(encoding))


@pytest.mark.parametrize("case", params("data"))
def test_data_that_cannot_be_used_are_told_with_file_line_and_field(case, told, tmp_path):
    """Before the model is looked for: there is none."""
    files = {"train.csv": GOOD_TRAIN, "test.csv": GOOD_TEST, **case.get("files", {})}
    write(tmp_path, files, case.get("encoding", "utf-8"))
    task = {"train": "train.csv", "test": "test.csv", "text": ["text"], "label": "label"}
    given = case.get("task", {})
    study = {
        "model": "no/model",
        "task": given if "name" in given else task | given,
        "protocol": {"steps": 1, "seeds": 1, "eval_on": "test"} | case.get("protocol", {}),
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    holds(told("run", "study.yaml", "--out", "out"), case)
    assert not (tmp_path / "out").exists()


def test_a_plan_refuses_bad_data_and_does_without_those_that_are_not_there(run, tmp_path, model_folder):
    task = {"train": "train.csv", "test": "test.csv", "text": ["text"], "label": "label"}
    study = {"model": str(model_folder("bert")), "task": task, "techniques": ["full"], "protocol": {"steps": 1}}
    (tmp_path / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    status, out, _ = run("plan", "study.yaml", "--no-time")
    assert status == 0 and "no file 'train.csv'" in " ".join(out.split())
    write(tmp_path, {"train.csv": GOOD_TRAIN, "test.csv": "text,label\nother,z\n"}, "utf-8")
    status, out, err = run("plan", "study.yaml", "--no-time")
    assert status == 2 and out == "" and "test.csv, line 2, field 'label'" in err and "Traceback" not in err


def laid_over(path, changes):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize("case", params("models"))
def test_a_model_that_cannot_be_used_is_told_with_its_folder_and_file(case, told, tmp_path, model_folder):
    folder = tmp_path / "folder"
    shutil.copytree(model_folder(case.get("family", "bert")), folder)
    for pattern in case.get("remove", ()):
        for path in folder.glob(pattern):
            path.unlink()
    for name in ("config", "tokenizer_config"):
        if name in case:
            laid_over(folder / f"{name}.json", case[name])
    files = case.get("files", {})
    write(folder, files, "utf-8")
    write(tmp_path, {"train.csv": GOOD_TRAIN, "test.csv": GOOD_TEST}, "utf-8")
    study = {
        "model": {"id": "folder"} | case.get("model", {}),
        "task": {"train": "train.csv", "test": "test.csv", "text": ["text"], "label": "label"},
        "techniques": ["full"],
        "protocol": {"steps": 1, "batch_size": 4, "seeds": 1, "eval_on": "test", "threads": 1},
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    holds(told("run", "study.yaml", "--out", "out"), case)


@pytest.mark.parametrize("case", params("commands"))
def test_a_command_line_that_cannot_be_followed_is_answered_in_words(case, run, tmp_path, made_up, model_folder):
    if case.get("run"):
        made_up(techniques=("linear-probe", "lora"), seeds=1).write(tmp_path / "run")
    for pattern in case.get("remove", ()):
        found = list((tmp_path / "run").glob(pattern))
        assert found
        for path in found:
            path.unlink()
    for pattern, content in case.get("overwrite", {}).items():
        found = list((tmp_path / "run").glob(pattern))
        assert found
        for path in found:
            path.write_text(content, encoding="utf-8")
    if case.get("tiny"):
        write(tmp_path, {"train.csv": GOOD_TRAIN, "test.csv": GOOD_TEST}, "utf-8")
        task = {"train": "train.csv", "test": "test.csv", "text": ["text"], "label": "label"}
        study = {"model": str(model_folder("bert")), "task": task, "techniques": ["full"]}
        (tmp_path / "tiny.yaml").write_text(json.dumps(study), encoding="utf-8")
    write(tmp_path, case.get("files", {}), "utf-8")
    status, out, err = run(*case["arguments"])
    assert status == 2 and out == "" and "Traceback" not in err, (status, out, err)
    if not case.get("usage"):
        assert err.count("error: ") == 1
    holds(" ".join(err.replace("│", " ").split()), case)


def test_there_are_many_cases_and_no_two_are_the_same():
    found = [(kind, case) for kind in KINDS for case in cases(kind)]
    inputs = [json.dumps([kind, {**case, "name": "", "says": []}], sort_keys=True, default=str) for kind, case in found]
    names = [(kind, case["name"]) for kind, case in found]
    assert len(set(inputs)) == len(set(names)) == len(found) >= 300
