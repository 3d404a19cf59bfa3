"""`tuneoff doctor`: look for what would spoil a study, before its first step."""

from pathlib import Path

from rich.console import Console

from tuneoff.checks.examine import errors, examine
from tuneoff.checks.finding import Finding
from tuneoff.checks.patient import Patient
from tuneoff.commands.output import print_json
from tuneoff.plan import make_plan
from tuneoff.progress import Reporter
from tuneoff.proportion import check_sizes
from tuneoff.reading import ReadStudy
from tuneoff.report.words import WORDS, Words
from tuneoff.running import prepare
from tuneoff.store import Store
from tuneoff.words import visible

MARKS = {"error": "✗ ", "warning": "! ", "note": "· ", "fine": "✓"}
FOUND = 1


def doctor_command(read: ReadStudy, out: Path, *, as_json: bool, language: str = "en") -> int:
    """Make every check of a study and print what was found; returns 1 where there is an error, else 0.

    `language` (en, ru) is that of the lines; JSON is the same in all.
    """
    console = Console(stderr=True, highlight=False)
    reporter = Reporter(console, stop=lambda: False)
    try:
        prepared = prepare(read, reporter)
        store = Store(out)
        plan = make_plan(read.study, prepared.questions, store)
        with read.placing():
            check_sizes(read, plan, prepared.questions)
            found = examine(Patient(prepared, plan, store), reporter.announce)
    finally:
        reporter.close()
    if as_json:
        print_json({"study": read.study.name, "findings": [one.as_json() for one in found]})
    else:
        print_findings(found, Console(highlight=False), Words(language))
    return FOUND if errors(found) else 0


def print_findings(found: list[Finding], console: Console, say: Words = WORDS) -> None:
    """Print a line a finding, errors first, and what to do under it."""
    for one in (finding.in_words(say) for finding in found):
        about = f" ({one.about})" if one.about else ""
        severity = "" if one.severity == "fine" else say(f"severity.{one.severity}")
        line = f"{MARKS[one.severity]}{severity} {one.check}{about}: {one.sentence}"
        console.print(visible(line), markup=False, soft_wrap=True)
        if one.advice:
            console.print(visible(f"    {one.advice}"), markup=False, soft_wrap=True)
    counts = {severity: sum(one.severity == severity for one in found) for severity in MARKS}
    console.print(say("doctor.counts", **counts), markup=False)
