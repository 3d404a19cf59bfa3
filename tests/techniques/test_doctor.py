"""Every technique, trained for some steps on a small encoder and a small decoder, under the doctor's eyes."""

import pytest

from tuneoff.checks.frozen import Frozen
from tuneoff.checks.hand_over import HandOver
from tuneoff.checks.learning import Learning
from tuneoff.checks.of_stage import loop_of
from tuneoff.checks.patient import Patient
from tuneoff.checks.round_trip import RoundTrip
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.store import Store
from tuneoff.techniques import get, names

FAMILIES = ["bert", "qwen3"]
REFUSED = {"qwen3": ["bitfit"]}  # it has no biases
TRAINED = [name for name in names() if not get(name).gradient_free]
CHAINING = [name for name in names() if get(name).ends_a_chain is None and name != "linear-probe"]


@pytest.fixture
def studied(study, listener, tmp_path):
    """Return a function that prepares and plans a small study of a tiny model, as `study` reads it."""

    def made(techniques, family):
        read = study(techniques, family=family)
        prepared, store = prepare(read, listener()), Store(tmp_path / "run")
        return Patient(prepared, make_plan(read.study, prepared.questions, store), store)

    return made


def not_fine(findings):
    return [f"{one.check} ({one.about}): {one.sentence}" for one in findings if one.severity != "fine"]


@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_what_it_should_and_learns(family, studied):
    found = []
    trained = [name for name in TRAINED if name not in REFUSED.get(family, [])]
    for place, stage in studied(trained, family).kinds():
        loop = loop_of(stage, place)
        found += [*Frozen().of_loop(loop), *Learning().of_loop(loop)]
    assert not not_fine(found)
    assert len(found) == 2 * len(trained)


def test_saved_and_read_by_another_process_it_gives_the_same_logits(studied):
    """Of those that hold more than what they store; tests/techniques/test_rebuilt.py has all, in one process."""
    found = list(RoundTrip().of_study(studied(["pissa", "vera", "lora-fa", "shira", "adalora"], "bert")))
    assert not not_fine(found) and len(found) == 5


def test_it_starts_from_what_came_before_and_hands_on_what_it_made(studied):
    chains = [*(f"linear-probe+{name}" for name in CHAINING), *(f"{name}+linear-probe" for name in CHAINING)]
    found = list(HandOver().of_study(studied(chains, "bert")))
    assert not not_fine(found) and len(found) == len(chains)
