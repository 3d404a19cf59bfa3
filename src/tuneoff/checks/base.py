"""What a check is: a name, a question, and one or both ways of asking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.finding import Finding, Severity
from tuneoff.checks.messages import Message, Speaker, Texts, spoken

if TYPE_CHECKING:
    from tuneoff.checks.loop import Loop
    from tuneoff.checks.patient import Patient


class Check:
    """One thing that can be wrong. A subclass gives a name, the question that it answers, words, and how it finds out.

    `words` are its messages by language and id; how values stand in them, `messages.Speaker` tells. A report takes them
    from the check's file, so that is named as the check, `_` for `-`, and imports no torch unless it is asked.

    `quick` checks take seconds at most, and are made before every run. `of_study` looks at a study before it runs.
    Of several tasks it is asked about one after the other, unless the check takes a study as a `whole`.
    `of_loop` looks at a model that is about to be trained, in a study or in a loop of one's own; it leaves the model's
    weights as they were.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    words: ClassVar[Mapping[str, Texts]]
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
        about: str | Message | None = None,
        evidence: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Finding:
        """Return a finding of this check: `sentence` and `advice` are ids of its words, `values` what stands in them.

        `about` is a name, or a message where it is more than that.
        """
        from tuneoff.report.words import WORDS

        said: dict[str, Any] = {"sentence": sentence, "values": dict(values or {})}
        if advice is not None:
            said["advice"] = advice
        if isinstance(about, dict):
            said["about"] = about
        texts: dict[str, Any] = {"about": about, **spoken(said, Speaker(self.words, WORDS))}
        return Finding(self.name, severity, **texts, evidence=evidence or {}, said=said)
