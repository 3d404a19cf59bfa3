"""What a technique costs by a few layers, against the same measured on the whole model."""

import numpy as np
import pytest
import torch

from tests.conftest import make_config
from tuneoff.models.classifier import build_random
from tuneoff.models.resolve import resolve_model
from tuneoff.models.shrink import shrink
from tuneoff.plan import Question, make_plan
from tuneoff.reading import study_from_mapping
from tuneoff.study import ModelSpec
from tuneoff.training import pilot
from tuneoff.training.build import make_technique
from tuneoff.training.job import Execution
from tuneoff.training.pilot import Circumstances, Line, measure_pace, pilot_bytes

LENGTHS = [5, 9, 12, 7]
HOW = Circumstances(Execution(micro_tokens=20, threads=1), torch.device("cpu"), "fp32")


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Return a function from a technique to its planned stage and a model of five layers that is a config alone."""
    monkeypatch.setattr(pilot, "ENOUGH", 0.0)
    monkeypatch.setattr(pilot, "NUMBERS", 1000)

    def stage(technique, family="bert", depth=5):
        make_config(family, num_hidden_layers=depth).save_pretrained(tmp_path / "model")
        model = resolve_model(ModelSpec(id=str(tmp_path / "model")), need_weights=False)
        asked = {"model": "x", "task": "terra", "techniques": [technique], "protocol": {"steps": 3, "seeds": 1}}
        plan = make_plan(study_from_mapping(asked), [Question(model, "terra", None, "fp32")], None)
        return plan.stages[-1], model

    return stage


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
@pytest.mark.parametrize("technique", ["full", "lora"])
def test_bytes_kept_by_few_layers_foretell_those_of_the_whole_model(planned, family, technique):
    stage, model = planned(technique, family)
    pace = measure_pace(stage, model, 2, LENGTHS, HOW)
    whole = pilot._job(stage, make_technique(stage.spec), build_random(model, 2, torch.device("cpu")), LENGTHS, HOW)
    assert pace.kept.of(5) == pytest.approx(pilot._kept_by_token(whole), rel=0.02)


def test_what_is_made_is_what_full_keeps(planned):
    full, model = planned("full")
    lora, _ = planned("lora")
    (every, some) = (measure_pace(stage, model, 2, LENGTHS, HOW) for stage in (full, lora))
    assert every.made == every.kept
    assert some.made.layer > some.kept.layer and some.made.layer >= every.kept.layer  # the adapters' own besides


def test_of_a_number_of_layers_that_are_trained_a_layer_costs_what_it_costs_in_full(planned):
    stage, model = planned({"name": "top", "use": "top-layers", "layers": 4})
    full, _ = planned("full")
    top = measure_pace(stage, model, 2, LENGTHS, HOW)
    assert top.kept.layer == pytest.approx(measure_pace(full, model, 2, LENGTHS, HOW).kept.layer, rel=0.02)


def test_a_head_alone_is_timed_on_vectors(planned):
    stage, model = planned("linear-probe")
    pace = measure_pace(stage, model, 2, LENGTHS, HOW)
    assert pace.on_vectors > 0 and pace.evaluation.of(5) > 0 and pace.step == Line(0.0, 0.0)


def test_a_model_of_one_layer_is_measured_whole(planned):
    stage, model = planned("full", depth=1)
    pace = measure_pace(stage, model, 2, LENGTHS, HOW)
    assert pace.kept.rest == 0 and pace.kept.layer > 0 and pace.step.layer > 0


def test_a_layer_is_the_difference_and_the_rest_what_is_left():
    assert pilot._line((1, 3), [10.0, 16.0]) == Line(7.0, 3.0)
    assert pilot._line((1, 3), [10.0, 9.0]) == Line(10.0, 0.0)  # noise must not make a layer earn time


def test_the_median_leaves_the_first_call_out(monkeypatch):
    clock = iter([0, 100, 100, 101, 101, 104, 104, 106])
    monkeypatch.setattr(pilot.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(pilot, "ENOUGH", 6.0)
    assert pilot._seconds(lambda: None, torch.device("cpu")) == np.median([1, 3, 2])


def test_torchs_random_state_is_left_alone(planned):
    stage, model = planned("full")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    measure_pace(stage, model, 2, LENGTHS, HOW)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("technique", "moved"), [("full", 3), ("linear-probe", 0)])
def test_the_bytes_of_measuring_are_those_of_three_layers(planned, technique, moved):
    stage, model = planned(technique)
    whole = sum(value.numel() for value in build_random(shrink(model, 3), 2, torch.device("cpu")).parameters())
    head = 2 * 32
    assert pilot_bytes(stage, model, 2) == 4 * (whole + (moved * whole if moved else 3 * head))
