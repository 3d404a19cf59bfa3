"""Drawing the settings of trials, and choosing among them."""

import numpy as np
import optuna
import pytest

from tuneoff.study import Tune
from tuneoff.techniques import settings_of
from tuneoff.techniques.composition import StageSpec
from tuneoff.tuning import Outcome, choose_trial, draw_trials, edges, space_of


def spec(technique="lora", chain=None, **settings):
    return StageSpec(chain or technique, technique, settings_of(technique)(**settings), None, 0)


def test_the_first_trial_is_the_techniques_own_and_the_others_are_spread_evenly_in_the_logarithm():
    draws = draw_trials(Tune(trials=400), spec(learning_rate=3e-4))
    rates = np.array([draw["learning_rate"] for draw in draws])
    assert rates[0] == 3e-4
    decades = np.log10(rates[1:] / 3e-4)
    assert -1.003 <= decades.min() < -0.95 and 0.95 < decades.max() <= 1.003
    from scipy.stats import kstest

    assert kstest(decades, "uniform", args=(-1, 2)).pvalue > 0.01
    assert abs(np.corrcoef(decades[1:], decades[:-1])[0, 1]) < 0.15  # 3 standard errors


def test_more_trials_keep_those_that_are_there_and_nothing_global_is_changed():
    np.random.seed(3)  # noqa: NPY002 (the legacy global state is what is tested)
    before, told = np.random.get_state()[1].tolist(), optuna.logging.get_verbosity()  # noqa: NPY002
    few, many = (draw_trials(Tune(trials=n, space={"lora": {"rank": [4, 8]}}), spec()) for n in (3, 9))
    assert many[:3] == few and len(many) == 9
    assert np.random.get_state()[1].tolist() == before and optuna.logging.get_verbosity() == told  # noqa: NPY002


def test_techniques_get_the_same_multiples_of_their_own_rates():
    tune = Tune(trials=6, span=4)
    for first, second in zip(draw_trials(tune, spec("full")), draw_trials(tune, spec("linear-probe")), strict=True):
        assert second["learning_rate"] / first["learning_rate"] == pytest.approx(1e-3 / 2e-5, rel=0.01)


def test_a_space_holds_for_the_technique_and_an_entrys_own_goes_before():
    tune = Tune(trials=5, space={"lora": {"rank": [2, 4]}, "mine": {"rank": [6], "learning_rate": [0.1]}})
    assert space_of(tune, spec())["learning_rate"] == {"low": 2e-5, "high": 2e-3, "log": True}
    assert space_of(tune, spec(chain="linear-probe+lora"))["rank"] == [2, 4]
    assert space_of(tune, spec(chain="mine")) == {"learning_rate": [0.1], "rank": [6]}
    assert draw_trials(tune, spec(chain="mine", rank=3))[0] == {"learning_rate": 2e-4, "rank": 3}
    assert {draw["rank"] for draw in draw_trials(tune, spec(rank=3))[1:]} == {2, 4}
    assert "rank" not in space_of(tune, spec("full"))


def test_lists_and_words_can_be_drawn():
    tune = Tune(trials=30, space={"lora": {"target_modules": [["query"], ["value"]], "schedule": ["cosine", "linear"]}})
    draws = draw_trials(tune, spec())[1:]
    assert {draw["target_modules"][0] for draw in draws} == {"query", "value"}
    assert {draw["schedule"] for draw in draws} == {"cosine", "linear"}


def test_what_has_nothing_to_vary_has_one_trial(monkeypatch):
    from tuneoff.techniques import get

    monkeypatch.setattr(get("linear-probe"), "gradient_free", True)
    assert draw_trials(Tune(trials=5), spec("linear-probe")) == [{}]


def test_the_best_on_dev_is_chosen_ties_go_to_the_other_number_then_to_the_first():
    a, b, c = Outcome(4, 0.8, 0.6), Outcome(4, 0.8, 0.5), Outcome(4, 0.7, 0.4)
    assert choose_trial([a, b, c], "accuracy") == 1 and choose_trial([a, b, c], "loss") == 2
    assert choose_trial([a, a, None], "accuracy") == 0 and choose_trial([None, a, a], "loss") == 1
    assert choose_trial([None, None], "accuracy") == 0


def test_an_edge_is_the_lowest_or_highest_of_three_or_more():
    trials = [
        {"rate": 1e-3, "rank": 4, "on": True},
        {"rate": 1e-4, "rank": 8, "on": False},
        {"rate": 2e-3, "rank": 4, "on": 1},
    ]
    assert edges(trials, 0) == {} and edges(trials, 1) == {"rate": "lowest"} and edges(trials, 2) == {"rate": "highest"}
