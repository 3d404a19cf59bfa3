"""What people read: tables, figures and one HTML page, made from a run directory alone, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.in_use import remove
from tuneoff.store import Store

if TYPE_CHECKING:
    import altair as alt

    from tuneoff.report.charts import Figure
    from tuneoff.report.terminal import TerminalTable
    from tuneoff.report.words import Words

REPORT, FIGURES, TABLES, PAPER = "report.html", "figures", "tables", "paper"


def write_report(store: Store, language: str = "en") -> Path:
    """Write results.json, report.html, figures/, tables/ and paper/ into a run directory; returns the page.

    Figures are SVG, PNG and CSV, tables Markdown, CSV and LaTeX; paper/ has the methods as a paragraph, and BibTeX.
    `language` (en, ru) is that of page, figures, Markdown, LaTeX and the paragraph; results.json and CSV are the same
    in all. Figures of techniques that the study no longer has are removed, and the table of further test sets where
    there are none. Raises StoreError for a directory that cannot be read.
    """
    from tuneoff.evidence.results import build_results, save_results
    from tuneoff.files import remove_leftovers, write_text
    from tuneoff.report.charts import figures
    from tuneoff.report.curves import load_curves
    from tuneoff.report.html import render
    from tuneoff.report.methods import methods
    from tuneoff.report.words import Words

    say = Words(language)
    remove_leftovers(store.root)
    results = build_results(store)
    save_results(store, results)
    drawn = list(figures(results, load_curves(results, store), say))
    svgs = write_figures(store.root / FIGURES, drawn, language)
    _remove_other_figures(store.root / FIGURES, drawn)
    _write_tables(store.root / TABLES, results, say)
    for name, text in methods(results, say).files.items():
        write_text(store.root / PAPER / name, text)
    page = store.root / REPORT
    write_text(page, render(results, [(figure, svgs.get(figure.name)) for figure in drawn], say))
    return page


def live_page(store: Store, language: str = "en") -> str:
    """Return the report as `tuneoff watch` serves it, from what is in a run directory now; nothing is written."""
    from tuneoff.evidence.results import build_results
    from tuneoff.report.charts import figures
    from tuneoff.report.curves import load_curves
    from tuneoff.report.html import render
    from tuneoff.report.words import Words

    results, say = build_results(store), Words(language)
    drawn = list(figures(results, load_curves(results, store), say))
    svgs = _svgs(drawn, language)
    return render(results, [(figure, svgs.get(figure.name)) for figure in drawn], say, live=True)


def write_figures(folder: Path, drawn: "Sequence[Figure]", language: str = "en") -> dict[str, str]:
    """Write figures as SVG, PNG and CSV into a folder; returns the SVGs by name."""
    from tuneoff.files import write_atomically, write_text
    from tuneoff.report.style import png_bytes

    svgs = _svgs(drawn, language)
    for name, svg in svgs.items():
        write_text(folder / f"{name}.svg", svg)
        write_atomically(folder / f"{name}.png", partial(Path.write_bytes, data=png_bytes(svg)))
    for one in drawn:
        if one.name in svgs and one.csv is not None:
            write_text(folder / f"{one.name}.csv", one.csv)
    return svgs


def _remove_other_figures(folder: Path, drawn: "Sequence[Figure]") -> None:
    shown = [one for one in drawn if one.chart is not None]
    kept = {f"{one.name}.{suffix}" for one in shown for suffix in ("svg", "png", *(["csv"] if one.csv else []))}
    for suffix in ("svg", "png", "csv"):
        for path in folder.glob(f"*.{suffix}"):
            if path.name not in kept:
                remove(path)


def _svgs(drawn: "Sequence[Figure]", language: str) -> dict[str, str]:
    from tuneoff.report.style import svg_text

    return {one.name: svg_text(one.chart, language) for one in drawn if one.chart is not None}


def _write_tables(folder: Path, results: Mapping[str, Any], say: "Words") -> None:
    from tuneoff.files import write_text
    from tuneoff.report.away_tables import away_table, raw_away_table
    from tuneoff.report.pair_tables import pair_tables, raw_pairs_table
    from tuneoff.report.places import by_task
    from tuneoff.report.table import csv_text, latex, markdown
    from tuneoff.report.tables import results_table

    _write_over_tasks(folder, results, say)
    table = results_table(results, say)
    # Who reads CSV by program wants the same columns from every study.
    texts = {"md": markdown(table), "csv": csv_text(results_table(results, whole=True)), "tex": latex(table)}
    for suffix, text in texts.items():
        write_text(folder / f"table.{suffix}", text)
    pairs = pair_tables(results, say, most=None)
    texts = {"md": "\n".join(map(markdown, pairs)), "tex": "\n".join(map(latex, pairs))}
    for suffix, text in {**texts, "csv": csv_text(raw_pairs_table(results))}.items():
        write_text(folder / f"pairs.{suffix}", text)
    away, raw = by_task(away_table, results, say), raw_away_table(results)
    for suffix, text in {"md": markdown(away), "csv": csv_text(raw), "tex": latex(away)}.items():
        path = folder / f"away.{suffix}"
        if raw.rows:
            write_text(path, text)
        else:
            remove(path)


def _write_over_tasks(folder: Path, results: Mapping[str, Any], say: "Words") -> None:
    """Write the tables of techniques by tasks and of pairs over the tasks; remove them where there is one task."""
    from tuneoff.files import write_text
    from tuneoff.report import rank_tables as made
    from tuneoff.report.table import csv_text, latex, markdown

    parts = {
        "tasks": (made.over_tasks_tables(results, say), made.raw_over_tasks(results)),
        "tasks-pairs": (made.over_tasks_pairs(results, say), made.raw_over_tasks_pairs(results)),
    }
    for name, (shown, raw) in parts.items():
        texts = {"md": "\n".join(map(markdown, shown)), "csv": csv_text(raw), "tex": "\n".join(map(latex, shown))}
        for suffix, text in texts.items():
            if shown:
                write_text(folder / f"{name}.{suffix}", text)
            else:
                remove(folder / f"{name}.{suffix}")


def overview_tables(results: Mapping[str, Any], language: str = "en") -> "list[TerminalTable]":
    """Return the tables of techniques by tasks for rich to print, one a model; none for a study of one task.

    What was found stands under the results' table.
    """
    from tuneoff.report.rank_tables import over_tasks_tables
    from tuneoff.report.terminal import TerminalTable
    from tuneoff.report.words import Words

    say = Words(language)
    return [TerminalTable(replace(table, findings=()), say) for table in over_tasks_tables(results, say)]


def terminal_table(results: Mapping[str, Any], language: str = "en") -> "TerminalTable":
    """Return the results' table for rich to print; columns that do not fit into the terminal are named under it."""
    from tuneoff.report.tables import results_table
    from tuneoff.report.terminal import TerminalTable
    from tuneoff.report.words import Words

    say = Words(language)
    return TerminalTable(results_table(results, say), say)


def markdown_table(results: Mapping[str, Any]) -> str:
    """Return the results' table as Markdown."""
    from tuneoff.report.table import markdown
    from tuneoff.report.tables import results_table

    return markdown(results_table(results))


def html_table(results: Mapping[str, Any]) -> str:
    """Return the results' table as HTML, for notebooks."""
    from tuneoff.report.html import table_html
    from tuneoff.report.tables import results_table

    return table_html(results_table(results))


def figure(results: Mapping[str, Any], store: Store, kind: str) -> "alt.TopLevelMixin":
    """Return a figure as an altair chart: of a technique by its name, or one of all: `charts.JOINT` has their names.

    With several models, names are '<model>.<kind>'. Raises StoreError for a name that there is not, and where there is
    nothing to draw yet.
    """
    from tuneoff.errors import StoreError
    from tuneoff.report.charts import make_figure
    from tuneoff.report.curves import load_curves

    made = make_figure(results, load_curves(results, store), kind)
    if made.chart is None:
        raise StoreError(f"{store.root}: {made.skipped}")
    return made.chart
