"""Making the checks: of a study before it runs, all of them or the quick ones, and what they found."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tuneoff.checks import all_checks
from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding, worst_first
from tuneoff.errors import StudyError, TuneoffError
from tuneoff.words import listed, near

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient


def examine(patient: "Patient", announce: Callable[[str], None]) -> list[Finding]:
    """Make every check of a study, and return what was found, errors first.

    A stage's model is loaded once for all checks that train it a little; what these look for is in models and
    techniques, so of several tasks the first one's rows serve. `announce` hears what is being done.
    """
    found: list[Finding] = []
    for check in all_checks():
        announce(f"checking {check.name}")
        found += _of_study(check, patient)
    from tuneoff.checks.memory import Memory
    from tuneoff.checks.of_stage import loop_of
    from tuneoff.training.shortage import SHORTAGES, is_shortage, said

    for place, stage in patient.by_task()[0].alone():
        announce(f"checking {stage.spec.technique} on {place.model.name}")
        try:
            loop = loop_of(stage, place)
        except SHORTAGES as error:
            if not is_shortage(error):
                raise
            found.append(Memory().of_shortage(stage.spec.technique, place.model.name, said(error)))
            continue
        for check in all_checks():
            found += _guarded(check, check.of_loop(loop))
    return worst_first(found)


def examine_quickly(patient: "Patient") -> list[Finding]:
    """Make the checks that take seconds, and return what was found, errors first."""
    return worst_first([one for check in all_checks() if check.quick for one in _of_study(check, patient)])


def _of_study(check: Check, patient: "Patient") -> Iterator[Finding]:
    """Yield what a check finds in a study; of several tasks each finding names its own, unless it takes all at once."""
    tasks = patient.by_task()
    if check.whole or len(tasks) == 1:
        yield from _guarded(check, check.of_study(patient))
        return
    for one in tasks:
        for finding in _guarded(check, check.of_study(one)):
            yield finding.of_task(one.task_name)


def _guarded(check: Check, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield a check's findings; what makes it stop is a finding too, so that the others are still made."""
    try:
        yield from findings
    except (TuneoffError, RuntimeError, ValueError, MemoryError) as error:
        reason = str(error).rstrip(".") or "memory ran out"
        yield check.finding("warning", "unmade", "unmade.advice", values={"reason": reason})


def check_names(names: Sequence[str]) -> None:
    """Raise StudyError where there is no check of such a name."""
    known = [check.name for check in all_checks()]
    if unknown := [name for name in names if name not in known]:
        raise StudyError(
            f"--force {unknown[0]}: there is no such check.{near(unknown[0], known)} Checks: {listed(known)}"
        )


def errors(findings: Sequence[Finding], forced: Sequence[str] = ()) -> list[Finding]:
    """Return the errors that were not forced by the name of their check."""
    return [finding for finding in findings if finding.severity == "error" and finding.check not in forced]
