"""A stage starts exactly where the stages before it ended."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tuneoff.errors import StoreError
from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.techniques import settings_of
from tuneoff.techniques.composition import StageSpec
from tuneoff.training.build import (
    Ancestor,
    apply_technique,
    build_classifier,
    build_head_only,
    count_parameters,
    load_trained,
    make_technique,
    sketch,
    trainable,
    trains_head_alone,
)

CLASSES = ("a", "b", "c")
CPU = torch.device("cpu")
IDS = torch.tensor([[5, 9, 11, 7], [6, 12, 13, 0], [8, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]])


def spec(technique, **settings):
    return StageSpec(technique, technique, settings_of(technique)(**settings), None, 0)


@pytest.fixture
def ended(resolve, tmp_path):
    """Return a function that lets stages end one after another, each with weights moved a little.

    Gives the ancestors and the logits of the last.
    """

    def run(family, *techniques):
        model = resolve(family)
        ancestors, logits = [], None
        for number, technique in enumerate(techniques):
            classifier = build_classifier(model, CLASSES, ancestors, CPU, head_seed=number)
            trained = apply_technique(make_technique(spec(technique)), classifier, seed=number)
            noise = torch.Generator().manual_seed(number)
            with torch.no_grad():
                for value in trained.values():
                    value += 0.05 * torch.randn(value.shape, generator=noise)
                logits = classifier.eval()(IDS, MASK)
            path = tmp_path / f"{number}.safetensors"
            save_file({name: value.detach().contiguous() for name, value in trained.items()}, path)
            ancestors.append(Ancestor(spec(technique), f"key-{number}", path))
        return model, ancestors, logits

    return run


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
@pytest.mark.parametrize(
    "techniques", [["full"], ["linear-probe"], ["lora"], ["linear-probe", "lora"], ["linear-probe", "lora", "full"]]
)
def test_it_starts_with_the_logits_of_the_stage_before(ended, family, techniques):
    model, ancestors, expected = ended(family, *techniques)
    classifier = build_classifier(model, CLASSES, ancestors, CPU, head_seed=99)
    with torch.no_grad():
        torch.testing.assert_close(classifier(IDS, MASK), expected, rtol=1e-4, atol=1e-5)
    assert trainable(classifier) == {} and not classifier.training
    assert "lora" not in "".join(name for name, _ in classifier.named_modules())


def test_without_ancestors_it_is_the_model_with_a_head_of_the_seed(resolve):
    model = resolve("bert")
    plain = load_classifier(model, CLASSES, device="cpu")
    init_head(plain, 7)
    built = build_classifier(model, CLASSES, [], CPU, head_seed=7)
    assert all(torch.equal(value, built.get_parameter(name)) for name, value in plain.named_parameters())
    other = build_classifier(model, CLASSES, [], CPU, head_seed=8)
    assert not torch.equal(other.head.weight, built.head.weight)


@pytest.mark.parametrize("techniques", [[], ["linear-probe"], ["lora"], ["linear-probe", "lora"]])
def test_the_head_alone_is_the_whole_classifiers_head(ended, resolve, techniques):
    model, ancestors, _ = ended("bert", *techniques)
    whole = build_classifier(model, CLASSES, ancestors, CPU, head_seed=5)
    alone = build_head_only(model, CLASSES, ancestors, CPU, head_seed=5)
    assert torch.equal(alone.head.weight, whole.head.weight)
    vectors = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(alone.classify(vectors), whole.classify(vectors))
    assert {value.device.type for value in alone.backbone.parameters()} == {"meta"}


def test_an_ancestor_knows_whether_it_changed_the_backbone(ended):
    _, ancestors, _ = ended("bert", "linear-probe", "lora", "full")
    assert [one.changes_backbone for one in ancestors] == [False, True, True]


def test_building_leaves_the_random_numbers_alone(ended):
    model, ancestors, _ = ended("bert", "lora")
    before = torch.get_rng_state()
    build_classifier(model, CLASSES, ancestors, CPU, head_seed=1)
    build_head_only(model, CLASSES, ancestors, CPU, head_seed=1)
    sketch(make_technique(spec("lora")), model, 3)
    assert torch.equal(before, torch.get_rng_state())


def without_one(weights):
    return dict(list(weights.items())[1:])


def with_one_more(weights):
    return weights | {"backbone.pooler.dense.weight": torch.zeros(2)}


def under_other_names(weights):
    return {f"module.{name}": value for name, value in weights.items()}


@pytest.mark.parametrize("change", [without_one, with_one_more, under_other_names])
def test_weights_of_other_names_are_refused_and_nothing_is_loaded(resolve, tmp_path, change):
    classifier = build_classifier(resolve("bert"), CLASSES, [], CPU, head_seed=0)
    trained = apply_technique(make_technique(spec("lora")), classifier, 0)
    before = {name: value.detach().clone() for name, value in trained.items()}
    path = tmp_path / "weights.safetensors"
    save_file(change({name: torch.ones_like(value) for name, value in trained.items()}), path)
    with pytest.raises(StoreError, match=r"weights\.safetensors: not the weights that this stage trains .*delete"):
        load_trained(classifier, path)
    assert all(torch.equal(value, before[name]) for name, value in trained.items())


def test_the_seed_of_a_technique_gives_its_numbers(resolve):
    def adapters(seed):
        classifier = build_classifier(resolve("bert"), CLASSES, [], CPU, head_seed=0)
        return apply_technique(make_technique(spec("lora")), classifier, seed)

    first, again, other = adapters(1), adapters(1), adapters(2)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_a_technique_may_look_at_the_training_texts_once(resolve):
    seen = []

    class Curious(type(make_technique(spec("lora")))):
        def data_pass(self, classifier, batches):
            assert trainable(classifier)  # `apply` came before
            seen.extend(batches)

    classifier = build_classifier(resolve("bert"), CLASSES, [], CPU, head_seed=0)
    apply_technique(Curious(settings_of("lora")()), classifier, 0, [{"input_ids": IDS}, {"input_ids": IDS}])
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("technique", "pooling", "alone"),
    [("linear-probe", "auto", True), ("linear-probe", "misindexed", False), ("lora", "auto", False)],
)
def test_vectors_are_enough_for_a_head_whose_texts_do_not_depend_on_each_other(resolve, technique, pooling, alone):
    model = resolve("qwen3", pooling=pooling)
    assert trains_head_alone(sketch(make_technique(spec(technique)), model, 3)) is alone


def test_a_classs_own_head_needs_the_whole_model(native):
    assert not trains_head_alone(sketch(make_technique(spec("linear-probe")), native("bert"), 2))


@pytest.mark.parametrize("technique", ["full", "linear-probe", "lora"])
def test_parameters_are_counted_each_once(resolve, technique):
    classifier = build_classifier(resolve("qwen3"), CLASSES, [], CPU, head_seed=0)
    trained = apply_technique(make_technique(spec(technique)), classifier, 0)
    counts = count_parameters(classifier)
    sizes = [np.prod(value.shape) for value in trained.values()]
    assert counts["trained"] == sum(sizes)
    assert counts["total"] == sum(value.numel() for value in {id(v): v for v in classifier.parameters()}.values())
    assert counts.get("total_peft") == (counts["total"] + 3 * 32 if technique == "lora" else None)
