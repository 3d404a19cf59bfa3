"""What tables, charts and the report say, by message id: a language is a dictionary more, and no code."""

import re
from collections.abc import Mapping
from functools import cache
from string import Formatter
from typing import Any

from tuneoff.report.english import ENGLISH
from tuneoff.report.russian import RUSSIAN

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "ru": RUSSIAN}
"""The languages of reports, by their codes (ISO 639-1)."""
NARROW_SPACE, MINUS = "\u202f", "\u2212"
_SIGNED_ZERO = re.compile(r"[-+](?=\.?0)0*\.?0*(?![\d.,e])")
KINDS = ("note", "reason", "metrics", "facts")
"""The fields of texts that were kept which hold such a text themselves, of the kind of that name."""
NUMBER, FACTS = r"[-+]?[\d,.]+(?:e[-+]?\d+)?", r"(?:step|learning rate) .+"
_AS_RUSSIAN = str.maketrans({".": ",", ",": NARROW_SPACE})


class _RussianFormatter(Formatter):
    """Puts values into a message with Russian marks in numbers that the message itself formats ('{share:.3f}')."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format one value."""
        text = format(value, format_spec)
        return text.translate(_AS_RUSSIAN) if isinstance(value, int | float) else text


class Words:
    """The messages of one language: `say("column.time")`, `say("table.hidden", columns="...")`."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._messages = LANGUAGES[language]
        self._formatter = _RussianFormatter() if language == "ru" else Formatter()

    def __call__(self, message: str, **values: object) -> str:
        """Return a message with its values put in; raises KeyError for an id that is not there."""
        return self._formatter.vformat(self._messages[message], (), values)

    def number(self, text: str) -> str:
        """Return a number that was written as Python does ('-1,234.5') with the language's marks ('−1 234,5').

        Below zero it has a minus, which is not a hyphen; a zero has no sign.
        """
        text = text[1:] if _SIGNED_ZERO.match(text) else f"{MINUS}{text[1:]}" if text.startswith("-") else text
        return text.translate(_AS_RUSSIAN) if self.language == "ru" else text

    def kept(self, kind: str, text: str) -> str:
        """Return a text that was kept in English (a note, a reason) in this language; one that nobody knows as it is.

        It is known by the English messages of its kind, such as "note.limited": see `kept_words`.
        """
        if self.language == "en":
            return text
        for message, pattern in _patterns(kind):
            if found := pattern.fullmatch(text):
                fields = found.groupdict()
                return self(message, **{name: self._value(message, name, value) for name, value in fields.items()})
        return text

    def _value(self, message: str, name: str, value: str) -> object:
        """Return the value of a field as it was before it was written into a text that was kept."""
        if name in KINDS:
            return "; ".join(self.kept(name, part) for part in (value.split("; ") if name == "facts" else [value]))
        if not dict(_fields(message))[name]:
            return value
        plain = value.replace(",", "")
        return int(plain) if plain.isdecimal() else float(plain)

    def get(self, message: str, otherwise: str) -> str:
        """Return a message without values, or what is to be said where there is none."""
        return self._messages.get(message, otherwise)


@cache
def _patterns(kind: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return the messages of a kind with what their English text looks like, those that say most first."""
    messages = [message for message in ENGLISH if message.startswith(f"{kind}.")]
    # Where a stage failed stands in brackets behind any reason, and would be taken for a part of it.
    messages.sort(key=lambda message: ("{facts}" not in ENGLISH[message], -len(re.sub(r"{.*?}", "", ENGLISH[message]))))
    return [(message, re.compile(_pattern(ENGLISH[message]), re.DOTALL)) for message in messages]


def _pattern(text: str) -> str:
    parts = []
    for literal, name, spec, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>{FACTS if name == 'facts' else NUMBER if spec else '.+?'})")
    return "".join(parts)


def _fields(message: str) -> list[tuple[str, str]]:
    """Return the fields of a message with their formats."""
    return [(name, spec or "") for _, name, spec, _ in Formatter().parse(ENGLISH[message]) if name is not None]


WORDS = Words()
