"""What a study's techniques are made of: whose settings each stage has, and which chains are refused."""

import re

import pytest

import tuneoff.techniques as registry
from tuneoff.errors import StudyError
from tuneoff.study import ModelSpec, Study, TaskSpec, TechniqueSpec
from tuneoff.techniques import get
from tuneoff.techniques.base import StageSettings
from tuneoff.techniques.composition import compose
from tuneoff.techniques.full import Full


def composed(*entries, load=None):
    """Compose entries as a study file has them; returns the stages by the technique's name."""
    study = Study(
        models=[ModelSpec(id="m", load=load)],
        tasks=[TaskSpec(name="mini_rte")],
        techniques=[TechniqueSpec.model_validate(entry) for entry in entries],
    )
    return {one.name: one.stages for one in compose(study)}


def shape(stages):
    return [(stage.chain, stage.technique, stage.parent, stage.index) for stage in stages]


def test_one_technique_is_one_stage_with_its_defaults():
    (stage,) = composed("lora")["lora"]
    assert shape([stage]) == [("lora", "lora", None, 0)]
    assert stage.settings == get("lora").settings_class()


def test_a_sum_is_its_parts_in_order_each_after_the_one_before():
    assert shape(composed("linear-probe+lora+full")["linear-probe+lora+full"]) == [
        ("linear-probe", "linear-probe", None, 0),
        ("linear-probe+lora", "lora", "linear-probe", 1),
        ("linear-probe+lora+full", "full", "linear-probe+lora", 2),
    ]


def test_techniques_come_in_the_studys_order():
    assert list(composed("lora", "full", "linear-probe")) == ["lora", "full", "linear-probe"]


def test_a_part_has_the_settings_that_the_study_gives_it():
    stages = composed(
        {"name": "linear-probe", "learning_rate": 0.5},
        {"name": "lora", "rank": 4},
        "linear-probe+lora",
        "linear-probe+full",
    )
    first, second = stages["linear-probe+lora"]
    assert first.settings.learning_rate == 0.5 and second.settings.rank == 4
    assert stages["linear-probe+full"][0] == first == stages["linear-probe"][0]


def test_settings_of_a_sum_are_its_last_stages_laid_over_the_parts_own():
    first, second = composed(
        {"name": "lora", "rank": 4, "alpha": 7}, {"name": "linear-probe+lora", "rank": 2, "learning_rate": 0.25}
    )["linear-probe+lora"]
    assert (second.settings.rank, second.settings.alpha, second.settings.learning_rate) == (2, 7, 0.25)
    assert first.settings == get("linear-probe").settings_class()


@pytest.mark.parametrize(
    ("below", "above", "steps", "epochs"),
    [
        ({"steps": 9}, {"epochs": 2}, None, 2),
        ({"epochs": 2}, {"steps": 9}, 9, None),
        ({"steps": 9}, {"rank": 2}, 9, None),
        ({"steps": 9}, {"steps": 3}, 3, None),
    ],
)
def test_a_budget_replaces_the_budget_below_it(below, above, steps, epochs):
    *_, last = composed({"name": "lora", **below}, {"name": "linear-probe+lora", **above})["linear-probe+lora"]
    assert (last.settings.steps, last.settings.epochs) == (steps, epochs)


def test_a_technique_under_another_name_has_its_own_settings_and_those_of_what_it_uses():
    stages = composed(
        {"name": "lora", "rank": 4}, {"name": "wide", "use": "lora", "alpha": 5}, {"name": "wider", "use": "wide"}
    )
    (wide,), (wider,) = stages["wide"], stages["wider"]
    assert shape([wide]) == [("wide", "lora", None, 0)] and shape([wider]) == [("wider", "lora", None, 0)]
    assert (wide.settings.rank, wide.settings.alpha) == (4, 5) and wider.settings == wide.settings


def test_a_name_for_a_sum_shares_the_stages_before_its_last():
    stages = composed("linear-probe", {"name": "two-steps", "use": "linear-probe+lora", "rank": 2}, "two-steps+full")
    assert shape(stages["two-steps"]) == [
        ("linear-probe", "linear-probe", None, 0),
        ("two-steps", "lora", "linear-probe", 1),
    ]
    assert shape(stages["two-steps+full"])[1:] == [
        ("two-steps", "lora", "linear-probe", 1),
        ("two-steps+full", "full", "two-steps", 2),
    ]
    assert stages["two-steps+full"][:2] == stages["two-steps"] and stages["two-steps"][1].settings.rank == 2


def test_an_own_name_can_be_a_part():
    first, second = composed({"name": "slow", "use": "linear-probe", "steps": 900}, "slow+lora")["slow+lora"]
    assert first.chain == second.parent == "slow" and first.settings.steps == 900
    assert second.settings.steps is None


def test_a_sum_can_only_come_first():
    with pytest.raises(StudyError, match="'both' is itself composed, so it can only come first"):
        composed({"name": "both", "use": "linear-probe+lora"}, "full+both")


def test_what_is_made_of_itself_is_refused():
    for entries in (
        [{"name": "a", "use": "b"}, {"name": "b", "use": "a"}],
        [{"name": "a", "use": "full+b"}, {"name": "b", "use": "a+full"}],
    ):
        with pytest.raises(StudyError):
            composed(*entries)


def test_an_unknown_part_is_refused_with_the_near_name():
    with pytest.raises(StudyError, match=r"'loar' is unknown; did you mean lora"):
        composed("linear-probe+loar")


def test_wrong_settings_are_all_told_with_technique_and_field():
    with pytest.raises(StudyError) as caught:
        composed({"name": "lora", "rank": 0, "dropout": 1.0, "depth": 3})
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert all(f"technique 'lora', {field}: " in told for field in ("rank", "dropout", "depth"))


def test_nothing_follows_a_technique_that_ends_a_chain(monkeypatch):
    class Last(Full):
        name = "last"
        ends_a_chain = "since it has no head to hand on"
        settings_class = get("full").settings_class

    get("full")
    monkeypatch.setattr(registry, "_registry", registry._registry | {"last": Last})
    assert len(composed("linear-probe+last")["linear-probe+last"]) == 2
    with pytest.raises(StudyError, match=r"'last\+full': nothing can follow last, since it has no head to hand on"):
        composed("last+full")


def test_settings_are_of_the_techniques_own_class():
    for name, stages in composed("full", "linear-probe", "lora", "linear-probe+lora").items():
        assert type(stages[-1].settings) is get(name.rpartition("+")[2]).settings_class
        assert isinstance(stages[-1].settings, StageSettings)


REFUSED_IN_4BIT = {
    "full": "full does not go with `load: 4bit`, for it trains weights of the model itself",
    "bitfit": "bitfit does not go with",
    "top-layers": "top-layers does not go with",
    "layerwise-decay": "layerwise-decay does not go with",
    "gradual-unfreezing": "gradual-unfreezing does not go with",
    "setfit": "setfit does not go with",
    "pissa": "pissa does not go with `load: 4bit`, for adapters that start as 'pissa' change the weights",
    "olora": "olora does not go with `load: 4bit`, for adapters that start as 'olora' change the weights",
    "linear-probe+full": "full does not go with",
    "lora+linear-probe": "nothing can follow lora with `load: 4bit`, for an adapter that is folded into 4-bit weights",
}


@pytest.mark.parametrize("use", REFUSED_IN_4BIT)
def test_a_model_in_4_bits_is_for_what_leaves_it_frozen(use):
    assert composed(use)
    with pytest.raises(StudyError, match=f"technique '{re.escape(use)}': {REFUSED_IN_4BIT[use]}"):
        composed(use, load="4bit")


def test_peft_by_its_own_names_is_asked_how_it_starts():
    assert composed({"name": "mine", "peft": {"type": "lora"}}, "linear-probe+lora", "eva", load="4bit")
    with pytest.raises(StudyError, match=r"'mine': peft does not go with .* start as 'pissa'"):
        composed({"name": "mine", "peft": {"type": "lora", "init_lora_weights": "pissa"}}, load="4bit")


def test_a_technique_that_says_nothing_of_it_is_refused(monkeypatch):
    class Custom(Full):
        name = "custom"

    registry.names()
    monkeypatch.setitem(registry._registry, "custom", Custom)
    with pytest.raises(StudyError, match="custom does not go with `load: 4bit`"):
        composed("custom", load="4bit")
