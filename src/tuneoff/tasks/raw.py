"""From tables to a checked task: classes numbered, splits limited and cut, overlaps noted, everything hashed."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tuneoff.errors import DataError
from tuneoff.tasks.data_set import ALSO, Split, TaskData
from tuneoff.tasks.folds import POOL, FoldedTask, cut_folds, pooled
from tuneoff.tasks.notes import note
from tuneoff.tasks.splits import cut_dev, drop_overlap, overlap_notes, take
from tuneoff.tasks.table import Table
from tuneoff.words import listed, near

FINGERPRINT_VERSION = 1
WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
LABELLED = ("train", "dev", "test")
ID_COLUMNS = ("id", "idx", "guid")


@dataclass(frozen=True)
class RawTask:
    """A task as it was read: its tables by split (train, test; dev, unlabelled, also:*), and which columns mean what.

    `classes` are the class names where the task declares them. `id_prefixes` tell the ids of the splits apart where
    they repeat, such as "val" for "val:17". `notes` are sentences on the reading itself.
    """

    name: str
    label: str
    source: str
    tables: Mapping[str, Table]
    text_columns: tuple[str, ...]
    label_column: str
    group_column: str | None = None
    classes: tuple[str, ...] | None = None
    id_prefixes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def finish(self, *, need_dev: bool, drop_overlaps: bool, limit: int | None) -> TaskData:
        """Check the rows and return the task; dev is cut out of train if it is needed and not given.

        Raises DataError for fewer than two labels in train, for a label that train does not have, and for values
        that are not texts or labels, with file, line and field.
        """
        class_names, splits, notes = self._limited(limit)
        others = [splits[name] for name in ("dev", "test") if name in splits]
        if drop_overlaps:
            before = len(splits["train"])
            splits["train"] = drop_overlap(splits["train"], others)
            dropped = before - len(splits["train"])
            notes.append(note("dropped", dropped=dropped, rows=before, by=self._together_by))
        _require_two(splits["train"], limit, drop_overlaps)
        for other in others:
            notes += overlap_notes(splits["train"], other, self.text_columns, self.group_column)
        notes += _absences(splits["train"], others, class_names)
        notes += self._about_also(splits["train"], splits, class_names)
        if need_dev and "dev" not in splits:
            splits["train"], splits["dev"], cut = self._cut(splits["train"], len(class_names))
            notes += [cut, *overlap_notes(splits["train"], splits["dev"], self.text_columns, self.group_column)]
        return self._task(class_names, splits, notes)

    def in_folds(self, folds: int, *, need_dev: bool, limit: int | None) -> FoldedTask:
        """Check the rows and return the task in folds of all labelled rows; dev is cut out of each fold's train.

        Raises DataError as `finish` does, and where the folds cannot be cut.
        """
        class_names, splits, notes = self._limited(limit)
        pool = pooled([splits[name] for name in LABELLED if name in splits], self.id_prefixes)
        notes.append(note("folds", rows=len(pool), folds=folds, by=self._together_by))
        aside = {name: split for name, split in splits.items() if name not in LABELLED}
        notes += self._about_also(pool, splits, class_names)
        tasks = []
        for rows in cut_folds(pool, folds, classes=class_names):
            rest = np.setdiff1d(np.arange(len(pool)), rows).tolist()
            cut = {"train": take(pool, rest, "train"), "test": take(pool, rows, "test"), **aside}
            said = list(notes)
            if need_dev:
                cut["train"], cut["dev"], told = self._cut(cut["train"], len(class_names))
                said.append(told)
            tasks.append(self._task(class_names, cut, said))
        seen = {**tasks[0].splits, "test": take(pool, range(len(pool)), "test")}
        whole = replace(
            tasks[0], splits=seen, fingerprint=fingerprint(class_names, {POOL: pool, **_without_also(aside)})
        )
        return FoldedTask(whole, tuple(tasks))

    def _limited(self, limit: int | None) -> tuple[tuple[str, ...], dict[str, Split], list[str]]:
        """Return class names, the first rows of each split, and what is to be said of that."""
        class_names, splits = self._checked()
        if limit is None:
            return class_names, splits, []
        splits = {name: take(split, range(min(limit, len(split)))) for name, split in splits.items()}
        return class_names, splits, [note("limited", limit=limit)]

    def _task(self, class_names: tuple[str, ...], splits: Mapping[str, Split], notes: Iterable[str]) -> TaskData:
        return TaskData(
            name=self.name,
            label=self.label,
            classes=class_names,
            text_fields=self.text_columns,
            splits={name: splits[name] for name in (*LABELLED, "unlabelled", *_also(splits)) if name in splits},
            fingerprint=fingerprint(class_names, _without_also(splits)),
            source=self.source,
            notes=(*notes, *self.notes),
            also={name.removeprefix(ALSO): fingerprint(class_names, {"test": splits[name]}) for name in _also(splits)},
        )

    def _about_also(self, train: Split, splits: Mapping[str, Split], classes: tuple[str, ...]) -> list[str]:
        """Return what further test sets have in common with train, by their texts: they need no groups."""
        further, plain = [splits[name] for name in _also(splits)], replace(train, groups=None)
        notes = [one for other in further for one in overlap_notes(plain, other, self.text_columns, None)]
        return notes + _absences(train, further, classes)

    @property
    def _together_by(self) -> str:
        return self.group_column or "text"

    def _cut(self, train: Split, n_classes: int) -> tuple[Split, Split, str]:
        kept, dev = cut_dev(train, n_classes=n_classes)
        return kept, dev, note("dev", dev=len(dev), rows=len(train), by=self._together_by)

    def _checked(self) -> tuple[tuple[str, ...], dict[str, Split]]:
        """Return the class names and all splits, complete, with each label known."""
        train = self.tables["train"]
        names = {
            split: table.labels(self.label_column, "task.label")
            for split, table in self.tables.items()
            if split != "unlabelled"
        }
        here = set(names["train"])
        if len(here) < 2:
            raise DataError(
                f"{train.origin}: all {len(train):,} rows have the label '{names['train'][0]}' (field "
                f"'{self.label_column}'); a comparison needs at least two labels."
            )
        declared = self.classes or train.class_names.get(self.label_column)
        classes = declared or order_classes(here)
        for split, labels in names.items():
            for index, label in enumerate(labels):
                if label not in here or label not in classes:
                    self._refuse(split, index, label, here, declared)
        return classes, {split: self._split(split, classes, names.get(split)) for split in self.tables}

    def _refuse(
        self, split: str, index: int, label: str, here: Collection[str], declared: tuple[str, ...] | None
    ) -> None:
        where = self.tables[split].where(index, self.label_column)
        if declared is not None and label not in declared:
            raise DataError(
                f"{where}: '{label}' is no label of this task, which has: {listed(declared)}.{near(label, declared)}"
            )
        raise DataError(
            f"{where}: the label '{label}' does not occur in train, so nothing could learn it.{near(label, here)} "
            f"Train has: {listed(sorted(here))}. Correct the label, or give train rows with it."
        )

    def _split(self, name: str, classes: tuple[str, ...], labels: list[str] | None) -> Split:
        table = self.tables[name]
        id_column = next((column for column in ID_COLUMNS if column in table.columns), None)
        ids: list[str | None] = table.ids(id_column) if id_column else [None] * len(table)
        if name in self.id_prefixes:
            ids = [None if value is None else f"{self.id_prefixes[name]}:{value}" for value in ids]
        numbers = {label: number for number, label in enumerate(classes)}
        group = None if name.startswith(ALSO) else self.group_column
        used = {*self.text_columns, self.label_column, group, id_column}
        return Split(
            name=name,
            texts=tuple(table.texts(column) for column in self.text_columns),
            labels=None if labels is None else np.array([numbers[label] for label in labels], dtype=np.int64),
            rows=np.arange(len(table), dtype=np.int64),
            source_ids=ids,
            groups=None if group is None else table.names(group, "task.group"),
            columns=table.others({column for column in used if column}),
        )


def _also(splits: Mapping[str, Split]) -> list[str]:
    return [name for name in splits if name.startswith(ALSO)]


def _without_also(splits: Mapping[str, Split]) -> dict[str, Split]:
    return {name: split for name, split in splits.items() if not name.startswith(ALSO)}


def order_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return class names in the order of their numbers: ascending if all are whole numbers, else by code point.

    Numbers written as text count as numbers, since a CSV file cannot tell the two apart.
    """
    names = set(names)
    if all(WHOLE.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def fingerprint(classes: tuple[str, ...], splits: Mapping[str, Split]) -> str:
    """Return the sha256 of classes, and of each split's name, texts and labels in their order.

    File formats, paths, groups, ids and other columns do not enter: none of them reaches a model or a metric.
    """
    digest = hashlib.sha256(_line([FINGERPRINT_VERSION, "tuneoff task", list(classes)]))
    for name, split in sorted(splits.items()):
        digest.update(_line([name, len(split), len(split.texts)]))
        labels = [None] * len(split) if split.labels is None else split.labels.tolist()
        for row in zip(*split.texts, labels, strict=True):
            digest.update(_line(row))
    return digest.hexdigest()


def _line(values: Iterable[object]) -> bytes:
    return json.dumps(list(values), separators=(",", ":")).encode() + b"\n"


def _require_two(train: Split, limit: int | None, dropped: bool) -> None:
    if train.labels is None or len(np.unique(train.labels)) >= 2:
        return
    reasons = ["its rows shared with dev or test were removed (task.drop_overlap)"] if dropped else []
    reasons += [f"task.limit takes its first {limit:,} rows; raise it"] if limit is not None else []
    raise DataError(f"train is left with {len(train):,} rows and fewer than two labels: {' and '.join(reasons)}.")


def _absences(train: Split, others: list[Split], classes: tuple[str, ...]) -> list[str]:
    """Return a sentence for each split that lacks labels of train, and for each that has some which train lacks."""
    notes = []
    here = _present(train, classes)
    for other in others:
        there = _present(other, classes)
        if missing := [name for name in classes if name in here - there]:
            notes.append(note("absent", split=other.name, labels=listed(missing)))
        if unseen := [name for name in classes if name in there - here]:
            notes.append(note("unseen", split=other.name, labels=listed(unseen)))
    return notes


def _present(split: Split, classes: tuple[str, ...]) -> set[str]:
    return set() if split.labels is None else {classes[number] for number in np.unique(split.labels)}
