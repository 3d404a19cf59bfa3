"""Leakage: rows of test or dev whose texts, or nearly the same texts, are trained on."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding, Severity
from tuneoff.checks.likeness import Key, near_pairs, normalised_keys, spread_evenly
from tuneoff.checks.rows import labelled, numbers, share, trained_data
from tuneoff.tasks.data_set import ALSO, Split, TaskData

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

MOST_TRAIN, MOST_OTHER = 20_000, 5_000
"""Rows of train and of another split that are compared for near-duplicates; of more, so many evenly spaced ones."""


class Leakage(Check):
    """Does train hold what a technique is judged on?

    Equal rows, which agree in all texts but for case, spaces and punctuation, are an error: an accuracy over them
    measures memory. They are a warning in a dev that was cut out of train here, from which no number is reported, and
    in further test sets. Equal groups, or where there are none equal first texts of pairs, are a warning with the
    share: what is learned of a premise helps with its next hypothesis. They are compared letter by letter, as
    `task.group` and `task.drop_overlap` do. Near-duplicates (see `likeness.near_pairs`), the equal ones aside, are a
    warning.

    With `task.drop_overlap` or `protocol.folds` rows of one group stand on one side already. What is then still found
    stands in different groups, or is written in another way: a warning. Of several folds the first is looked at.

    With more than 20,000 rows in train, or 5,000 in another split, near-duplicates are sought among so many of them,
    evenly spaced, and the finding says so.
    """

    name = "leakage"
    question = "Do rows of test or dev stand in train too?"
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding for equal rows, equal groups and near-duplicates of each split that train is held against."""
        data = trained_data(patient)
        train = data.splits["train"]
        known: dict[Key, int] = {}
        for place, key in enumerate(normalised_keys(train.texts)):
            known.setdefault(key, place)
        separated = _separated(patient)
        for name, split in labelled(data).items():
            if name == "train":
                continue
            keys = normalised_keys(split.texts)
            yield self._equal(train, split, keys, known, separated)
            if not name.startswith(ALSO) and (train.groups is not None or len(split.texts) > 1):
                yield self._grouped(data, split, patient.prepared.read.study.task.group, separated)
            yield self._near(train, split, keys, known)

    def _equal(
        self, train: Split, split: Split, keys: Sequence[Key], known: dict[Key, int], separated: str | None
    ) -> Finding:
        places = [place for place, key in enumerate(keys) if key in known]
        evidence = {"rows": len(places), "of": len(split), "share": len(places) / len(split)}
        if not places:
            kept = f" ({separated})" if separated else ""
            sentence = f"No row of {split.name} stands in train with the same texts{kept}."
            return self.finding("fine", sentence, about=split.name, evidence=evidence)
        mine, theirs = numbers(split, places), numbers(train, [known[keys[place]] for place in places])
        judged = not split.name.startswith(ALSO) and not _cut_here(split, train)
        severity: Severity = "error" if judged and not separated else "warning"
        return self.finding(
            severity,
            f"{_of(places, split)} stand in train with the same texts, such as row {mine[0]} of {split.name} and row "
            f"{theirs[0]} of train (counted from 0).",
            _advice(split, train, separated),
            about=split.name,
            evidence={**evidence, "examples": [list(pair) for pair in zip(mine, theirs, strict=True)]},
        )

    def _grouped(self, data: TaskData, split: Split, column: str | None, separated: str | None) -> Finding:
        train = data.splits["train"]
        mine, theirs = split.groups or split.texts[0], train.groups or train.texts[0]
        named = data.text_fields[0] if mine == split.texts[0] else column or "group"
        taken = set(theirs)
        places = [place for place, value in enumerate(mine) if value in taken]
        evidence = {"by": named, "rows": len(places), "of": len(split), "share": len(places) / len(split)}
        if not places:
            sentence = f"No row of {split.name} shares its {named} with a row of train."
            return self.finding("fine", sentence, about=split.name, evidence=evidence)
        if separated:
            # Only the first text, and no group, was kept on one side.
            advice = f"Set task.group: {named}, so that such rows stay on one side."
        elif _cut_here(split, train):
            advice = f"Set task.group: {named}, so that dev is cut out with whole groups."
        else:
            advice = (
                "Set task.drop_overlap: true to test on what is new, or read the slices seen and not seen in train."
            )
        return self.finding(
            "warning",
            f"{_of(places, split)} share their {named} with a row of train.",
            advice,
            about=split.name,
            evidence={**evidence, "examples": numbers(split, places)},
        )

    def _near(self, train: Split, split: Split, keys: Sequence[Key], known: dict[Key, int]) -> Finding:
        distinct = list(known.items())
        theirs = [distinct[place] for place in spread_evenly(len(distinct), MOST_TRAIN)]
        rows = spread_evenly(len(keys), MOST_OTHER)
        fresh = [row for row in rows if keys[row] not in known]
        found: dict[int, int] = {}
        for one, other in near_pairs([keys[row] for row in fresh], [key for key, _ in theirs]):
            found.setdefault(fresh[one], theirs[other][1])
        all_of_them = len(rows) == len(keys) and len(theirs) == len(distinct)
        sampled = "" if all_of_them else f" (of {len(rows):,} held against {len(theirs):,} of train, evenly spaced)"
        evidence: dict[str, Any] = {"rows": len(found), "of": len(rows), "share": len(found) / len(rows)}
        evidence["train_rows_looked_at"] = len(theirs)
        if not found:
            sentence = f"No row of {split.name} is a near-duplicate of a row of train{sampled}."
            return self.finding("fine", sentence, about=split.name, evidence=evidence)
        mine, others = numbers(split, list(found)), numbers(train, list(found.values()))
        return self.finding(
            "warning",
            f"{len(found):,} of the {len(rows):,} {split.name} rows ({share(len(found), len(rows))}) are "
            f"near-duplicates of rows of train{sampled}, such as row {mine[0]} of {split.name} and row {others[0]} of "
            "train (counted from 0).",
            "Read some of them, and remove from train what stands in both.",
            about=split.name,
            evidence={**evidence, "examples": [list(pair) for pair in zip(mine, others, strict=True)]},
        )


def _separated(patient: "Patient") -> str | None:
    """Return what of the study keeps equal rows apart already; None if nothing does."""
    study = patient.prepared.read.study
    if study.protocol.folds is not None:
        return "protocol.folds keeps equal rows together"
    return "task.drop_overlap removed such rows of train" if study.task.drop_overlap else None


def _cut_here(split: Split, train: Split) -> bool:
    """Return whether dev was cut out of train: then no row number is in both. A file of its own begins with row 0."""
    return split.name == "dev" and set(split.rows.tolist()).isdisjoint(train.rows.tolist())


def _advice(split: Split, train: Split, separated: str | None) -> str:
    if split.name.startswith(ALSO):
        return f"Remove them from {split.name.removeprefix(ALSO)}, or read its accuracy with that in mind."
    if separated or _cut_here(split, train):
        return "They are written differently, or stand in different groups: remove the copies, or correct task.group."
    return "Set task.drop_overlap: true, which removes such rows of train, or give another split."


def _of(places: Sequence[int], split: Split) -> str:
    return f"{len(places):,} of the {len(split):,} {split.name} rows ({share(len(places), len(split))})"
