"""YAML as people mean it."""

from pathlib import Path

import pytest
import yaml

from tuneoff.study import Protocol
from tuneoff.yaml_source import KeyPath, plain, read_value, read_yaml, shown, to_inline_yaml, to_yaml


def _value(text: str) -> object:
    source, problems = read_yaml(text.encode(), "s.yaml")
    assert problems == []
    return source.value


def _problems(content: str | bytes) -> list[str]:
    return read_yaml(content.encode() if isinstance(content, str) else content, "s.yaml")[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("010", 10),
        ("08", 8),
        ("1e-4", 1e-4),
        ("2E-6", 2e-6),
        ("5.", 5.0),
        (".5", 0.5),
        ("-3", -3),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    found = read_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "value",
    ["no", "1e-4", "2E-6", "5.", "010", "~", "", "1:30", "2024-01-01", "a: b", "#x", "'q'", "'", "а\nб", 1e-5, 1e300],
)
def test_what_is_written_reads_back_as_the_same(value: object) -> None:
    wrapped = {"k": value, "list": [value]}
    assert _value(to_yaml(wrapped)) == wrapped
    assert _value(f"k: {to_inline_yaml(value)}") == {"k": value}
    assert yaml.safe_load(to_yaml(wrapped)) == wrapped or value in ("2E-6", "5.", 1e300)


def test_each_part_knows_its_line() -> None:
    source, _ = read_yaml(b"a: 1\nb:\n  c: 2\n  d:\n    - x\n    - y: 3\n", "s.yaml")
    paths: list[KeyPath] = [
        ("a",),
        ("b", "c"),
        ("b", "d"),
        ("b", "d", 0),
        ("b", "d", 1, "y"),
        ("b", "d", 1, "none"),
        ("z",),
    ]
    assert [source.place(path).removeprefix("s.yaml") for path in paths] == [":1", ":3", ":4", ":5", ":6", ":6", ""]
    assert shown(("b", "d", 1, "y")) == "b.d[1].y"


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("a: 1\nb: [1\n", "s.yaml:3:1", "expected ',' or ']'"),
        ("a:\n\tb: 1\n", "s.yaml:2:1", "indented with spaces"),
        ("a: b: c\n", "s.yaml:1:5", "needs quotes"),
        ("a: 1\nb: 2\na: 3\n", "s.yaml:3", "written twice, first in line 1"),
        ("a: {b: 1, b: 1}\n", "s.yaml:1", "a.b: written twice"),
        ("a: &x 1\nb: *x\n", "s.yaml:2:4", "alias"),
        ("a: !!python/object:os.system x\n", "s.yaml:1", "!!python/object:os.system"),
        ("a: !!set {x}\n", "s.yaml:1", "!!set"),
        ("a: !!int x\n", "s.yaml:1", "!!int"),
        ("? [a]\n: 1\n", "s.yaml:1", "single words"),
        ("a: 1\n---\nb: 1\n", "s.yaml:2:1", "but found another document"),
        ("[" * 5000, "s.yaml:1:22", "nested too deeply"),
        ("a: 1\nb: \x07\n", "s.yaml:2:4", r"'\x07'"),
        (b"a: 1\nb: \xcf\xf0\n", "s.yaml:2", "not UTF-8"),
        ("a: 1".encode("utf-16"), "s.yaml:1", "not UTF-8"),
        (b"a: " + b"x" * 1_000_001, "s.yaml", "too large"),
    ],
)
def test_what_is_refused_is_told_with_its_place(content: str | bytes, place: str, words: str) -> None:
    (problem,) = _problems(content)
    assert problem.startswith(f"{place}: ") and words in problem


def test_each_duplicate_is_told() -> None:
    assert len(_problems("a: 1\na: 2\nb: 1\nb: 2\n")) == 2


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read_yaml("\ufeffa: 1\n".encode(), "s.yaml")[0].value == {"a": 1}


def test_a_doubling_alias_bomb_is_refused_at_its_first_alias() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    (problem,) = _problems(bomb)
    assert problem.startswith("s.yaml:2:8: the alias *a")


def test_python_values_become_what_a_file_would_hold() -> None:
    told: list[str] = []
    value = {"p": Path("a/b"), "s": Protocol(steps=3), "t": (1, 2.5, None, True)}
    assert plain(value, lambda path, _: told.append(shown(path))) == {
        "p": "a/b",
        "s": {"steps": 3},
        "t": [1, 2.5, None, True],
    }
    assert told == []


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), "a\x1b[31m", "\ud800", b"x", object(), {1: 2}, {3}])
def test_what_a_file_could_not_hold_is_told(odd: object) -> None:
    told: list[str] = []
    plain({"k": [odd]}, lambda path, _: told.append(shown(path)))
    assert len(told) == 1 and told[0].startswith("k[0]")
