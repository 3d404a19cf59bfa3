"""Prompt, P-tuning, prefix: peft's function with peft's numbers; real tokens alone are pooled; no text sees another."""

import numpy as np
import pytest
import torch
from peft import PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model

from tuneoff.errors import ModelError, StudyError
from tuneoff.models.virtual_tokens import room_for
from tuneoff.running import compute_study
from tuneoff.techniques import get

NAMES = ["prompt", "p-tuning", "prefix"]
FAMILIES = ["bert", "roberta", "distilbert", "qwen3", "gemma3", "llama", "gpt2"]
EVERY = [(name, family) for name in NAMES for family in FAMILIES]
TASK = {"task_type": "FEATURE_EXTRACTION", "num_virtual_tokens": 3}
THEIRS = {"prompt": PromptTuningConfig, "p-tuning": PromptEncoderConfig, "prefix": PrefixTuningConfig}


def of_peft(name, backbone, ours):
    """Return peft's wrapper of a bare model, with the numbers of our virtual tokens."""
    size = {"token_dim": 32, "num_attention_heads": 4} if backbone.config.model_type == "distilbert" else {}
    model = get_peft_model(backbone, THEIRS[name](**TASK, **size)).eval()
    encoder = model.prompt_encoder["default"]
    found = {key.removeprefix("prompt."): value for key, value in ours.items() if key.startswith("prompt.")}
    encoder.load_state_dict(found)
    return model


# peft gives a prefix as a cache, which DistilBERT does not take.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("name", "family"), [one for one in EVERY if one != ("prefix", "distilbert")])
def test_hidden_states_of_real_tokens_are_pefts(name, family, applied, bare):
    """One text at a time, so that no padding is in the way."""
    _, classifier, trained = applied(name, family, virtual_tokens=3)
    theirs = of_peft(name, bare(family), trained)
    # Of Gemma's window of 4 tokens the prefix takes 3 in peft; here no window hides it.
    for ids in ([6], [8]) if (name, family) == ("prefix", "gemma3") else ([5, 9, 11, 7], [6]):
        row = torch.tensor([ids])
        mask = torch.ones_like(row)
        with torch.no_grad():
            ours = classifier.backbone(**classifier._inputs(row, mask)).last_hidden_state
            expected = theirs(input_ids=row, attention_mask=mask).last_hidden_state[:, -len(ids) :]
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "family"), [*EVERY, *((name, "t5") for name in NAMES)])
def test_logits_are_the_same_alone_and_padded_on_either_side(name, family, applied):
    _, classifier, _ = applied(name, family)
    texts = [[5, 9, 11, 7], [6, 12], [8]]
    with torch.no_grad():
        alone = torch.cat([classifier(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long)) for ids in texts])
        for side in ("right", "left"):
            ids, mask = padded(texts, side)
            # A window counts padding too, which on the left stands between virtual and real tokens; texts are padded on
            # the right.
            if side == "left" and ("position_ids" not in classifier.accepted or family == "gemma3"):
                continue
            torch.testing.assert_close(classifier(ids, mask), alone, rtol=1e-4, atol=1e-5)


def padded(texts, side):
    rows = [[(0, 0)] * (4 - len(ids)) + [(one, 1) for one in ids] for ids in texts]
    rows = (
        rows
        if side == "left"
        else [row[4 - len(ids) :] + row[: 4 - len(ids)] for row, ids in zip(rows, texts, strict=True)]
    )
    both = torch.tensor(rows)
    return both[..., 0], both[..., 1]


@pytest.mark.parametrize(("name", "family"), [(name, family) for name in NAMES for family in ("bert", "qwen3")])
def test_virtual_tokens_change_the_vector_and_are_not_pooled(name, family, applied):
    """The backbone's last hidden states are as many as the real tokens, and depend on the virtual ones."""
    _, classifier, trained = applied(name, family, virtual_tokens=3)
    row = torch.tensor([[5, 9, 11]])
    with torch.no_grad():
        hidden = classifier.backbone(**classifier._inputs(row, torch.ones_like(row))).last_hidden_state
        before = classifier.vectors(row, torch.ones_like(row))
        for key, value in trained.items():
            if key.startswith("prompt."):
                value += torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        after = classifier.vectors(row, torch.ones_like(row))
    assert hidden.shape[1] == 3 and (before - after).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_prefix_of_an_encoder_is_attention_over_more_keys(family, load, make_technique):
    """The definition, with torch's own softmax, in the first layer's attention."""
    classifier = load(family)
    make_technique("prefix", virtual_tokens=3).apply(classifier)
    layer = (classifier.backbone.encoder.layer if family == "bert" else classifier.backbone.transformer.layer)[0]
    attention = layer.attention.self if family == "bert" else layer.attention
    names = ("query", "key", "value") if family == "bert" else ("q_lin", "k_lin", "v_lin")
    caught = {}
    hooks = [
        getattr(attention, name).register_forward_hook(lambda _, args, out, name=name: caught.update({name: out}))
        for name in names
    ]
    taken = []
    after = layer.attention.output.dense if family == "bert" else attention.out_lin
    hooks.append(after.register_forward_pre_hook(lambda _, args: taken.append(args[0])))
    with torch.no_grad():
        classifier.prompt.embedding.weight.normal_(generator=torch.Generator().manual_seed(0))
        row = torch.tensor([[5, 9, 11, 7]])
        classifier(row, torch.ones_like(row))
        query, key, value = (caught[name].view(4, 4, 8).transpose(0, 1) for name in names)  # [heads, T, D]
        own = classifier.prompt.embedding.weight.view(3, 2, 2, 4, 8)[:, 0]  # [P, keys or values, heads, D]
        key, value = (torch.cat([own[:, n].transpose(0, 1), one], dim=1) for n, one in enumerate((key, value)))
        expected = torch.softmax(query @ key.mT / 8**0.5, -1) @ value
    torch.testing.assert_close(taken[0][0], expected.transpose(0, 1).reshape(4, 32), rtol=1e-5, atol=1e-5)
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_not_packed(name, applied, load):
    assert load("bert").packable
    _, classifier, _ = applied(name, "bert")
    assert not classifier.packable and classifier.virtual_tokens == 20


def test_a_prompt_starts_as_tokens_of_the_vocabulary(load, make_technique):
    classifier = load("gemma3")  # whose embeddings are scaled as they are looked up
    make_technique("prompt").apply(classifier)
    table = classifier.backbone.get_input_embeddings()
    everything = table(torch.arange(table.num_embeddings))
    known = (classifier.prompt.embedding.weight[:, None] == everything).all(dim=2)
    assert known.any(dim=1).all()


@pytest.mark.parametrize("name", ["p-tuning", "prefix"])
def test_a_study_of_it_runs_and_what_is_stored_is_whole(name, study, listener, tmp_path):
    """Stopped after its first steps and begun again, it ends with the same bits."""
    from tuneoff.training.state import Interrupted

    ends = []
    for place in ("whole", "stopped"):
        read = study([name], family="qwen3")
        hears = listener(stop_after=3 if place == "stopped" else None)
        try:
            store = compute_study(read, tmp_path / place, hears)
        except Interrupted:
            store = compute_study(read, tmp_path / place, listener())
        (record,) = store.records()
        assert record.status == "done" and record.tokens["computed"] > record.tokens["trained"]
        frame = store.predictions(record.address)
        ends.append(np.stack(frame["logits"].to_list()))
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_can_follow_it(name, study):
    from tuneoff.techniques.composition import compose

    with pytest.raises(StudyError, match=f"nothing can follow {name}, for its .* cannot be merged"):
        compose(study([f"{name}+lora"]).study)


@pytest.mark.parametrize("name", NAMES)
def test_a_native_head_is_refused_with_the_reason(name, native, make_technique):
    from tuneoff.models.classifier import build_meta

    with pytest.raises(ModelError, match=f"{name}: with `head: native` the model pools by itself"):
        make_technique(name).apply(build_meta(native("bert"), 2))


def test_attention_of_an_architectures_own_is_refused_a_prefix(load, make_technique):
    classifier = load("bert")
    classifier.backbone.config._attn_implementation = "eager"
    with pytest.raises(ModelError, match=r"prefix: .* computes attention in a way of its own"):
        make_technique("prefix").apply(classifier)


def test_without_room_before_the_longest_text_it_is_said_before_training(study, listener, tmp_path):
    entry = {"name": "prompt", "virtual_tokens": 60}  # of 64 positions
    with pytest.raises(StudyError, match=r"60 virtual tokens and a text of \d+ are more than the 64 positions"):
        compute_study(study([entry]), tmp_path / "out", listener())


def test_there_is_room_up_to_the_last_position(applied, tiny_config):
    config = tiny_config("bert")
    assert room_for(config, 60, 4) and not room_for(config, 61, 4)
    _, classifier, _ = applied("prompt", "bert", virtual_tokens=4)
    row = torch.full((1, 60), 5)
    assert classifier(row, torch.ones_like(row)).isfinite().all()
    longer = torch.full((1, 61), 5)
    with pytest.raises(ModelError, match="max_length to 60"):
        classifier(longer, torch.ones_like(longer))


def test_micro_batches_leave_room_for_the_virtual_tokens(applied):
    from tuneoff.models.text import Tokens
    from tuneoff.training.inputs import TokenInputs

    _, classifier, _ = applied("prompt", "bert")
    texts = TokenInputs({"train": Tokens([np.arange(5)] * 12, 0)}, 100, torch.device("cpu"), packed=True)
    texts.suit(classifier, packed=False)
    rows = np.arange(12)
    assert [len(part) for part in texts.parts("train", rows)] == [4, 4, 4]
    assert texts.tokens("train", rows[:4]) == (20, 100)


def test_each_says_how_many_positions_it_takes():
    assert {
        name: get(name)(get(name).settings_class(virtual_tokens=7)).virtual_tokens for name in NAMES
    } == dict.fromkeys(NAMES, 7)
