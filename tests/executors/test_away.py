"""A worker's own side, in this process: what it keeps of a study from one stage to the next."""

from importlib.metadata import version

import numpy as np
import pytest

from tuneoff.errors import ExecutorError
from tuneoff.executors.away import Errand, workplace_of
from tuneoff.plan import make_plan
from tuneoff.reading import ReadStudy
from tuneoff.running import prepare


@pytest.fixture
def errand(study, tmp_path):
    """A study of two tasks as it is sent to a worker, by a command of the version that is installed."""
    one = study(["linear-probe"])
    few = one.study.task.model_copy(update={"limit": 20, "called": "few"})
    read = ReadStudy(one.study.model_copy(update={"tasks": [one.study.task, few]}), one.base, one.source)
    return Errand(read, str(tmp_path / "out"), "", version("tuneoff"), None)


@pytest.fixture
def stages(errand, listener):
    """A stage of each task, as the command plans them."""
    return make_plan(errand.read.study, prepare(errand.read, listener()).questions, None).stages


def in_memory(place):
    return place._tokens is not None or bool(place._features)


def test_of_tasks_that_are_not_worked_at_no_rows_of_tokens_and_no_vectors_are_kept(
    errand, stages, listener, monkeypatch
):
    first, second = stages
    place = workplace_of(errand, first, listener())
    ids, vectors = place.tokens()["train"].ids, place.features([]).vectors["test"]
    other = workplace_of(errand, second, listener())
    assert other.data.name == "few" and not in_memory(place)
    other.features([])
    assert in_memory(other)
    monkeypatch.setattr("tuneoff.training.workplace.load_tokenizer", lambda _: pytest.fail("tokenized again"))
    assert workplace_of(errand, first, listener()) is place and not in_memory(other)
    assert all(map(np.array_equal, place.tokens()["train"].ids, ids))
    assert place.features([]).vectors["test"].equal(vectors) and not place.features([]).computed_now


def test_what_a_worker_says_goes_to_the_stage_that_it_is_at(errand, stages, listener):
    heard = [listener(), listener()]
    for stage, one in zip(stages, heard, strict=True):
        workplace_of(errand, stage, one).note(stage.address.task)
    assert [one.notes for one in heard] == [["train"], ["few"]]


def test_another_version_is_refused(errand, stages, listener):
    older = Errand(errand.read, errand.root, errand.token, "0.0.1", None)
    with pytest.raises(ExecutorError, match=r"the command runs 0\.0\.1: install the same"):
        workplace_of(older, stages[0], listener())
