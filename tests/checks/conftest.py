"""A study as the checks see it: prepared, planned, with changes to its data."""

import json

import numpy as np
import pytest

from tuneoff.checks.of_stage import loop_of
from tuneoff.checks.patient import Patient
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.store import Store

WORDS = ("rain", "snow", "wind", "mist", "hail", "sun", "moon", "star", "hill", "lake", "tree", "leaf", "bird", "fish")


def numbered(count, first=0, labels=("no", "yes")):
    """Rows that are all different, with few words in common, whose texts do not tell their labels."""
    rows = []
    for number in range(first, first + count):
        words = np.random.default_rng(number).choice(WORDS, 6).tolist()
        premise, hypothesis = " ".join(words[:3]) + f" premise {number}", " ".join(words[3:]) + f" then {number * 7}"
        rows.append({"premise": premise, "hypothesis": hypothesis, "label": labels[number % len(labels)]})
    return rows


@pytest.fixture
def rows():
    """The function that makes healthy rows."""
    return numbered


@pytest.fixture
def patient(study, listener, tmp_path):
    """Return a function that prepares a study on given rows of train, test and perhaps dev, without training it."""

    def made(train=None, test=None, dev=None, *, techniques=("linear-probe",), model=None, task=None, **protocol):
        given = {"train": train or numbered(60), "test": test or numbered(40, 1000), "dev": dev}
        files = {}
        for name, content in given.items():
            if content is not None:
                path = tmp_path / f"own-{name}.jsonl"
                path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
                files[name] = str(path)
        read = study(techniques, model=model, task={**files, **(task or {})}, **protocol)
        prepared = prepare(read, listener())
        store = Store(tmp_path / "out")
        return Patient(prepared, make_plan(read.study, prepared.questions, store), store)

    return made


@pytest.fixture
def not_fine():
    """The function that leaves out the findings that say that all is well."""

    def found(check, patient):
        return [finding for finding in check.of_study(patient) if finding.severity != "fine"]

    return found


@pytest.fixture
def studied(study, listener, tmp_path):
    """Return a function that prepares and plans a small study of a tiny model, as `study` reads it."""

    def made(techniques=("linear-probe",), family="bert", **settings):
        read = study(techniques, family=family, **settings)
        prepared, store = prepare(read, listener()), Store(tmp_path / "run")
        return Patient(prepared, make_plan(read.study, prepared.questions, store), store)

    return made


@pytest.fixture
def loop(studied):
    """Return a function that gives the loop of a technique on a family's tiny model."""

    def made(technique="linear-probe", family="bert", **settings):
        (place, stage), *_ = studied([technique], family, **settings).kinds()
        return loop_of(stage, place)

    return made


@pytest.fixture
def severities():
    """Return a function from findings to (severity, sentence) pairs without the fine ones."""
    return lambda findings: [(one.severity, one.sentence) for one in findings if one.severity != "fine"]
