"""Outputs whose encoding has not every character, as files and pipes on Windows have them: what is written instead."""

import codecs
import io
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

STAND_INS = {
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    **dict.fromkeys("\u00ab\u00bb\u201c\u201d\u201e", '"'),
    **dict.fromkeys("\u2018\u2019", "'"),
    "\u00b1": "+-",
    "\u00b7": "|",
    "\u00d7": "x",
    "\u2026": "...",
    "\u2116": "No.",
    "\u2713": "+",
    "\u2717": "x",
}
UNKNOWN = "?"  # stands for what has no stand-in
STAND_IN_ERRORS = "tuneoff.stand-ins"
_OURS_TO_CHANGE = {"strict", "surrogateescape", "backslashreplace"}  # Python's own; others somebody asked for


def plain(text: str, encoding: str) -> str:
    """Return a text with stand-ins for the characters that an encoding has not; those without one stay.

    >>> plain("84.3 ± 0.4 – щ", "ascii")
    '84.3 +- 0.4 - щ'
    """
    if encodable(text, encoding):
        return text
    return "".join(c if encodable(c, encoding) else _stand_in(c, encoding) or c for c in text)


def encodable(text: str, encoding: str) -> bool:
    """Return whether an encoding has all characters of a text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def json_escaped(text: str, encoding: str) -> str:
    """Return JSON in which characters that an encoding has not are escapes: it means the same.

    >>> json_escaped('"да 😀"', "ascii")
    '"\\\\u0434\\\\u0430 \\\\ud83d\\\\ude00"'
    """
    if encodable(text, encoding):
        return text
    return "".join(c if encodable(c, encoding) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _stand_in(character: str, encoding: str) -> str:
    """Return a character's stand-in, else its letter without the marks on it; empty where an encoding has neither."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    return next((one for one in (STAND_INS.get(character), letters) if one and encodable(one, encoding)), "")


class _Handler:
    """What an encoder calls where it is stuck; remembers whether something without a stand-in was lost.

    The error itself names a code page `charmap`, whichever it is.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.lost = False

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        """Return what is written instead, and where to go on."""
        assert isinstance(error, UnicodeEncodeError)
        written = [_stand_in(c, self.encoding) for c in error.object[error.start : error.end]]
        self.lost = self.lost or not all(written)
        return "".join(one or UNKNOWN for one in written), error.end


@contextmanager
def stand_ins() -> Iterator[None]:
    """Let stdout and stderr write stand-ins where they would raise, and say at the end where there was none.

    Streams that have every character, or for which somebody has said what to do (`PYTHONIOENCODING=cp1252:ignore`),
    stay as they are.
    """
    handlers = []
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not _has_all(stream) and stream.errors in _OURS_TO_CHANGE:
            handlers.append(_Handler(stream.encoding))
            name = f"{STAND_IN_ERRORS}.{stream.encoding}"
            codecs.register_error(name, handlers[-1])
            stream.reconfigure(errors=name)
    try:
        yield
    finally:
        for encoding in dict.fromkeys(handler.encoding for handler in handlers if handler.lost):
            sys.stderr.write(
                f"note: '{UNKNOWN}' stands for characters that the encoding {encoding} has not; with "
                "PYTHONIOENCODING=utf-8 set, all are written\n"
            )


def _has_all(stream: io.TextIOWrapper) -> bool:
    return codecs.lookup(stream.encoding).name.startswith("utf-")
