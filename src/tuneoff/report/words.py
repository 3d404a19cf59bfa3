"""What tables, charts and the report say, by message id: a language is a dictionary more, and no code."""

from collections.abc import Mapping
from string import Formatter
from typing import Any

from tuneoff.report.english import ENGLISH
from tuneoff.report.russian import RUSSIAN

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "ru": RUSSIAN}
"""The languages of reports, by their codes (ISO 639-1)."""
NARROW_SPACE = "\u202f"
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
        """Return a number that was written as Python does ('1,234.5') with the language's marks ('1 234,5')."""
        return text.translate(_AS_RUSSIAN) if self.language == "ru" else text

    def get(self, message: str, otherwise: str) -> str:
        """Return a message without values, or what is to be said where there is none."""
        return self._messages.get(message, otherwise)


WORDS = Words()
