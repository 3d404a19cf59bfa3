"""A text's logits: the same in any company, and those of transformers' own classes where these are right."""

import json
import os

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoModelForSequenceClassification, Qwen3Config

from tuneoff.errors import ModelError
from tuneoff.models.classifier import build_meta, init_head, load_classifier
from tuneoff.models.families import lora_targets
from tuneoff.models.resolve import ResolvedModel, resolve_model
from tuneoff.models.text import collate, load_tokenizer, tokenize
from tuneoff.study import ModelSpec

CLASSES = ["yes", "no", "perhaps"]
ENCODERS = ["bert", "electra", "distilbert", "roberta", "xlm-roberta"]
DECODERS = ["qwen3", "gemma3", "llama", "gpt2"]
TEXTS = (
    ["the cat sat", "a dog", "the very old man reads the book in the rain", "woman ran far in rain"],
    ["on the mat", "ran", "a young woman sat far on the mat", "the man"],
)


def loaded(resolved, seed=0, **settings):
    classifier = load_classifier(resolved, CLASSES, device="cpu", **settings)
    init_head(classifier, seed)
    return classifier


def ids_of(resolved, texts=TEXTS):
    return tokenize(resolved, load_tokenizer(resolved), texts).ids


def logits(classifier, ids, side=None):
    with torch.no_grad():
        return classifier(*collate(ids, classifier.pad_id, side or classifier.pad_side))


def one_by_one(classifier, ids):
    return torch.cat([logits(classifier, [row]) for row in ids])


@pytest.mark.parametrize("pooling", ["auto", "last", "mean", "first"])
@pytest.mark.parametrize("family", ENCODERS + DECODERS)
def test_logits_do_not_depend_on_company_or_padding(resolve, family, pooling):
    resolved = resolve(family, pooling=pooling)
    classifier, ids = loaded(resolved), ids_of(resolved)
    alone = one_by_one(classifier, ids)
    assert alone.dtype == torch.float32
    if family in ENCODERS or pooling != "first":  # a decoder's first token has seen nothing of its text
        assert torch.pdist(alone).min() > 1e-3
    for company in ([0, 1, 2, 3], [3, 2, 1, 0], [0, 1], [1, 2]):
        for side in ("right", "left"):
            together = logits(classifier, [ids[row] for row in company], side)
            torch.testing.assert_close(together, alone[company], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ENCODERS + DECODERS)
def test_native_logits_do_not_depend_on_company_or_padding(family, native):
    resolved = native(family)
    classifier, ids = loaded(resolved), ids_of(resolved)
    alone = one_by_one(classifier, ids)
    assert torch.pdist(alone).min() > 1e-3
    for side in ("right", "left"):
        # The classes of encoders pool the first column, which is padding under padding on the left.
        if side == "right" or family in DECODERS:
            torch.testing.assert_close(logits(classifier, ids, side), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", DECODERS)
def test_linear_head_on_a_decoder_equals_its_own_class(resolve, family):
    resolved = resolve(family)
    classifier, ids = loaded(resolved), ids_of(resolved)
    own = AutoModelForSequenceClassification.from_pretrained(resolved.path, num_labels=3).eval()
    own.score.load_state_dict(classifier.head.state_dict())
    # <|turn|> occurs in no text: the one kind of padding id with which the class pools the right token.
    own.config.pad_token_id = 3
    input_ids, mask = collate(ids, 3, "right")
    with torch.no_grad():
        expected = own(input_ids=input_ids, attention_mask=mask).logits
    torch.testing.assert_close(logits(classifier, ids), expected, atol=1e-5, rtol=1e-4)


def test_own_class_of_decoders_is_wrong_where_padding_ends_the_texts(resolve):
    """The trap that mask pooling avoids: with the padding that is also the end, the class takes the token before."""
    resolved = resolve("qwen3")
    classifier, ids = loaded(resolved), ids_of(resolved)
    own = AutoModelForSequenceClassification.from_pretrained(resolved.path, num_labels=3).eval()
    own.score.load_state_dict(classifier.head.state_dict())
    own.config.pad_token_id = load_tokenizer(resolved).pad_token_id
    with torch.no_grad():
        wrong = own(input_ids=torch.from_numpy(ids[0]).long()[None]).logits
    assert (wrong - logits(classifier, ids[:1])).abs().max() > 1e-3


@pytest.mark.parametrize("family", ENCODERS)
def test_mean_pooling_equals_the_slow_formula(resolve, family):
    resolved = resolve(family)
    classifier = loaded(resolved)
    tokenizer = load_tokenizer(resolved)
    model = AutoModel.from_pretrained(resolved.path).eval()
    inputs = tokenizer(*TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
        vectors = classifier.vectors(*collate(ids_of(resolved), classifier.pad_id, "right"))
    for row, attended in enumerate(inputs["attention_mask"]):
        rows = [hidden[row, place] for place in range(hidden.shape[1]) if attended[place]]
        torch.testing.assert_close(vectors[row], sum(rows) / len(rows), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ENCODERS + DECODERS)
def test_native_equals_the_class_itself(family, native):
    resolved = native(family)
    classifier = load_classifier(resolved, ["a", "b"], device="cpu")
    own = AutoModelForSequenceClassification.from_pretrained(resolved.path).eval()
    for row in zip(*TEXTS, strict=True):
        text = row if not resolved.is_decoder else ["\n".join(row)]
        with torch.no_grad():
            expected = own(**load_tokenizer(resolved)(*text, return_tensors="pt")).logits
        ids = ids_of(resolved, tuple([part] for part in row))
        torch.testing.assert_close(logits(classifier, ids), expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(ModelError, match="native"):
        classifier.vectors(torch.ones(1, 2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long))


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS])
def test_explicit_positions_are_the_models_own_for_right_padding(resolve, family):
    resolved = resolve(family)
    classifier, ids = loaded(resolved), ids_of(resolved)
    input_ids, mask = collate(ids, classifier.pad_id, "right")
    inputs = classifier._inputs(input_ids, mask)
    assert "position_ids" in inputs
    with torch.no_grad():
        explicit = classifier.backbone(**inputs).last_hidden_state
        del inputs["position_ids"]
        own = classifier.backbone(**inputs).last_hidden_state
    torch.testing.assert_close(explicit[mask.bool()], own[mask.bool()], atol=1e-5, rtol=1e-4)


def test_segments_reach_the_embeddings(resolve):
    """BERT reads the second text with its second segment, though only ids are kept of a text."""
    resolved = resolve("bert")
    classifier = loaded(resolved)
    both = logits(classifier, ids_of(resolved))
    separator, classifier.separator = classifier.separator, None
    assert separator == 3
    assert (logits(classifier, ids_of(resolved)) - both).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "bert"])
def test_misindexed_is_the_defect_of_2025(resolve, family):
    resolved = resolve(family, pooling="misindexed")
    classifier, ids = loaded(resolved), ids_of(resolved)
    assert classifier.pad_side == "left" and classifier.depends_on_batch
    alone, together = one_by_one(classifier, ids), logits(classifier, ids)
    longest = max(range(len(ids)), key=lambda row: len(ids[row]))
    torch.testing.assert_close(together[longest], alone[longest], atol=1e-5, rtol=1e-4)
    others = [row for row in range(len(ids)) if row != longest]
    assert (together - alone)[others].abs().amax(dim=1).min() > 1e-3
    input_ids, mask = collate(ids, classifier.pad_id, "left")
    with torch.no_grad():
        hidden = classifier.backbone(**classifier._inputs(input_ids, mask)).last_hidden_state
        for row, tokens in enumerate(ids):
            expected = classifier.head(hidden[row, len(tokens) - 1])
            torch.testing.assert_close(together[row], expected, atol=1e-5, rtol=1e-4)


def test_models_without_explicit_positions_refuse_left_padding(resolve):
    resolved = resolve("t5")
    classifier, ids = loaded(resolved), ids_of(resolved)
    torch.testing.assert_close(logits(classifier, ids, "right"), one_by_one(classifier, ids), atol=1e-5, rtol=1e-4)
    with pytest.raises(ModelError, match="pad on the right"):
        logits(classifier, ids, "left")


def test_the_papers_counts_on_meta():
    config = Qwen3Config(
        vocab_size=151670,
        hidden_size=1024,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        intermediate_size=3072,
        tie_word_embeddings=True,
    )
    fixed = {"name": "q", "label": "q", "source": "q", "path": None, "revision": None, "pooling": "last"}
    fixed |= {"head": "linear", "prefix": "", "template": "{0}", "max_length": 512, "fingerprint": None}
    resolved = ResolvedModel(config=config, tokenizer_fingerprint=None, trust_remote_code=False, **fixed)
    state = torch.get_rng_state()
    classifier = build_meta(resolved, 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(value.is_meta for value in classifier.parameters())
    count = {name: value.numel() for name, value in classifier.named_parameters()}
    assert sum(count.values()) == 595_779_584
    assert list(classifier.head_parameters()) == ["head.weight"] and count["head.weight"] == 2_048
    assert set(classifier.backbone_parameters()) == set(count) - {"head.weight"}


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS, "t5"])
@pytest.mark.parametrize("head", ["linear", "native"])
def test_meta_names_and_shapes_are_those_of_the_loaded_model(resolve, model_folder, family, head, native):
    if head == "native" and family == "t5":
        with pytest.raises(ModelError, match="linear"):
            build_meta(resolve(family, head=head), 3)
        return
    resolved = resolve(family) if head == "linear" else native(family)
    shapes = {name: value.shape for name, value in loaded(resolved).named_parameters()}
    meta = build_meta(resolved, 3)
    assert {name: value.shape for name, value in meta.named_parameters()} == shapes
    assert not any("pooler" in name for name in meta.backbone_parameters()) or head == "native"


@pytest.mark.parametrize("head", ["linear", "native"])
def test_init_head_follows_its_seed_alone(resolve, head):
    resolved = resolve("roberta", head=head)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second, other = loaded(resolved, 1), loaded(resolved, 1), loaded(resolved, 2)
    init_head(other, 1)
    init_head(other, 2)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.head_parameters().items():
        assert torch.equal(value, second.head_parameters()[name])
        assert value.dtype == torch.float32
        if not name.endswith("bias"):
            assert not torch.equal(value, other.head_parameters()[name])
            assert value.std() == pytest.approx(0.02 if head == "linear" else 0.3, rel=0.25)
    for name, value in first.backbone_parameters().items():
        assert torch.equal(value, other.backbone_parameters()[name])


def test_head_and_vectors_are_float32_on_a_bf16_base(resolve, native):
    for resolved in (resolve("qwen3"), native("roberta")):
        exact, rounded = loaded(resolved), loaded(resolved, dtype=torch.bfloat16)
        ids = ids_of(resolved)
        assert {value.dtype for value in rounded.backbone_parameters().values()} == {torch.bfloat16}
        assert {value.dtype for value in rounded.head_parameters().values()} == {torch.float32}
        assert logits(rounded, ids).dtype == torch.float32
        torch.testing.assert_close(logits(rounded, ids), logits(exact, ids), atol=0.3, rtol=0.3)
        if resolved.head == "linear":
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                vectors = exact.vectors(*collate(ids, exact.pad_id, "right"))
                assert vectors.dtype == torch.float32
                assert torch.equal(exact.head(vectors).float(), logits(exact, ids)) is False
                assert logits(exact, ids).dtype == torch.float32


def test_padding_gets_no_gradient_and_each_embedding_of_a_text_does(native):
    """Also the row of the id that a native head pads with, which a config's pad_token_id would have silenced."""
    resolved = native("llama")
    classifier = loaded(resolved).requires_grad_(True)
    ids = ids_of(resolved)
    classifier(*collate(ids, classifier.pad_id, "right")).square().sum().backward()
    rows = classifier.backbone.model.embed_tokens.weight.grad.abs().sum(dim=1)
    used = torch.zeros(len(rows), dtype=torch.bool)
    used[[token for row in ids for token in row.tolist()]] = True
    assert classifier.pad_id not in {token for row in ids for token in row.tolist()}
    assert (rows[used] > 0).all() and (rows[~used] == 0).all()


# peft 0.21 asks transformers 5.23 for a property by its old name.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize("head", ["linear", "native"])
def test_a_wrapped_backbone_keeps_its_head_and_its_positions(resolve, head, native):
    resolved = resolve("qwen3") if head == "linear" else native("qwen3")
    classifier, ids = loaded(resolved), ids_of(resolved)
    before, names = logits(classifier, ids, "left"), list(classifier.head_parameters())
    backbone = sum(value.numel() for value in classifier.backbone_parameters().values())
    config = LoraConfig(r=2, target_modules=lora_targets(classifier.backbone))
    with torch.random.fork_rng():
        classifier.backbone = get_peft_model(classifier.backbone, config)
    (weight,) = classifier.head_parameters().values()
    assert weight.shape == (3, 32)
    added = sum(value.numel() for name, value in classifier.named_parameters() if "lora_" in name)
    assert sum(value.numel() for value in classifier.backbone_parameters().values()) == backbone + added > backbone
    torch.testing.assert_close(logits(classifier, ids, "left"), before, atol=1e-6, rtol=1e-5)
    classifier.backbone = classifier.backbone.merge_and_unload()
    assert list(classifier.head_parameters()) == names


@pytest.mark.slow
def test_a_real_encoder_in_company():
    folder = os.environ.get("TUNEOFF_TEST_MODEL")
    if folder is None:
        pytest.skip("TUNEOFF_TEST_MODEL names no folder with a real model")
    resolved = resolve_model(ModelSpec(id=folder), need_weights=True)
    classifier = loaded(resolved)
    ids = ids_of(resolved, (["Кошка сидит.", "Дождь"], ["Животное сидит на ковре у старого дома.", "Сухо"]))
    alone = one_by_one(classifier, ids)
    for side in ("right", "left"):
        torch.testing.assert_close(logits(classifier, ids, side), alone, atol=1e-5, rtol=1e-4)
    assert json.dumps(resolved.keyed())
