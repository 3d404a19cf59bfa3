"""Vectors are computed once per state of the backbone, in row order, and known by all that they depend on."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import tuneoff.training.workplace as module
from tuneoff.models.activation_cache import Cost
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.running import prepare
from tuneoff.techniques import settings_of
from tuneoff.techniques.composition import StageSpec
from tuneoff.training.build import Ancestor, apply_technique, build_classifier, make_technique
from tuneoff.training.workplace import Workplace


@pytest.fixture
def open_place(study, listener):
    """Return a function that opens a workplace of a small study, as a command of its own would."""

    def opened(**changes):
        (place,) = prepare(study(**changes), listener()).places.values()
        return place

    return opened


@pytest.fixture
def cached(tmp_path):
    """Return a function that counts the files of the cache."""
    return lambda: len(list((tmp_path / "cache").rglob("*.safetensors")))


def ancestor(place, tmp_path, technique="lora", key="key"):
    """A stage that ended, with random weights, on the model of a workplace."""
    spec = StageSpec(technique, technique, settings_of(technique)(), None, 0)
    classifier = build_classifier(place.model, place.data.classes, [], torch.device("cpu"), 0)
    trained = apply_technique(make_technique(spec), classifier, 0)
    noise = torch.Generator().manual_seed(1)
    moved = {name: value.detach() + 0.1 * torch.randn(value.shape, generator=noise) for name, value in trained.items()}
    path = tmp_path / f"{key}.safetensors"
    save_file(moved, path)
    return Ancestor(spec, key, path)


def test_tokens_are_those_of_the_tokenizer_and_made_once(open_place):
    place = open_place()
    tokens = place.tokens()
    assert tokens.keys() == {"train", "test"} and place.tokens() is tokens and place.tokenize_seconds > 0
    for name, split in tokens.items():
        expected = tokenize(place.model, load_tokenizer(place.model), place.data.splits[name].texts)
        assert all(np.array_equal(a, b) for a, b in zip(split.ids, expected.ids, strict=True))


def test_vectors_are_in_row_order_as_each_text_gives_them_alone(open_place):
    place = open_place(micro_tokens=40)
    vectors = place.features([]).vectors
    classifier = build_classifier(place.model, place.data.classes, [], torch.device("cpu"), 0)
    for split, tokens in place.tokens().items():
        assert vectors[split].shape == (len(tokens.ids), 32) and vectors[split].dtype == torch.float32
        for row, ids in enumerate(tokens.ids):
            alone = torch.from_numpy(ids.astype(np.int64))[None]
            with torch.no_grad():
                expected = classifier.vectors(alone, torch.ones_like(alone))[0]
            torch.testing.assert_close(vectors[split][row], expected, rtol=1e-4, atol=1e-5)


def test_a_second_workplace_reads_what_the_first_computed(open_place, cached, monkeypatch):
    first = open_place().features([])
    assert first.computed_now and cached() == 1
    monkeypatch.setattr(Workplace, "_compute_features", None)  # there is nothing to compute
    second = open_place().features([])
    assert not second.computed_now and second.cost == first.cost
    assert all(torch.equal(value, second.vectors[name]) for name, value in first.vectors.items())


def test_the_same_workplace_asks_the_disk_no_second_time(open_place, monkeypatch):
    place = open_place()
    first = place.features([])
    monkeypatch.setattr(module, "cached_features", None)
    second = place.features([])
    assert second.vectors is first.vectors and not second.computed_now


OTHER_VECTORS = {
    "pooling": {"model": {"pooling": "first"}},
    "prefix": {"model": {"prefix": "query: "}},
    "length": {"model": {"max_length": 8}},
    "precision": {"precision": "bf16"},
    "splits": {"eval_on": "dev"},
}
SAME_VECTORS = {
    "names": {"model": {"name": "other", "label": "Other"}},
    "training": {"steps": 9, "batch_size": 3, "schedule": "constant", "eval_every": 1, "seeds": [5]},
    "computing": {"micro_tokens": 100, "compact_vocabulary": False, "device": "cpu"},
}


@pytest.mark.parametrize("change", [*OTHER_VECTORS, *SAME_VECTORS])
def test_vectors_are_known_by_what_they_depend_on_and_nothing_else(open_place, cached, change):
    open_place().features([])
    after = open_place(**(OTHER_VECTORS | SAME_VECTORS)[change]).features([])
    assert after.computed_now == (change in OTHER_VECTORS) and cached() == 1 + (change in OTHER_VECTORS)


def hidden(place, layer=1, ancestors=()):
    """Ask for hidden states of one number each; returns whether they were there."""
    shapes = {name: (len(tokens.ids), 1) for name, tokens in place.tokens().items()}

    def compute(put):
        for name, (rows, _) in shapes.items():
            put(name, 0, torch.zeros(rows, 1))
        return Cost(0.0, 0.0, 1.0, 5)

    return not place.hidden(layer, ancestors, shapes, torch.float32, compute).computed_now


@pytest.mark.parametrize("change", [*OTHER_VECTORS, *SAME_VECTORS, "head"])
def test_hidden_states_are_known_by_what_they_depend_on_and_nothing_else(open_place, cached, change):
    """Neither pooling nor head is among it: both come after the last layer."""
    other = OTHER_VECTORS | SAME_VECTORS | {"head": {"model": {"head": "native"}}}
    assert not hidden(open_place()) and hidden(open_place())
    same = change in {*SAME_VECTORS, "pooling", "head"}
    assert hidden(open_place(**other[change])) is same and cached() == 1 + (not same)


def test_another_layer_or_another_backbone_has_hidden_states_of_its_own(open_place, cached, tmp_path):
    place = open_place()
    before = [ancestor(place, tmp_path, "lora", "first")]
    asked = [(1, []), (2, []), (1, before), (1, [replace(before[0], key="second")])]
    assert not any(hidden(place, *one) for one in asked) and cached() == 4
    assert all(hidden(place, *one) for one in asked)
    place.features([])
    assert cached() == 5


def test_the_same_workplace_opens_hidden_states_once(open_place, monkeypatch):
    place = open_place()
    hidden(place)
    monkeypatch.setattr(module, "cached_hidden", None)
    assert hidden(place)


def test_other_weights_are_other_vectors(open_place, model_folder, tmp_path):
    place = open_place()
    first = place.features([])
    copy = tmp_path / "model"
    shutil.copytree(model_folder("bert"), copy)
    same = open_place(model={"id": str(copy)})
    assert not same.features([]).computed_now
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert open_place(model={"id": str(copy)}).features([]).computed_now and first.computed_now


def test_other_texts_are_other_vectors(study, listener, tmp_path):
    def features():
        (place,) = prepare(read, listener()).places.values()
        return place.features([])

    read = study()
    features()
    text = (tmp_path / "test.jsonl").read_text(encoding="utf-8")
    (tmp_path / "test.jsonl").write_text(text.replace("cat", "dog", 1), encoding="utf-8")
    assert features().computed_now


def test_a_new_meaning_of_training_forgets_the_old_vectors(open_place, monkeypatch):
    open_place().features([])
    monkeypatch.setattr(module, "SEMANTICS", module.SEMANTICS + 1)
    assert open_place().features([]).computed_now


def test_a_stage_that_changed_the_backbone_has_vectors_of_its_own(open_place, cached, tmp_path):
    place = open_place()
    plain = place.features([]).vectors
    before = [ancestor(place, tmp_path, "lora", "first")]
    after = place.features(before).vectors
    assert cached() == 2 and not torch.allclose(plain["test"], after["test"], atol=1e-3)
    classifier = build_classifier(place.model, place.data.classes, before, torch.device("cpu"), 0)
    ids = torch.from_numpy(place.tokens()["test"].ids[3].astype(np.int64))[None]
    with torch.no_grad():
        expected = classifier.vectors(ids, torch.ones_like(ids))[0]
    torch.testing.assert_close(after["test"][3], expected, rtol=1e-4, atol=1e-5)
    assert place.features([replace(before[0], key="second")]).computed_now


def test_a_stage_that_trained_the_head_alone_has_the_models_own_vectors(open_place, cached, tmp_path):
    place = open_place()
    first = place.features([])
    second = place.features([ancestor(place, tmp_path, "linear-probe")])
    assert cached() == 1 and second.vectors is first.vectors


def test_progress_is_counted_in_tokens(open_place):
    heard = []
    place = open_place(micro_tokens=40)
    place.progress = lambda *told: heard.append(told)
    cost = place.features([]).cost
    totals = {name: sum(map(len, tokens.ids)) for name, tokens in place.tokens().items()}
    assert cost.tokens == sum(totals.values())
    for split, total in totals.items():
        done = [told[1] for told in heard if told[0] == split]
        assert done == sorted(done) and len(done) > 2 and done[-1] == total
        assert {told[2] for told in heard if told[0] == split} == {total}


def test_tokenizing_is_charged_once(open_place):
    place = open_place()
    place.tokens()
    assert place.tokenizing_to_charge() == place.tokenize_seconds > 0
    assert place.tokenizing_to_charge() == 0
