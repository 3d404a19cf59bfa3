"""From texts to ids: forms, prefixes, cutting, segments, padding ids."""

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tuneoff.errors import ModelError
from tuneoff.models.text import (
    collate,
    forget_tokenizers,
    load_tokenizer,
    padding_id,
    reading,
    segment_separator,
    segments,
    tokenize,
)

PAIRS = (["the cat sat", "a dog ran"], ["on the mat", "in rain"])


def decoded(resolved, texts):
    tokenizer = load_tokenizer(resolved)
    return [tokenizer.decode(ids) for ids in tokenize(resolved, tokenizer, texts).ids]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_encoders_use_the_tokenizers_pair_form(resolve, family):
    resolved = resolve(family)
    tokenizer = load_tokenizer(resolved)
    for texts in (PAIRS, PAIRS[:1]):
        tokens = tokenize(resolved, tokenizer, texts)
        assert [ids.tolist() for ids in tokens.ids] == tokenizer(*texts)["input_ids"]
        assert tokens.cut == 0 and {ids.dtype for ids in tokens.ids} == {np.dtype(np.int32)}


def test_decoders_read_one_text_with_special_tokens_once(resolve):
    assert decoded(resolve("qwen3"), PAIRS)[0] == "the cat sat on the mat <|end|>"
    assert decoded(resolve("llama"), PAIRS)[0] == "<s> the cat sat on the mat"
    assert decoded(resolve("gpt2"), PAIRS)[0] == "the cat sat on the mat"
    assert decoded(resolve("gpt2"), PAIRS[:1])[1] == "a dog ran"


def test_template_prefix_and_braces(resolve):
    resolved = resolve("llama", template="a {1} {} query {0} : {2}", prefix="very ")
    texts = (["cat {1}"], ["dog {0}"])
    # {} and {2} are the template's own words, and braces of the texts are text.
    unknown = "<unk>"
    assert decoded(resolved, texts) == [f"<s> a very dog {{ 0 }} {unknown} query very cat {{ 1 }} : {{ {unknown} }}"]
    assert decoded(resolve("bert", prefix="query: "), texts)[0].count("query :") == 2


def test_a_template_for_two_texts_refuses_one_and_the_other_way_round(resolve):
    with pytest.raises(ModelError, match="is for two texts, the task has 1"):
        decoded(resolve("llama", template="{0} or {1}"), (["a"],))
    with pytest.raises(ModelError, match="is for one text, the task has 2"):
        decoded(resolve("llama", template="read {0}"), PAIRS)


LONG = ("cat " * 30).strip()


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_encoders_cut_the_longer_text(resolve, family):
    resolved = resolve(family, max_length=12)
    texts = ([LONG, "the dog", "the cat"], ["the dog", LONG, "sat"])
    tokenizer = load_tokenizer(resolved)
    tokens = tokenize(resolved, tokenizer, texts)
    assert tokens.cut == 2 and [len(ids) for ids in tokens.ids[:2]] == [12, 12]
    expected = tokenizer(*texts, truncation="longest_first", max_length=12)["input_ids"]
    assert [ids.tolist() for ids in tokens.ids] == expected
    for ids in tokens.ids[:2]:
        words = tokenizer.decode(ids, skip_special_tokens=True).split()
        assert words.count("the") == words.count("dog") == 1


@pytest.mark.parametrize(
    ("family", "ends"), [("qwen3", ("the", "<|end|>")), ("llama", ("<s>", "dog")), ("gpt2", ("the", "dog"))]
)
def test_decoders_cut_the_longer_text_and_keep_the_template_and_the_end(resolve, family, ends):
    resolved = resolve(family, template="the {0} query : {1} dog", max_length=12)
    texts = ([LONG, "man", "man", LONG], ["man", LONG, "man", LONG])
    tokenizer = load_tokenizer(resolved)
    tokens = tokenize(resolved, tokenizer, texts)
    assert tokens.cut == 3 and [len(ids) for ids in tokens.ids] == [12, 12, len(tokens.ids[2]), 12]
    for ids in tokens.ids:
        words = tokenizer.convert_ids_to_tokens(ids.tolist())
        assert (words[0], words[-1]) == ends and words.count("query") == words.count("dog") == 1
    assert [list(ids).count(tokenizer.convert_tokens_to_ids("man")) for ids in tokens.ids] == [1, 1, 2, 0]
    both = tokenizer.convert_ids_to_tokens(tokens.ids[3].tolist())
    sides = [both[: both.index("query")].count("cat"), both[both.index("query") :].count("cat")]
    assert abs(sides[0] - sides[1]) <= 1


def test_a_cut_falls_between_characters_where_a_character_is_several_tokens(resolve):
    """Byte-level tokenizers (Qwen, GPT-2) give a Cyrillic letter two ids: half a letter is not kept."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytewise)
    resolved = resolve("gpt2", max_length=16)
    wide = dataclasses.replace(resolved, config=type(resolved.config)(vocab_size=256))
    for text, second in (("дождь и ветер", "да"), ("a" + "ж" * 20, "б"), ("ю" * 9, "я" * 9)):
        tokens = tokenize(wide, tokenizer, ([text], [second]))
        first, _, other = tokenizer.decode(tokens.ids[0]).partition("\n")
        assert tokens.cut == 1 and 14 <= len(tokens.ids[0]) <= 16
        assert text.startswith(first) and second.startswith(other) and (other == second or second[0] == "я")


def test_a_text_at_the_limit_is_not_cut(resolve):
    resolved = resolve("qwen3", max_length=8)
    texts = (["cat " * 7, "cat " * 8],)
    tokens = tokenize(resolved, load_tokenizer(resolved), texts)
    assert [len(ids) for ids in tokens.ids] == [8, 8] and tokens.cut == 1


def test_a_template_without_room_for_texts_is_refused(resolve):
    with pytest.raises(ModelError, match="leaves no room"):
        decoded(resolve("qwen3", template="the " * 9 + "{0}", max_length=8), (["cat"],))


def test_empty_and_foreign_texts_are_refused(resolve):
    with pytest.raises(ModelError, match=r"row 2.*empty"):
        decoded(resolve("gpt2"), (["cat", " "],))
    resolved = resolve("llama")
    small = dataclasses.replace(resolved, config=type(resolved.config)(vocab_size=6))
    with pytest.raises(ModelError, match=r"row 1.* 6 embeddings"):
        tokenize(small, load_tokenizer(resolved), (["rain"],))
    assert tokenize(resolved, load_tokenizer(resolved), ([],)).ids == []


def test_segments_are_those_of_the_tokenizer_even_if_a_text_spells_the_separator(resolve):
    resolved = resolve("bert")
    tokenizer = load_tokenizer(resolved)
    separator = segment_separator(resolved, tokenizer)
    assert separator == tokenizer.sep_token_id
    for texts in (PAIRS, PAIRS[:1]):
        types = tokenizer(*texts)["token_type_ids"]
        ids = tokenize(resolved, tokenizer, texts).ids
        assert [segments(row, separator).tolist() for row in ids] == types
        assert [segments(torch.from_numpy(row), separator).tolist() for row in ids] == types
    for texts in ((["cat [SEP] dog"], ["rain"]), (["cat [SEP] dog"],)):
        (ids,) = tokenize(resolved, tokenizer, texts).ids
        assert list(ids).count(separator) == len(texts)
    assert segment_separator(resolve("roberta"), load_tokenizer(resolve("roberta"))) is None


def test_padding_id_of_a_native_decoder_ends_no_text(resolve):
    assert padding_id(resolve("qwen3"), load_tokenizer(resolve("qwen3"))) == 2
    for family in ("qwen3", "llama", "gpt2"):
        resolved = resolve(family, head="native")
        tokenizer = load_tokenizer(resolved)
        padding = padding_id(resolved, tokenizer)
        assert tokenizer.convert_ids_to_tokens(padding) != "<unk>"
        assert padding not in [ids[-1] for ids in tokenize(resolved, tokenizer, PAIRS).ids]
    end = tokenizer.convert_ids_to_tokens(padding)
    with pytest.raises(ModelError, match="row 1 ends with the padding"):
        tokenize(resolved, tokenizer, ([f"cat {end}"],))


def test_padding_id_is_refused_if_any_special_token_may_end_a_text(resolve, tiny_tokenizer):
    resolved = resolve("gpt2", head="native")
    tokenizer = tiny_tokenizer("plain")
    tokenizer._special_tokens_map = dict.fromkeys(tokenizer._special_tokens_map)
    tokenizer._extra_special_tokens = []
    assert tokenizer.all_special_ids == []
    with pytest.raises(ModelError, match="head: linear"):
        padding_id(resolved, tokenizer)


def test_collate_pads_to_the_longest_on_either_side():
    rows = [np.array([5, 6], np.int32), np.array([7, 8, 9], np.int32)]
    ids, mask = collate(rows, 1, "right")
    assert ids.tolist() == [[5, 6, 1], [7, 8, 9]] and mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    ids, mask = collate(rows, 1, "left")
    assert ids.tolist() == [[1, 5, 6], [7, 8, 9]] and mask.tolist() == [[0, 1, 1], [1, 1, 1]]
    assert ids.dtype == mask.dtype == torch.int64


def test_a_classifiers_reading_outlives_the_tokenizer(resolve):
    model = resolve("bert")
    first, tokenizer = reading(model), load_tokenizer(model)
    forget_tokenizers()
    assert reading(model) is first and load_tokenizer(model) is not tokenizer
    assert first.pad_id == padding_id(model, tokenizer)
    assert first.separator == segment_separator(model, tokenizer)
    assert [len(ids) for ids in first.probes] == [3, 9]


def test_models_read_in_other_ways_have_readings_of_their_own(resolve):
    assert reading(resolve("bert")) is not reading(resolve("bert", prefix="query: "))


def test_a_template_for_two_texts_is_read_by_a_classifier_too(resolve):
    """What a classifier learns of its tokenizer comes from texts of the template's own number."""
    model = resolve("llama", template="{1} on {0}")
    short, longer = reading(model).probes
    assert len(short) < len(longer)
    assert reading(resolve("llama")).probes[0].tolist() == short[:2].tolist()
