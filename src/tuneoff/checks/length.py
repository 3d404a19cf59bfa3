"""Length: which share of the texts is longer than the model reads, and whose label's texts suffer."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.rows import label_numbers, quoted, share
from tuneoff.checks.tables import chi_square, p_said
from tuneoff.models.text import Tokens
from tuneoff.training.workplace import Workplace

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

MANY = 0.05
CERTAIN = 0.01


class Length(Check):
    """How many texts are cut because they are longer than the model reads, and of which label?

    A warning from 5% of a split on, a note for fewer. What is cut is counted exactly. Which label suffers is told by
    the rows of train that are as long as the limit, which a text that happens to fit just so is too, with a chi-square
    test over the labels: where one label's texts lose more, their length may show it. Of a task in folds it is the
    first fold's.
    """

    name = "length"
    question = "Which share of the texts is cut, and which label suffers?"
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding for each model, and an error for each technique whose virtual tokens find no room."""
        for place in patient.places:
            yield self._of_model(place)
        yield from self._without_room(patient)

    def _without_room(self, patient: "Patient") -> Iterator[Finding]:
        from tuneoff.models.virtual_tokens import room_for, too_long
        from tuneoff.training.build import make_technique

        for place, stage in patient.alone():
            count = make_technique(stage.spec).virtual_tokens
            longest = max(len(ids) for one in place.tokens().values() for ids in one.ids)
            if count and not room_for(place.model.config, longest, count):
                about = f"{stage.spec.technique} on {place.model.name}"
                sentence, _, advice = too_long(place.model.config, longest, count).partition(": ")
                evidence = {"longest": longest, "virtual_tokens": count}
                yield self.finding(
                    "error", f"{sentence}.", advice[0].upper() + advice[1:], about=about, evidence=evidence
                )

    def _of_model(self, place: Workplace) -> Finding:
        limit, name = place.model.max_length, place.model.name
        tokens = place.tokens()
        cut = {split: one.cut / len(one.ids) for split, one in tokens.items()}
        longest = max(len(ids) for one in tokens.values() for ids in one.ids)
        evidence: dict[str, Any] = {"limit": limit, "cut": cut, "longest": longest}
        if not any(cut.values()):
            sentence = f"No text is longer than the {limit} tokens that are read; the longest has {longest}."
            return self.finding("fine", sentence, about=name, evidence=evidence)
        evidence["cut_rows"] = {split: one.cut for split, one in tokens.items()}
        said = ", ".join(f"{share(one.cut, len(one.ids))} of {split}" for split, one in tokens.items() if one.cut)
        suffers = _by_label(place, tokens["train"])
        evidence |= suffers
        return self.finding(
            "warning" if max(cut.values()) >= MANY else "note",
            f"Texts are longer than the {limit} tokens that are read, and their ends cut off: {said}{_told(suffers)}.",
            "Raise the model's max_length if it can read more, or shorten the texts so that what counts stays.",
            about=name,
            evidence=evidence,
        )


def _by_label(place: Workplace, tokens: Tokens) -> dict[str, Any]:
    """Return the share of each label's rows of train that are as long as the limit, and the test's p and V."""
    full = np.array([len(ids) >= place.model.max_length for ids in tokens.ids])
    labels, classes = np.array(label_numbers(place.data.splits["train"])), place.data.classes
    counts = [np.bincount(labels[full == kind], minlength=len(classes)) for kind in (True, False)]
    found = chi_square(counts)
    rows = np.sum(counts, axis=0)
    shares = {name: float(counts[0][n] / rows[n]) for n, name in enumerate(classes) if rows[n]}
    return {"at_limit_by_label": shares, "p": found.p, "cramers_v": found.v}


def _told(suffers: Mapping[str, Any]) -> str:
    """Return the words on the labels whose rows are cut most and least, where the difference is certain."""
    shares = suffers["at_limit_by_label"]
    if suffers["p"] > CERTAIN:
        return ""
    most, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    return (
        f"; label {quoted(most)} suffers most, with {share(shares[most], 1)} of its train rows at the limit, "
        f"{quoted(least)} least, with {share(shares[least], 1)} (chi-square {p_said(suffers['p'])})"
    )
