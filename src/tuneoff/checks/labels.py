"""Labels: how they are spread, whether they mean one thing, and whether equal texts have equal ones."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.likeness import near_pairs, normalised_keys, spread_evenly
from tuneoff.checks.messages import first_of, message
from tuneoff.checks.rows import MOST_NAMED, label_numbers, labelled, numbers, quoted, trained_data
from tuneoff.checks.tables import chi_square
from tuneoff.tasks.data_set import ALSO, Split, TaskData

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

COMMONEST = 0.9
FEWEST_ROWS = 10
# A difference in shares is told where it is both certain and large (Cohen 1988: V of 0.1 is small, 0.3 medium).
CERTAIN, LARGE = 0.001, 0.1
MOST_ROWS = 10_000
"""Rows of train that are held against each other; of more, so many evenly spaced ones."""

ENGLISH = {
    "spread": "The {rows:,} train rows have the labels {named}{more}.",
    "label": "{label} {share:share}",
    "commonest": "{share:Share} of the {rows:,} train rows have the label {label}.",
    "rare": "Classes with fewer than {fewest} rows of train: {named}{more}.",
    "commonest_and_rare": "{share:Share} of the {rows:,} train rows have the label {label}; classes with fewer than "
    "{fewest} rows of train: {named}{more}.",
    "class": "{label} {count}",
    "macro_f1": "Look at macro F1 rather than accuracy, and give more rows of the rare classes, or join or drop them.",
    "one_only": "All {rows:,} rows of {split} have the label {label}, so an accuracy means nothing.",
    "every_label": "Give {split} rows of every label and raise task.limit if it is set.",
    "one_only_further": "All {rows:,} rows of {split} have the label {label}, so its accuracy says how often that one "
    "label is given.",
    "every_label_further": "Give {split} rows of every label.",
    "shares_differ": "The shares of the labels differ between train and test (label {label}: {train:share} and "
    "{test:share}; chi-square {p:p}, V {v:.2f}).",
    "cut_alike": "Cut train and test alike, by label, or report macro F1; the shares that are learned mislead on test.",
    "shares_alike": "The shares of the labels differ little between train and test (label {label}: {train:share} and "
    "{test:share}; chi-square {p:p}, V {v:.2f}).",
    "names_alike": "Class names that differ in case, spaces or leading zeros alone count as different classes: "
    "{named}{more}.",
    "names": "{names:and}",
    "one_way": "Write each label in one way in all files.",
    "names_differ": "The {count} class names are clearly different, and the same in all splits.",
    "none_opposite": "No two train rows have equal texts and different labels.",
    "opposite": "{rows:,} of the {of:,} train rows ({share:share}) have the same texts as another row and another "
    "label, such as rows {one} and {other} (counted from 0): {label} and {other_label}.",
    "correct": "Correct the labels or remove the rows; nothing can learn both.",
    "none_near": "No two train rows{sampled} are near-duplicates with different labels.",
    "near_pair": "Near-duplicates with different labels: 1 pair of train rows{sampled}, such as rows {one} and {other} "
    "(counted from 0).",
    "near_pairs": "Near-duplicates with different labels: {pairs:,} pairs of train rows{sampled}, such as rows {one} "
    "and {other} (counted from 0).",
    "sampled": " of {rows:,} rows looked at, evenly spaced",
    "read_some": "Read some of them: they may be contrasts that are meant, or mistakes.",
}
RUSSIAN = {
    "spread": "Строк в train {rows:,}, метки: {named}{more}.",
    "label": "{label} {share:share}",
    "commonest": "{share:Share} строк train (всего {rows:,}) имеют метку {label}.",
    "rare": "Классы, у которых в train меньше {fewest} строк: {named}{more}.",
    "commonest_and_rare": "{share:Share} строк train (всего {rows:,}) имеют метку {label}; классы, у которых в train "
    "меньше {fewest} строк: {named}{more}.",
    "class": "{label} {count}",
    "macro_f1": "Смотрите на макро-F1, а не на долю верных ответов, и добавьте строк редких классов либо объедините "
    "или отбросьте эти классы.",
    "one_only": "Все строки {split} ({rows:,}) имеют метку {label}, поэтому доля верных ответов ничего не значит.",
    "every_label": "Добавьте в {split} строки с каждой из меток и увеличьте task.limit, если он задан.",
    "one_only_further": "Все строки {split} ({rows:,}) имеют метку {label}, поэтому доля верных ответов на {split} "
    "показывает лишь, как часто даётся эта метка.",
    "every_label_further": "Добавьте в {split} строки с каждой из меток.",
    "shares_differ": "Доли меток в train и test различаются (метка {label}: {train:share} и {test:share}; критерий "
    "хи-квадрат, {p:p}, V = {v:.2f}).",
    "cut_alike": "Делите данные на train и test с сохранением долей меток или приводите макро-F1: выученные доли на "
    "test вводят в заблуждение.",
    "shares_alike": "Доли меток в train и test различаются мало (метка {label}: {train:share} и {test:share}; критерий "
    "хи-квадрат, {p:p}, V = {v:.2f}).",
    "names_alike": "Имена классов, различающиеся лишь регистром, пробелами или ведущими нулями, считаются разными "
    "классами: {named}{more}.",
    "names": "{names:and}",
    "one_way": "Пишите каждую метку одинаково во всех файлах.",
    "names_differ": "Имена классов (всего {count}) различаются явно и одинаковы во всех выборках.",
    "none_opposite": "В train нет строк с одинаковыми текстами и разными метками.",
    "opposite": "Строк train, у которых тексты те же, что у другой строки, а метка другая: {rows:,} из {of:,} "
    "({share:share}), например строки {one} и {other} (счёт от 0): {label} и {other_label}.",
    "correct": "Исправьте метки или удалите эти строки: выучить обе метки невозможно.",
    "none_near": "Нечётких дубликатов с разными метками в train нет{sampled}.",
    "near_pair": "Нечёткие дубликаты с разными метками: одна пара строк train{sampled}, строки {one} и {other} (счёт "
    "от 0).",
    "near_pairs": "Нечёткие дубликаты с разными метками, пар строк train: {pairs:,}{sampled}, например строки {one} и "
    "{other} (счёт от 0).",
    "sampled": " (просмотрено строк {rows:,}, взятых через равные промежутки)",
    "read_some": "Прочтите некоторые из них: это может быть намеренное противопоставление или ошибка.",
}


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
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
    quick = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding for each of the questions above."""
        data = trained_data(patient)
        yield self._balance(data)
        yield from self._one_only(data)
        yield self._shares(data)
        yield self._names(data)
        yield self._contradictions(data.splits["train"], data.classes)
        yield self._near(data.splits["train"])

    def _balance(self, data: TaskData) -> Finding:
        counts = {name: _counts(split, data) for name, split in labelled(data).items()}
        train = counts["train"]
        rows = sum(train.values())
        commonest = max(train, key=lambda label: train[label])
        rare = {label: count for label, count in train.items() if 0 < count < FEWEST_ROWS}
        evidence = {"counts": counts, "commonest": commonest, "commonest_share": train[commonest] / rows}
        one_sided = train[commonest] > COMMONEST * rows
        if one_sided or rare:
            few = [message("class", label=quoted(label), count=count) for label, count in rare.items()]
            values = {"share": train[commonest] / rows, "rows": rows, "label": quoted(commonest), "fewest": FEWEST_ROWS}
            values |= first_of(few, MOST_NAMED)
            name = "rare" if not one_sided else "commonest_and_rare" if rare else "commonest"
            return self.finding("warning", name, "macro_f1", about="train", evidence=evidence, values=values)
        spread = [message("label", label=quoted(label), share=count / rows) for label, count in train.items()]
        return self.finding("fine", "spread", evidence=evidence, values={"rows": rows, **first_of(spread, MOST_NAMED)})

    def _one_only(self, data: TaskData) -> Iterator[Finding]:
        for name, split in labelled(data).items():
            present = {label: count for label, count in _counts(split, data).items() if count}
            if len(present) > 1:
                continue
            (label,) = present
            further = name.startswith(ALSO)
            yield self.finding(
                "note" if further else "error",
                "one_only_further" if further else "one_only",
                "every_label_further" if further else "every_label",
                about=name,
                evidence={"counts": present},
                values={"rows": len(split), "split": name, "label": quoted(label)},
            )

    def _shares(self, data: TaskData) -> Finding:
        train, test = (np.array(list(_counts(data.splits[name], data).values())) for name in ("train", "test"))
        found = chi_square([train, test])
        gaps = test / test.sum() - train / train.sum()
        widest = int(np.abs(gaps).argmax())
        label = data.classes[widest]
        shares = {name: float(counts[widest] / counts.sum()) for name, counts in (("train", train), ("test", test))}
        evidence = {"p": found.p, "cramers_v": found.v, "label": label, "gap": float(gaps[widest])}
        values = {"label": quoted(label), **shares, "p": found.p, "v": found.v}
        if found.p <= CERTAIN and found.v >= LARGE:
            return self.finding("warning", "shares_differ", "cut_alike", about="test", evidence=evidence, values=values)
        return self.finding("fine", "shares_alike", evidence=evidence, values=values)

    def _names(self, data: TaskData) -> Finding:
        alike = defaultdict(list)
        for name in data.classes:
            alike[_as_meant(name)].append(name)
        doubled = [names for names in alike.values() if len(names) > 1]
        if doubled:
            said = first_of([message("names", names=[*map(quoted, names)]) for names in doubled], MOST_NAMED)
            return self.finding("warning", "names_alike", "one_way", evidence={"alike": doubled}, values=said)
        evidence = {"classes": list(data.classes)}
        return self.finding("fine", "names_differ", evidence=evidence, values={"count": len(data.classes)})

    def _contradictions(self, train: Split, classes: tuple[str, ...]) -> Finding:
        places = defaultdict(list)
        for place, key in enumerate(normalised_keys(train.texts)):
            places[key].append(place)
        labels = label_numbers(train)
        groups = [rows for rows in places.values() if len({labels[row] for row in rows}) > 1]
        rows = sum(map(len, groups))
        evidence = {"rows": rows, "share": rows / len(train), "texts": len(groups)}
        if not groups:
            return self.finding("fine", "none_opposite", evidence=evidence)
        examples = [_differing(group, labels) for group in groups[:MOST_NAMED]]
        named = [numbers(train, pair) for pair in examples]
        first, second = (quoted(classes[labels[row]]) for row in examples[0])
        return self.finding(
            "warning",
            "opposite",
            "correct",
            about="train",
            evidence={**evidence, "examples": named},
            values={
                "rows": rows,
                "of": len(train),
                "share": rows / len(train),
                **_pair(named),
                "label": first,
                "other_label": second,
            },
        )

    def _near(self, train: Split) -> Finding:
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
        sampled = message("sampled", rows=len(chosen)) if len(chosen) < len(train) else ""
        evidence = {"pairs": len(opposite), "rows_looked_at": len(chosen)}
        if not opposite:
            return self.finding("fine", "none_near", evidence=evidence, values={"sampled": sampled})
        named = [numbers(train, pair) for pair in opposite[:MOST_NAMED]]
        return self.finding(
            "note",
            "near_pair" if len(opposite) == 1 else "near_pairs",
            "read_some",
            about="train",
            evidence={**evidence, "examples": named},
            values={"pairs": len(opposite), "sampled": sampled, **_pair(named)},
        )


def _counts(split: Split, data: TaskData) -> dict[str, int]:
    found = np.bincount(label_numbers(split), minlength=len(data.classes))
    return {name: int(count) for name, count in zip(data.classes, found, strict=True)}


def _pair(named: Sequence[Sequence[int]]) -> dict[str, int]:
    """Return the numbers of the first pair of rows as values of a message."""
    return {"one": named[0][0], "other": named[0][1]}


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
