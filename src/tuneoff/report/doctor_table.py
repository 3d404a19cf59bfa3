"""The table of what the doctor found before the first step."""

from tuneoff.report.findings import in_words
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import Results
from tuneoff.report.words import WORDS, Words


def doctor_table(results: Results, say: Words = WORDS) -> Table:
    """Return a row for each finding, errors first; empty for a run directory of an earlier version."""
    columns = [
        Column("check", say("column.check")),
        Column("about", say("column.about")),
        Column("severity", say("column.severity")),
        Column("sentence", say("column.sentence")),
    ]
    rows = []
    for row, one in zip(results["doctor"], in_words(results["doctor"], say), strict=True):
        severity = "forced" if row["forced"] else one.severity
        texts = (one.check, one.about or "", say(f"severity.{severity}"), one.sentence)
        rows.append([Cell(text, text) for text in texts])
    return Table("doctor", say("table.doctor"), columns, rows, [say("doctor.caption")])
