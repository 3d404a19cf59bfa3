"""Tasks: rows with one or two texts and a label, from files, from the hub, or built in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tuneoff.errors import DataError, StudyError
from tuneoff.study import Protocol, Study, TaskSpec
from tuneoff.tasks import also, own
from tuneoff.tasks.data_set import Split, TaskData
from tuneoff.tasks.describe import describe
from tuneoff.tasks.raw import RawTask
from tuneoff.tasks.registry import BuiltIn, Origin, built_in_tasks, refused_tasks, why_refused
from tuneoff.words import listed, near

__all__ = [
    "Origin",
    "Split",
    "StudyTask",
    "TaskData",
    "builtin_names",
    "check_task",
    "describe",
    "known_labels",
    "load_study_task",
    "load_task",
    "origin_of",
    "task_name",
    "with_further",
]

COMMON = ("name", "called", "limit", "drop_overlap", "also_test")


@dataclass(frozen=True)
class StudyTask:
    """A study's task: as it is described to readers, and as each fold trains on it (None: there are no folds)."""

    whole: TaskData
    by_fold: Mapping[int | None, TaskData]


def load_task(spec: TaskSpec, *, need_dev: bool, base: Path) -> TaskData:
    """Read and check a task; dev is cut out of train if it is needed and not given.

    Paths are taken from `base`, the folder of the study file, else from the current folder. Raises StudyError for
    a description that cannot be meant, DataError for data that cannot be used.
    """
    return _read(spec, base).finish(need_dev=need_dev, drop_overlaps=spec.drop_overlap, limit=spec.limit)


def load_study_task(study: Study, base: Path, place: int = 0) -> StudyTask:
    """Read and check a task of a study as its protocol needs it, in folds if it asks for them; raises as `load_task`.

    `place` says which of the study's tasks; where there are several, messages name the one that they are about.
    """
    spec = study.tasks[place]
    try:
        return _load_study_task(spec, study.protocol, base)
    except (StudyError, DataError) as error:
        if len(study.tasks) == 1:
            raise
        where = f"tasks[{place}] ({task_name(spec)}): "
        if isinstance(error, StudyError):
            raise StudyError([where + problem for problem in error.problems]) from error
        raise type(error)(f"{where}{error}") from error


def _load_study_task(spec: TaskSpec, protocol: Protocol, base: Path) -> StudyTask:
    """With folds no row of train has its group (or texts) in another part, so there is no overlap to drop."""
    need_dev = protocol.eval_on == "dev"
    if protocol.folds is None:
        data = load_task(spec, need_dev=need_dev, base=base)
        return StudyTask(data, {None: data})
    folded = _read(spec, base).in_folds(protocol.folds, need_dev=need_dev, limit=spec.limit)
    return StudyTask(folded.whole, dict(enumerate(folded.folds)))


def _read(spec: TaskSpec, base: Path) -> RawTask:
    check_task(spec)
    task = _built_in(spec)
    raw = own.read(spec, base) if task is None else task.read(spec, base)
    if spec.called is not None:
        raw = replace(raw, name=spec.called, label=f"{raw.label} ({spec.called})")
    return also.with_also_tests(raw, spec, base)


def with_further(spec: TaskSpec) -> TaskSpec:
    """Return a task's description with the further test sets that come with a built-in task, unless it names any.

    An empty mapping (`also_test: {}`) asks for none.
    """
    if spec.name not in built_in_tasks() or "also_test" in spec.model_fields_set:
        return spec
    task = _built_in(spec)
    if task is None:
        return spec
    further = dict(task.also(spec))
    return spec.model_copy(update={"also_test": further}) if further else spec


def check_task(spec: TaskSpec) -> None:
    """Raise StudyError with all that is wrong in a task's description and can be seen without reading data."""
    task = _built_in(spec)
    if task is not None and task.further_of:
        raise StudyError(_no_train(task))
    found = own.problems(spec) if task is None else _foreign_keys(spec, task) + task.problems(spec)
    found += also.problems(spec)
    if found:
        raise StudyError(found)


def known_labels(spec: TaskSpec) -> tuple[str, ...] | None:
    """Return the class names of a built-in task, in their order; None for a task whose data must be read for that.

    Raises StudyError as `check_task` does.
    """
    check_task(spec)
    task = _built_in(spec)
    return None if task is None else task.classes(spec)


def origin_of(spec: TaskSpec) -> Origin:
    """Return where a task's rows come from; raises StudyError as `check_task` does."""
    task = _built_in(spec)
    return Origin(spec.hub, spec.config if spec.hub else None) if task is None else task.origin(spec)


def task_name(spec: TaskSpec) -> str:
    """Return the task's name in folders, of lower-case letters, digits and hyphens; no data are read.

    Raises StudyError as `check_task` does.
    """
    check_task(spec)
    task = _built_in(spec)
    return spec.called or (own.slug(spec) if task is None else task.slug(spec))


def builtin_names() -> tuple[str, ...]:
    """Return the names of the built-in tasks that can be trained on, in alphabetical order."""
    return tuple(name for name, task in built_in_tasks().items() if not task.further_of)


def _built_in(spec: TaskSpec) -> BuiltIn | None:
    """Return the built-in task that is meant, None for one that the study describes; StudyError if it is neither."""
    tasks = built_in_tasks()
    # What is described whole is a task of one's own, whatever its name.
    described = spec.hub is None and None not in (spec.train, spec.text, spec.label)
    if spec.name in tasks and not described:
        return tasks[spec.name]
    if spec.hub is not None or spec.train is not None:
        return None
    if reason := why_refused(spec.name):
        raise StudyError(f"task.name: {spec.name} is not offered: it is {reason}. {_trainable()}")
    yours = "For files of your own: task: {train: FILE, test: FILE, text: [COLUMN, COLUMN], label: COLUMN}."
    if spec.name is None:
        raise StudyError(f"task: neither name nor train nor hub is given. {_trainable()} {yours}")
    raise StudyError(
        f"task.name: there is no built-in task '{spec.name}'.{near(spec.name, [*tasks, *refused_tasks()])} "
        f"{_trainable()} {yours}"
    )


def _trainable() -> str:
    return f"Built-in tasks: {listed(builtin_names())}."


def _no_train(task: BuiltIn) -> str:
    short = task.name.replace("_", "-")
    return (
        f"task.name: {task.name} has no rows to train on. It is a further test set, made for "
        f"{' and '.join(task.further_of)}: also_test: {{{short}: {{name: {task.name}}}}}."
    )


def _foreign_keys(spec: TaskSpec, task: BuiltIn) -> list[str]:
    taken = (*COMMON, *task.takes)
    return [
        f"task.{key}: does not fit the built-in task {task.name}, which takes {listed(taken)}. "
        "For data of your own, choose another name"
        for key, field in TaskSpec.model_fields.items()
        if key not in taken and getattr(spec, key) != field.default
    ]
