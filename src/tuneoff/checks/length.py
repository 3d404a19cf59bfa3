"""Length: which share of the texts is longer than the model reads, and whose label's texts suffer."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import Message, message
from tuneoff.checks.rows import label_numbers, quoted
from tuneoff.checks.tables import chi_square

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.models.text import Tokens
    from tuneoff.training.workplace import Workplace

MANY = 0.05
CERTAIN = 0.01

ENGLISH = {
    "whole": "No text is longer than the {limit} tokens that are read; the longest has {longest}.",
    "cut": "Texts are longer than the {limit} tokens that are read, and their ends cut off: {parts}{suffers}.",
    "part": "{share:share} of {split}",
    "suffers": "; label {most} suffers most, with {most_share:share} of its train rows at the limit, {least} least, "
    "with {least_share:share} (chi-square {p:p})",
    "raise_limit": "Raise the model's max_length if it can read more, or shorten the texts so that what counts stays.",
    "no_room": "{count} virtual tokens and a text of {longest} are more than the {most} positions of the model.",
    "fewer_tokens": "Set the model's max_length to {left}, or use fewer virtual_tokens.",
}
RUSSIAN = {
    "whole": "Текстов длиннее {limit} токенов (больше не читается) нет; в самом длинном токенов {longest}.",
    "cut": "Есть тексты длиннее {limit} токенов (больше не читается), их концы обрезаны: {parts}{suffers}.",
    "part": "{share:share} в {split}",
    "suffers": "; сильнее всего страдает метка {most}: до предела доходят {most_share:share} её строк в train, слабее "
    "всего — {least}: {least_share:share} (критерий хи-квадрат, {p:p})",
    "raise_limit": "Увеличьте max_length модели, если она может прочесть больше, или сократите тексты так, чтобы "
    "важное осталось.",
    "no_room": "Виртуальных токенов {count}, в тексте токенов {longest}: вместе это больше, чем позиций у модели "
    "({most}).",
    "fewer_tokens": "Задайте модели max_length, равный {left}, или уменьшите virtual_tokens.",
}


class Length(Check):
    """How many texts are cut because they are longer than the model reads, and of which label?

    A warning from 5% of a split on, a note for fewer. What is cut is counted exactly. Which label suffers is told by
    the rows of train that are as long as the limit, which a text that happens to fit just so is too, with a chi-square
    test over the labels: where one label's texts lose more, their length may show it. Of a task in folds it is the
    first fold's.
    """

    name = "length"
    question = "Which share of the texts is cut, and which label suffers?"
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding for each model, and an error for each technique whose virtual tokens find no room."""
        for place in patient.places:
            yield self._of_model(place)
        yield from self._without_room(patient)

    def _without_room(self, patient: "Patient") -> Iterator[Finding]:
        from tuneoff.models.families import most_tokens
        from tuneoff.models.virtual_tokens import room_for
        from tuneoff.training.build import make_technique

        for place, stage in patient.alone():
            count = make_technique(stage.spec).virtual_tokens
            longest = max(len(ids) for one in place.tokens().values() for ids in one.ids)
            if count and not room_for(place.model.config, longest, count):
                most = most_tokens(place.model.config.get_text_config()) or 0
                yield self.finding(
                    "error",
                    "no_room",
                    "fewer_tokens",
                    about=message("stage", technique=stage.spec.technique, model=place.model.name),
                    evidence={"longest": longest, "virtual_tokens": count},
                    values={"count": count, "longest": longest, "most": most, "left": most - count},
                )

    def _of_model(self, place: "Workplace") -> Finding:
        limit, name = place.model.max_length, place.model.name
        tokens = place.tokens()
        cut = {split: one.cut / len(one.ids) for split, one in tokens.items()}
        longest = max(len(ids) for one in tokens.values() for ids in one.ids)
        evidence: dict[str, Any] = {"limit": limit, "cut": cut, "longest": longest}
        if not any(cut.values()):
            values = {"limit": limit, "longest": longest}
            return self.finding("fine", "whole", about=name, evidence=evidence, values=values)
        evidence["cut_rows"] = {split: one.cut for split, one in tokens.items()}
        parts = [message("part", share=share, split=split) for split, share in cut.items() if share]
        suffers = _by_label(place, tokens["train"])
        evidence |= suffers
        return self.finding(
            "warning" if max(cut.values()) >= MANY else "note",
            "cut",
            "raise_limit",
            about=name,
            evidence=evidence,
            values={"limit": limit, "parts": parts, "suffers": _told(suffers)},
        )


def _by_label(place: "Workplace", tokens: "Tokens") -> dict[str, Any]:
    """Return the share of each label's rows of train that are as long as the limit, and the test's p and V."""
    full = np.array([len(ids) >= place.model.max_length for ids in tokens.ids])
    labels, classes = np.array(label_numbers(place.data.splits["train"])), place.data.classes
    counts = [np.bincount(labels[full == kind], minlength=len(classes)) for kind in (True, False)]
    found = chi_square(counts)
    rows = np.sum(counts, axis=0)
    shares = {name: float(counts[0][n] / rows[n]) for n, name in enumerate(classes) if rows[n]}
    return {"at_limit_by_label": shares, "p": found.p, "cramers_v": found.v}


def _told(suffers: Mapping[str, Any]) -> Message | str:
    """Return the words on the labels whose rows are cut most and least, where the difference is certain."""
    shares = suffers["at_limit_by_label"]
    if suffers["p"] > CERTAIN:
        return ""
    most, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    labels = {"most": quoted(most), "most_share": shares[most], "least": quoted(least), "least_share": shares[least]}
    return message("suffers", **labels, p=suffers["p"])
