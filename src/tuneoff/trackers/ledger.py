"""What a tracker was told already, so that a command that goes on does not tell it twice."""

import json
from contextlib import suppress
from pathlib import Path


class Ledger:
    """Lines of a file: the last step told of a run, by the run's id, and whether the run was told to its end.

    A line is written after the tracker took the step, and survives the process, which may be killed at any moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, int] = {}
        self._whole: set[str] = set()
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, TypeError, KeyError):  # a torn line, as a kill may leave it
                    self._take(json.loads(line))

    def last(self, run: str) -> int | None:
        """Return the last step told of a run, None if none was."""
        return self._last.get(run)

    def is_whole(self, run: str) -> bool:
        """Return whether a run was told to its end."""
        return run in self._whole

    def note(self, run: str, step: int, *, whole: bool = False) -> None:
        """Write down that a run was told up to a step, or to its end; raises OSError."""
        line = {"run": run, "step": step, "whole": whole}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._take(line)

    def _take(self, line: dict[str, object]) -> None:
        run, step = line["run"], line["step"]
        if not isinstance(run, str) or not isinstance(step, int):
            raise TypeError("no line of a ledger")
        self._last[run] = max(step, self._last.get(run, step))
        if line["whole"]:
            self._whole.add(run)
