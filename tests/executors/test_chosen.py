"""What Python says of where stages are computed."""

import sys

import pytest

from tuneoff.errors import ExecutorError
from tuneoff.executors.chosen import chosen_executor
from tuneoff.executors.local import run_plan


def test_by_default_it_is_this_process(study):
    with chosen_executor(study(), "local") as execute:
        assert execute is run_plan


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "rai"}, "executor: there is no 'rai'. Did you mean 'ray'. There are: local, ray"),
        ({"name": None}, "executor: there is no 'None'"),
        ({"name": "local", "address": "head:6379"}, "address: it is for executor='ray'"),
        ({"name": "local", "cpus": 2}, "cpus: it is for executor='ray'"),
        ({"name": "local", "gpus": 0}, "gpus: it is for executor='ray'"),
        ({"name": "ray", "cpus": 0}, "cpus: expected a whole number of at least 1, found the number 0"),
        ({"name": "ray", "cpus": 1.5}, "cpus: expected a whole number of at least 1, found the number 1.5"),
        ({"name": "ray", "cpus": True}, "cpus: expected a whole number of at least 1, found true"),
        ({"name": "ray", "gpus": -1}, "gpus: expected a whole number of at least 0, found the number -1"),
    ],
)
def test_what_cannot_be_meant_is_refused(study, asked, message):
    with pytest.raises(ExecutorError, match=message):
        chosen_executor(study(), **asked)


def test_without_ray_it_is_said_how_to_get_it(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"pip install 'tuneoff\[ray\]'"), chosen_executor(study(), "ray"):
        pass
