"""Shortcuts: how far the words of the texts go without a model, and the second text without the first."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.rows import label_numbers, trained_data
from tuneoff.checks.tables import p_said
from tuneoff.tasks.data_set import TaskData

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

CERTAIN = 0.01
MORE_CERTAIN = 0.001
"""For what is rare: rows of one premise with opposite labels, one in train and one in test, make words mislead a little
(in TERRa TF-IDF is right on 0.43 of them, p = 0.01)."""


class Shortcut(Check):
    """Can the label be told without what the task is about?

    The second text alone, by TF-IDF and logistic regression learned on train, is right on more of test than always
    giving its commonest class, by an exact binomial test at 1%: a warning, since the pairs can then be guessed without
    comparing their texts (Gururangan et al. 2018, Annotation Artifacts in Natural Language Inference Data, NAACL;
    Poliak et al. 2018, Hypothesis Only Baselines in Natural Language Inference, *SEM). The same of all texts is a note:
    a technique must beat it. If it is right on fewer than always giving the rarest class, by the same test at 0.1%, the
    labels of test seem to mean something else than those of train, as where two files number their classes differently:
    a warning.

    What a run has kept in its directory for the same data is read; else it is computed, and not kept. Of a task in
    folds it is the first fold's.
    """

    name = "shortcut"
    question = "How far do the words of the texts go, and the second text alone?"

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding for all texts, and for pairs one for the second text."""
        data = trained_data(patient)
        right = _right(patient, data)
        counts = np.bincount(label_numbers(data.splits["test"]), minlength=len(data.classes))
        if "tfidf_second" in right:
            yield self._second(data, right["tfidf_second"], counts)
        yield self._words(right["tfidf"], counts)

    def _second(self, data: TaskData, right: "int | str", counts: np.ndarray) -> Finding:
        field = data.text_fields[1]
        if isinstance(right, str):
            return self.finding("fine", f"The {field} alone tells nothing: {right}.", evidence={"reason": right})
        rows = int(counts.sum())
        evidence = _evidence(right, counts)
        said = (
            f"by its words alone (TF-IDF) the {field} tells {right / rows:.3f} of test's labels, and always giving the "
            f"commonest class {counts.max() / rows:.3f}; {p_said(evidence['p'])}"
        )
        if evidence["p"] < CERTAIN:
            return self.finding(
                "warning",
                f"The label shows without comparing the texts ({said}).",
                f"Read accuracy against {right / rows:.3f}, and look for words in the {field} that go with one label.",
                about=field,
                evidence=evidence,
            )
        return self.finding("fine", f"The second text alone does not show the label ({said}).", evidence=evidence)

    def _words(self, right: "int | str", counts: np.ndarray) -> Finding:
        if isinstance(right, str):
            return self.finding("fine", f"TF-IDF tells nothing: {right}.", evidence={"reason": right})
        rows = int(counts.sum())
        evidence = _evidence(right, counts)
        said = f"TF-IDF with logistic regression is right on {right / rows:.3f} of test"
        commonest = f"always giving the commonest class on {counts.max() / rows:.3f} ({p_said(evidence['p'])})"
        if evidence["p"] < CERTAIN:
            return self.finding(
                "note",
                f"{said}, and {commonest}: a technique must beat {right / rows:.3f}.",
                "Read the table's accuracies against it; below it, a model was not worth training.",
                evidence=evidence,
            )
        below = _at_most(right, rows, counts.min() / rows)
        if below < MORE_CERTAIN:
            return self.finding(
                "warning",
                f"{said}, less than always giving the rarest class ({counts.min() / rows:.3f}; {p_said(below)}).",
                "Check that the labels of train and test mean the same: files may number their classes differently. "
                "Rows of one premise with opposite labels, in train and in test, have this effect too.",
                about="test",
                evidence={**evidence, "rarest_share": float(counts.min() / rows), "p_below": below},
            )
        return self.finding(
            "fine",
            f"{said}, and {commonest}: words alone tell little.",
            evidence=evidence,
        )


def _right(patient: "Patient", data: TaskData) -> dict[str, "int | str"]:
    """Return how many test rows each baseline from texts has right, or the reason why it has no answers."""
    from tuneoff.evidence import baselines, task_files

    rows = len(data.splits["test"])
    kept = task_files.baseline_rows(patient.store, patient.task_name, data.fingerprint)
    if kept is not None:
        found = {row["name"]: (row["accuracy"], row["reason"]) for row in kept}
    else:
        computed = baselines.text_baselines(task_files.baseline_data(data))
        found = {one.name: (one.accuracy, one.reason) for one in computed}
    return {
        name: str(reason) if accuracy is None else round(accuracy * rows) for name, (accuracy, reason) in found.items()
    }


def _evidence(right: int, counts: np.ndarray) -> dict[str, float]:
    rows = int(counts.sum())
    commonest = float(counts.max() / rows)
    p = _at_least(right, rows, commonest)
    return {"accuracy": right / rows, "right": right, "examples": rows, "commonest_share": commonest, "p": p}


def _at_least(right: int, rows: int, share: float) -> float:
    """Return the chance of at least so many right answers where each is right with probability `share`."""
    from scipy.special import bdtrc

    return float(bdtrc(right - 1, rows, share)) if right else 1.0


def _at_most(right: int, rows: int, share: float) -> float:
    """Return the chance of at most so many right answers where each is right with probability `share`."""
    from scipy.special import bdtr

    return float(bdtr(right, rows, share))
