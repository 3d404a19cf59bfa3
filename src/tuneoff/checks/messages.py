"""What findings say, by message id: words in each language, and how values are put into them."""

from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from tuneoff.report.words import Words

Texts = Mapping[str, str]


class Message(TypedDict):
    """A message of a check by its id, with its values: numbers, names, further messages, and lists of these."""

    id: str
    values: dict[str, Any]


def message(name: str, /, **values: Any) -> Message:
    """Return a message with its values; a value of a message may be a message itself."""
    return {"id": name, "values": values}


COMMON: Mapping[str, Texts] = {
    "en": {
        "stage": "{technique} on {model}",
        "of_task": "{task}: {about}",
        "unmade": "This check could not be made: {reason}.",
        "unmade.advice": "What it looks for is not known.",
        "others": ", and {count} more",
        "least": "less than {share}",
        "most": "more than {share}",
    },
    "ru": {
        "stage": "{technique} на {model}",
        "of_task": "{task}: {about}",
        "unmade": "Эту проверку выполнить не удалось: {reason}.",
        "unmade.advice": "Есть ли то, что она ищет, неизвестно.",
        "others": " и ещё {count}",
        "least": "менее {share}",
        "most": "более {share}",
    },
}
"""What any check may say. A check's own words stand in its own file."""


class Speaker(Formatter):
    """Puts values into the messages of a check, in one language.

    Beside those of Python, fields have formats that say a value in words: `{a:share}` a share as percents, never
    rounded to none or all; `{a:Share}` the same at the beginning of a sentence; `{a:p}` a p-value; `{a:size}` bytes;
    `{a:and}` a list joined as in a sentence; `{a:reason}` a reason that was kept as a text. Other lists are joined by
    commas.
    """

    def __init__(self, words: Mapping[str, Texts], say: "Words") -> None:
        self._texts = {**COMMON[say.language], **words.get(say.language, {})}
        self._say = say
        self._forms: Mapping[str, Callable[[Any], str]] = {
            "share": self._share,
            "Share": lambda value: _capital(self._share(value)),
            "p": self._p,
            "size": self._size,
            "reason": self._reason,
        }

    def __call__(self, said: Message) -> str:
        """Return a message in words; raises KeyError for one that is not there, or that lacks a value."""
        return self.vformat(self._texts[said["id"]], (), said["values"])

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format one value."""
        if isinstance(value, Mapping):
            return self({"id": value["id"], "values": value["values"]})
        if isinstance(value, Sequence) and not isinstance(value, str):
            if format_spec == "and":
                return self._say("and").join(map(str, value))
            return ", ".join(self.format_field(one, format_spec) for one in value)
        if format_spec in self._forms:
            return self._forms[format_spec](value)
        text = format(value, format_spec)
        return self._say.number(text) if isinstance(value, int | float) else text

    def _share(self, value: float) -> str:
        """'12%', '0.4%', 'less than 0.1%', 'more than 99.9%'."""
        percents = 100 * value
        if 0 < percents < 0.05:
            return self(message("least", share=self._say.number("0.1%")))
        if 99.95 <= percents < 100:
            return self(message("most", share=self._say.number("99.9%")))
        exact = 0 < percents < 9.95 or 90 < percents < 100
        return self._say.number(f"{percents:.1f}%" if exact else f"{percents:.0f}%")

    def _p(self, value: float) -> str:
        """'p = 0.031', 'p < 0.001'."""
        return self._say.number(f"p = {value:.3f}" if value >= 0.0005 else "p < 0.001")

    def _size(self, value: int) -> str:
        from tuneoff.report.formats import size

        return size(value, self._say)

    def _reason(self, value: str) -> str:
        return self._say.kept("reason", value)


def spoken(said: Mapping[str, Any], speak: Speaker) -> dict[str, str]:
    """Return what a finding says by part: the messages of `sentence` and `advice` with its values, and `about`.

    Raises KeyError for a message that is not there, or that lacks a value.
    """
    parts = [part for part in ("sentence", "advice") if part in said]
    texts = {part: speak({"id": said[part], "values": said["values"]}) for part in parts}
    return texts | ({"about": speak(said["about"])} if "about" in said else {})


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def first_of(values: Sequence[Any], most: int) -> dict[str, Any]:
    """Return the first of some values as `named`, and how many more there are as `more`, a message or nothing."""
    left = len(values) - most
    return {"named": list(values[:most]), "more": message("others", count=left) if left > 0 else ""}
