"""`tuneoff compare`: the evidence of a study, for predictions that were made elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tuneoff.commands.output import print_json, print_list
from tuneoff.errors import DataError, StudyError
from tuneoff.evidence.comparisons import compare_techniques
from tuneoff.evidence.intervals import EXAMPLES, accuracy_interval
from tuneoff.evidence.prediction_files import PredictionFile, read_prediction_files
from tuneoff.report.formats import mean_spread
from tuneoff.report.pair_tables import short_pair_table
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.terminal import TerminalTable
from tuneoff.report.words import WORDS, Words


def compare_command(paths: Sequence[Path], *, margin: float | None, as_json: bool) -> None:
    """Print what files of predictions, one a technique, tell of each pair: sentences and tables, or JSON.

    `margin` are the points below which a difference does not matter. Raises DataError or StudyError for what cannot be
    compared.
    """
    if margin is not None and not 0 < margin < 100:
        raise StudyError(f"--margin {margin:g}: a margin is a number of points between 0 and 100, such as 1 or 0.5.")
    result = compared(read_prediction_files(paths), margin)
    if as_json:
        print_json(result)
        return
    console = Console(highlight=False)
    said = [sentence["text"] for sentence in result["sentences"]]
    print_list(console, said)
    for table in (_techniques_table(result), short_pair_table(result)):
        console.print()
        console.print(TerminalTable(table))
    others = [text for pair in result["pairs"] if (text := pair["verdict"]["text"]) not in said]
    if others:
        console.print()
    print_list(console, others)


def compared(files: Sequence[PredictionFile], margin: float | None = None) -> dict[str, Any]:
    """Return the files' techniques and the comparison of each pair as JSON values; the margin is in points.

    Raises DataError where no two files have a seed in common.
    """
    found = compare_techniques(
        {file.technique: file.answers for file in files}, None if margin is None else margin / 100
    )
    if not found["pairs"]:
        seeds = "; ".join(f"{file.path}: {', '.join(map(str, file.answers.seeds))}" for file in files)
        raise DataError(f"No two files have a seed in common ({seeds}), and only such are compared.")
    # It would send the reader to a study's report; all verdicts are here.
    found["sentences"] = [sentence for sentence in found["sentences"] if sentence["id"] != "summary.more"]
    return {"techniques": [_technique(file) for file in files], **found}


def _technique(file: PredictionFile) -> dict[str, Any]:
    by_seed = file.answers.right.mean(axis=1)
    return {
        "technique": file.technique,
        "file": str(file.path),
        "accuracy": float(by_seed.mean()),
        "accuracy_sd": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        "accuracy_interval": accuracy_interval(file.answers.right).as_json(),
        "seeds": list(file.answers.seeds),
        "examples": len(file.answers.examples),
    }


def _techniques_table(result: Mapping[str, Any], say: Words = WORDS) -> Table:
    techniques = result["techniques"]
    columns = [
        Column("technique", say("column.technique")),
        *(Column(name, say(f"column.{name}"), numeric=True) for name in ("accuracy", "interval", "seeds", "examples")),
    ]
    rows = []
    for one in techniques:
        low, high = (f"{one['accuracy_interval'][end]:.3f}" for end in ("low", "high"))
        values = (
            mean_spread(one["accuracy"], one["accuracy_sd"], say),
            say("value.interval", low=low, high=high),
            str(len(one["seeds"])),
            f"{one['examples']:,}",
        )
        rows.append([Cell(text) for text in (one["technique"], *values)])
    return Table("techniques", say("compare.techniques"), columns, rows, list(_explained(techniques, say)))


def _explained(techniques: Sequence[Mapping[str, Any]], say: Words) -> Iterator[str]:
    if any(one["accuracy_sd"] is not None for one in techniques):
        yield say("compare.spread")
    covers = {one["accuracy_interval"]["covers"] for one in techniques}
    if len(covers) > 1:
        yield say("compare.interval")
    else:
        yield say("table.interval.examples" if EXAMPLES in covers else "table.interval")
    if len({tuple(one["seeds"]) for one in techniques}) > 1:
        yield say("compare.seeds")
