"""Names become folders, on every system."""

import shutil
import string
from itertools import product
from pathlib import PureWindowsPath

import pytest

from tuneoff.models.resolve import resolve_model
from tuneoff.naming import DEVICES, NAME, folder_name, plain_name, slug, why_no_folder
from tuneoff.reading import read_study
from tuneoff.study import ModelSpec, TaskSpec
from tuneoff.tasks import task_name


@pytest.mark.parametrize(
    ("text", "name"), [("My Study_v2", "my-study-v2"), ("--a..b--", "a-b"), ("Étude", "etude"), ("Проба", ""), ("", "")]
)
def test_slug(text: str, name: str) -> None:
    assert slug(text) == name


@pytest.mark.filterwarnings("ignore:.*is_reserved:DeprecationWarning")  # from Python 3.13 on
def test_devices_are_those_that_python_knows_of_windows():
    short = ["".join(letters) for letters in product(string.ascii_lowercase, repeat=3)]
    candidates = [*short, *(f"{name}{n}" for name in ("com", "lpt", "con", "nul") for n in range(100)), "aux-b"]
    assert all(NAME.fullmatch(name) for name in candidates)
    expected = {name for name in candidates if PureWindowsPath(name).is_reserved()}
    assert expected == DEVICES == {name for name in candidates if why_no_folder(name)}


def test_a_name_that_is_given_is_refused_and_one_that_is_made_is_another():
    assert plain_name("lora-r32") == "lora-r32" == folder_name("lora-r32", "model")
    with pytest.raises(ValueError, match="'aux' is a device on Windows, which has no folders of that name"):
        plain_name("aux")
    assert plain_name(folder_name("aux", "model")) == "model-aux"


def test_models_tasks_and_studies_that_nobody_named_get_folders_that_there_can_be(model_folder, write_rows, tmp_path):
    shutil.copytree(model_folder("bert"), tmp_path / "nul")
    assert resolve_model(ModelSpec(id=str(tmp_path / "nul")), need_weights=False).name == "model-nul"
    assert task_name(TaskSpec(train="data/con.csv", test="b.csv", text=["a"], label="b")) == "task-con"
    (tmp_path / "aux.yaml").write_text(f"model: {tmp_path / 'nul'}\ntask: terra\n", encoding="utf-8")
    assert read_study(str(tmp_path / "aux.yaml")).study.name == "study-aux"
