"""What is asked of Ray for a stage, and what the command keeps in memory to know it."""

from dataclasses import replace

import torch

from tuneoff.executors.resources import Resources, StageOptions
from tuneoff.footprint import costs_by_kind, kind_of, stage_peak, texts_of
from tuneoff.plan import make_plan
from tuneoff.running import prepare

NODE = {"Resources": {"memory": 64 << 30}}


def test_a_stage_gets_the_memory_that_is_foretold_and_other_tasks_are_put_away(study, listener):
    one = study(["full"])
    few = one.study.task.model_copy(update={"limit": 20, "called": "few"})
    read = replace(one, study=one.study.model_copy(update={"tasks": [one.study.task, few]}))
    prepared = prepare(read, listener())
    places, plan = prepared.places, make_plan(read.study, prepared.questions, None)
    texts = {key: texts_of(place.tokens()) for key, place in places.items()}
    options = StageOptions(Resources(1, 0), [NODE], plan, places)
    costs = costs_by_kind(plan, {"tiny-bert": next(iter(places.values())).model}, {"train": 2, "few": 2})
    for stage in plan.stages:
        place = places[stage.address.place]
        foretold = stage_peak(
            stage, costs[kind_of(stage)], texts[stage.address.place], place.execution, torch.device("cpu")
        )
        assert options.of(stage) == {"num_cpus": 1, "num_gpus": 0, "max_retries": 0, "memory": foretold}
        assert [key for key, place in places.items() if place._tokens is not None] == [stage.address.place]


def test_no_stage_asks_for_more_than_the_largest_node_has(study, listener):
    read = study(["full"])
    prepared = prepare(read, listener())
    plan = make_plan(read.study, prepared.questions, None)
    small = {"Resources": {"memory": 1 << 20}}
    options = StageOptions(Resources(2, 0), [small, {"Resources": {}}], plan, prepared.places)
    assert options.of(plan.stages[0])["memory"] == 1 << 20
    assert "memory" not in StageOptions(Resources(2, 1), [small], plan, prepared.places).of(plan.stages[0])
