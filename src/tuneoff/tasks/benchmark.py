"""Tasks of a public benchmark, each a declaration: the same rows from the hub and from the benchmark's own files.

A declaration names the columns by our names, which are the hub's. Where the benchmark's own files call them otherwise,
it says how.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuneoff.errors import DataError
from tuneoff.study import TaskSpec
from tuneoff.tasks.files import find_folder, read_table
from tuneoff.tasks.hub import HubId, load_hub
from tuneoff.tasks.notes import note
from tuneoff.tasks.raw import RawTask
from tuneoff.tasks.registry import About, BuiltIn, Origin, register
from tuneoff.tasks.table import Table
from tuneoff.tasks.unquoted import ID, read_unquoted
from tuneoff.words import listed

LABEL = "label"
DECLARED: dict[str, "Declaration"] = {}
"""The declarations by name, as far as their modules are imported."""
INSTEAD = " Or give the folder with the benchmark's own files: --data DIR (task.data)."


@dataclass(frozen=True)
class Benchmark:
    """What the tasks of a benchmark have in common: its name, its data set on the hub, the licence, the language.

    `splits` gives the hub's split for each of ours, `prefixes` what goes before the rows' ids, which repeat.
    """

    name: str
    hub: str
    licence: str
    language: str
    splits: Mapping[str, str]
    prefixes: Mapping[str, str]


@dataclass(frozen=True)
class Declaration:
    """A task of a benchmark.

    `name` is the study's and that of the hub's configuration, `label` the one shown to readers. `texts`, `group` and
    `kept` (further ones, for slices) are columns; what stands in the column `before` is put before each text, with a
    colon. `metrics` says what the benchmark reports. `splits` differ from the benchmark's where they are given;
    `no_hub` is the reason where the hub's copy cannot be used.

    The benchmark's own files lie in a folder named `folder`. `files` has the file of each of our splits, with more than
    one name where there is a choice; those of train and test must be there. `renamed` gives their names for our
    columns, `spelled` our classes for their labels, `headers` the columns of files that have no line for them.

    `further_of` are the tasks that this one is a further test set of, if it has no rows to train on; `further` the
    further test sets that come with it, each with its task's name.
    """

    benchmark: Benchmark
    name: str
    label: str
    texts: tuple[str, ...]
    classes: tuple[str, ...]
    metrics: str
    folder: str
    files: Mapping[str, tuple[str, ...]]
    group: str | None = None
    kept: tuple[str, ...] = ()
    before: str | None = None
    splits: Mapping[str, str] | None = None
    no_hub: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    spelled: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    further_of: tuple[str, ...] = ()
    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name in folders."""
        return self.name.replace("_", "-")

    @property
    def metric(self) -> str | None:
        """The metric that `metrics` names in brackets, None for the accuracy alone."""
        found = re.search(r"\((\w+)\)", self.metrics)
        return found[1] if found else None

    @property
    def unquoted(self) -> bool:
        """Whether quotation marks are text in the benchmark's own files."""
        return any(name.endswith(".tsv") for choice in self.files.values() for name in choice)

    @property
    def hub_splits(self) -> Mapping[str, str]:
        """The hub's split for each of ours."""
        return self.benchmark.splits if self.splits is None else self.splits


def declare(task: Declaration) -> BuiltIn:
    """Register a declaration as a built-in task."""
    DECLARED[task.name] = task
    return register(
        BuiltIn(
            name=task.name,
            takes=("data", "revision"),
            problems=lambda spec: _problems(task, spec),
            classes=lambda _: task.classes,
            slug=lambda _: task.slug,
            read=lambda spec, base: _read(task, spec, base),
            about=_about(task),
            origin=lambda spec: _origin(task, spec),
            further_of=task.further_of,
            also=lambda spec: _also(task, spec),
            metric=task.metric,
        )
    )


def _about(task: Declaration) -> About:
    origin = f"{task.benchmark.name}, from the hub ({task.benchmark.hub}) or its own files (--data DIR)"
    where = task.hub_splits or {split: choice[0] for split, choice in task.files.items()}
    splits = [split if split == name else f"{split} = {name}" for split, name in where.items()]
    texts = tuple(f"{task.before}: {name}" if task.before else name for name in task.texts)
    return About(task.label, f"{origin}. Licence: {task.benchmark.licence}", texts, listed(splits))


def _origin(task: Declaration, spec: TaskSpec) -> Origin:
    benchmark = task.benchmark
    hub, config = (None, None) if spec.data else (benchmark.hub, task.name)
    return Origin(hub, config, (benchmark.language,), benchmark.licence)


def _problems(task: Declaration, spec: TaskSpec) -> list[str]:
    if spec.data and spec.revision:
        return ["task.revision: belongs to the hub's copy, but task.data names a folder. Leave one of them out."]
    return [f"task.data: {task.no_hub}"] if task.no_hub and not spec.data else []


def _also(task: Declaration, spec: TaskSpec) -> dict[str, dict[str, str]]:
    """Return the further test sets that come with a task, from where its own rows come from."""
    place = {key: value for key in ("data", "revision") if (value := getattr(spec, key)) is not None}
    return {short: {"name": name, **place} for short, name in task.further.items()}


def _read(task: Declaration, spec: TaskSpec, base: Path) -> RawTask:
    tables, source, notes = _from_folder(task, spec.data, base) if spec.data else _from_hub(task, spec.revision)
    for split, table in tables.items():
        tables[split] = _shaped(task, table)
        if missing := len(table) - len(tables[split]):
            notes.append(note("empty", empty=missing, rows=len(table), split=split))
    if task.before:
        notes.append(note("before", column=task.before))
    return RawTask(
        name=task.slug,
        label=task.label,
        source=source,
        tables=tables,
        text_columns=task.texts,
        label_column=LABEL,
        group_column=task.group,
        classes=task.classes,
        id_prefixes=task.benchmark.prefixes,
        notes=(*notes, note("metrics", task=task.label, benchmark=task.benchmark.name, metrics=task.metrics)),
    )


def _from_hub(task: Declaration, revision: str | None) -> tuple[dict[str, Table], str, list[str]]:
    found = load_hub(HubId(task.benchmark.hub, task.name, revision, INSTEAD))
    return {split: found.table(name, "task.hub") for split, name in task.hub_splits.items()}, found.source, []


def _from_folder(task: Declaration, data: str, base: Path) -> tuple[dict[str, Table], str, list[str]]:
    """Read the benchmark's own files, from the folder given or from the task's folder in it."""
    given = find_folder(data, base, "task.data")
    folder = given / task.folder if (given / task.folder).is_dir() else given
    names, tables, notes = _file_names(task, folder), {}, []
    for split, name in names.items():
        table, broken = _read_file(folder / name, task.headers.get(split))
        tables[split] = _named(task, table)
        if broken:
            notes.append(note("broken", broken=broken, lines=len(table) + broken, file=name))
    return tables, f"the benchmark's own files ({listed(names.values())})", notes


def _file_names(task: Declaration, folder: Path) -> dict[str, str]:
    """Return the file of each split; DataError for one that is missing, or could be either of two."""
    names = {}
    for split, choice in task.files.items():
        there = [name for name in choice if (folder / name).is_file()]
        if len(there) > 1:
            raise DataError(f"task.data: {folder} has both {' and '.join(there)}. Keep the one that is meant.")
        if there:
            names[split] = there[0]
        elif split != "unlabelled":
            raise DataError(f"task.data: {folder} has no {choice[0]}. {_expected(task, folder)}")
    return names


def _expected(task: Declaration, folder: Path) -> str:
    wanted = [f"{choice[0]} (or {choice[1]})" if len(choice) > 1 else choice[0] for choice in task.files.values()]
    last = f" and, if at hand, {wanted.pop()}" if "unlabelled" in task.files else ""
    there = listed(sorted(path.name for path in folder.iterdir())) or "nothing"
    return f"Expected there: {listed(wanted)}{last}; or all of them in a folder {task.folder}. Found: {there}."


def _read_file(path: Path, header: tuple[str, ...] | None) -> tuple[Table, int]:
    """Return a file's rows and how many of its lines are none."""
    if path.suffix != ".tsv":
        return read_table(path, str(path)), 0
    found = read_unquoted(path, str(path), header)
    return found.table, found.broken


def _named(task: Declaration, table: Table) -> Table:
    """Return a table of the benchmark's own files with our names for columns and classes."""
    for theirs in task.renamed.values():
        if theirs != task.renamed.get(LABEL):
            table.require(theirs, "task.text")
    ours = {theirs: name for name, theirs in task.renamed.items()}
    rows = [{ours.get(column, column): value for column, value in row.items()} for row in table.rows]
    for row in rows:
        if row.get(LABEL) is not None:
            row[LABEL] = task.spelled.get(str(row[LABEL]), row[LABEL])
    return replace(table, columns=tuple(ours.get(column, column) for column in table.columns), rows=rows)


def _shaped(task: Declaration, table: Table) -> Table:
    """Return a table with the declared columns alone, its texts composed, without the rows that lack a text."""
    needed = (*task.texts, *([task.before] if task.before else []))
    for column in needed:
        table.require(column, "task.text")
    chosen = [index for index, row in enumerate(table.rows) if not any(_is_empty(row.get(name)) for name in needed)]
    columns = [name for name in table.columns if name in {*task.texts, LABEL, ID, task.group, *task.kept}]
    rows = [{name: row[name] for name in columns if name in row} for row in (table.rows[index] for index in chosen)]
    if task.before:
        rows = [row | {name: f"{row[task.before]}: {row[name]}" for name in task.texts} for row in rows]
    return replace(table, columns=tuple(columns), rows=rows, places=[table.places[index] for index in chosen])


def composed(task: Declaration, table: Table) -> Table:
    """Return a table of new rows, none left out, with texts named and composed as those that the task is trained on.

    Raises DataError for a row without what stands before its texts.
    """
    ours = {theirs: name for name, theirs in task.renamed.items() if name in task.texts}
    if ours and ours.keys() <= set(table.columns):
        rows = [{ours.get(column, column): value for column, value in row.items()} for row in table.rows]
        table = replace(table, columns=tuple(ours.get(column, column) for column in table.columns), rows=rows)
    if not task.before:
        return table
    before = table.texts(task.before)
    rows = [
        {**row, **{name: f"{word}: {row[name]}" for name in task.texts if isinstance(row.get(name), str)}}
        for row, word in zip(table.rows, before, strict=True)
    ]
    return replace(table, rows=rows)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
