"""Where stages are computed: options that belong together, and processes that a launcher has started."""

import pytest
from typer.testing import CliRunner

from tuneoff.cli import app
from tuneoff.commands.where import executor_of, followed, launched
from tuneoff.errors import ExecutorError
from tuneoff.executors.local import run_plan


def test_without_options_it_is_this_process(study):
    with executor_of(study(), "local", None) as execute:
        assert execute is run_plan


@pytest.mark.parametrize("option", ["address", "cpus", "gpus"])
def test_an_option_of_ray_is_refused_without_it(study, option):
    with pytest.raises(ExecutorError, match=f"--{option}: it is for --executor ray"):
        executor_of(study(), "local", None, **{option: 1})


def test_ray_and_processes_exclude_each_other(study):
    with pytest.raises(ExecutorError, match="leave --processes"):
        executor_of(study(), "ray", 2)


def test_without_ray_it_is_said_how_to_get_it(study, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"pip install 'tuneoff\[ray\]'"), executor_of(study(), "ray", None):
        pass


def test_a_launcher_is_known_by_its_variables(study, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert launched() is None and not followed(study(), shard=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert launched() == 0 and not followed(study(), shard=False)


def test_the_command_tells_a_wrong_option_in_a_line(study, tmp_path):
    from tuneoff.reading import resolved_yaml

    file = tmp_path / "study.yaml"
    file.write_text(resolved_yaml(study().study), encoding="utf-8")
    told = CliRunner().invoke(app, ["run", str(file), "--address", "x:1"])
    assert told.exit_code == 2 and told.output.strip().startswith("error: --address: it is for --executor ray")
