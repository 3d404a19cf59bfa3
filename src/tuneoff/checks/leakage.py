"""Leakage: rows of test or dev whose texts, or nearly the same texts, are trained on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding, Severity
from tuneoff.checks.likeness import Key, near_pairs, normalised_keys, spread_evenly
from tuneoff.checks.messages import Message, message
from tuneoff.checks.rows import labelled, numbers, trained_data
from tuneoff.tasks.data_set import ALSO, Split, TaskData

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

MOST_TRAIN, MOST_OTHER = 20_000, 5_000
"""Rows of train and of another split that are compared for near-duplicates; of more, so many evenly spaced ones."""

ENGLISH = {
    "none_equal": "No row of {split} stands in train with the same texts{kept}.",
    "folded": " (protocol.folds keeps equal rows together)",
    "dropped": " (task.drop_overlap removed such rows of train)",
    "equal": "{rows:,} of the {of:,} {split} rows ({share:share}) stand in train with the same texts, such as row "
    "{mine} of {split} and row {theirs} of train (counted from 0).",
    "drop_overlap": "Set task.drop_overlap: true, which removes such rows of train, or give another split.",
    "remove_copies": "They are written differently, or stand in different groups: remove the copies, or correct "
    "task.group.",
    "remove_further": "Remove them from {further}, or read its accuracy with that in mind.",
    "none_grouped": "No row of {split} shares its {by} with a row of train.",
    "grouped": "{rows:,} of the {of:,} {split} rows ({share:share}) share their {by} with a row of train.",
    "by_field": "{field}",
    "by_group": "group",
    "group_rows": "Set task.group: {field}, so that such rows stay on one side.",
    "group_dev": "Set task.group: {field}, so that dev is cut out with whole groups.",
    "test_on_new": "Set task.drop_overlap: true to test on what is new, or read the slices seen and not seen in train.",
    "none_near": "No row of {split} is a near-duplicate of a row of train{sampled}.",
    "near": "{rows:,} of the {of:,} {split} rows ({share:share}) are near-duplicates of rows of train{sampled}, such "
    "as row {mine} of {split} and row {theirs} of train (counted from 0).",
    "sampled": " (of {rows:,} held against {train:,} of train, evenly spaced)",
    "read_some": "Read some of them, and remove from train what stands in both.",
}
RUSSIAN = {
    "none_equal": "Ни одна строка {split} не встречается в train с теми же текстами{kept}.",
    "folded": " (protocol.folds держит одинаковые строки вместе)",
    "dropped": " (такие строки train удалены: task.drop_overlap)",
    "equal": "Строк {split}, которые есть и в train с теми же текстами: {rows:,} из {of:,} ({share:share}), например "
    "строка {mine} в {split} и строка {theirs} в train (счёт от 0).",
    "drop_overlap": "Задайте task.drop_overlap: true, тогда такие строки будут удалены из train, или возьмите другую "
    "выборку.",
    "remove_copies": "Они записаны по-разному или стоят в разных группах: удалите копии или исправьте task.group.",
    "remove_further": "Удалите их из {further} или учитывайте это, читая долю верных ответов на {further}.",
    "none_grouped": "Ни одна строка {split} не совпадает со строкой train по {by}.",
    "grouped": "Строк {split}, совпадающих со строкой train по {by}: {rows:,} из {of:,} ({share:share}).",
    "by_field": "полю {field}",
    "by_group": "группе",
    "group_rows": "Задайте task.group: {field}, чтобы такие строки оказывались по одну сторону.",
    "group_dev": "Задайте task.group: {field}, чтобы dev отделялась целыми группами.",
    "test_on_new": "Задайте task.drop_overlap: true, чтобы проверять на новом, или смотрите срезы: что встречалось в "
    "train и что нет.",
    "none_near": "Нечётких дубликатов строк train среди строк {split} нет{sampled}.",
    "near": "Строк {split}, которые почти повторяют строки train (нечёткие дубликаты): {rows:,} из {of:,} "
    "({share:share}){sampled}, например строка {mine} в {split} и строка {theirs} в train (счёт от 0).",
    "sampled": " (сопоставлены взятые через равные промежутки: строк {rows:,}, строк train {train:,})",
    "read_some": "Прочтите некоторые из них и удалите из train то, что есть в обеих выборках.",
}


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
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
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
        self, train: Split, split: Split, keys: Sequence[Key], known: dict[Key, int], separated: Message | None
    ) -> Finding:
        places = [place for place, key in enumerate(keys) if key in known]
        evidence = {"rows": len(places), "of": len(split), "share": len(places) / len(split)}
        if not places:
            values = {"split": split.name, "kept": separated or ""}
            return self.finding("fine", "none_equal", about=split.name, evidence=evidence, values=values)
        mine, theirs = numbers(split, places), numbers(train, [known[keys[place]] for place in places])
        judged = not split.name.startswith(ALSO) and not _cut_here(split, train)
        severity: Severity = "error" if judged and not separated else "warning"
        return self.finding(
            severity,
            "equal",
            _advice(split, train, separated),
            about=split.name,
            evidence={**evidence, "examples": [list(pair) for pair in zip(mine, theirs, strict=True)]},
            values={
                **_counted(split, evidence),
                "mine": mine[0],
                "theirs": theirs[0],
                "further": split.name.removeprefix(ALSO),
            },
        )

    def _grouped(self, data: TaskData, split: Split, column: str | None, separated: Message | None) -> Finding:
        train = data.splits["train"]
        mine, theirs = split.groups or split.texts[0], train.groups or train.texts[0]
        field = data.text_fields[0] if mine == split.texts[0] else column
        named = field or "group"
        by = message("by_field", field=field) if field else message("by_group")
        taken = set(theirs)
        places = [place for place, value in enumerate(mine) if value in taken]
        evidence = {"by": named, "rows": len(places), "of": len(split), "share": len(places) / len(split)}
        if not places:
            values = {"split": split.name, "by": by}
            return self.finding("fine", "none_grouped", about=split.name, evidence=evidence, values=values)
        # Where they are separated, only the first text, and no group, was kept on one side.
        advice = "group_rows" if separated else "group_dev" if _cut_here(split, train) else "test_on_new"
        return self.finding(
            "warning",
            "grouped",
            advice,
            about=split.name,
            evidence={**evidence, "examples": numbers(split, places)},
            values={**_counted(split, evidence), "by": by, "field": named},
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
        sampled = "" if all_of_them else message("sampled", rows=len(rows), train=len(theirs))
        evidence: dict[str, Any] = {"rows": len(found), "of": len(rows), "share": len(found) / len(rows)}
        evidence["train_rows_looked_at"] = len(theirs)
        if not found:
            values = {"split": split.name, "sampled": sampled}
            return self.finding("fine", "none_near", about=split.name, evidence=evidence, values=values)
        mine, others = numbers(split, list(found)), numbers(train, list(found.values()))
        return self.finding(
            "warning",
            "near",
            "read_some",
            about=split.name,
            evidence={**evidence, "examples": [list(pair) for pair in zip(mine, others, strict=True)]},
            values={**_counted(split, evidence), "mine": mine[0], "theirs": others[0], "sampled": sampled},
        )


def _separated(patient: "Patient") -> Message | None:
    """Return what of the study keeps equal rows apart already; None if nothing does."""
    study = patient.prepared.read.study
    if study.protocol.folds is not None:
        return message("folded")
    return message("dropped") if study.task.drop_overlap else None


def _cut_here(split: Split, train: Split) -> bool:
    """Return whether dev was cut out of train: then no row number is in both. A file of its own begins with row 0."""
    return split.name == "dev" and set(split.rows.tolist()).isdisjoint(train.rows.tolist())


def _advice(split: Split, train: Split, separated: Message | None) -> str:
    """Return the id of what is to be done about equal rows."""
    if split.name.startswith(ALSO):
        return "remove_further"
    return "remove_copies" if separated or _cut_here(split, train) else "drop_overlap"


def _counted(split: Split, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that say how many rows of a split there are of a kind."""
    return {"split": split.name, **{name: evidence[name] for name in ("rows", "of", "share")}}
