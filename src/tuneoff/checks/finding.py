"""What a check found: one sentence, the evidence, and what to do about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.checks.messages import Speaker, message, spoken

if TYPE_CHECKING:
    from tuneoff.report.words import Words

Severity = Literal["error", "warning", "note", "fine"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "fine")


@dataclass(frozen=True)
class Finding:
    """What a check found. `error` stops a study, `warning` and `note` go into its report, `fine` says what was tried.

    `about` names what it is about: a split, a model, a technique; None: all of the study, or one's own loop. `evidence`
    holds the numbers that the sentence rests on, as JSON values; `advice` says what to do, and is None where all is
    well. These are in English; `said` has what other languages are made of: the message ids of `sentence` and `advice`,
    the `values` in both, and `about` as a message where it is more than a name. It is empty in what an earlier version
    kept.
    """

    check: str
    severity: Severity
    sentence: str
    advice: str | None = None
    about: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {**asdict(self), "evidence": dict(self.evidence), "said": dict(self.said)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Finding":
        """Return a finding that was kept as JSON, whatever else was kept with it."""
        return cls(**{one.name: value[one.name] for one in fields(cls) if one.name in value})

    def of_task(self, task: str) -> "Finding":
        """Return the finding as one about a task of several."""
        if self.about is None:
            return replace(self, about=task)
        about = message("of_task", task=task, about=self.said.get("about", self.about))
        return replace(self, about=f"{task}: {self.about}", said={**self.said, "about": about})

    def in_words(self, say: "Words") -> "Finding":
        """Return the finding with sentence, advice and about in the language of `say`.

        What the check has no words for, as what was kept by another version, stays as it is.
        """
        from tuneoff.checks import words_of

        if say.language == "en" or not self.said:
            return self
        try:
            texts: dict[str, Any] = {**spoken(self.said, Speaker(words_of(self.check), say))}
            return replace(self, **texts)
        except (KeyError, TypeError, ValueError):
            return self

    def __str__(self) -> str:
        about = f" ({self.about})" if self.about else ""
        advice = f" {self.advice}" if self.advice else ""
        return f"{self.check}{about}: {self.sentence}{advice}"


def worst_first(findings: "list[Finding]") -> "list[Finding]":
    """Return findings by severity, errors first; within one, in the order in which they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
