"""Verdicts in words: which one, and that the words carry the numbers."""

import pytest

from tuneoff.evidence.verdicts import kind, least_discordant, summary, two_digits, verdict

LEVEL = 0.005


def pair(**values):
    known = {
        "a": "lora",
        "b": "full",
        "difference": 0.06,
        "low": 0.03,
        "high": 0.09,
        "p_holm": 0.01,
        "seeds": 5,
        "p_equal_holm": None,
        "discordance": 0.2,
        "examples": 300,
        "smallest_difference": 0.083,
        "examples_needed": 2412,
        "seeds_needed": 11,
        "needs_known": True,
        **values,
    }
    return {**known, "kind": values.get("kind", kind(known))}


def said(margin=None, **values):
    found = verdict(pair(**values), LEVEL, margin)
    return found["id"].removeprefix("verdict."), found["text"]


OPEN = {"p_holm": 0.3, "difference": 0.03}


@pytest.mark.parametrize(
    ("name", "margin", "values", "words"),
    [
        ("better", None, {}, "lora is better than full by 3.0 to 9.0 points."),
        ("better_up_to", None, {"low": -0.001}, "lora is better than full, by up to 9.0 points."),
        (
            "better_within_margin",
            0.1,
            {"p_equal_holm": 0.01},
            "by 3.0 to 9.0 points, which is within your margin of 10",
        ),
        ("equal", 0.02, {"p_holm": 0.3, "p_equal_holm": 0.04, "difference": 0.003}, "equal within your margin of 2 p"),
        ("identical", None, {"p_holm": 1.0, "discordance": 0.0}, "gave the same answers to all 300 examples"),
        (
            "too_few_discordant",
            None,
            {"p_holm": 0.3, "seeds": 1, "discordance": 7 / 300},
            "is right on 7 of 300 examples, and even if all of them spoke for one, 9 would be needed.",
        ),
        (
            "open_both",
            None,
            OPEN,
            "this design finds differences of 8.3 points or more; the 3.0 points measured would need about 2,400 "
            "examples or 11 seeds.",
        ),
        ("open_examples", None, {**OPEN, "seeds_needed": None}, "would need about 2,400 examples."),
        ("open_seeds", None, {**OPEN, "examples_needed": None}, "would need about 11 seeds."),
        ("open_neither", None, {**OPEN, "examples_needed": None, "seeds_needed": None}, "neither more seeds alone"),
        ("open", None, {**OPEN, "seeds": 1, "examples_needed": None, "seeds_needed": None}, "3.0 points were measured"),
        ("open", None, {**OPEN, "difference": 0.1}, "8.3 points or more; 10.0 points were measured."),
        ("open", None, {**OPEN, "needs_known": False}, "3.0 points were measured."),
        ("open_unable", None, {**OPEN, "smallest_difference": None}, "finds no difference reliably, however large"),
    ],
)
def test_each_verdict_has_its_case(name, margin, values, words):
    found = said(margin, **values)
    assert found[0] == name and words in found[1]


def test_equality_does_not_outdo_a_difference():
    assert kind(pair(p_holm=0.04, p_equal_holm=0.01)) == "better"
    assert kind(pair(p_holm=0.051, p_equal_holm=0.05)) == "equal"
    assert kind(pair(p_holm=0.051, p_equal_holm=0.051)) == "open"


def test_so_many_discordant_examples_just_reach_the_threshold():
    for level in (0.05, 0.005, 0.0005):
        count = least_discordant(level)
        assert 2 * 0.5**count <= level < 2 * 0.5 ** (count - 1)


def comparison(*pairs, margin=None):
    texts = [{**one, "verdict": verdict(one, LEVEL, margin)} for one in pairs]
    return summary({"pairs": texts, "power": 0.8, "margin": margin})


def ids(sentences):
    return [one["id"].split(".")[1] for one in sentences]


def test_the_summary_of_nothing_found_says_what_could_have_been():
    found = comparison(pair(**OPEN), pair(**OPEN, a="other", smallest_difference=0.05))
    assert ids(found) == ["none_apart", "finds"]
    assert found[0]["text"] == "No two of the 3 techniques can be told apart."
    assert found[1]["text"].startswith("With 300 examples and 5 seeds, this design finds differences of 5.0 to 8.3 ")


def test_the_summary_names_what_was_found_and_counts_the_rest():
    assert ids(comparison(pair(), pair(**OPEN))) == ["better", "some_apart", "finds_one"]
    assert ids(comparison(pair(), pair())) == ["better", "better", "all_apart"]
    assert ids(comparison(pair())) == ["better"]
    many = comparison(*[pair() for _ in range(7)])
    assert ids(many) == ["better"] * 5 + ["more", "all_apart"]
    equal = {"p_holm": 0.3, "p_equal_holm": 0.01}
    assert ids(comparison(pair(**equal), pair(**OPEN), margin=0.02)) == ["none_apart", "equal", "finds_one"]
    assert ids(comparison(pair(**equal), margin=0.02)) == ["equal"]


def test_the_summary_of_one_seed_is_about_the_trained_models():
    found = comparison(pair(seeds=1, **OPEN))
    assert ids(found) == ["pair_not_apart", "finds_pair_one_seed", "one_seed"]
    other = pair(seeds=1, **OPEN, a="other") | {"smallest_difference": 0.05}
    assert ids(comparison(pair(seeds=1, **OPEN), other))[1] == "finds_one_seed"
    assert ids(comparison(pair(**OPEN, smallest_difference=None)))[1] == "finds_nothing"
    assert summary({"pairs": []}) == []


def test_forecasts_have_two_digits():
    assert [two_digits(n) for n in (7, 23, 234, 2412, 98765)] == [7, 23, 230, 2400, 99000]
