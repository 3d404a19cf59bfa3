"""A backbone in 4 bits computes what transformers' own does, in every mode, and stays what it is while others train."""

import importlib.util

import numpy as np
import pytest
import torch
from transformers import AutoModel, BitsAndBytesConfig

from tuneoff.errors import ModelError
from tuneoff.models import quantised
from tuneoff.models.backbones import quiet
from tuneoff.models.classifier import build_random, init_head, load_classifier
from tuneoff.models.pooling import pool
from tuneoff.models.resolve import resolve_model
from tuneoff.study import ModelSpec
from tuneoff.techniques import get, names
from tuneoff.techniques.adapter import Adapter
from tuneoff.training.build import apply_technique, count_parameters, count_quantised, sketch, trainable
from tuneoff.training.loop import take_step
from tuneoff.training.state import TrainingState

IDS = torch.tensor([[5, 9, 11, 7], [6, 12, 13, 0], [8, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]])
ALLOWED = [name for name in names() if get(name)(get(name).settings_class()).refuses_4bit is None]
installed = pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")


def _is_4bit(value):
    return type(value).__name__ == "Params4bit"


@pytest.fixture
def in_4bit(resolve):
    """Return a function from a family to its tiny model's classifier in 4 bits."""

    def load(family, **settings):
        classifier = load_classifier(resolve(family, load="4bit", **settings), ["a", "b", "c"], device="cpu")
        init_head(classifier, 0)
        return classifier

    return load


def test_without_bitsandbytes_the_way_to_it_is_told(resolve, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"load: 4bit needs bitsandbytes.*pip install 'tuneoff\[4bit\]'"):
        resolve("wide-bert", load="4bit")
    assert resolve("wide-bert").load is None


def test_it_is_a_model_of_its_own_in_names_and_keys(model_folder):
    plain, packed = (
        resolve_model(ModelSpec(id=str(model_folder("wide-bert")), load=load), need_weights=False)
        for load in (None, "4bit")
    )
    assert "load" not in plain.keyed()  # so that the keys of before hold
    assert packed.keyed() == {**plain.keyed(), "load": "4bit"}
    assert packed.name == f"{plain.name}-4bit"
    assert ModelSpec(id="m", load="4bit", name="mine").named("m") == "mine"
    assert len(ModelSpec(id="m", load="4bit").named("m" * 80)) == 80


def test_a_layer_that_would_be_unpacked_wrongly_is_told(model_folder):
    model = resolve_model(ModelSpec(id=str(model_folder("bert")), load="4bit"), need_weights=False)
    with pytest.raises(ModelError, match="query takes 32 numbers, which is no multiple of 64"):
        count_quantised(model, 2)


@installed
@pytest.mark.parametrize("family", ["wide-bert", "wide-qwen3", "wide-gpt2", "wide-t5"])
def test_the_vectors_are_those_of_the_rounded_weights(family, in_4bit, model_folder):
    """Against a plain model that is given the unpacked weights: what 4 bits mean, without any of their layers."""
    from bitsandbytes.functional import dequantize_4bit

    classifier = in_4bit(family)
    packed = {name: value for name, value in classifier.backbone.named_parameters() if _is_4bit(value)}
    assert packed
    auto = AutoModel if family != "wide-t5" else type(classifier.backbone)
    plain = auto.from_pretrained(model_folder(family), dtype=torch.float32).eval()
    with torch.no_grad():
        for name, value in packed.items():
            weight, target = dequantize_4bit(value.data, value.quant_state), plain.get_parameter(name)
            weight = weight.T if family == "wide-gpt2" else weight
            assert 0.08 < (weight - target).norm() / target.norm() < 0.1  # what nf4 makes of normal numbers
            target.copy_(weight)
        for name, value in plain.named_parameters():
            if name not in packed and name in dict(classifier.backbone.named_parameters()):
                assert torch.equal(value, classifier.backbone.get_parameter(name))
        inputs = {"input_ids": IDS, "attention_mask": MASK}
        if family == "wide-bert":
            inputs["token_type_ids"] = torch.zeros_like(IDS)
        expected = pool(plain(**inputs).last_hidden_state, MASK, classifier.pooling)
        found = classifier.vectors(IDS, MASK)
    assert (found - expected).norm() < 1e-5 * expected.norm()


@installed
@pytest.mark.parametrize("family", ["wide-bert", "wide-qwen3"])
def test_the_logits_are_those_of_transformers_and_peft(family, in_4bit, model_folder):
    import peft

    classifier = in_4bit(family)
    technique = get("lora")(get("lora").settings_class())
    trained = apply_technique(technique, classifier, 1)
    with torch.no_grad():
        for value in trained.values():
            value.copy_(0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(value.numel())))
    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=[],
    )
    theirs = AutoModel.from_pretrained(
        model_folder(family), dtype=torch.float32, quantization_config=how, device_map="cpu"
    )
    config = peft.LoraConfig(r=8, lora_alpha=32, target_modules=["query", "value", "q_proj", "v_proj"])
    with quiet():
        model = peft.get_peft_model(theirs, config)
    for module in model.modules():  # in training mode, where bitsandbytes computes in float32 on any processor
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".default." in name:
                value.copy_(classifier.backbone.get_parameter(name.removeprefix("base_model.model.")))
        hidden = model.train()(input_ids=IDS, attention_mask=MASK).last_hidden_state
        expected = pool(hidden, MASK, classifier.pooling) @ classifier.head.weight.T
        found = classifier.eval()(IDS, MASK)
    assert (found - expected).norm() < 1e-5 * expected.norm()


@installed
def test_modes_and_gradients_change_nothing(in_4bit):
    """bitsandbytes packs anew, and computes in bf16, for layers in evaluation mode where the processor can."""
    classifier = in_4bit("wide-qwen3")
    layers = [one for one in classifier.modules() if hasattr(one, "support_avx512bf16_for_cpu")]
    for layer in layers:
        assert not layer.support_avx512bf16_for_cpu
    before = {name: value.data.clone() for name, value in classifier.named_parameters()}
    quiet = classifier(IDS, MASK)
    table = classifier.backbone.get_input_embeddings().weight.requires_grad_(True)
    loud = classifier.train()(IDS, MASK)
    loud.sum().backward()
    assert table.grad.abs().max() > 0
    assert (quiet - loud).abs().max() < 1e-6 * quiet.abs().max()
    for name, value in classifier.named_parameters():
        assert torch.equal(value.data, before[name])


@installed
@pytest.mark.parametrize("family", ["wide-bert", "wide-qwen3"])
def test_a_model_of_random_numbers_is_packed_as_one_that_is_read(family, in_4bit, resolve, model_folder):
    read, model = in_4bit(family), resolve(family, load="4bit")
    plain = AutoModel.from_pretrained(model_folder(family), dtype=torch.float32)
    quantised.quantise(plain, [])
    for name, value in read.backbone.named_parameters():
        assert torch.equal(value.data, plain.get_parameter(name).data), name
        assert _is_4bit(value) == _is_4bit(plain.get_parameter(name))
    classifier = build_random(model, 3, torch.device("cpu"))
    assert classifier.packable == read.packable
    assert sum(map(_is_4bit, classifier.parameters())) == sum(map(_is_4bit, read.parameters())) > 0


@installed
@pytest.mark.parametrize("head", ["linear", "native"])
def test_the_sketch_counts_what_is_there(head, resolve, native):
    model = resolve("wide-bert", load="4bit") if head == "linear" else None
    if model is None:
        folder = native("wide-bert").path
        model = resolve_model(ModelSpec(id=str(folder), head="native", load="4bit"), need_weights=True)
    technique = get("lora")(get("lora").settings_class())
    drawn = sketch(technique, model, 3)
    real = load_classifier(model, ["a", "b", "c"], device="cpu")
    packed = [value for value in real.parameters() if _is_4bit(value)]
    assert count_quantised(model, 3) == sum(value.quant_state.shape.numel() for value in packed) > 0
    stored = sum(
        value.data.nbytes + value.quant_state.absmax.nbytes + value.quant_state.state2.absmax.nbytes for value in packed
    )
    # Of a tiny layer the last block of scales is not full.
    assert stored == pytest.approx(quantised.BYTES_A_NUMBER * count_quantised(model, 3), rel=0.01)
    assert not any(map(_is_4bit, real.head_parameters().values()))
    technique.apply(real)
    assert count_parameters(real) == count_parameters(drawn)
    assert trainable(real).keys() == trainable(drawn).keys()


@installed
@pytest.mark.parametrize("family", ["wide-bert", "wide-qwen3"])
@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_trained_does_on_it_what_it_does_on_the_unpacked_weights(name, family, in_4bit, resolve):
    from bitsandbytes.functional import dequantize_4bit

    packed, plain = in_4bit(family), load_classifier(resolve(family), ["a", "b", "c"], device="cpu")
    init_head(plain, 0)
    with torch.no_grad():
        for key, value in packed.named_parameters():
            if _is_4bit(value):
                plain.get_parameter(key).copy_(dequantize_4bit(value.data, value.quant_state))
    found = []
    for classifier in (packed, plain):
        trained = apply_technique(get(name)(get(name).settings_class()), classifier, 1)
        noise = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for value in trained.values():
                value += 0.05 * torch.randn(value.shape, generator=noise)
        if get(name).name != "knn":
            logits = classifier.eval()(IDS, MASK)
            logits.square().sum().backward()
            found.append([logits.detach(), *(value.grad for value in trained.values())])
    for one, other in zip(*found, strict=True) if found else ():
        assert (one - other).norm() <= 1e-4 * other.norm() + 1e-7


@installed
@pytest.mark.parametrize("name", ALLOWED)
def test_the_base_stays_as_it_is_bit_for_bit(name, make_job, resolve):
    job = make_job(name, model=resolve("wide-qwen3", load="4bit"))
    reference = load_classifier(resolve("wide-qwen3", load="4bit"), ["no", "yes"], device="cpu")
    start = {key: value.detach().clone() for key, value in job.trained.items()}
    if job.technique.gradient_free:
        return
    optimizer = job.technique.optimizer(job.trained, job.optimization)
    state = TrainingState()
    for _ in range(2):
        take_step(job, state, optimizer)
        state.step += 1
    moved = [key for key, value in job.trained.items() if not torch.equal(value, start[key])]
    assert len(moved) > 0.4 * len(job.trained)
    assert all(np.isfinite(value.detach().numpy()).all() for value in job.trained.values())
    for key, value in reference.backbone.named_parameters():
        if not _is_4bit(value):
            continue
        path, _, last = key.rpartition(".")
        module = job.classifier.backbone.get_submodule(path)
        now = getattr(module.get_base_layer() if hasattr(module, "get_base_layer") else module, last)
        assert torch.equal(now.data, value.data), key
        assert torch.equal(now.quant_state.absmax, value.quant_state.absmax)


@pytest.mark.parametrize("name", names())
def test_only_what_leaves_the_base_frozen_is_let_in(name):
    """What trains parameters of the plain backbone is refused; the doctor's own look at what is frozen agrees."""
    technique = get(name)(get(name).settings_class())
    if technique.refuses_4bit is None:
        assert isinstance(technique, Adapter) or not technique.changes_weights
        assert isinstance(technique, Adapter) == (technique.ends_a_4bit_chain is not None)
