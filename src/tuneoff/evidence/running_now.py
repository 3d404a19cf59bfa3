"""Which stages run now, from what they leave in the run directory while they do."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneoff.store import ATTEMPTS, CHECKPOINT, DONE, Store

ALIVE = 10.0  # seconds without a sign of life after which a stage is taken for stopped; there is one a second


@dataclass(frozen=True)
class RunningStage:
    """A stage that has begun and not ended: its folder, the seconds of this attempt, and where its last checkpoint is.

    `step`, `accuracy` and `split` are of that checkpoint and its last evaluation; None before the first.
    """

    folder: str
    seconds: float
    step: int | None
    split: str | None
    accuracy: float | None


def running_stages(store: Store, now: float | None = None) -> list[RunningStage]:
    """Return the stages that gave a sign of life in the last ALIVE seconds before `now` (of the epoch)."""
    now = time.time() if now is None else now
    found = []
    for path in sorted(store.root.glob(f"*/**/{ATTEMPTS}")):
        with suppress(OSError):  # a stage that ends meanwhile deletes it
            if now - path.stat().st_mtime <= ALIVE and not (path.parent / DONE).is_file():
                folder = path.parent.relative_to(store.root).as_posix()
                found.append(RunningStage(folder, _lived(path), *_reached(path.parent / CHECKPOINT)))
    return found


def _lived(path: Path) -> float:
    """The seconds that the last attempt has lived."""
    lived: dict[int, float] = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, TypeError, KeyError):  # a torn line
            line = json.loads(text)
            lived[int(line["attempt"])] = float(line["lived"])
    return lived[max(lived)] if lived else 0.0


def _reached(path: Path) -> tuple[int | None, str | None, float | None]:
    """What a checkpoint says of itself, without its tensors."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None, None, None
    try:
        with safe_open(path, framework="np") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["state"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None, None, None  # it is being replaced, or of another version: nothing depends on it
    evaluated = [row for row in facts["history"] if row.get("event") == "eval"]
    last = evaluated[-1] if evaluated else {}
    return facts["step"], last.get("split"), last.get("accuracy")
