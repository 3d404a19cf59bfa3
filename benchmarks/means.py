"""`python -m benchmarks.means`: what each means of being fast saves in steps of `full` and LoRA, alone and together.

Each variant runs in a process of its own: nothing on, each means alone, all. The first step is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

OFF: dict[str, Any] = {
    "micro_tokens": 1_000_000,  # the whole batch at once, padded to its longest
    "pack_texts": False,
    "light_dropout": False,
    "compact_vocabulary": False,
}
MEANS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "micro-batches by length": {"micro_tokens": 1500},
    "packed texts": {"micro_tokens": 1500, "pack_texts": True},
    "light dropout": {"light_dropout": True},
    "compact vocabulary": {"compact_vocabulary": True},
    "all": {"micro_tokens": 1500, "pack_texts": True, "light_dropout": True, "compact_vocabulary": True},
}
WORKS = ("full", "lora")
ROWS = 96  # of each split: evaluations are not what is measured


def main() -> None:
    """Measure every variant of both works, and print and write a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.means", description=__doc__)
    parser.add_argument("--model", default="models/multilingual-e5-small", metavar="DIR")
    parser.add_argument("--data", metavar="DIR", help="TERRa's own files; without them the task that comes along")
    parser.add_argument("--steps", type=int, default=6, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON with every number")
    asked = parser.parse_args()
    rows = []
    for work in WORKS:
        plain: dict[str, Any] | None = None
        for name, switches in MEANS.items():
            found = _apart(work, {**OFF, **switches}, asked.model, asked.data, asked.steps)
            plain = plain or found
            rows.append({"work": work, "means": name, **found, "factor": plain["step"] / found["step"]})
            memory = found["peak"] / plain["peak"]
            print(f"| {work} | {name} | {found['step']:.2f} s | {rows[-1]['factor']:.2f}× | {memory:.0%} |", flush=True)
    if asked.out:
        asked.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _apart(work: str, protocol: dict[str, Any], model: str, data: str | None, steps: int) -> dict[str, Any]:
    """Return a variant's median seconds a step and its peak memory, measured in another process."""
    asked = json.dumps([work, protocol, str(Path(model).resolve()), data and str(Path(data).resolve()), steps])
    done = subprocess.run(
        [sys.executable, "-c", "import benchmarks.means as m; m.measure()", asked],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure() -> None:
    """Train some steps as the last argument asks, and print the numbers as JSON."""
    import tuneoff

    work, protocol, model, data, steps = json.loads(sys.argv[-1])
    settings = {**protocol, "steps": steps, "eval_every": steps, "eval_on": "test", "seeds": [0], "batch_size": 24}
    study = {
        "name": "means",
        "model": {"id": model},
        "task": {**({"name": "terra", "data": data} if data else {"name": "mini_rte"}), "limit": ROWS},
        "techniques": [work],
        "protocol": {**settings, "keep_weights": "none", "device": "cpu"},
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEOFF_CACHE"] = str(Path(folder) / "cache")
        store = tuneoff.run(study=study, out=Path(folder) / "run", quiet=True).store
        (record,) = store.records()
        seconds = [row["seconds"] for row in store.history(record.address)]
    # The first row is the evaluation before training, the second the step that allocates what the others use, and the
    # last the evaluation after it.
    taken = [later - earlier for earlier, later in pairwise(seconds[1:-1])]
    print(json.dumps({"step": statistics.median(taken), "peak": record.peak_memory["bytes"]}))


if __name__ == "__main__":
    main()
