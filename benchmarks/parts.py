"""The processes of a benchmark, one after another; what an interrupted one finished is used again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tuneoff
from benchmarks.arithmetic import Whole
from benchmarks.flops import Work
from benchmarks.setting import OURS, Setting, evaluation_steps
from tuneoff.environment import describe_environment

ROOT = Path(__file__).resolve().parents[1]
# Forward passes of a step, roughly: only for the time that is left. The notebook's probe computes every gradient.
PASSES = {"linear-probe": 1.0, "full": 3.0, "lora": 2.2}


@dataclass(frozen=True)
class Place:
    """A process to run: which work, by whom, and beside which other process (`turn`)."""

    work: Work
    peer: str
    turn: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.work}.{self.peer}.{self.turn}"


def order(setting: Setting) -> list[Place]:
    """Return the processes in their order: ours after each peer if they alternate, else after the first one."""
    places: list[Place] = []
    for work in setting.works:
        for number, peer in enumerate(setting.peers):
            turn = number + 1 if setting.alternate else 1
            places.append(Place(work, peer, turn))
            if setting.alternate or number == 0:
                places.append(Place(work, OURS, turn))
        if not setting.peers:
            places.append(Place(work, OURS, 1))
    return places


def run_all(setting: Setting, whole: Whole, folder: Path) -> list[dict[str, Any]]:
    """Run what is not done yet and return all parts; raises SystemExit with the log's end where one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    setting.save(folder / "setting.json")
    places = order(setting)
    parts = {place: part for place in places if (part := _done(setting, folder, place)) is not None}
    if parts:
        say(f"{len(parts)} of {len(places)} processes are done already; --fresh begins anew")
    clock = _Clock(setting, whole)
    for number, place in enumerate(places, start=1):
        if place in parts:
            clock.learn(place, parts[place]["wall"])
            continue
        left = clock.left([other for other in places[number - 1 :] if other not in parts])
        say(f"[{number}/{len(places)}] {place.work} by {place.peer}{left}")
        parts[place] = _run(setting, folder, place)
        clock.learn(place, parts[place]["wall"])
        say(f"    {parts[place]['wall']:.0f} s, {_speed(parts[place])}")
    return [parts[place] for place in places]


def _done(setting: Setting, folder: Path, place: Place) -> dict[str, Any] | None:
    path = folder / f"{place.name}.json"
    if not path.is_file():
        return None
    part: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return part if part["setting"] == setting.digest else None


def _run(setting: Setting, folder: Path, place: Place) -> dict[str, Any]:
    raw, log = folder / f"{place.name}.raw", folder / f"{place.name}.log"
    command = [
        sys.executable,
        "-m",
        "benchmarks.worker",
        str(folder / "setting.json"),
        place.work,
        place.peer,
        str(raw),
    ]
    begun = time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        outcome = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env=process_environment(setting), check=False
        )
    wall = time.perf_counter() - begun
    if outcome.returncode:
        end = "".join(log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-15:])
        raise SystemExit(f"{end}\n{place.work} by {place.peer} failed (status {outcome.returncode}); its log is {log}")
    environment = describe_environment(ROOT)
    part = {
        "setting": setting.digest,
        "work": place.work,
        "peer": place.peer,
        "turn": place.turn,
        "wall": wall,
        **json.loads(raw.read_text(encoding="utf-8")),
        "git": environment["git"],
        "time": environment["time"],
    }
    temporary = folder / f"{place.name}.json.tmp"
    temporary.write_text(json.dumps(part, indent=1), encoding="utf-8")
    temporary.replace(folder / f"{place.name}.json")
    raw.unlink()
    return part


def process_environment(setting: Setting) -> dict[str, str]:
    """Return the processes' environment: the same threads for every library, and the same tuneoff as here."""
    paths = [str(ROOT), str(Path(tuneoff.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    threads = str(setting.threads)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }


class _Clock:
    """Guesses the time left from what like processes took for a forward pass of a token."""

    def __init__(self, setting: Setting, whole: Whole) -> None:
        self.setting, self.whole = setting, whole
        self.known: dict[str, list[tuple[float, float]]] = {}

    def units(self, place: Place) -> float:
        """Return the forward passes of tokens that a process computes."""
        setting, whole = self.setting, self.whole
        if place.peer == OURS and place.work == "linear-probe":
            share = 1.0 if setting.limit is None else 0.1
            return whole.feature_tokens * share
        passes = 3.0 if place.peer == "notebook" and place.work != "lora" else PASSES[place.work]
        share = 1.0 if setting.limit is None else min(1.0, setting.limit * whole.step_tokens / whole.evaluation_tokens)
        evaluations = len(evaluation_steps(setting.steps, setting.eval_every)) * whole.evaluation_tokens * share
        return passes * setting.steps * whole.step_tokens + evaluations

    def learn(self, place: Place, seconds: float) -> None:
        """Take a finished process into account."""
        self.known.setdefault(place.peer, []).append((seconds, self.units(place)))

    def left(self, places: Sequence[Place]) -> str:
        """Return a sentence on the time that these processes will take, empty while nothing is known."""
        everything = [pair for pairs in self.known.values() for pair in pairs]
        if not everything:
            return ""
        seconds = sum(self.units(place) * _rate(self.known.get(place.peer, everything)) for place in places)
        return f"; about {max(1, round(seconds / 60))} min left"


def _rate(known: Sequence[tuple[float, float]]) -> float:
    return sum(seconds for seconds, _ in known) / sum(units for _, units in known)


def _speed(part: dict[str, Any]) -> str:
    numbers: Iterator[str] = (
        f"{part['tokens'][phase] / part['seconds'][phase]:,.0f} tokens/s in {phase}"
        for phase in ("features", "training", "evaluation")
        if part["tokens"][phase] and part["seconds"][phase]
    )
    return ", ".join(numbers)


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)
