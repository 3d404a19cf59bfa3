"""What a stage of a run directory is called, and what is known of one that ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from tuneoff.errors import StoreError
from tuneoff.naming import NAME

RECORD_VERSION = 1
# Fields of a record that the first ones did not have.
LATER = ("chosen", "test_opened", "attempts", "seconds_lost", "head_norm")
TUNING = "tuning"  # folder of all that is run to choose settings
PHASES = ("load", "tokenize", "features", "training", "evaluation")


@dataclass(frozen=True, order=True)
class StageAddress:
    """Where a stage lives: model, task, the techniques so far joined by '+', seed and fold.

    A stage that is run to choose settings has `tuning`: "trial-<n>", or "chosen" for one that the trials of a technique
    start from, which has the settings that were chosen for it.
    """

    model: str
    task: str
    chain: str
    seed: int
    fold: int | None = None
    tuning: str | None = None

    def __post_init__(self) -> None:
        """Refuse a part that is no name: it would become a folder, and might lead out of the run directory."""
        texts = [self.model, self.task, *str(self.chain).split("+"), *([] if self.tuning is None else [self.tuning])]
        numbers = [self.seed, *([] if self.fold is None else [self.fold])]
        bad: list[Any] = [text for text in texts if not (isinstance(text, str) and NAME.fullmatch(text))]
        bad += [number for number in numbers if type(number) is not int or number < 0]
        if bad:
            raise StoreError(f"a stage cannot be called {bad[0]!r}: use lower-case letters, digits and single hyphens")

    @property
    def folder(self) -> str:
        """The stage's folder under the run directory."""
        fold = "" if self.fold is None else f"-fold-{self.fold}"
        if self.tuning is not None:
            return f"{TUNING}/{self.model}/{self.task}/{self.chain}/{self.tuning}{fold}"
        return f"stages/{self.model}/{self.task}/{self.chain}/seed-{self.seed}{fold}"

    @property
    def place(self) -> tuple[str, str, int | None]:
        """The model, the task and the fold: what is prepared once for all stages that share it."""
        return self.model, self.task, self.fold

    @property
    def is_trial(self) -> bool:
        """Whether it is one of the trials that settings are chosen from."""
        return self.tuning is not None and self.tuning.startswith("trial-")

    @property
    def title(self) -> str:
        """What a reader is told of it beside the chain: "seed 0, fold 1", "trial 3"."""
        run = f"seed {self.seed}" if self.tuning is None else self.tuning.replace("-", " ")
        return run if self.fold is None else f"{run}, fold {self.fold}"


@dataclass(frozen=True)
class StageRecord:
    """What is known of a stage that ended: what was asked, what it resolved to, what it cost.

    `key` is the digest of `key_parts`. `seconds` are those spent here, by phase; `seconds_alone` what the same phases
    cost when nothing is shared with other stages (without the parent's own). `tokens` counts real tokens. A failed
    stage has `status` "failed" and `failure` with at least a `reason`. `chosen` tells which evaluation gave the weights
    and the reported predictions, where they are not the last step's; `test_opened` when test was first evaluated.
    `attempts` is how often it was begun or gone on with, `seconds_lost` what earlier attempts spent in vain: work that
    had to be done again, and is not in `seconds`. `head_norm` is the Frobenius norm of the head's parameters at the
    end, None where it is not known or there is no head.
    """

    address: StageAddress
    status: Literal["done", "failed"]
    parent: str | None
    technique: str
    key: str
    key_parts: Mapping[str, Any]
    settings: Mapping[str, Any]
    budget: Mapping[str, Any]
    parameters: Mapping[str, int]
    seconds: Mapping[str, float]
    seconds_alone: Mapping[str, float]
    tokens: Mapping[str, int]
    peak_memory: Mapping[str, Any]
    machine: Mapping[str, Any]
    started: str
    ended: str
    chosen: Mapping[str, Any] | None = None
    test_opened: str | None = None
    attempts: int | None = None
    seconds_lost: float | None = None
    head_norm: float | None = None
    failure: Mapping[str, Any] | None = None
    files: Mapping[str, str] | None = None
    record_version: int = RECORD_VERSION

    @property
    def reported_step(self) -> int:
        """The step whose weights and predictions are reported: the one that was chosen, else the last."""
        return int(self.chosen["step"] if self.chosen else self.budget["steps"])

    @property
    def diverged(self) -> bool:
        """Whether it failed because a number was not finite, which its settings alone decide."""
        return self.failure is not None and "grad_norm" in self.failure

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        value = asdict(self)
        if self.address.tuning is None:
            del value["address"]["tuning"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: Path) -> Self:
        """Read a record back; raises StoreError if it is of another version or lacks a field."""
        if value.get("record_version") != RECORD_VERSION:
            raise StoreError(
                f"{where}: record version {value.get('record_version')}, but this tuneoff reads {RECORD_VERSION}; "
                "read it with the version that wrote it, or give another --out"
            )
        names = {field.name for field in fields(cls)}
        value = {**dict.fromkeys(LATER), **value}
        if missing := sorted(names - value.keys()):
            raise StoreError(f"{where}: not a whole record, {', '.join(missing)} missing; delete the folder to redo it")
        kept = {name: value[name] for name in names}
        kept["address"] = StageAddress(**value["address"])
        return cls(**kept)
