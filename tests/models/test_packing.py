"""Packed texts give what padded ones give: vectors, gradients, twenty steps; and where they cannot, it is noticed."""

import numpy as np
import pytest
import torch
from transformers import AutoModel

from tuneoff.models import packed_attention
from tuneoff.models.classifier import load_classifier
from tuneoff.models.packing import pack, pool_packed
from tuneoff.models.pooling import pool
from tuneoff.models.resolve import resolve_model
from tuneoff.models.text import collate, load_tokenizer, tokenize
from tuneoff.study import ModelSpec
from tuneoff.training.loop import train
from tuneoff.training.state import TrainingState

PACKABLE = ["bert", "electra", "roberta", "xlm-roberta", "distilbert", "qwen3", "gemma3", "llama", "gpt2"]
TEXTS = ["the very old woman reads a book in rain", "cat", "the dog ran far", "a man sat on the mat on the mat"]


@pytest.fixture
def loaded(resolve):
    """Return a function from a family to its tiny classifier and the ids of four texts of several lengths."""

    def load(family):
        model = resolve(family)
        classifier = load_classifier(model, ["a", "b"], device="cpu")
        return classifier, tokenize(model, load_tokenizer(model), (TEXTS, TEXTS[::-1])).ids

    return load


@pytest.mark.parametrize("family", PACKABLE)
def test_packed_vectors_are_those_of_each_text_alone(family, loaded, resolve):
    """Against transformers' own model, loaded anew with its own attention, one text at a time."""
    classifier, ids = loaded(family)
    assert classifier.packable
    own = AutoModel.from_pretrained(resolve(family).path, attn_implementation="eager").eval()
    with torch.no_grad():
        found = classifier.packed_vectors(pack(ids, classifier.separator, torch.device("cpu")))
        for number, text in enumerate(ids):
            row = torch.from_numpy(text.astype(np.int64))[None]
            types = {}
            if classifier.separator is not None:
                seen = (row == classifier.separator).cumsum(1)
                types = {"token_type_ids": ((seen - (row == classifier.separator).long()) > 0).long()}
            hidden = own(input_ids=row, **types).last_hidden_state
            expected = pool(hidden, torch.ones_like(row), classifier.pooling)[0]
            assert (found[number] - expected).norm() < 1e-4 * expected.norm(), number


@pytest.mark.parametrize("family", PACKABLE)
@pytest.mark.parametrize("technique", ["full", "lora"])
def test_twenty_steps_give_the_same_losses_and_weights(make_job, family, technique):
    settings = {"family": family, "double": True, "dropout": False, "steps": 20, "learning_rate": 1e-3}
    padded, packed = make_job(technique, **settings), make_job(technique, budget=40, **settings)
    for job in (padded, packed):
        job.classifier.double()  # adapters are put in as float32
        for name, module in job.classifier.named_modules():
            if "lora_dropout" in name and isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    packed.inputs.packed = True
    losses = []
    for job in (padded, packed):
        state = TrainingState()
        train(job, state, job.technique.optimizer(job.trained, job.optimization))
        losses.append([row["loss"] for row in state.history])
    # Gemma's norms compute in float32 whatever the model's type, so rounding is that of float32.
    tolerance = 1e-6 if family == "gemma3" else 1e-9
    np.testing.assert_allclose(*losses, rtol=tolerance)
    assert packed.inputs.tokens("train", np.arange(6))[1] < padded.inputs.tokens("train", np.arange(6))[1]
    for name, value in padded.trained.items():
        if "key.bias" in name or "k_lin.bias" in name or "c_attn.bias" in name:
            continue  # the key's part has a gradient of zero in theory, and AdamW makes steps of its rounding
        assert (value - packed.trained[name]).norm() <= tolerance * value.norm(), name


@pytest.mark.parametrize(
    ("heads", "groups", "causal", "window"), [(4, 4, False, None), (4, 2, True, None), (4, 1, True, 3), (2, 2, True, 1)]
)
def test_gradients_of_packed_attention_are_those_of_the_definition(heads, groups, causal, window):
    lengths, width = (5, 3, 1), 6
    numbers = torch.Generator().manual_seed(0)
    shapes = [(1, heads, 9, width), (1, groups, 9, width), (1, groups, 9, width)]
    ours, theirs = (
        [one.clone().requires_grad_() for one in base]
        for base in [[torch.randn(shape, generator=numbers, dtype=torch.float64) for shape in shapes]] * 2
    )
    module = torch.nn.Module()
    module.is_causal = causal
    weigh = torch.randn(1, 9, heads, width, generator=numbers, dtype=torch.float64)
    found, _ = packed_attention.attend(
        module, *ours, None, scaling=0.3, sliding_window=window, packed_lengths=lengths, position_ids=None
    )
    owner = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))
    seen = owner[:, None] == owner
    place = torch.arange(9)
    if causal:
        seen &= place[:, None] >= place
    if window:
        seen &= place[:, None] - place < window
    query, key, value = theirs
    key, value = (one.repeat_interleave(heads // groups, dim=1) for one in (key, value))
    scores = (query @ key.mT * 0.3).masked_fill(~seen, float("-inf")).softmax(-1)
    expected = (scores @ value).transpose(1, 2)
    torch.testing.assert_close(found, expected)
    for one in (found, expected):
        (one * weigh).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_dropout_in_packed_attention_keeps_the_mean_and_its_gradient_is_that_of_the_mask_drawn():
    query, key, value = (torch.randn(1, 2, 6, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    module = torch.nn.Module()
    module.is_causal = False

    def attend(q, k, v, rate=0.5):
        torch.manual_seed(3)
        return packed_attention.attend(module, q, k, v, None, dropout=rate, packed_lengths=(4, 2))[0]

    assert torch.autograd.gradcheck(attend, (query, key, value))
    plain = attend(query, key, value, rate=0.0)
    torch.manual_seed(4)  # once: each call keeps a trace of its caller for a GPU to come, which takes milliseconds
    how = {"dropout": 0.3, "packed_lengths": (4, 2)}
    draws = [packed_attention.attend(module, query, key, value, None, **how)[0] for _ in range(3000)]
    mean, spread = torch.stack(draws).mean(0), torch.stack(draws).std(0)
    assert ((mean - plain).abs() < 5 * spread / 3000**0.5).all()


@pytest.mark.parametrize("kind", ["mean", "first", "last"])
def test_pooling_of_a_row_is_that_of_padded_texts(kind):
    lengths = [4, 1, 3]
    hidden = torch.randn(8, 5)
    padded, mask = torch.zeros(3, 4, 5), torch.zeros(3, 4, dtype=torch.long)
    for number, part in enumerate(hidden.split(lengths)):
        padded[number, : len(part)], mask[number, : len(part)] = part, 1
    torch.testing.assert_close(pool_packed(hidden, lengths, kind), pool(padded, mask, kind))


def test_pooling_that_depends_on_padding_is_refused():
    with pytest.raises(ValueError, match="misindexed"):
        pool_packed(torch.zeros(3, 2), [3], "misindexed")


def test_padded_batches_are_computed_as_before_the_attention_was_exchanged(loaded, resolve):
    """A decoder with a window, whose mask depends on padding: transformers' own against ours, given no packed row."""
    classifier, ids = loaded("gemma3")
    own = AutoModel.from_pretrained(resolve("gemma3").path, attn_implementation="sdpa").eval()
    batch = collate(ids, classifier.pad_id, "right")
    with torch.no_grad():
        expected = pool(own(input_ids=batch[0], attention_mask=batch[1]).last_hidden_state, batch[1], "last")
        torch.testing.assert_close(classifier.vectors(*batch), expected)


@pytest.mark.parametrize("family", ["t5"])
def test_what_cannot_be_packed_keeps_its_own_attention(family, resolve):
    classifier = load_classifier(resolve(family), ["a", "b"], device="cpu")
    assert not classifier.packable
    assert classifier.backbone.config._attn_implementation != packed_attention.NAME


def test_a_model_that_looks_both_ways_within_a_window_is_not_packed(tmp_path, tiny_config, tiny_tokenizer):
    """Its window is longer than a short text: only the long probe finds it out."""
    config = tiny_config("gemma3", use_bidirectional_attention=True)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer("start").save_pretrained(tmp_path)
    model = resolve_model(ModelSpec(id=str(tmp_path)), need_weights=True)
    assert not load_classifier(model, ["a", "b"], device="cpu").packable


def test_native_heads_are_not_packed(native):
    assert not load_classifier(native("bert"), ["a", "b"], device="cpu").packable
