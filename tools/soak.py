#!/usr/bin/env python3
"""Kill a study at random moments, start it again, and see that nothing is lost, doubled or changed.

A small study of a tiny model runs in a process of its own, which SIGKILL ends at a random moment; the same command is
started again until it ends by itself. The result is compared with that of a study nobody disturbed. Run by `make soak`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROWS = {"train": 64, "test": 40}
TECHNIQUES = ["full", {"name": "top-layers", "layers": 1}, "linear-probe+lora"]
PROTOCOL = {"steps": 40, "batch_size": 8, "eval_every": 4, "eval_on": "test", "seeds": 2, "threads": 1}
#: Seconds between checkpoints, and between signs of life: as short for this study as the usual ones are for hours.
CHECKPOINTS, BEAT = 0.3, 0.05
AIMED = 1 / 3  # share of the kills that wait, from their moment on, for a file that is being written
PATIENCE = 2.0  # seconds that they wait at most


def make_study(folder: Path) -> Path:
    """Write a tiny model, rows that it can learn, and a study of them into a folder; returns the study's file."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = [*("[PAD]", "[UNK]", "[CLS]", "[SEP]"), *("cat", "dog", "the", "old", "man", "sat", "on", "mat", "ran")]
    ids = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(word, ids[word]) for word in ("[CLS]", "[SEP]")],
    )
    named = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder / "model")
    torch.manual_seed(0)
    size = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=64, initializer_range=0.3, **size)
    BertModel(config).save_pretrained(folder / "model")
    draw = random.Random(0)
    for name, rows in ROWS.items():
        lines = []
        for number in range(rows):
            filler = draw.choices(words[6:], k=6)
            text, label = [*filler[:3], words[4 + number % 2]], ("feline", "canine")[number % 2]
            lines.append({"a": " ".join(filler[: draw.randint(1, 5)]), "b": " ".join(text), "label": label})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    task = {name: str(folder / f"{name}.jsonl") for name in ROWS} | {"text": ["a", "b"], "label": "label"}
    study = {"name": "soak", "model": str(folder / "model"), "task": task}
    study |= {"techniques": TECHNIQUES, "protocol": PROTOCOL}
    (folder / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    return folder / "study.yaml"


def child(study: str, out: str) -> int:
    """Be the command that is killed, `tuneoff run`, with checkpoints as often as a short study needs them."""
    from tuneoff.cli import main as tuneoff
    from tuneoff.training import attempts, checkpoint

    checkpoint.INTERVAL, checkpoint.SHARE_OF_TIME, attempts.BEAT = CHECKPOINTS, 1.0, BEAT
    return int(tuneoff(["run", study, "--out", out]) or 0)


@dataclass
class Place:
    """A study's folders: its run directory, its cache, what it puts into the system's folder for temporary files."""

    root: Path
    study: Path
    finished: dict[Path, tuple[int, int]] = field(default_factory=dict)
    seconds: float = 0.0
    kills: int = 0

    @property
    def out(self) -> Path:
        """The run directory."""
        return self.root / "out"

    def start(self) -> "subprocess.Popen[str]":
        """Start the command; it is the leader of a process group of its own."""
        for name in ("tmp", "cache"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        folders = {"TUNEOFF_CACHE": str(self.root / "cache"), "TMPDIR": str(self.root / "tmp")}
        command = [sys.executable, __file__, "--child", str(self.study), str(self.out)]
        with (self.root / "output").open("w") as output:
            return subprocess.Popen(
                command,
                env={**os.environ, **folders, "HF_HUB_OFFLINE": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def temporary(self) -> list[str]:
        """Return what lies half written in the run directory or in the cache."""
        found = [path for name in ("out", "cache") for path in (self.root / name).rglob(".part-*")]
        return sorted(str(path.relative_to(self.root)) for path in found)

    def files(self) -> set[str]:
        """Return the names of all files but the command's output."""
        names = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}
        return names - {"output"}


def marks(place: Place) -> dict[Path, tuple[int, int]]:
    """Return which file each finished stage's record is: one written again would be another."""
    from tuneoff.store import RECORD, Store

    store = Store(place.out)
    paths = [store.folder(record.address) / RECORD for record in store.records() if record.status == "done"]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def attempt(place: Place, moment: float, aimed: bool) -> bool:
    """Start the command and kill it at a moment, seconds after its start; True where it had ended by itself before."""
    begun = time.monotonic()
    process = place.start()
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        until = time.monotonic() + PATIENCE
        while aimed and process.poll() is None and time.monotonic() < until and not place.temporary():
            time.sleep(0.0005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    status = process.wait()
    place.seconds += time.monotonic() - begun
    if status not in (0, -signal.SIGKILL):
        output = (place.root / "output").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"exit status {status}: {output[-2000:]}")
    return status == 0


def where(place: Place, before: Mapping[Path, object]) -> str:
    """Return, for the account, what a kill found: how far the command was, as its files tell."""
    half = " while a file was written" if place.temporary() else ""
    if not (place.out / "study.yaml").is_file():
        return f"before the run directory was there{half}"
    begun = [path for path in place.out.rglob("attempts.jsonl") if not (path.parent / "DONE").is_file()]
    if any((path.parent / "checkpoint.safetensors").is_file() for path in begun):
        return f"in a stage, after a checkpoint{half}"
    if begun:
        return f"in a stage, before a checkpoint{half}"
    return f"{'between stages, or in the report' if before else 'before the first stage'}{half}"


def outcome(place: Place) -> Iterator[tuple[str, Any]]:
    """Yield all that must be the same, by name: weights, predictions, histories, what is said of them."""
    import pyarrow.parquet as pq
    from safetensors.numpy import load_file

    from tuneoff.store import PREDICTIONS, RECORD, WEIGHTS, Store

    store = Store(place.out)
    yield "files", sorted(place.files())
    yield "empty folders", sorted(str(path) for path in (place.root / "tmp").iterdir())
    for record in store.records():
        folder = store.folder(record.address)
        name = record.address.folder
        tensors = load_file(folder / WEIGHTS)
        yield f"{name}: weights", {key: (one.dtype.str, one.shape, one.tobytes()) for key, one in tensors.items()}
        yield f"{name}: predictions", pq.read_table(folder / PREDICTIONS)
        rows = store.history(record.address)
        yield f"{name}: history", [{key: row[key] for key in row if key != "seconds"} for row in rows]
        kept = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        yield f"{name}: record", {key: kept[key] for key in ("key", "status", "tokens", "parameters", "budget")}
    results = json.loads((place.out / "results.json").read_text(encoding="utf-8"))
    yield "metrics", [run["metrics"] for run in results["runs"]]
    yield "comparisons", results["comparisons"]


def differences(place: Place, expected: Mapping[str, Any]) -> list[str]:
    """Return what is otherwise in a study than in the undisturbed one, or wrong with its times."""
    from tuneoff.store import Store

    found = dict(outcome(place))
    problems = [f"{name}: not the same" for name in expected.keys() & found.keys() if found[name] != expected[name]]
    problems += [f"{name}: in one of the two alone" for name in expected.keys() ^ found.keys()]
    store, told = Store(place.out), 0.0
    records = store.records()
    for record in records:
        name, lost = record.address.folder, record.seconds_lost
        told += sum(record.seconds.values()) + (lost or 0.0)
        times = [row["seconds"] for row in store.history(record.address)]
        if times != sorted(times) or (times and times[-1] > sum(record.seconds.values()) + 1e-6):
            problems.append(f"{name}: its history's seconds do not add up over the attempts")
        if lost is None or record.attempts is None or min(lost, *record.seconds.values()) < 0:
            problems.append(f"{name}: times that cannot be: {dict(record.seconds)}, lost {lost}")
        elif record.attempts == 1 and lost:
            problems.append(f"{name}: one attempt, and {lost} s lost")
    again = sum((record.attempts or 1) - 1 for record in records)
    if again > place.kills:
        problems.append(f"{again} attempts were repeated, though there were {place.kills} kills")
    if told > place.seconds:
        problems.append(f"{told:.1f} s were told, but all attempts together took {place.seconds:.1f} s")
    return problems


def soak(kills: int, seed: int, work: Path) -> int:
    """Kill so many times and print what was found; returns the exit status."""
    from tuneoff.store import Store

    draw = random.Random(seed)
    study = make_study(work)
    undisturbed = Place(work / "undisturbed", study)
    if not attempt(undisturbed, 3600.0, aimed=False):
        raise RuntimeError("the undisturbed study takes longer than an hour")
    expected, life = dict(outcome(undisturbed)), undisturbed.seconds
    print(f"undisturbed: {life:.1f} s, {len(marks(undisturbed))} stages", flush=True)
    done, studies, found, lost = 0, 0, Counter[str](), 0.0
    problems: list[str] = []
    while done < kills and not problems:
        place = Place(work / f"study-{studies}", study)
        ended = False
        while not ended:
            last = done >= kills  # let it end
            try:
                ended = attempt(place, 3600.0 if last else draw.uniform(0, life), draw.random() < AIMED)
                after = marks(place)
            except Exception as error:  # whatever it is, it is what is looked for
                problems.append(f"after {place.kills} kills: {error}")
                break
            if any(after.get(path) != mark for path, mark in place.finished.items()):
                problems.append("a finished stage was written again")
            if not ended:
                done, place.kills = done + 1, place.kills + 1
                found[where(place, after)] += 1
            place.finished = after
        else:
            problems += differences(place, expected)
            studies += 1
            if not place.kills:  # the machine may have more to do than before, or less
                life = place.seconds
            lost += sum(record.seconds_lost or 0.0 for record in Store(place.out).records())
            print(f"study {studies}: {place.kills} kills, {place.seconds:.0f} s; {done} of {kills}", flush=True)
    for name, count in sorted(found.items()):
        print(f"{count:4} {name}")
    print(f"{done} kills over {studies} finished studies (seed {seed}); {lost:.0f} s of work in stages were lost")
    for problem in problems:
        print(f"DIFFERENCE: {problem}")
    print(
        f"{len(problems)} differences" if problems else "no difference: weights, predictions and histories bit for bit"
    )
    return 1 if problems else 0


def main() -> int:
    """Read the command line; the exit status is 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how often to kill (100)")
    parser.add_argument("--seed", type=int, default=0, help="what the moments are drawn with (0)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty folder to work in, which stays")
    parser.add_argument("--child", nargs=2, metavar=("STUDY", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return child(*given.child)
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        return soak(given.kills, given.seed, given.keep.resolve())
    with tempfile.TemporaryDirectory(prefix="soak-") as work:
        return soak(given.kills, given.seed, Path(work))


if __name__ == "__main__":
    sys.exit(main())
