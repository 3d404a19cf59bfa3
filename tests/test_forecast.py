from dataclasses import replace

import numpy as np
import pytest
import torch

from tuneoff.estimate import Cost, EmbeddingTable
from tuneoff.forecast import (
    Seconds,
    Texts,
    evaluations,
    largest_part,
    longest,
    stage_seconds,
    study_seconds,
    tokens_that_fit,
)
from tuneoff.models.shrink import TOKENS
from tuneoff.models.text import Tokens
from tuneoff.planned import StageBudget
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.job import Budget
from tuneoff.training.order import batch_rows
from tuneoff.training.pilot import Line, Pace

TEXTS = Texts({"train": np.array([10, 20, 30, 40, 50]), "dev": np.array([8, 8]), "test": np.array([7] * 4)}, 6000, 1.0)
PACE = Pace(
    step=Line(0.1, 0.01),
    evaluation=Line(0.02, 0.003),
    kept=Line(50, 100),
    made=Line(60, 110),
    number=1e-6,
    on_vectors=0.5,
)
TABLE = EmbeddingTable(rows=10_000, width=8, trained=True, by_rows=True)
COST = Cost(
    {"total": 1000, "trained": 900}, False, TABLE, 3, 0, fixed=14_800, per_token=500, layers_once=0, depth=12, cached=0
)
BUDGET = StageBudget(steps=7, batch_size=2, eval_every=3, eval_on="dev")


def test_a_stage_takes_its_steps_and_its_evaluations():
    seconds = stage_seconds(BUDGET, COST, PACE, TEXTS)
    per_step = 5 / 3 * 30 * (0.1 + 12 * 0.01) + (6000 - TOKENS) * 8 * 1e-6
    assert seconds.training == pytest.approx(7 * per_step)
    assert seconds.evaluation == pytest.approx((4 * 16 + 28) * (0.02 + 12 * 0.003))  # at 0, 3, 6 and 7, and test
    assert seconds.before == 0 and seconds.total == seconds.training + seconds.evaluation


def test_frozen_layers_are_passed_once_and_not_in_the_steps():
    upper = replace(COST, layers_once=9, table=replace(TABLE, trained=False))
    seconds = stage_seconds(BUDGET, upper, PACE, TEXTS)
    assert seconds.before == pytest.approx(194 * (0.02 + 9 * 0.003))
    assert seconds.training == pytest.approx(7 * 5 / 3 * 30 * (0.1 + 3 * 0.01))


def test_a_head_alone_passes_each_text_once_and_steps_on_vectors():
    seconds = stage_seconds(BUDGET, replace(COST, head_alone=True), PACE, TEXTS)
    assert seconds == Seconds(pytest.approx(194 * (0.02 + 12 * 0.003)), 3.5, 0.0)


@pytest.mark.parametrize(("steps", "every"), [(7, 3), (6, 3), (1, 5)])
@pytest.mark.parametrize("eval_on", ["dev", "test"])
def test_evaluations_are_those_that_the_loop_makes(steps, every, eval_on):
    planned = StageBudget(steps, 2, every, eval_on)
    for further in ((), ("also:far",)):
        budget = Budget(steps, 2, every, eval_on, reported=("test", *further))
        made = [split for step in range(steps + 1) for split in budget.splits_at(step)]
        assert sorted(evaluations(planned, further)) == sorted(made)


def test_what_stages_share_is_paid_once(planned_chain):
    head, upper = replace(COST, head_alone=True), replace(COST, layers_once=6)
    seconds = Seconds(100.0, 10.0, 1.0)
    alone = [(planned_chain("linear-probe", seed), head, seconds) for seed in (0, 1)]
    assert study_seconds(alone) == 100 + 2 * 11
    after = [alone[0], (planned_chain("top", 0, after="linear-probe"), upper, seconds)]
    assert study_seconds(after) == 111 + 111  # other layers
    tuned = [
        (planned_chain("full", 0), COST, Seconds(0.0, 10.0, 1.0)),
        (planned_chain("probe", 0, after="full"), head, seconds),
        alone[0],
    ]
    assert study_seconds(tuned) == 11 + 111 + 111  # the probe on what `full` made is another one


@pytest.fixture
def planned_chain():
    """Return a function to stages that are an address and a parent, which is all that counts here."""
    from types import SimpleNamespace

    from tuneoff.store import StageAddress

    def stage(chain, seed, after=None):
        parent = StageAddress("m", "t", after, seed) if after else None
        return SimpleNamespace(address=StageAddress("m", "t", chain, seed), parent=parent)

    return stage


def test_a_card_takes_what_is_left_beside_the_weights():
    assert tokens_that_fit(COST, None, 100_000, 50) == (80_000 - 14_800) // 500
    assert tokens_that_fit(COST, 1000.0, 100_000, 50) == 65
    assert tokens_that_fit(COST, 1000.0, 100_000, 66) is None  # not even the longest text
    assert tokens_that_fit(COST, None, 10_000, 1) is None  # not even the weights
    assert tokens_that_fit(replace(COST, per_token=0), None, 100_000, 50) == 65_536
    assert longest(TEXTS.lengths) == 50


def test_the_usual_batch_is_trains_quantiles():
    assert TEXTS.usual_batch(5) == [14, 22, 30, 38, 46]
    assert sum(TEXTS.usual_batch(100)) == 150


@pytest.mark.parametrize(("packed", "extra"), [(True, 0), (False, 0), (False, 20)])
def test_the_largest_part_is_the_largest_that_the_loop_cuts(packed, extra):
    numbers = np.random.default_rng(0)
    texts = Texts({"train": numbers.integers(3, 60, size=50)}, 0, 0.0)
    budget = StageBudget(steps=4, batch_size=8, eval_every=4, eval_on="test")
    tokens = {"train": Tokens([np.zeros(length, dtype=np.int32) for length in texts.lengths["train"]], 0)}
    inputs = TokenInputs(tokens, 100, torch.device("cpu"), packed=packed)
    inputs.extra = extra
    made = []
    for step in range(4):
        rows = batch_rows(50, 8, 7, step)
        made += [inputs.tokens("train", rows[part])[1] for part in inputs.parts("train", rows)]
    assert largest_part(texts, budget, 100, 7, packed=packed, extra=extra) == max(made) <= 100
