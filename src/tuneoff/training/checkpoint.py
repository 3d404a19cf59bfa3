"""A stage's state on disk, so that a stopped command goes on where it was."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from tuneoff.files import save_tensors, write_atomically
from tuneoff.in_use import remove_if_possible
from tuneoff.models import mapped_file
from tuneoff.models.mapped_file import UNSEALED, DamagedFile
from tuneoff.training.job import Execution, Job
from tuneoff.training.state import Best, TrainingState

FORMAT = 4
INTERVAL = 60.0  # seconds between checkpoints
SHARE_OF_TIME = 0.02  # saving may cost this share of the time that it protects


class Checkpointer:
    """Saves a stage's state to one file: every `interval` seconds (more if saving is slow), and when told to stop."""

    def __init__(self, path: Path, key: str, interval: float | None = None) -> None:
        self.path = path
        self.key = key
        self.interval = INTERVAL if interval is None else interval
        self._last = time.monotonic()

    def save_when_due(self, job: Job, state: TrainingState, optimizer: torch.optim.Optimizer, now: bool) -> None:
        """Save if the interval has passed or `now` is set, unless losses are still on the device.

        Of a team, the first process saves; where the weights are split, the others hand it their parts.
        """
        due = time.monotonic() - self._last >= self.interval and not state.pending
        if job.team.sharded:
            due = job.team.same(due)  # by the clock of the first, which writes
        elif job.team.index > 0:
            return
        if state.step == job.budget.steps or not (due or now):
            return
        begun = time.monotonic()
        save(self.path, self.key, job, state, optimizer)
        self._last = time.monotonic()
        self.interval = max(self.interval, (self._last - begun) / SHARE_OF_TIME)


def save(path: Path, key: str, job: Job, state: TrainingState, optimizer: torch.optim.Optimizer) -> None:
    """Write weights, optimizer, position, history and logits to one safetensors file, whole or not at all."""
    whole = job.team.whole
    tensors = {f"weights/{name}": whole(value) for name, value in job.trained.items()}
    slots = optimizer.state_dict()
    for slot, values in slots["state"].items():
        tensors |= {f"optimizer/{slot}/{name}": whole(torch.as_tensor(value)) for name, value in values.items()}
    if job.team.index > 0:
        return
    for (split, step), logits in state.logits.items():
        tensors[f"logits/{split}/{step}"] = torch.from_numpy(logits)
    if state.best:
        tensors |= {f"best/{name}": value for name, value in state.best.weights.items()}
    facts = {
        "format": FORMAT,
        "key": key,
        "execution": asdict(job.execution),
        "step": state.step,
        "history": state.history,
        "seconds": state.seconds,
        "tokens": state.tokens,
        "groups": slots["param_groups"],
        "test_opened": state.test_opened,
        "evaluations": list(state.logits),
    }
    if state.best:
        facts["best"] = {"step": state.best.step, "accuracy": state.best.accuracy, "loss": state.best.loss}
    header = {"state": json.dumps(facts, allow_nan=False), **UNSEALED}
    contiguous = {name: value.contiguous() for name, value in tensors.items()}

    def write(temporary: Path) -> None:
        save_tensors(temporary, contiguous, header)
        mapped_file.seal(temporary)

    write_atomically(path, write)


def restore(path: Path, key: str, job: Job, optimizer: torch.optim.Optimizer) -> TrainingState:
    """Put weights and optimizer back and return the state; a fresh state where there is no checkpoint of this key.

    Raises DamagedFile for a torn or altered one, which `recorded_execution` would have deleted.
    """
    facts = _facts(path)
    if facts is None or facts["format"] != FORMAT or facts["key"] != key:
        return TrainingState()
    state = TrainingState(facts["step"], facts["history"], seconds=facts["seconds"], tokens=facts["tokens"])
    state.test_opened = facts.get("test_opened")
    if "best" in facts:
        state.best = Best(**facts["best"], weights={})
    slots: dict[int, dict[str, Any]] = {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    with safe_open(path, framework="pt") as file, torch.no_grad():
        for name in file.keys():  # noqa: SIM118 (not a mapping: it has no iterator)
            kind, rest = name.split("/", 1)
            # A copy: while a tensor lies in the file, Windows lets no later checkpoint take its place.
            value = file.get_tensor(name).clone()
            if kind == "weights":
                job.trained[rest].copy_(job.team.own(value, job.trained[rest]))
            elif kind == "optimizer":
                slot, field = rest.split("/", 1)
                whole = value.shape == parameters[int(slot)].shape  # a moment; else the number of steps
                value = job.team.own(value, parameters[int(slot)]) if whole else value
                slots.setdefault(int(slot), {})[field] = value
            elif kind == "best":
                assert state.best is not None
                state.best.weights[rest] = value
            else:
                split, step = rest.rsplit("/", 1)
                state.logits[split, int(step)] = value.numpy()
    # The file has its tensors in the order of their names: step 12 before step 6.
    state.logits = {(split, step): state.logits[split, step] for split, step in facts["evaluations"]}
    optimizer.load_state_dict({"state": slots, "param_groups": facts["groups"]})
    return state


def recorded_execution(path: Path, key: str, say: Callable[[str], None] = lambda _: None) -> Execution | None:
    """Return how an interrupted stage was computed; None where there is no checkpoint of this key.

    A checkpoint that is torn or altered is deleted, after saying so: the stage begins anew.
    """
    try:
        facts = _facts(path)
    except DamagedFile as error:
        say(f"{path} is damaged, {error}: the stage begins anew")
        remove_if_possible(path)
        return None
    if facts is None or facts["format"] != FORMAT or facts["key"] != key:
        return None
    return Execution(**facts["execution"])


def recorded_history(path: Path, key: str) -> list[dict[str, Any]]:
    """Return the rows that an interrupted stage goes on from; none where it begins anew."""
    try:
        facts = _facts(path)
    except DamagedFile:
        return []
    return facts["history"] if facts is not None and (facts["format"], facts["key"]) == (FORMAT, key) else []


def _facts(path: Path) -> dict[str, Any] | None:
    """Return what a checkpoint says beside its tensors, None where there is none; raises DamagedFile."""
    if not path.is_file():
        return None
    mapped_file.check(path)
    with safe_open(path, framework="pt") as file:
        return dict(json.loads(file.metadata()["state"]))
