"""The token budget where it is left to us: from a GPU's free memory, within limits."""

import pytest

from tuneoff.estimate import estimate_cost
from tuneoff.footprint import fixed_on_gpu
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.store import Store
from tuneoff.study import MICRO_TOKENS
from tuneoff.training import budget as module
from tuneoff.training.budget import MOST_TOKENS, SHARE_OF_FREE, choose_micro_tokens, execution_now

GB = 10**9


def test_it_is_what_a_share_of_the_free_memory_takes_beside_what_is_fixed():
    assert choose_micro_tokens(16 * GB, 2 * GB, 10**6, 512) == (SHARE_OF_FREE * 16 * GB - 2 * GB) // 10**6
    more, less = (choose_micro_tokens(free, 2 * GB, 10**6, 512) for free in (20 * GB, 10 * GB))
    assert more > choose_micro_tokens(16 * GB, 2 * GB, 10**6, 512) > less


@pytest.mark.parametrize(("free", "fixed"), [(0, 0), (GB, 2 * GB), (2 * GB, int(1.5 * GB))])
def test_it_is_never_below_the_longest_example(free, fixed):
    assert choose_micro_tokens(free, fixed, 10**6, 512) == 512


def test_it_is_bounded_however_much_memory_there_is():
    assert choose_micro_tokens(10**15, 0, 1, 512) == MOST_TOKENS
    assert choose_micro_tokens(10**15, 0, 1, MOST_TOKENS + 1) == MOST_TOKENS + 1


@pytest.fixture
def staged(study, listener, tmp_path):
    """Return a function from a technique to its stage and its workplace."""

    def make(technique, **changes):
        read = study([technique], **changes)
        prepared = prepare(read, listener())
        (place,) = prepared.places.values()
        (stage,) = make_plan(read.study, prepared.questions, Store(tmp_path / "out")).stages
        return stage, place

    return make


def test_on_a_cpu_it_is_the_studys_whatever_is_free(staged, monkeypatch):
    monkeypatch.setattr(module, "free_bytes", None)
    for asked, expected in ((None, MICRO_TOKENS), (77, 77)):
        stage, place = staged("full", micro_tokens=asked)
        assert not place.automatic_budget and execution_now(stage, place).micro_tokens == expected


def used_tokens(place):
    return {token for tokens in place.tokens().values() for ids in tokens.ids for token in ids.tolist()}


def test_where_it_is_left_to_us_it_comes_from_the_estimate(staged, monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda device, limit: 20_000_000)
    stage, place = staged("full")
    place.automatic_budget = True
    cost = estimate_cost(stage, place.model, 2)
    fixed = fixed_on_gpu(cost, len(used_tokens(place)))
    assert fixed <= cost.fixed
    chosen = execution_now(stage, place)
    assert chosen.micro_tokens == int((SHARE_OF_FREE * 20_000_000 - fixed) // cost.per_token) > MICRO_TOKENS
    assert chosen.threads == place.execution.threads and place.execution.micro_tokens == MICRO_TOKENS


def test_vectors_are_shared_so_their_budget_is_not_a_stages(staged, monkeypatch):
    monkeypatch.setattr(module, "free_bytes", None)
    stage, place = staged("linear-probe")
    place.automatic_budget = True
    assert execution_now(stage, place) == place.execution
