"""Each stage once, parents first."""

from tuneoff.study import DEFAULT_TECHNIQUES

THREE = ["linear-probe", "linear-probe+lora", "linear-probe+lora+full"]


def chains(plan):
    return [stage.address.chain for stage in plan.stages]


def test_each_stage_is_there_once_and_parents_come_first(plan):
    stages = plan([*reversed(DEFAULT_TECHNIQUES), "linear-probe+lora+full"], seeds=2).stages
    addresses = [stage.address for stage in stages]
    assert len(set(addresses)) == len(addresses) == 2 * 6
    for number, stage in enumerate(stages):
        assert stage.parent is None or stage.parent in addresses[:number]
        expected = stage.address.chain.rpartition("+")[0] or None
        assert (stage.parent.chain if stage.parent else None) == expected
        assert stage.parent is None or stage.parent.seed == stage.address.seed


def test_a_stage_says_which_techniques_need_it(plan):
    needed = {stage.address.chain: stage.needed_by for stage in plan(DEFAULT_TECHNIQUES).stages}
    assert needed["linear-probe"] == ("linear-probe", "linear-probe+full", "linear-probe+lora")
    assert needed["full"] == ("full",) and needed["linear-probe+lora"] == ("linear-probe+lora",)


def test_a_stage_that_no_technique_names_is_planned_for_those_that_need_it(plan):
    assert chains(plan(["linear-probe+lora"])) == ["linear-probe", "linear-probe+lora"]


def test_the_first_seed_is_finished_before_the_second_begins(plan):
    assert [stage.address.seed for stage in plan(THREE, seeds=[4, 1]).stages] == [4, 4, 4, 1, 1, 1]


def test_steps_are_counted_over_the_stages(plan):
    stages = plan([{"name": "linear-probe", "steps": 5}, *THREE[1:]], steps=7).stages
    assert [stage.first_step for stage in stages] == [0, 5, 12]
