"""Tasks that the study itself describes: files, or a data set of the hub, with the columns that are meant."""

import re
from pathlib import Path

from tuneoff.errors import DataError
from tuneoff.naming import LONGEST_NAME, folder_name
from tuneoff.study import TaskSpec
from tuneoff.tasks.data_set import ALSO
from tuneoff.tasks.files import find_file, read_table
from tuneoff.tasks.hub import HubId, HubSet, load_hub
from tuneoff.tasks.raw import RawTask
from tuneoff.tasks.table import Table
from tuneoff.words import listed

VALIDATION_SPLITS = ("validation", "dev", "val", "valid")
OUR_SPLITS = ("train", "dev", "test")


def problems(spec: TaskSpec) -> list[str]:
    """Return what is wrong with a description, a line each, as far as no data need be read to see it."""
    found = []
    if spec.text is None:
        found.append("task.text: name the columns with text, one or two, such as text: [premise, hypothesis]")
    used = [*(spec.text or []), label_column(spec)]
    if repeated := sorted({column for column in used if used.count(column) > 1}):
        found.append(f"task.text, task.label: {listed(repeated)} is named twice; each column has one role")
    foreign = ("language", "data") if spec.hub else ("language", "data", "config", "revision")
    for key in foreign:
        if getattr(spec, key) is not None:
            owner = "data sets of the hub (task.hub)" if key in ("config", "revision") else "built-in tasks"
            found.append(f"task.{key}: is for {owner}; leave it out")
    return found if spec.hub else found + _file_problems(spec)


def _file_problems(spec: TaskSpec) -> list[str]:
    found = []
    if spec.train is None:
        found.append("task.train: name the file with the rows to train on")
    if spec.test is None:
        hint = (
            "; if dev is all there is, name it test, and dev is cut out of train"
            if spec.dev
            else ", which no technique sees before (task.dev is optional: it is cut out of train)"
        )
        found.append(f"task.test: name the file with the rows to report on{hint}")
    return found


def label_column(spec: TaskSpec) -> str:
    """Return the label column: `label` unless the study names another."""
    return spec.label or "label"


def title(spec: TaskSpec) -> str:
    """Return the name shown to readers: the study's, else the hub id's or the train file's own."""
    return spec.name or (spec.hub and spec.hub.rpartition("/")[2]) or Path(spec.train or "task").stem


def slug(spec: TaskSpec) -> str:
    """Return the name for folders: the title in lower case, with hyphens for all but latin letters and digits."""
    plain = re.sub(r"[^a-z0-9]+", "-", title(spec).lower()).strip("-")
    return folder_name(plain[:LONGEST_NAME].strip("-"), "task") or "task"


def read(spec: TaskSpec, base: Path) -> RawTask:
    """Read the splits of a task that `problems` finds nothing wrong with; DataError as in files and hub."""
    tables, source = _from_hub(spec) if spec.hub else _from_files(spec, base)
    return RawTask(
        name=slug(spec),
        label=title(spec),
        source=source,
        tables=tables,
        text_columns=tuple(spec.text or ()),
        label_column=label_column(spec),
        group_column=spec.group,
    )


def _from_files(spec: TaskSpec, base: Path) -> tuple[dict[str, Table], str]:
    given = {split: getattr(spec, split) for split in OUR_SPLITS if getattr(spec, split) is not None}
    paths = {split: find_file(name, base, f"task.{split}") for split, name in given.items()}
    _refuse_twice({split: str(path) for split, path in paths.items()})
    tables = {split: read_table(path, given[split]) for split, path in paths.items()}
    return tables, f"files {listed(path.name for path in paths.values())}"


def _from_hub(spec: TaskSpec) -> tuple[dict[str, Table], str]:
    found = load_hub(HubId(spec.hub or "", spec.config, spec.revision))
    names = _hub_splits(spec, found)
    names |= {ALSO + name: given for name, given in spec.also_test.items() if isinstance(given, str)}
    _refuse_twice({split: name for split, name in names.items() if name is not None})
    tables = {split: found.table(name, f"task.{split}") for split, name in names.items()}
    return tables, found.source


def _hub_splits(spec: TaskSpec, found: HubSet) -> dict[str, str]:
    """Return the hub's split for each of ours: those the study names, else train, test and validation.

    Where the hub's test has no labels, its validation is our test; dev is then cut out of train.
    """
    validation = next((name for name in VALIDATION_SPLITS if name in found.splits), None)
    names = {"train": spec.train or "train"}
    if spec.test is not None:
        if not found.table(spec.test, "task.test").labelled(label_column(spec)):
            instead = f" Perhaps test: {validation}?" if validation else ""
            raise DataError(f"task.test: {found.hub_id}'s split '{spec.test}' has no labels.{instead}")
        names["test"] = spec.test
    elif "test" in found.splits and found.table("test", "task.test").labelled(label_column(spec)):
        names["test"] = "test"
    elif validation is not None:
        names["test"] = validation
        names |= {"unlabelled": "test"} if "test" in found.splits else {}
    else:
        raise DataError(
            f"task.test: {found.hub_id} has no split with labels named test or {' or '.join(VALIDATION_SPLITS)}. "
            f"Name one, or a slice such as train[80%:]. Splits there: {listed(found.splits)}."
        )
    if spec.dev is not None:
        names["dev"] = spec.dev
    elif validation is not None and validation not in names.values():
        names["dev"] = validation
    return names


def _refuse_twice(places: dict[str, str]) -> None:
    for split, place in places.items():
        others = [other for other in places if places[other] == place and other != split]
        if others:
            raise DataError(
                f"task.{split} and task.{others[0]} are the same, {place}: each split needs rows of its own."
            )
