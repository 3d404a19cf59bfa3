"""Studies and loops of tiny models, as the checks see them."""

import pytest

from tuneoff.checks.of_stage import loop_of
from tuneoff.checks.patient import Patient
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.store import Store


@pytest.fixture
def patient(study, listener, tmp_path):
    """Return a function that prepares and plans a small study of a tiny model, as `study` reads it."""

    def made(techniques=("linear-probe",), family="bert", **settings):
        read = study(techniques, family=family, **settings)
        prepared, store = prepare(read, listener()), Store(tmp_path / "run")
        return Patient(prepared, make_plan(read.study, prepared.questions, store), store)

    return made


@pytest.fixture
def loop(patient):
    """Return a function that gives the loop of a technique on a family's tiny model."""

    def made(technique="linear-probe", family="bert", **settings):
        (place, stage), *_ = patient([technique], family, **settings).kinds()
        return loop_of(stage, place)

    return made


@pytest.fixture
def severities():
    """Return a function from findings to (severity, sentence) pairs without the fine ones."""
    return lambda findings: [(one.severity, one.sentence) for one in findings if one.severity != "fine"]
