import getpass
import json
import os
import platform
import socket
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from tuneoff.environment import describe_environment

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one commit, and no repository around it."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "study.yaml").write_text("model: a\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *command], cwd=folder, check=True)
    return folder


def test_versions_and_hardware_are_those_of_this_machine(tmp_path):
    found = describe_environment(tmp_path)
    assert json.loads(json.dumps(found)) == found
    assert found["python"] == platform.python_version() and found["tuneoff"] == version("tuneoff")
    assert found["packages"]["torch"] == version("torch") and found["packages"]["peft"] == version("peft")
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert 1 <= found["cores"] <= found["threads"] == os.cpu_count()
    assert found["cpu"] and found["platform"].startswith(platform.system())
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found["time"])).total_seconds()) < 60


def test_no_person_machine_or_place_is_named(tmp_path, repository):
    text = json.dumps(describe_environment(repository), ensure_ascii=False)
    # A name such as "root" or "x" may be a part of any word; as a value, or in a path, it would stand alone.
    private = [str(Path.home()), str(tmp_path), str(Path.cwd()), os.sep + getpass.getuser() + os.sep]
    assert not [name for name in private if name != os.sep and name in text]
    values = set(json.dumps(json.loads(text)).replace('"', " ").split())
    assert not values & {getpass.getuser(), socket.gethostname(), socket.getfqdn(), platform.node()} - {"localhost"}
    assert "a@b" not in text


def test_environment_variables_are_not_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_user")
    assert "hf_secret" not in json.dumps(describe_environment(tmp_path))


def test_the_commit_of_the_studys_folder_and_whether_it_was_changed(repository):
    head = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert describe_environment(repository)["git"] == {"commit": head.stdout.strip(), "dirty": False}
    (repository / "new.yaml").touch()
    assert describe_environment(repository)["git"]["dirty"] is True


def test_names_of_files_in_any_encoding_are_no_hindrance(repository):
    """As where git writes names in UTF-8 and Windows reads them in its code page; or the other way round."""
    subprocess.run([*GIT, "config", "core.quotePath", "false"], cwd=repository, check=True)
    (Path(os.fsdecode(os.fsencode(repository) + b"/\xff\x98.yaml"))).touch()
    assert describe_environment(repository)["git"]["dirty"] is True


def test_outside_a_repository_and_without_git_it_is_unknown(tmp_path, monkeypatch, repository):
    assert describe_environment(tmp_path)["git"] is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_environment(repository)["git"] is None
