"""What is measured: the model, the task, the works, how many steps; and what it is scaled to."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from benchmarks.flops import Work

Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "bf16"]
OURS = "tuneoff"
PEERS = ("notebook", "trainer", "trainer-grouped")
STUDY = "terra-2025"  # its rates, batch and protocol are everybody's


@dataclass(frozen=True)
class Setting:
    """All that a process needs to know. `techniques` has each work's settings, `protocol` what they share.

    `steps` and `eval_every` are measured; `whole_steps` and `whole_eval_every` are what the results are scaled to.
    `limit` takes the first rows of each split; the results are scaled to all of them. `alternate` runs our side anew
    after each peer, so that each pair is measured close together. `further_seeds` is how many more seeds the linear
    probe gets on our side, to tell what one costs. `precision` is everybody's: bf16 is autocast over fp32 weights.
    """

    model: str
    task: Mapping[str, Any]
    works: tuple[Work, ...]
    peers: tuple[str, ...]
    techniques: Mapping[str, Mapping[str, Any]]
    protocol: Mapping[str, Any]
    batch_size: int
    steps: int
    eval_every: int
    whole_steps: int
    whole_eval_every: int
    limit: int | None
    threads: int
    alternate: bool
    further_seeds: int
    matmul_size: int
    device: Device = "cpu"
    precision: Precision = "fp32"

    @property
    def digest(self) -> str:
        """A name for this setting: the parts of an interrupted benchmark are used again under the same one alone."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def rank(self) -> int:
        """LoRA's rank."""
        return int(self.techniques["lora"]["rank"])

    def save(self, path: Path) -> None:
        """Write the setting for the processes."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a setting back."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**found, "works": tuple(found["works"]), "peers": tuple(found["peers"])})

    def described(self) -> dict[str, Any]:
        """Return the setting for the results, without this machine's paths."""
        task = {key: value for key, value in self.task.items() if key != "data"}
        return {**asdict(self), "model": Path(self.model).name, "task": task, "alternate": self.alternate}

    def study(self, work: Work, seeds: list[int]) -> dict[str, Any]:
        """Return a work as a study of tuneoff's.

        A linear probe on stored vectors is measured whole: it takes a second. No weights are kept: no peer keeps any.
        """
        whole = work == "linear-probe"
        protocol = {
            **self.protocol,
            "steps": self.whole_steps if whole else self.steps,
            "eval_every": self.whole_eval_every if whole else self.eval_every,
            "batch_size": self.batch_size,
            "eval_on": "test",
            "seeds": seeds,
            "precision": self.precision,
            "keep_weights": "none",
            "threads": self.threads,
            "device": self.device,
        }
        return {
            "name": f"bench-{work}",
            "model": {"id": self.model},
            "task": {**self.task, **({"limit": self.limit} if self.limit else {})},
            "techniques": [{"name": work, "use": work, **self.techniques[work]}],
            "protocol": protocol,
        }


def evaluation_steps(steps: int, every: int) -> list[int]:
    """Return after how many steps is evaluated: 0, k, 2k, ... and the last."""
    return [step for step in range(steps + 1) if step % every == 0 or step == steps]


def shipped_protocol() -> tuple[dict[str, dict[str, Any]], dict[str, Any], dict[str, int]]:
    """Return each work's settings, the shared protocol and the budget, as the study of 2025 has them."""
    from tuneoff.reading import read_study

    study = read_study(STUDY).study
    techniques = {spec.name: dict(spec.settings) for spec in study.techniques if "+" not in spec.name}
    chosen = ("schedule", "warmup", "weight_decay", "max_grad_norm")
    protocol = {name: getattr(study.protocol, name) for name in chosen}
    steps, every = study.protocol.steps, study.protocol.eval_every
    assert steps is not None and every is not None
    return techniques, protocol, {"batch_size": study.protocol.batch_size, "steps": steps, "eval_every": every}
