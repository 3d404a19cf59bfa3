"""Texts from data, models and files come out of every kind of table as texts: nothing runs, computes or obeys them."""

import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tuneoff.report import terminal_table, write_report
from tuneoff.report.html import table_html
from tuneoff.report.table import Cell, Column, Table, csv_text, latex, markdown
from tuneoff.report.terminal import TerminalTable
from tuneoff.words import is_odd

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1:9)",
    "\t=1+1",
    "\x1b[31mred\x1b]0;title\x07",
    "abc\u202efed\u2066",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[2cm] \\input{/etc/passwd} \\\\ % & $",
    "*",
    "\x00\x9b2J",
    "a\r\nb\u2028c\n\\end{tabular}",
    "👩‍👩‍👧 ünï",
    "x" * 1_000_000,
)
COLUMNS = (Column("technique", "technique"), Column("value", "value <b>", numeric=True), Column("note", "note"))


def hostile(texts=HOSTILE):
    rows = [[Cell(text, text), Cell("-1", -1.5), Cell(text[:99], text[:99])] for text in texts]
    said = [text[:99] for text in texts]
    return Table("results", texts[0], COLUMNS, rows, said, said)


def unprinted(text):
    """Which characters are there that would be obeyed; line ends aside."""
    return {character for character in text if character != "\n" and is_odd(character)}


@pytest.fixture
def long_fields():
    """The csv module reads fields of a megabyte."""
    former = csv.field_size_limit(10_000_000)
    yield
    csv.field_size_limit(former)


def test_csv_holds_no_formula_and_its_rows_stay_whole(long_fields):
    text = csv_text(hostile())
    assert not unprinted(text.replace("\t", ""))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(HOSTILE) and {row["value"] for row in rows} == {"-1.5"}
    assert not any(
        value.lstrip().startswith(("=", "+", "-", "@")) for row in rows for value in (row["technique"], row["note"])
    )
    assert (
        rows[0]["technique"] == "'" + HOSTILE[0]
        and rows[7]["note"] == HOSTILE[7]
        and rows[-1]["technique"] == HOSTILE[-1]
    )


def test_markdown_holds_no_html_no_link_and_one_line_a_row():
    text = markdown(hostile())
    assert not unprinted(text) and "<" not in text and "](" not in text.replace("\\](", "")
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == len(HOSTILE) + 1


def test_latex_holds_no_command_of_the_texts():
    text = latex(hostile())
    assert not unprinted(text)
    rows = [line for line in text.splitlines() if not line.startswith("%")]
    commands = set(re.findall(r"\\[a-z]+", "\n".join(rows)))
    assert commands <= {
        *(
            r"\begin",
            r"\end",
            r"\toprule",
            r"\midrule",
            r"\bottomrule",
            r"\textbackslash",
            r"\textless",
            r"\textgreater",
        ),
        *(r"\textbar", r"\textbf", r"\pm"),
    }
    assert rows.count(r"\end{tabular}") == 1 and "\n".join(rows).count(r"\end{tabular}") == 1
    # What follows the end of a line is no option of it.
    assert not any(line.startswith(("[", "*")) for line in rows)
    assert len(text.splitlines()) == len([line for line in text.split("\n") if line])


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_latex_of_hostile_texts_compiles(tmp_path):
    plain = [text for text in HOSTILE if text.isascii() and len(text) < 100]
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{latex(hostile(plain))}\\end{{document}}", encoding="utf-8")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("width", [40, 200])
def test_a_terminal_is_told_nothing_by_the_texts(width):
    """But for the escapes of rich's own styles, which it is asked to leave out here."""
    file = io.StringIO()
    Console(width=width, file=file, force_terminal=True, no_color=True, color_system=None).print(
        TerminalTable(hostile(HOSTILE[:-1]))
    )
    assert not unprinted(file.getvalue()) and r"\x1b[31mred" in file.getvalue()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]

    def handle_data(self, data):
        self.text.append(data)


def test_a_notebook_shows_the_texts_and_runs_none():
    text = table_html(hostile())
    page = Tags(text)
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td", "p", "small"}
    assert set(page.attributes) <= {"scope", "class"} and not unprinted(text.replace("\t", ""))
    assert HOSTILE[-1] in "".join(page.text) and "<script>alert(1)</script>" in "".join(page.text)


@pytest.fixture(scope="module")
def reported(tmp_path_factory, made_up):
    """A run directory whose title, label, classes and reason for failing are hostile, with its report."""
    bad = "<script>alert(1)</script>\x1b[31m\u202e=1+1"
    made = made_up(
        techniques=("lora", "full"),
        title=bad,
        label="=1+1" + bad,
        classes=(bad, "@no"),
        reason=bad,
        failed=(("lora", 0),),
    )
    store = made.write(tmp_path_factory.mktemp("run"))
    return store, write_report(store)


def test_a_report_of_hostile_texts_is_a_page_of_texts(reported):
    text = reported[1].read_text(encoding="utf-8")
    assert Tags(text).tags.count("script") == 1 and not unprinted(text.replace("\t", ""))  # the page's own
    assert r"\x1b[31m\u202e" in text and "Content-Security-Policy" in text


def test_its_files_are_harmless_too(reported):
    store = reported[0]
    written = [path for folder in ("tables", "figures", "paper") for path in sorted((store.root / folder).iterdir())]
    assert {path.suffix for path in written} == {".csv", ".md", ".tex", ".svg", ".png", ".txt", ".bib"}
    for path in written:
        if path.suffix == ".png":
            continue
        text = path.read_text(encoding="utf-8")
        assert not unprinted(text.replace("\t", "")), path.name
        if path.suffix == ".svg":
            tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
            assert not tags & {"script", "foreignObject", "a", "image"}, path.name
        if path.suffix == ".csv":
            values = [value for row in csv.reader(io.StringIO(text)) for value in row]
            assert not [v for v in values if v.startswith(("=", "+", "@")) or re.match(r"-(?![\d.])", v)]


def test_its_table_in_a_terminal_is_harmless(reported):
    from tuneoff.evidence.results import read_results

    file = io.StringIO()
    Console(width=120, file=file, force_terminal=True, color_system=None).print(
        terminal_table(read_results(reported[0]))
    )
    assert not unprinted(file.getvalue()) and "<script>" in file.getvalue()
