"""The table of what the doctor found before the first step."""

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
    for one in results["doctor"]:
        severity = "forced" if one["forced"] else one["severity"]
        texts = (one["check"], one["about"] or "", say(f"severity.{severity}"), one["sentence"])
        rows.append([Cell(text, text) for text in texts])
    return Table("doctor", say("table.doctor"), columns, rows, [say("doctor.caption")])
