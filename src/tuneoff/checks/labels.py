"""Labels: how they are spread, whether they mean one thing, and whether equal texts have equal ones."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.likeness import near_pairs, normalised_keys, spread_evenly
from tuneoff.checks.rows import MOST_NAMED, label_numbers, labelled, numbers, quoted, share, trained_data
from tuneoff.checks.tables import chi_square, p_said
from tuneoff.tasks.data_set import ALSO, Split, TaskData
from tuneoff.words import listed

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

COMMONEST = 0.9
FEWEST_ROWS = 10
# A difference in shares is told where it is both certain and large (Cohen 1988: V of 0.1 is small, 0.3 medium).
CERTAIN, LARGE = 0.001, 0.1
MOST_ROWS = 10_000
"""Rows of train that are held against each other; of more, so many evenly spaced ones."""


class Labels(Check):
    """Are the labels usable: enough of each, the same in all splits, and the same for the same texts?

    What it finds: a split with one label only (error: an accuracy there means nothing); a class with fewer than ten
    rows of train or more than 90% of them; shares that differ between train and test, by a chi-square test with p of
    0.001 or less and Cramér's V of 0.1 or more; class names that differ in case, spaces or leading zeros alone; rows of
    train with equal texts (but for case, spaces and punctuation) and different labels, which nothing can learn both of;
    and, as a note, near-duplicates with different labels, which may be meant (contrast pairs) or mistakes.

    A label of another split that train does not have, such as numbers in one file and names in the other, is refused
    when the task is read. Class numbers of Parquet files and of the hub are read by the names that each file gives
    them, so files may order them differently.
    """

    name = "labels"
    question = "Are the labels spread well, and the same in all splits and for equal texts?"
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding for each of the questions above."""
        data = trained_data(patient)
        yield self._balance(data)
        yield from self._one_only(data)
        yield self._shares(data)
        yield self._names(data)
        yield self._contradictions(data.splits["train"], data.classes)
        yield self._near(data.splits["train"], data.classes)

    def _balance(self, data: TaskData) -> Finding:
        counts = {name: _counts(split, data) for name, split in labelled(data).items()}
        train = counts["train"]
        rows = sum(train.values())
        commonest = max(train, key=lambda label: train[label])
        rare = {label: count for label, count in train.items() if 0 < count < FEWEST_ROWS}
        evidence = {"counts": counts, "commonest": commonest, "commonest_share": train[commonest] / rows}
        told = []
        if train[commonest] > COMMONEST * rows:
            told.append(
                f"{share(train[commonest], rows)} of the {rows:,} train rows have the label {quoted(commonest)}"
            )
        if rare:
            few = listed((f"{quoted(label)} {count}" for label, count in rare.items()), MOST_NAMED)
            told.append(f"classes with fewer than {FEWEST_ROWS} rows of train: {few}")
        if told:
            advice = (
                "Look at macro F1 rather than accuracy, and give more rows of the rare classes, or join or drop them."
            )
            sentence = "; ".join(told) + "."
            return self.finding("warning", sentence[0].upper() + sentence[1:], advice, about="train", evidence=evidence)
        spread = listed((f"{quoted(label)} {share(count, rows)}" for label, count in train.items()), MOST_NAMED)
        return self.finding("fine", f"The {rows:,} train rows have the labels {spread}.", evidence=evidence)

    def _one_only(self, data: TaskData) -> Iterator[Finding]:
        for name, split in labelled(data).items():
            present = {label: count for label, count in _counts(split, data).items() if count}
            if len(present) > 1:
                continue
            (label,) = present
            further = name.startswith(ALSO)
            meaning = "its accuracy says how often that one label is given" if further else "an accuracy means nothing"
            limit = " and raise task.limit if it is set" if not further else ""
            yield self.finding(
                "note" if further else "error",
                f"All {len(split):,} rows of {name} have the label {quoted(label)}, so {meaning}.",
                f"Give {name} rows of every label{limit}.",
                about=name,
                evidence={"counts": present},
            )

    def _shares(self, data: TaskData) -> Finding:
        train, test = (np.array(list(_counts(data.splits[name], data).values())) for name in ("train", "test"))
        found = chi_square([train, test])
        gaps = test / test.sum() - train / train.sum()
        widest = int(np.abs(gaps).argmax())
        shares = [share(int(counts[widest]), int(counts.sum())) for counts in (train, test)]
        evidence = {"p": found.p, "cramers_v": found.v, "label": data.classes[widest], "gap": float(gaps[widest])}
        test_said = f"chi-square {p_said(found.p)}, V {found.v:.2f}"
        said = f"label {quoted(data.classes[widest])}: {shares[0]} and {shares[1]}; {test_said}"
        if found.p <= CERTAIN and found.v >= LARGE:
            return self.finding(
                "warning",
                f"The shares of the labels differ between train and test ({said}).",
                "Cut train and test alike, by label, or report macro F1; the shares that are learned mislead on test.",
                about="test",
                evidence=evidence,
            )
        return self.finding(
            "fine", f"The shares of the labels differ little between train and test ({said}).", evidence=evidence
        )

    def _names(self, data: TaskData) -> Finding:
        alike = defaultdict(list)
        for name in data.classes:
            alike[_as_meant(name)].append(name)
        doubled = [names for names in alike.values() if len(names) > 1]
        if doubled:
            said = listed((" and ".join(map(quoted, names)) for names in doubled), MOST_NAMED)
            return self.finding(
                "warning",
                f"Class names that differ in case, spaces or leading zeros alone count as different classes: {said}.",
                "Write each label in one way in all files.",
                evidence={"alike": doubled},
            )
        return self.finding(
            "fine",
            f"The {len(data.classes)} class names are clearly different, and the same in all splits.",
            evidence={"classes": list(data.classes)},
        )

    def _contradictions(self, train: Split, classes: tuple[str, ...]) -> Finding:
        places = defaultdict(list)
        for place, key in enumerate(normalised_keys(train.texts)):
            places[key].append(place)
        labels = label_numbers(train)
        groups = [rows for rows in places.values() if len({labels[row] for row in rows}) > 1]
        rows = sum(map(len, groups))
        evidence = {"rows": rows, "share": rows / len(train), "texts": len(groups)}
        if not groups:
            return self.finding("fine", "No two train rows have equal texts and different labels.", evidence=evidence)
        examples = [_differing(group, labels) for group in groups[:MOST_NAMED]]
        named = [numbers(train, pair) for pair in examples]
        first, second = (classes[labels[row]] for row in examples[0])
        return self.finding(
            "warning",
            f"{rows:,} of the {len(train):,} train rows ({share(rows, len(train))}) have the same texts as another row "
            f"and another label, such as rows {named[0][0]} and {named[0][1]} (counted from 0): {quoted(first)} and "
            f"{quoted(second)}.",
            "Correct the labels or remove the rows; nothing can learn both.",
            about="train",
            evidence={**evidence, "examples": named},
        )

    def _near(self, train: Split, classes: tuple[str, ...]) -> Finding:
        chosen = spread_evenly(len(train), MOST_ROWS)
        keys, labels = normalised_keys([[texts[row] for row in chosen] for texts in train.texts]), label_numbers(train)
        # Each text once: equal ones with different labels are told apart.
        first = {key: row for row, key in reversed(list(zip(chosen, keys, strict=True)))}
        texts, rows = list(first), list(first.values())
        order = sorted(range(len(rows)), key=rows.__getitem__)
        texts, rows = [texts[place] for place in order], [rows[place] for place in order]
        opposite = [
            (rows[one], rows[other])
            for one, other in near_pairs(texts, texts)
            if one < other and labels[rows[one]] != labels[rows[other]]
        ]
        sampled = f" of {len(chosen):,} rows looked at, evenly spaced" if len(chosen) < len(train) else ""
        evidence = {"pairs": len(opposite), "rows_looked_at": len(chosen)}
        if not opposite:
            said = f"No two train rows{sampled} are near-duplicates with different labels."
            return self.finding("fine", said, evidence=evidence)
        named = [numbers(train, pair) for pair in opposite[:MOST_NAMED]]
        return self.finding(
            "note",
            f"Near-duplicates with different labels: {len(opposite):,} {'pair' if len(opposite) == 1 else 'pairs'} of "
            f"train rows{sampled}, such as rows {named[0][0]} and {named[0][1]} (counted from 0).",
            "Read some of them: they may be contrasts that are meant, or mistakes.",
            about="train",
            evidence={**evidence, "examples": named},
        )


def _counts(split: Split, data: TaskData) -> dict[str, int]:
    found = np.bincount(label_numbers(split), minlength=len(data.classes))
    return {name: int(count) for name, count in zip(data.classes, found, strict=True)}


def _as_meant(name: str) -> str:
    """Return what a class name probably means: case, spaces and the way in which a number is written do not count."""
    text = "".join(name.casefold().split())
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        return repr(int(value) if value == int(value) else value) if math.isfinite(value) else text
    return text


def _differing(rows: list[int], labels: list[int]) -> tuple[int, int]:
    """Return the first of some rows, and the first that has another label."""
    return rows[0], next(row for row in rows if labels[row] != labels[rows[0]])
