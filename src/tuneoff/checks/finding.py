"""What a check found: one sentence, the evidence, and what to do about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note", "fine"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "fine")


@dataclass(frozen=True)
class Finding:
    """What a check found. `error` stops a study, `warning` and `note` go into its report, `fine` says what was tried.

    `about` names what it is about: a split, a model, a technique; None: all of the study, or one's own loop. `evidence`
    holds the numbers that the sentence rests on, as JSON values; `advice` says what to do, and is None where all is
    well.
    """

    check: str
    severity: Severity
    sentence: str
    advice: str | None = None
    about: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {**asdict(self), "evidence": dict(self.evidence)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Finding":
        """Return a finding that was kept as JSON."""
        return cls(**value)

    def __str__(self) -> str:
        about = f" ({self.about})" if self.about else ""
        advice = f" {self.advice}" if self.advice else ""
        return f"{self.check}{about}: {self.sentence}{advice}"


def worst_first(findings: "list[Finding]") -> "list[Finding]":
    """Return findings by severity, errors first; within one, in the order in which they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
