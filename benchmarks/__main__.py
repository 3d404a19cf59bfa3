"""`python -m benchmarks`: measure tuneoff beside its peers, and write JSON, a table and a chart."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.arithmetic import Whole
from benchmarks.chart import chart_svg
from benchmarks.data import Texts, read_texts
from benchmarks.flops import WORKS
from benchmarks.measure import Measurement
from benchmarks.parts import process_environment, run_all, say
from benchmarks.result import summarize, table
from benchmarks.setting import PEERS, Setting, evaluation_steps, shipped_protocol
from benchmarks.shapes import SHAPES
from tuneoff.errors import TuneoffError
from tuneoff.models.resolve import describe
from tuneoff.training.device import usable_threads

SHORT_STEPS, SHORT_LIMIT = 3, 48
SHORT_PEERS = PEERS[:2]  # of so few rows no groups of like length can be made
WHOLE_EVALUATIONS_LESS_ONE = 2  # the peers need hours for a whole study: 46 steps, evaluated at 0, 23 and 46
FURTHER_SEEDS = 4
MATMUL_SIZE = 4096


def main(arguments: list[str]) -> None:
    """Read the arguments, measure, write."""
    asked = _parser().parse_args(arguments)
    setting = make_setting(asked)
    out = asked.out or Path("runs") / f"bench-{Path(setting.model).name}{'-full' if asked.whole else ''}"
    if asked.shape:
        setting = _with_shape(setting, asked.shape, out)
    if asked.fresh:
        shutil.rmtree(out / "parts", ignore_errors=True)
    try:
        texts = read_texts(setting, Measurement(), limit=None)
    except TuneoffError as error:
        raise SystemExit(f"error: {error}") from error
    whole = whole_of(setting, texts)
    if setting.task["name"] != "terra":
        say("no --data: TERRa is not measured, but the task that comes with tuneoff")
    try:
        parts = run_all(setting, whole, out / "parts")
    except KeyboardInterrupt:
        raise SystemExit("interrupted; the same command goes on with what is missing") from None
    label = asked.shape or describe(texts.model)["label"]
    results = summarize(setting, whole, parts, texts.data.label, f"{label} (random weights)" if asked.shape else label)
    write(results, out)
    # The results hold the parts. Left here, the next benchmark would take them for its own, whatever changed since.
    shutil.rmtree(out / "parts")
    shutil.rmtree(out / "model", ignore_errors=True)  # gigabytes, and made again where they are needed
    print(table(results))
    say(f"written: {out}/bench.json, bench.md, bench.svg")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--whole", action="store_true", help="46 steps, 3 evaluations, every row, ours after each peer")
    add("--data", metavar="DIR", help="TERRa's own files; without them the task that comes with tuneoff is measured")
    add("--model", default="models/multilingual-e5-small", metavar="DIR", help="a model's folder (%(default)s)")
    add("--shape", choices=SHAPES, help="instead of --model: random weights in a known shape")
    add("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK", help=f"of {', '.join(WORKS)}")
    add("--peers", nargs="*", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)}; the last only with --whole")
    add("--steps", type=int, metavar="N", help="steps to measure; evaluated before and after, and between by --every")
    add("--every", type=int, metavar="N", help="steps between evaluations")
    add("--batch", type=int, metavar="N", help="texts in a batch, if not the study's")
    add("--limit", type=int, metavar="N", help="read only the first N rows of each split; 0 for all")
    add("--threads", type=int, metavar="N", help="CPU threads; OMP_NUM_THREADS or the physical cores if left out")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (%(default)s)")
    add("--precision", choices=("fp32", "bf16"), default="fp32", help="bf16 is autocast, for all (%(default)s)")
    add("--once", action="store_true", help="our side once a work, not after each peer")
    add(
        "--matmul", type=int, default=MATMUL_SIZE, metavar="N", help="size of the matrices that tell the machine's rate"
    )
    add("--out", type=Path, metavar="DIR", help="runs/bench-MODEL if left out")
    add("--fresh", action="store_true", help="measure again what an interrupted benchmark has measured")
    return parser


def make_setting(asked: argparse.Namespace) -> Setting:
    """Return what is measured: the shipped study's rates, batch and budget, as far as nothing else was asked for."""
    techniques, protocol, budget = shipped_protocol()
    every = asked.every or (budget["eval_every"] if asked.whole and not asked.steps else None)
    steps = asked.steps or (WHOLE_EVALUATIONS_LESS_ONE * budget["eval_every"] if asked.whole else SHORT_STEPS)
    wanted = asked.peers if asked.peers is not None else (PEERS if asked.whole else SHORT_PEERS)
    limit = asked.limit if asked.limit is not None else (0 if asked.whole else SHORT_LIMIT)
    task: dict[str, Any] = {"name": "terra", "data": str(Path(asked.data).resolve())} if asked.data else {}
    return Setting(
        model=str(Path(asked.model).resolve()) if Path(asked.model).is_dir() else asked.model,
        task=task or {"name": "mini_rte"},
        works=tuple(work for work in WORKS if work in asked.works),
        peers=tuple(peer for peer in PEERS if peer in wanted),
        techniques={work: techniques[work] for work in WORKS},
        protocol=protocol,
        batch_size=asked.batch or budget["batch_size"],
        steps=steps,
        eval_every=every or steps,
        whole_steps=budget["steps"],
        whole_eval_every=budget["eval_every"],
        limit=limit or None,
        threads=asked.threads or usable_threads(),
        alternate=asked.whole and not asked.once,
        further_seeds=FURTHER_SEEDS,
        matmul_size=asked.matmul,
        device=asked.device,
        precision=asked.precision,
    )


def whole_of(setting: Setting, texts: Texts) -> Whole:
    """Return what the parts are scaled to, from all rows of the task."""
    train, test = texts.lengths("train"), texts.lengths("test")
    return Whole(
        steps=setting.whole_steps,
        evaluations=len(evaluation_steps(setting.whole_steps, setting.whole_eval_every)),
        step_tokens=setting.batch_size * sum(train) / len(train),
        evaluation_tokens=sum(test),
        feature_tokens=sum(train) + sum(test),
    )


def _with_shape(setting: Setting, shape: str, out: Path) -> Setting:
    """Return the setting with a model of that shape, which is made where it is not there from an earlier attempt."""
    from dataclasses import replace

    folder = (out / "model" / shape).resolve()
    setting = replace(setting, model=str(folder))
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        setting.save(out / "shape.json")
        say(f"making a model with random weights, shape {shape}")
        command = [sys.executable, "-m", "benchmarks.shapes", shape, str(out / "shape.json")]
        subprocess.run(command, env=process_environment(setting), check=True)
    return setting


def write(results: dict[str, Any], out: Path) -> None:
    """Write the results beside each other."""
    (out / "bench.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "bench.md").write_text(table(results), encoding="utf-8")
    (out / "bench.svg").write_text(chart_svg(results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
