"""Run directories with made-up numbers, in the form in which training writes them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tuneoff.store import StageAddress, StageRecord, Store
from tuneoff.study import TaskSpec
from tuneoff.tasks import task_name

TRAINED = {"full": 21_000_000, "linear-probe": 3_072, "lora": 150_528}
LEVEL = {"full": 0.35, "linear-probe": 0.28, "lora": 0.44, "linear-probe+full": 0.38, "linear-probe+lora": 0.41}
FIVE = ("full", "linear-probe", "lora", "linear-probe+full", "linear-probe+lora")


@dataclass
class Fabricated:
    """What to make up; `failed` holds (chain, seed) pairs, `missing` too."""

    techniques: tuple[Any, ...] = FIVE
    seeds: int = 1
    steps: int = 40
    eval_every: int = 10
    eval_on: str = "test"
    examples: int = 60
    classes: tuple[str, ...] = ("yes", "no", "may be")
    models: tuple[str, ...] = ("small-e5",)
    failed: tuple[tuple[str, int], ...] = ()
    missing: tuple[tuple[str, int], ...] = ()
    reason: str = "loss is not finite"
    title: str | None = "A made-up study"
    label: str = "small-e5 (made up)"
    described: bool = True
    task: dict[str, Any] = field(default_factory=lambda: {"name": "mini_rte", "label": "phenomenon"})
    tasks: tuple[dict[str, Any], ...] = ()

    def write(self, root: Path) -> Store:
        """Write the run directory and return its store."""
        store = Store(root)
        store.create(yaml.safe_dump(self._study(), sort_keys=False), environment())
        for model in self.models:
            for task in self.task_folders:
                if self.described:
                    store.describe_model(model, {"name": model, "label": self.label, **MODEL})
                    store.describe_task(model, task, self._task(task))
                for seed in range(self.seeds):
                    chains = {chain for use, name in self._entries() for chain in (*use.split("+")[:1], name)}
                    for chain in sorted(chains, key=lambda name: name.count("+")):
                        if (chain, seed) not in self.missing:
                            self._stage(store, StageAddress(model, task, chain, seed))
        return store

    def _entries(self) -> list[tuple[str, str]]:
        return [(t, t) if isinstance(t, str) else (t["use"], t["name"]) for t in self.techniques]

    def _study(self) -> dict[str, Any]:
        return {
            "name": "made-up",
            "title": self.title,
            "models": [{"id": f"intfloat/{model}", "name": model, "pooling": "auto"} for model in self.models],
            **({"tasks": list(self.tasks)} if self.tasks else {"task": self.task}),
            "techniques": [{"name": name, "use": use, "settings": {}} for use, name in self._entries()],
            "protocol": {
                "steps": self.steps,
                "epochs": None,
                "batch_size": 24,
                "eval_every": self.eval_every,
                "eval_on": self.eval_on,
                "seeds": list(range(self.seeds)),
                "schedule": "linear",
                "warmup": 0.06,
                "weight_decay": 0.01,
                "max_grad_norm": 1.0,
                "precision": "auto",
            },
        }

    @property
    def task_folder(self) -> str:
        """The task's name in folders, of several the first one's."""
        return self.task_folders[0]

    @property
    def task_folders(self) -> list[str]:
        """The tasks' names in folders."""
        return [task_name(TaskSpec(**task)) for task in self.tasks or (self.task,)]

    def _task(self, name: str) -> dict[str, Any]:
        labels = {name: self.examples // len(self.classes) for name in self.classes}
        split = {
            "rows": self.examples,
            "labels": labels,
            "characters": {
                "premise": {"mean": 91.2, "median": 80, "max": 400},
                "hypothesis": {"mean": 40.5, "median": 39, "max": 120},
            },
            "tokens": {"mean": 33.1, "median": 30, "max": 512, "cut": 0.01},
        }
        return {
            "name": name,
            "label": "mini_rte (phenomenon)" if name == self.task_folder else f"made up, {name}",
            "source": "packaged with tuneoff",
            "classes": list(self.classes),
            "text_fields": ["premise", "hypothesis"],
            "splits": {
                "train": {**split, "rows": 960},
                "test": split,
                "unlabelled": {"rows": 10, "labels": None, "characters": {}},
            },
            "notes": ["3 premises stand in train and in test."],
            "fingerprint": "f" * 64,
            "examples": [{"premise": "It rains <b>hard</b>.", "hypothesis": "It rains.", "label": "yes"}],
        }

    def _stage(self, store: Store, address: StageAddress) -> None:
        use = next((use for use, name in self._entries() if name == address.chain), address.chain)
        parent = use.split("+")[0] if "+" in use else None
        if parent is not None and (parent, address.seed) in self.failed:
            return
        failed = (address.chain, address.seed) in self.failed
        last = use.split("+")[-1]
        slow = 1.0 if last == "full" else 0.1
        alone = {"load": 2.0, "tokenize": 1.0, "features": 0.0, "training": slow * self.steps, "evaluation": 3.0}
        record = StageRecord(
            address=address,
            status="failed" if failed else "done",
            parent=parent,
            technique=last,
            key=f"{address.chain}-{address.seed}".encode().hex().ljust(64, "0"),
            key_parts={"seed": address.seed},
            settings={
                "learning_rate": 1e-4,
                "schedule": "linear",
                **({"rank": 8, "targets": ["query", "value"]} if last == "lora" else {}),
            },
            budget={"steps": self.steps, "batch_size": 24, "eval_every": self.eval_every, "eval_on": self.eval_on},
            parameters={"trained": TRAINED.get(last, 1_000), "total": 21_150_528, "total_peft": 21_153_600},
            seconds={**alone, "load": 0.0},
            seconds_alone=alone,
            tokens={"trained": 1_000, "computed": 2_000, "evaluated": 500},
            peak_memory={"bytes": 900_000_000 if last == "full" else 300_000_000, "kind": "resident"},
            machine={
                "device": "cpu",
                "device_name": "a processor",
                "precision": "fp32",
                "threads": 2,
                "micro_tokens": 1500,
            },
            started="2026-01-01T00:00:00+00:00",
            ended="2026-01-01T00:10:00+00:00",
            failure={"reason": self.reason, "step": 12} if failed else None,
        )
        store.finish(
            record, self._history(address, use, failed, slow), None if failed else self._predictions(address), None
        )

    def _history(self, address: StageAddress, use: str, failed: bool, slow: float) -> list[dict[str, Any]]:
        rng = np.random.default_rng(seed_of(address))
        start, level = (self.steps, 0.3) if "+" in use else (0, 1 / len(self.classes))
        top = LEVEL.get(use, 0.3) + 0.02 * (address.seed % 5)
        rows: list[dict[str, Any]] = []
        last = 12 if failed else self.steps
        for step in range(last + 1):
            done = step / self.steps
            accuracy = level + (top - level) * done
            loss = 1.1 - 0.3 * accuracy * done
            seconds = step * slow + 0.15 * (step // self.eval_every)
            place = {"stage_step": step, "step": start + step}
            if step:
                noisy = {"loss": loss + 0.1 * rng.normal(), "accuracy": float(rng.binomial(24, accuracy)) / 24}
                rest = {"learning_rate": 1e-4, "grad_norm": 1.2, "tokens": 1800, "seconds": seconds}
                rows.append({"event": "train", **place, **noisy, **rest})
            if step % self.eval_every == 0 or step == self.steps:
                rows.append(
                    {
                        "event": "eval",
                        "split": self.eval_on,
                        **place,
                        "loss": loss,
                        "accuracy": accuracy,
                        "seconds": seconds,
                    }
                )
        if failed:
            rows[-1] = {**rows[-1], "loss": None}
        return rows

    def _predictions(self, address: StageAddress) -> pd.DataFrame:
        rng = np.random.default_rng(seed_of(address) + 1_000_000 * self.task_folders.index(address.task))
        evaluated = sorted({*range(0, self.steps, self.eval_every), self.steps})
        steps = [("test", step) for step in (evaluated if self.eval_on == "test" else evaluated[-1:])]
        if self.eval_on != "test":
            steps += [(self.eval_on, step) for step in evaluated]
        labels = np.arange(self.examples) % len(self.classes)
        frames = []
        for split, step in steps:
            logits = rng.normal(size=(self.examples, len(self.classes)))
            logits[np.arange(self.examples), labels] += 0.5 * step / self.steps
            columns = {
                "row": np.arange(self.examples),
                "source_id": None,
                "step": step,
                "label": labels,
                "logits": logits.tolist(),
            }
            frames.append(pd.DataFrame({"split": split, **columns}))
        return pd.concat(frames, ignore_index=True)


def seed_of(address: StageAddress) -> int:
    """A number that differs between stages."""
    return sum(map(ord, address.chain)) + 1_000 * address.seed


def environment() -> dict[str, Any]:
    """What `environment.json` holds."""
    return {
        "tuneoff": "0.1.0",
        "python": "3.11.9",
        "platform": "Linux",
        "cpu": "a processor",
        "cores": 2,
        "memory_bytes": 8_000_000_000,
        "gpus": [],
        "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
        "git": {"commit": "a" * 40, "dirty": True},
        "time": "2026-01-01T00:00:00+00:00",
    }


MODEL: dict[str, Any] = {
    "source": "a folder",
    "revision": None,
    "fingerprint": "e" * 64,
    "architecture": "BertModel",
    "model_type": "bert",
    "layers": 12,
    "hidden": 384,
    "heads": 12,
    "kv_heads": 12,
    "head_dim": 32,
    "intermediate": 1536,
    "vocabulary": 250_037,
    "max_positions": 512,
    "tied_embeddings": True,
    "dtype": "float32",
    "weight_bytes": 470_000_000,
    "pooling": "mean",
    "prefix": "query: ",
    "template": None,
    "max_length": 512,
    "parameters": 117_653_760,
    "head_parameters": 1_152,
}
