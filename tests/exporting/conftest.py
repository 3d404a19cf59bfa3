"""Finished run directories of tiny models, trained for a few steps, without the doctor and the report."""

import json
import re

import numpy as np
import pytest

from tuneoff.describing import describe_study
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.evidence.results import write_results
from tuneoff.executors.local import Observer, run_plan
from tuneoff.plan import make_plan
from tuneoff.reading import resolved_yaml
from tuneoff.running import _with_model_names, prepare
from tuneoff.store import PREDICTIONS, Store


@pytest.fixture
def finished(study, listener, tmp_path, monkeypatch):
    """Return a function that trains a study's stages; takes what `study` takes, gives the store."""

    def train(techniques, out="out", **changes):
        # Rates at which three steps move the weights by more than rounding.
        rates = {"full": 3e-3, "top-layers": 3e-3, "lora": 3e-2, "linear-probe": 3e-2}
        named = [
            one if isinstance(one, dict) else {"name": one, "learning_rate": rates[one.rpartition("+")[2]]}
            for one in techniques
        ]
        changes = {"steps": 3, "eval_every": 3} | changes
        prepared = prepare(study(named, **changes), listener())
        store = Store(tmp_path / out)
        plan = make_plan(prepared.read.study, prepared.questions, store)
        store.create(resolved_yaml(_with_model_names(prepared)), {})
        describe_study(prepared, store)
        run_plan(plan, prepared.places, store, Observer())
        # What pairs of techniques are told by takes seconds, and no card reads it.
        monkeypatch.setattr("tuneoff.evidence.results._comparisons", lambda *_: [])
        write_results(store)
        return store

    return train


@pytest.fixture
def test_rows(tmp_path):
    """Return a function that gives the test split's rows as pairs of texts, in their order."""

    def rows():
        lines = (tmp_path / "test.jsonl").read_text(encoding="utf-8").splitlines()
        return [(row["premise"], row["hypothesis"]) for row in map(json.loads, lines)]

    return rows


@pytest.fixture
def stored_logits():
    """Return a function from a store and a technique to the logits that its run kept of test, by row."""

    def logits(store, technique):
        (record,) = [one for one in store.records() if one.address.chain == technique]
        found = last_evaluation(store.checked(record.address, PREDICTIONS), "test", record.reported_step)
        return np.asarray(found.logits)

    return logits


@pytest.fixture
def run_snippet(monkeypatch):
    """Return a function that runs a folder's snippet as its card has it, but for the rows; gives its variables."""

    def run(folder, rows=None):
        text = re.search(r"```python\n(.*?)\n```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
        assert text.count("\n") < 20 and "tuneoff" not in text
        if rows is not None:
            text, times = re.subn(r"(?m)^rows = .*$", lambda _: f"rows = {rows!r}", text)
            assert times == 1
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            variables = {}
            exec(compile(text, "README.md", "exec"), variables)
        return variables

    return run
