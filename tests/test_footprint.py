import numpy as np
import pytest
import torch

from tuneoff.estimate import peak_memory
from tuneoff.footprint import cache_bytes, costs_by_kind, kept_bytes, kind_of, largest_tokens, stage_peak, texts_of
from tuneoff.models.classifier import load_classifier
from tuneoff.models.text import Tokens
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.training.build import apply_technique, make_technique
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.job import Execution
from tuneoff.training.order import batch_rows, packed_batches

CPU = torch.device("cpu")


@pytest.fixture
def planned(study, listener):
    """Return a function that plans a study: its plan, its costs by kind, and its only workplace."""

    def made(techniques, **protocol):
        prepared = prepare(study(techniques, **protocol), listener())
        plan = make_plan(prepared.read.study, prepared.questions, None)
        place = next(iter(prepared.places.values()))
        return plan, costs_by_kind(plan, {place.model.name: place.model}, {"train": 2}), place

    return made


def test_texts_are_what_the_tokens_say():
    tokens = {"train": Tokens([np.array([1, 2, 3]), np.array([2])], 0), "test": Tokens([np.array([9, 2])], 1)}
    texts = texts_of(tokens)
    assert {name: lengths.tolist() for name, lengths in texts.lengths.items()} == {"train": [3, 1], "test": [2]}
    assert (texts.used, texts.tokens, texts.seconds) == (4, 6, 0.0)


def test_stages_of_other_seeds_are_of_one_kind(planned):
    plan, costs, _ = planned(["linear-probe", "lora"], seeds=3)
    assert len(plan.stages) == 6 and len(costs) == 2
    assert {kind_of(stage) for stage in plan.stages} == set(costs)


def test_the_most_tokens_at_once_are_those_of_the_largest_part_of_a_batch(planned):
    plan, costs, place = planned(["full"], steps=6, batch_size=8)
    (stage,) = plan.stages
    texts, execution = texts_of(place.tokens()), Execution(40, 1)
    lengths, seed = texts.lengths["train"], stage.key_parts["seeds"]["order"]
    batches = [lengths[batch_rows(len(lengths), 8, seed, step)] for step in range(6)]
    expected = max(batch[part].sum() for batch in batches for part in packed_batches(batch, 40))
    found = largest_tokens(stage, costs[kind_of(stage)], texts, execution, CPU)
    assert found == expected <= 40
    assert stage_peak(stage, costs[kind_of(stage)], texts, execution, CPU) == peak_memory(
        costs[kind_of(stage)], found, texts.used
    )
    # Without the texts: the whole budget, and every row of the table.
    assert stage_peak(stage, costs[kind_of(stage)], None, execution, CPU) == peak_memory(
        costs[kind_of(stage)], 40, place.model.config.vocab_size
    )


@pytest.mark.parametrize("technique", ["prompt", "prefix", "p-tuning", "full"])
def test_virtual_tokens_and_padding_count_as_the_loop_computes_them(planned, technique):
    plan, costs, place = planned([technique], steps=6, batch_size=8)
    (stage,) = plan.stages
    classifier = load_classifier(place.model, place.data.classes, device="cpu")
    apply_technique(make_technique(stage.spec), classifier, 0)
    execution = Execution(120, 1)
    inputs = TokenInputs(place.tokens(), execution.micro_tokens, CPU)
    inputs.suit(classifier, execution.packs(classifier))
    count, seed, made = len(inputs.lengths["train"]), stage.key_parts["seeds"]["order"], []
    for step in range(6):
        rows = batch_rows(count, 8, seed, step)
        made += [inputs.tokens("train", rows[part])[1] for part in inputs.parts("train", rows)]
    cost, texts = costs[kind_of(stage)], texts_of(place.tokens())
    assert largest_tokens(stage, cost, texts, execution, CPU) == max(made) <= 120
    assert cost.extra == classifier.virtual_tokens == (0 if technique == "full" else 20)


@pytest.mark.parametrize(("keep", "times"), [("all", 3), ("last-seed", 1), ("none", 0)])
def test_what_is_kept_is_what_the_study_says(planned, keep, times):
    plan, costs, _ = planned(["linear-probe", "full"], seeds=3, keep_weights=keep)
    assert kept_bytes(plan, costs, plan.stages) == times * 4 * sum(
        cost.parameters["trained"] for cost in costs.values()
    )
    assert kept_bytes(plan, costs, []) == 0


def test_the_cache_holds_a_layer_once(planned):
    rates = {"slow": 1e-4, "fast": 1e-3}
    top = [{"name": n, "use": "top-layers", "layers": 1, "learning_rate": rate} for n, rate in rates.items()]
    plan, costs, place = planned([*top, "full"], seeds=2)
    texts = texts_of(place.tokens())
    assert cache_bytes(costs, {("tiny-bert", "train"): texts}, plan.stages) == 4 * 32 * texts.tokens
