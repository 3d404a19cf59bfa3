"""What the attempts at a stage took, so that what a killed one spent in vain can be told."""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BEAT = 1.0  # seconds between two signs of life: what a kill takes from the account at most


class Attempts:
    """A context: an attempt at a stage, with those before it; each is a few lines of a file beside the checkpoint.

    A line tells how many seconds an attempt has lived; a thread adds one now and then, since a killed process cannot
    say when it ended. Seconds are of the monotonic clock, so no change of the time of day reaches them. Lines of
    another key are of other settings, and do not count.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._earlier = _read(path, key)
        self._number = max(self._earlier, default=0) + 1
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._beat()

    @property
    def count(self) -> int:
        """The attempts so far, this one included."""
        return len(self._earlier) + 1

    def paid(self, phases: Mapping[str, float]) -> None:
        """Note seconds by phase of what is kept whatever becomes of this attempt, as vectors in the cache are."""
        self._append({"phases": dict(phases)})

    def kept_before(self) -> dict[str, float]:
        """Return the seconds by phase of what earlier attempts computed and left for later ones."""
        found: dict[str, float] = {}
        for lines in self._earlier.values():  # of what was computed twice the last is there
            for line in lines:
                found |= line.get("phases", {})
        return found

    def seconds_lost(self, kept: float) -> float:
        """Return what the earlier attempts spent beyond the `kept` seconds of their work that this one goes on from."""
        lived: float = sum(max(line.get("lived", 0.0) for line in lines) for lines in self._earlier.values())
        return max(0.0, lived - kept)

    def _live(self) -> None:
        while not self._ended.wait(BEAT):
            self._beat()

    def _beat(self) -> None:
        self._append({"lived": round(time.monotonic() - self._begun, 3)})

    def _append(self, line: Mapping[str, Any]) -> None:
        text = json.dumps({"key": self._key, "attempt": self._number, **line}) + "\n"
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:  # an account is not worth a stage
            file.write(text)


def _read(path: Path, key: str) -> dict[int, list[dict[str, Any]]]:
    """Return the lines of a key by attempt; a torn one, as a kill may leave it, is passed over."""
    found: dict[int, list[dict[str, Any]]] = {}
    if path.is_file():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError):
                line = json.loads(text)
                if line["key"] == key:
                    found.setdefault(int(line["attempt"]), []).append(line)
    return found
