"""Our side: `tuneoff.run` with an empty cache, and what it wrote into its run directory about time and memory."""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.counting import count_texts
from benchmarks.data import Texts, read_texts
from benchmarks.flops import Work, count, shape_of
from benchmarks.measure import PHASES, Measurement
from benchmarks.setting import Setting


def measure(setting: Setting, work: Work) -> Measurement:
    """Train and evaluate a work by tuneoff; of the linear probe some further seeds too, on the same vectors."""
    with tempfile.TemporaryDirectory(prefix="tuneoff-bench-") as folder:
        os.environ["TUNEOFF_CACHE"] = str(Path(folder) / "cache")
        found = Measurement()
        found.see_memory(setting.device)
        record, history = _run(setting, work, [0], Path(folder) / "one")
        found.see_memory(setting.device)
        _take(found, record, history)
        if work == "linear-probe" and setting.further_seeds:
            with found.phase("apart"):
                found.further_seed = _further_seed(setting, work, Path(folder) / "one")
    with found.phase("apart"):
        # Read again here, for the lengths of the texts: the run directory has their sums.
        texts = read_texts(setting, Measurement(), limit=setting.limit)
        _count(found, setting, texts, work, record, history)
    return found


def _run(setting: Setting, work: Work, seeds: list[int], out: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Run a study and return the record and the history of its first stage."""
    import tuneoff

    store = tuneoff.run(study=setting.study(work, seeds), out=out, quiet=True).store
    record = store.records()[0]
    if record.status != "done":
        raise RuntimeError(f"tuneoff failed: {record.failure}")
    return record, store.history(record.address)


def _take(found: Measurement, record: Any, history: Sequence[Mapping[str, Any]]) -> None:
    """Take over what the record says; a step's seconds are the difference to the row before."""
    before = 0.0
    for row in history:
        (found.steps if row["event"] == "train" else found.evaluations).append(row["seconds"] - before)
        before = row["seconds"]
    found.seconds |= {phase: record.seconds[phase] for phase in PHASES}
    if record.machine["device"] == "cuda":  # steps are only asked for, and many waited for at once
        found.steps = [found.seconds["training"] / len(found.steps)] * len(found.steps)
    found.trained_parameters = record.parameters["trained"]
    found.last_loss = next(row["loss"] for row in reversed(history) if row["event"] == "train")
    found.stage_peak = record.peak_memory["bytes"]
    found.peak = max(found.peak, found.stage_peak or 0)


def _further_seed(setting: Setting, work: Work, folder: Path) -> float:
    """Return what one more seed costs: a run directory with one seed is given several more, planning and report too."""
    begun = time.perf_counter()
    _run(setting, work, list(range(1 + setting.further_seeds)), folder)
    return (time.perf_counter() - begun) / setting.further_seeds


def _count(
    found: Measurement,
    setting: Setting,
    texts: Texts,
    work: Work,
    record: Any,
    history: Sequence[Mapping[str, Any]],
) -> None:
    if record.tokens["trained"] == 0:  # trained on vectors that were computed once, of every text
        lengths = [*texts.lengths("train"), *texts.lengths("test")]
        found.tokens["features"] = sum(lengths)
        found.flops["features"] = count(shape_of(texts.model.config, texts.classes), lengths, work).forward
        return
    trained = _trained_lengths(setting, texts, record.key_parts["seeds"]["order"], history)
    evaluated = texts.lengths("test") * len(found.evaluations)
    count_texts(found, setting, texts, work, {True: trained, False: evaluated})


def _trained_lengths(setting: Setting, texts: Texts, seed: int, history: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the lengths of the texts trained on; the batches follow from the seed, and the history has their sums."""
    from tuneoff.training.order import batch_rows

    lengths = texts.lengths("train")
    found: list[int] = []
    for row in (row for row in history if row["event"] == "train"):
        batch = [lengths[at] for at in batch_rows(len(lengths), setting.batch_size, seed, row["stage_step"] - 1)]
        if sum(batch) != row["tokens"]:
            raise RuntimeError("tuneoff's history tells of other tokens than its batches have: benchmarks/ours.py")
        found += batch
    return found
