"""Small pieces of messages: near names, lists of names, and what a value is in plain words."""

import difflib
import unicodedata
from collections.abc import Iterable
from typing import Any

HIDDEN = {"Cc", "Cs", "Zl", "Zp"}
"""The kinds of characters that a terminal would obey, not show (controls, halves of surrogate pairs, separators)."""
TURNING = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
"""The marks that turn the direction of the text around them, and so can make it read as another one."""


def near(name: str, options: Iterable[str]) -> str:
    """Return the sentence that offers the options most like a name (case aside), or nothing if none is like it."""
    found = nearest(name, options)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def nearest(name: str, options: Iterable[str]) -> list[str]:
    """Return up to three of the options that are most like a name (case aside), the nearest first."""
    by_folded = {option.casefold(): option for option in options}
    return [
        by_folded[match] for match in difflib.get_close_matches(name.casefold().strip(), by_folded, n=3, cutoff=0.6)
    ]


def listed(names: Iterable[str], at_most: int = 20) -> str:
    """Return names separated by commas, the last ones counted where there are many."""
    names = list(names)
    more = f", and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def ended(text: str) -> str:
    """Return a text with one mark at its end: the full stop that it may lack."""
    return text if text.endswith("?") else f"{text.rstrip('.')}."


def described(value: Any) -> str:
    """Say what a YAML value is, to follow "found": nothing, true, the number 3, the text 'abc', the list [1]."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {shortened(str(value))}"
        case str():
            return f"the text {shortened(repr(value))}"
        case list():
            return f"the list {shortened(str(value))}"
        case dict():
            return "a mapping (keys with values)"
    return f"a value of the Python type {type(value).__name__}"


def visible(text: str, *, lines: bool = False) -> str:
    """Return a text in which every character shows: controls, marks of direction and half characters as escapes.

    With `lines`, newlines and tabs stay. Letters of all scripts and emoji stay as they are.
    """
    kept = "\n\t" if lines else ""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if c not in kept and is_odd(c) else c for c in text)


def is_odd(character: str) -> bool:
    """Return whether a character changes how others are shown, or has no shape of its own."""
    return character in TURNING or unicodedata.category(character) in HIDDEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def shortened(text: str, at_most: int = 60) -> str:
    """Return a text cut to a length that fits a message."""
    return text if len(text) <= at_most else text[: at_most - 3] + "..."
