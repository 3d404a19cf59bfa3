import csv
import io
import shutil
import subprocess

import pytest
from rich.console import Console

from tuneoff.report.table import Cell, Column, Table, csv_text, latex, latex_text, markdown
from tuneoff.report.terminal import TerminalTable

COLUMNS = (
    Column("technique", "technique"),
    Column("accuracy", "accuracy", numeric=True, better="high", spread=True),
    Column("seconds", "time", numeric=True, better="low", droppable=1),
    Column("note", "note", droppable=2),
)


def table(*rows, group=()):
    cells = [
        [Cell(name, name), Cell(text, value, spread), Cell("—" if t is None else f"{t} s", t), Cell(note, note or None)]
        for name, text, value, spread, t, note in rows
    ]
    return Table("results", "A title", COLUMNS, cells, ("Explained.",), ("Careful.",), group).marked()


@pytest.fixture
def sample():
    return table(
        ("a|b", "0.44 ± 0.12", 0.4371, 0.12, 7, ""),
        ("c_d", "0.44 ± 0.01", 0.4420, 0.01, 3, ""),
        ("e", "failed", None, None, None, "failed: 50% & <more>"),
    )


def best(shown):
    return [[column.name for column, cell in zip(shown.columns, row, strict=True) if cell.best] for row in shown.rows]


def test_the_best_of_each_column_is_marked_and_what_shows_the_same(sample):
    assert best(sample) == [["accuracy"], ["accuracy", "seconds"], []]


def test_nothing_is_marked_where_nothing_compares():
    assert best(table(("a", "0.5", 0.5, None, 1, ""), ("b", "failed", None, None, None, ""))) == [[], []]


def test_the_best_is_sought_in_each_group():
    rows = [(name, str(v), v, None, 1, "") for name, v in (("a", 0.1), ("b", 0.2), ("c", 0.8), ("d", 0.9))]
    marked = best(table(*rows, group=("x", "x", "y", "y")))
    assert ["accuracy" in row for row in marked] == [False, True, False, True]


def test_markdown_escapes_and_marks(sample):
    lines = markdown(sample).splitlines()
    assert lines[1] == "|---|---:|---:|---|"
    assert lines[2] == r"| a\|b | **0.44 ± 0.12** | 7 s |  |"
    assert lines[4] == "| e | failed | — | failed: 50% & &lt;more&gt; |"
    assert lines[-1] == "Careful."


def test_csv_holds_unrounded_values_and_nothing_where_unknown(sample):
    rows = list(csv.DictReader(io.StringIO(csv_text(sample))))
    assert rows[0] == {"technique": "a|b", "accuracy": "0.4371", "accuracy_sd": "0.12", "seconds": "7", "note": ""}
    assert rows[2]["accuracy"] == rows[2]["accuracy_sd"] == rows[2]["seconds"] == ""


def test_latex_escapes_every_special_character():
    assert latex_text(r"50% & a_b #1 {x} \y ~^ $ <|> ±") == (
        r"50\% \& a\_b \#1 \{x\} \textbackslash{}y \textasciitilde{}\textasciicircum{} \$ \textless{}\textbar{}"
        r"\textgreater{} $\pm$"
    )


def test_latex_has_a_row_for_each_row_with_booktabs(sample):
    text = latex(sample)
    assert [text.count(word) for word in (r"\toprule", r"\midrule", r"\bottomrule", r" \\")] == [1, 1, 1, 4]
    assert r"\textbf{0.44 $\pm$ 0.01}" in text and r"failed: 50\% \& \textless{}more\textgreater{}" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_latex_compiles(sample, tmp_path):
    body = (
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{chr(10)}{latex(sample)}\end{{document}}"
    )
    (tmp_path / "t.tex").write_text(body)
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def printed(shown, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(TerminalTable(shown))
    return console.export_text()


def test_a_wide_terminal_shows_all_columns_with_marks(sample):
    text = printed(sample, 120)
    assert "0.44 ± 0.01*" in text and "3 s*" in text and "failed: 50% & <more>" in text and "Not shown" not in text


def test_a_narrow_terminal_drops_columns_names_them_and_cuts_nothing(sample):
    text = printed(sample, 30)
    assert "0.44 ± 0.01*" in text and "3 s" not in text and "…" not in text
    assert "Not shown for lack of room:" in text and "e: failed: 50% & <more>" in text
    assert max(map(len, text.splitlines())) <= 30
