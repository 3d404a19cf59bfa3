"""Small pieces of messages: what a text looks like once nothing in it can act on whoever shows it."""

import pytest

from tuneoff.words import is_odd, visible


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accuracy 0.5",
        "Русский, 中文, עברית, العربية",
        "naïve – “quoted” — ±",
        "👩‍👩‍👧 🇺🇦 👍🏽",
        "a\u00a0b",
        "<b>&amp;</b>",
    ],
)
def test_letters_of_all_scripts_signs_and_emoji_stay(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\x00b\x7fc\x9b31m", r"a\x00b\x7fc\x9b31m"),
        ("file\u202egpj.exe", r"file\u202egpj.exe"),
        ("\u2066a\u2069\u200f\u061c", r"\u2066a\u2069\u200f\u061c"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\ud800", r"\ud800"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
    ],
)
def test_what_a_terminal_obeys_or_what_turns_the_text_is_shown_as_an_escape(text, shown):
    assert visible(text) == shown and not any(map(is_odd, shown))
    visible(text).encode()


def test_lines_may_stay():
    assert visible("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"
