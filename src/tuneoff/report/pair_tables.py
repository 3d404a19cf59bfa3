"""Every pair of techniques as a table: difference, p, P(A > B), what could have been found, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuneoff.evidence.pairs import GENERALISED, MCNEMAR
from tuneoff.report.formats import chance
from tuneoff.report.places import place_label, several_tasks
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results
from tuneoff.report.words import WORDS, Words

MOST_SHOWN = 100
RAW = (
    *("low", "high", "p", "p_holm", "p_equal", "p_equal_holm", "discordance", "a_alone", "b_alone", "wins", "ties"),
    *("losses", "superiority", "superiority_low", "superiority_high", "seed_sd", "seeds", "examples"),
    *("smallest_difference", "examples_needed", "seeds_needed", "kind"),
)
# In a terminal that is too narrow, those with the highest number go first.
METHODS = {MCNEMAR: "mcnemar", GENERALISED: "generalised"}
DROPPABLE = {"found": 4, "seeds_won": 3, "p": 2, "superiority": 1}
Pair = Mapping[str, Any]


def pair_tables(results: Results, say: Words = WORDS, most: int | None = MOST_SHOWN) -> list[Table]:
    """Return a table of pairs for each model and task, those with the smallest p first, at most so many rows."""
    tables = []
    for comparison in results["comparisons"]:
        title = say("html.pairs")
        if place := place_label(results, comparison["model"], comparison["task"]):
            title = say("pairs.title.model", model=place)
        table = pair_table(title, comparison, say, most)
        if several_tasks(results):  # the sentences at the top are about all tasks
            said = [say(sentence["id"], **sentence["values"]) for sentence in comparison["sentences"]]
            table = replace(table, findings=said if table.rows else ())
        tables.append(replace(table, about={key: comparison[key] for key in ("model", "task")}))
    return tables


def pair_table(title: str, comparison: Mapping[str, Any], say: Words = WORDS, most: int | None = MOST_SHOWN) -> Table:
    """Return the pairs of one comparison as a table, those with the smallest p first, at most so many rows."""
    pairs = comparison["pairs"]
    several = any(pair["seeds"] > 1 for pair in pairs)
    columns = [
        Column("higher", say("column.higher")),
        Column("lower", say("column.lower")),
        Column("difference", say("column.difference"), numeric=True),
        Column("p", say("column.p"), numeric=True),
        Column("p_holm", say("column.p_holm"), numeric=True),
        Column("superiority", say("column.superiority"), numeric=True),
        *([Column("seeds_won", say("column.seeds_won"), numeric=True)] if several else []),
        Column("found", say("column.found"), numeric=True),
        Column("verdict", say("column.verdict")),
    ]
    rows = [[_cell(column.name, pair, say) for column in columns] for pair in pairs[:most]]
    return Table("pairs", title, columns, rows, _explained(comparison, say, most) if pairs else [])


def short_pair_table(comparison: Mapping[str, Any], say: Words = WORDS) -> Table:
    """Return the table of one comparison's pairs for a terminal: all rows, the verdicts in two or three words."""
    table = pair_table(say("html.pairs"), comparison, say, None)
    columns = [replace(column, droppable=DROPPABLE.get(column.name, 0)) for column in table.columns]
    kinds = [pair["kind"] for pair in comparison["pairs"]]
    rows = [[*row[:-1], Cell(say(f"kind.{kind}"), kind)] for row, kind in zip(table.rows, kinds, strict=True)]
    return replace(table, columns=columns, rows=rows)


def _cell(name: str, pair: Pair, say: Words) -> Cell:
    if name in ("higher", "lower"):
        technique = pair["a" if name == "higher" else "b"]
        return Cell(technique, technique)
    if name in ("p", "p_holm"):
        return Cell(say.number(p_text(pair[name])), pair[name])
    if name == "difference":
        bounds = {key: say.number(f"{100 * pair[key]:.1f}") for key in ("low", "high")}
        return Cell(say("pairs.interval", value=say.number(f"{100 * pair[name]:.1f}"), **bounds), pair[name])
    if name == "superiority":
        bounds = {key: chance(pair[f"superiority_{key}"], say) for key in ("low", "high")}
        return Cell(say("pairs.interval", value=chance(pair[name], say), **bounds), pair[name])
    if name == "seeds_won":
        return Cell(say("pairs.counts", **{key: pair[key] for key in ("wins", "ties", "losses")}), pair["wins"])
    if name == "found":
        smallest = pair["smallest_difference"]
        return Cell(say("value.unknown") if smallest is None else say.number(f"{100 * smallest:.1f}"), smallest)
    sentence = pair["verdict"]
    return Cell(say(sentence["id"], **sentence["values"]), sentence["id"])


def p_text(p: float) -> str:
    """Return a p-value with three decimals, or as smaller than the smallest of these."""
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _explained(comparison: Mapping[str, Any], say: Words, most: int | None) -> list[str]:
    pairs = comparison["pairs"]
    method = say(f"method.{METHODS[pairs[0]['method']]}")
    captions = [
        say("pairs.caption.race" if comparison["race"] else "pairs.caption", method=method, pairs=len(pairs)),
        *(say(f"pairs.superiority{kind}") for kind in superiority_kinds(pairs)),
        say("pairs.found", power=comparison["power"]),
    ]
    if comparison["left_out"]:
        captions.append(say("pairs.left_out", pairs=", ".join(f"{a} / {b}" for a, b in comparison["left_out"])))
    if most is not None and len(pairs) > most:
        captions.append(say("pairs.cut", shown=most, pairs=len(pairs)))
    return captions


def superiority_kinds(pairs: Sequence[Pair]) -> list[str]:
    """Return the ends of the ids of what P(A > B) is about: techniques, or with one seed the trained models."""
    alone = {pair["seeds"] == 1 for pair in pairs}
    return [*([""] if False in alone else []), *([".examples"] if True in alone else [])]


def raw_pairs_table(results: Results) -> Table:
    """Return all pairs of all models with raw values, for programs: shares, not points; always the same columns."""
    names = ("model", "task", "a", "b", "difference", *RAW)
    columns = [Column(name, name) for name in names]
    rows = [
        [Cell("", value) for value in (comparison["model"], comparison["task"], *(pair[name] for name in names[2:]))]
        for comparison in results["comparisons"]
        for pair in comparison["pairs"]
    ]
    return Table("pairs", "", columns, rows)
