from itertools import pairwise, product

import numpy as np
import pytest

from tuneoff.checks import likeness
from tuneoff.checks.likeness import near_pairs, normalised, normalised_keys, spread_evenly


def pairs_of_words(text):
    words = text.split()[: likeness.MOST_WORDS]
    return set(pairwise(words)) or {(word,) for word in words}


def slowly(mine, theirs):
    """The near pairs by their definition."""
    found = []
    for (a, one), (b, other) in product(enumerate(mine), enumerate(theirs)):
        sets = [(pairs_of_words(x), pairs_of_words(y)) for x, y in zip(one, other, strict=True)]
        if all(len(x & y) / len(x | y) >= 0.8 for x, y in sets):
            found.append((a, b))
    return found


def random_rows(count, seed, words=12, vocabulary=5):
    """Keys of two texts of few different words, so that many are alike."""
    rng = np.random.default_rng(seed)
    texts = (" ".join(map(str, rng.integers(0, vocabulary, rng.integers(1, words)))) for _ in range(2 * count))
    return list(zip(texts, texts, strict=True))


def changed(key, rng, share):
    """A row with some of its words replaced."""
    return tuple(" ".join(word if rng.random() > share else "new" for word in text.split()) for text in key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The CAT, sat. ", "the cat sat"),
        ("the\tcat\u00a0sat!", "the cat sat"),
        ("Ещё\nРАЗ", "ещё раз"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("?!", "?!"),
        (" … ", "…"),
    ],
)
def test_case_spaces_and_punctuation_do_not_count(text, expected):
    assert normalised(text) == expected


def test_texts_without_words_are_still_told_apart():
    assert normalised_keys([["?", "!"], ["a", "a"]]) == [("?", "a"), ("!", "a")]


def test_near_pairs_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    theirs = random_rows(150, 1)
    longer = random_rows(40, 2, words=60, vocabulary=50)
    theirs += longer
    mine = random_rows(50, 3) + [changed(key, rng, 0.02) for key in longer]
    found, expected = list(near_pairs(mine, theirs)), slowly(mine, theirs)
    assert len(expected) > 20 and found == expected


def test_every_field_must_be_alike():
    long = " ".join(str(n) for n in range(40))
    assert list(near_pairs([(long, "it rains")], [(long, "it snows"), (long + " 40", "it rains")])) == [(0, 1)]


def test_one_word_of_twenty_may_differ_and_one_of_ten_may_not():
    def pair(count):
        words = [str(n) for n in range(count)]
        return [(" ".join(words),)], [(" ".join([*words[:5], "other", *words[6:]]),)]

    assert list(near_pairs(*pair(20))) == [(0, 0)] and list(near_pairs(*pair(10))) == []


def test_the_end_of_a_text_is_no_pair_with_the_next_texts_beginning():
    # "a b" and "b": one pair, one word; neither has (b, c) nor shares anything with ("b c").
    assert list(near_pairs([("a b",), ("b",)], [("b c",), ("c",), ("b",)])) == [(1, 2)]


def test_many_equal_rows_are_held_against_some_of_each_other(monkeypatch):
    rows = [("the same text each time",)] * 200
    found = list(near_pairs(rows, rows))
    by_row = {one for one, _ in found}
    assert by_row == set(range(200)) and len(found) == 200 * likeness.MOST_IN_A_BUCKET
    monkeypatch.setattr(likeness, "MOST_CANDIDATES", 100)
    few = list(near_pairs(rows, rows))
    assert len(few) == 100 and max(one for one, _ in few) > 190  # spread over all rows


def test_only_the_beginning_of_a_long_text_is_read(monkeypatch):
    monkeypatch.setattr(likeness, "MOST_WORDS", 10)
    begin = " ".join(str(n) for n in range(10))
    assert list(near_pairs([(begin + " x" * 500,)], [(begin + " y" * 500,)])) == [(0, 0)]


def test_no_rows_have_no_near_ones():
    assert list(near_pairs([], [("a",)])) == [] and list(near_pairs([("a",)], [])) == []


def test_rows_are_spread_evenly_and_all_are_taken_where_there_are_few():
    assert spread_evenly(3, 5) == [0, 1, 2] and spread_evenly(100, 4) == [0, 25, 50, 75]
