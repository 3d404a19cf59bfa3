"""What a check is: a name, a question, and one or both ways of asking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.finding import Finding, Severity

if TYPE_CHECKING:
    from tuneoff.checks.loop import Loop
    from tuneoff.checks.patient import Patient


class Check:
    """One thing that can be wrong. A subclass gives a name, the question that it answers, and how it finds out.

    `quick` checks take seconds at most, and are made before every run. `of_study` looks at a study before it runs.
    Of several tasks it is asked about one after the other, unless the check takes a study as a `whole`.
    `of_loop` looks at a model that is about to be trained, in a study or in a loop of one's own; it leaves the model's
    weights as they were.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    quick: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    def of_study(self, patient: Patient) -> Iterator[Finding]:
        """Yield what is found in a study."""
        yield from ()

    def of_loop(self, loop: Loop) -> Iterator[Finding]:
        """Yield what is found in a model and the way it is to be trained."""
        yield from ()

    def finding(
        self,
        severity: Severity,
        sentence: str,
        advice: str | None = None,
        *,
        about: str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> Finding:
        """Return a finding of this check."""
        return Finding(self.name, severity, sentence, advice, about, evidence or {})
