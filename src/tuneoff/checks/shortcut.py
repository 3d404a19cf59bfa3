"""Shortcuts: how far the words of the texts go without a model, and the second text without the first."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.rows import label_numbers, trained_data
from tuneoff.tasks.data_set import TaskData

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

CERTAIN = 0.01
MORE_CERTAIN = 0.001
"""For what is rare: rows of one premise with opposite labels, one in train and one in test, make words mislead a little
(in TERRa TF-IDF is right on 0.43 of them, p = 0.01)."""

ENGLISH = {
    "second_untold": "The {field} alone tells nothing: {reason:reason}.",
    "second_shows": "The label shows without comparing the texts (by its words alone (TF-IDF) the {field} tells "
    "{accuracy:.3f} of test's labels, and always giving the commonest class {commonest:.3f}; {p:p}).",
    "look_for_words": "Read accuracy against {accuracy:.3f}, and look for words in the {field} that go with one label.",
    "second_hides": "The second text alone does not show the label (by its words alone (TF-IDF) the {field} tells "
    "{accuracy:.3f} of test's labels, and always giving the commonest class {commonest:.3f}; {p:p}).",
    "words_untold": "TF-IDF tells nothing: {reason:reason}.",
    "words_beat": "TF-IDF with logistic regression is right on {accuracy:.3f} of test, and always giving the commonest "
    "class on {commonest:.3f} ({p:p}): a technique must beat {accuracy:.3f}.",
    "read_against": "Read the table's accuracies against it; below it, a model was not worth training.",
    "words_below": "TF-IDF with logistic regression is right on {accuracy:.3f} of test, less than always giving the "
    "rarest class ({rarest:.3f}; {below:p}).",
    "check_meaning": "Check that the labels of train and test mean the same: files may number their classes "
    "differently. Rows of one premise with opposite labels, in train and in test, have this effect too.",
    "words_little": "TF-IDF with logistic regression is right on {accuracy:.3f} of test, and always giving the "
    "commonest class on {commonest:.3f} ({p:p}): words alone tell little.",
}
RUSSIAN = {
    "second_untold": "Поле {field} само по себе ничего не говорит: {reason:reason}.",
    "second_shows": "Метка видна без сравнения текстов: по одним лишь словам поля {field} (TF-IDF) доля верных ответов "
    "на test {accuracy:.3f}, а если всегда отвечать самым частым классом, {commonest:.3f} ({p:p}).",
    "look_for_words": "Сравнивайте доли верных ответов с {accuracy:.3f} и поищите в поле {field} слова, которые "
    "сопутствуют одной метке.",
    "second_hides": "Второй текст сам по себе метки не выдаёт: по одним лишь словам поля {field} (TF-IDF) доля верных "
    "ответов на test {accuracy:.3f}, а если всегда отвечать самым частым классом, {commonest:.3f} ({p:p}).",
    "words_untold": "TF-IDF ничего не говорит: {reason:reason}.",
    "words_beat": "У TF-IDF с логистической регрессией доля верных ответов на test {accuracy:.3f}, а если всегда "
    "отвечать самым частым классом, {commonest:.3f} ({p:p}): способ должен превзойти {accuracy:.3f}.",
    "read_against": "Сравнивайте с этим доли верных ответов в таблице: если они ниже, модель не стоило обучать.",
    "words_below": "У TF-IDF с логистической регрессией доля верных ответов на test {accuracy:.3f}, меньше, чем если "
    "всегда отвечать самым редким классом ({rarest:.3f}; {below:p}).",
    "check_meaning": "Проверьте, что метки в train и test значат одно и то же: в файлах классы могут быть "
    "пронумерованы по-разному. Так же действуют строки с одной посылкой и противоположными метками в train и в test.",
    "words_little": "У TF-IDF с логистической регрессией доля верных ответов на test {accuracy:.3f}, а если всегда "
    "отвечать самым частым классом, {commonest:.3f} ({p:p}): одни лишь слова говорят мало.",
}


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
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}

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
            return self.finding(
                "fine", "second_untold", evidence={"reason": right}, values={"field": field, "reason": right}
            )
        evidence = _evidence(right, counts)
        values = {"field": field, **_said(evidence)}
        if evidence["p"] < CERTAIN:
            return self.finding(
                "warning", "second_shows", "look_for_words", about=field, evidence=evidence, values=values
            )
        return self.finding("fine", "second_hides", evidence=evidence, values=values)

    def _words(self, right: "int | str", counts: np.ndarray) -> Finding:
        if isinstance(right, str):
            return self.finding("fine", "words_untold", evidence={"reason": right}, values={"reason": right})
        rows = int(counts.sum())
        evidence = _evidence(right, counts)
        values = _said(evidence)
        if evidence["p"] < CERTAIN:
            return self.finding("note", "words_beat", "read_against", evidence=evidence, values=values)
        rarest = float(counts.min() / rows)
        below = _at_most(right, rows, rarest)
        if below < MORE_CERTAIN:
            return self.finding(
                "warning",
                "words_below",
                "check_meaning",
                about="test",
                evidence={**evidence, "rarest_share": rarest, "p_below": below},
                values={**values, "rarest": rarest, "below": below},
            )
        return self.finding("fine", "words_little", evidence=evidence, values=values)


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


def _said(evidence: Mapping[str, float]) -> dict[str, float]:
    """Return the values of a sentence from its evidence."""
    return {"accuracy": evidence["accuracy"], "commonest": evidence["commonest_share"], "p": evidence["p"]}


def _at_least(right: int, rows: int, share: float) -> float:
    """Return the chance of at least so many right answers where each is right with probability `share`."""
    from scipy.special import bdtrc

    return float(bdtrc(right - 1, rows, share)) if right else 1.0


def _at_most(right: int, rows: int, share: float) -> float:
    """Return the chance of at most so many right answers where each is right with probability `share`."""
    from scipy.special import bdtr

    return float(bdtr(right, rows, share))
