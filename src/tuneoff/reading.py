"""From what a user names or writes to a checked study; all that is wrong is told at once, with file and line."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from tuneoff.changes import OPTIONS, Changes, unfold
from tuneoff.complaints import Complaints
from tuneoff.errors import MisfitError, ModelError, StudyError
from tuneoff.naming import folder_name, slug
from tuneoff.shipped import SUFFIXES, shipped_names, shipped_text
from tuneoff.study import DEFAULT_TECHNIQUES, ModelSpec, Protocol, Study, TaskSpec
from tuneoff.technique_entries import TechniqueReader
from tuneoff.words import described, ended, listed, near, shortened
from tuneoff.yaml_source import LARGEST, KeyPath, Source, plain, read_yaml, shown, to_yaml

TOP_LEVEL = ("name", "title", "model", "models", "task", "tasks", "techniques", "protocol")


@dataclass(frozen=True)
class ReadStudy:
    """A checked study, the folder that its relative paths start from, and the file or shipped name it came from.

    `written` has the line of each part, where it was written in a file.
    """

    study: Study
    base: Path
    source: str
    written: Source | None = field(default=None, repr=False, compare=False)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Give the errors of techniques that do not fit a model the place of the entry that they are about."""
        try:
            yield
        except MisfitError as error:
            raise ModelError(f"{self._entry(error.chain)}: {error}") from error

    def _entry(self, chain: str) -> str:
        """Return where a stage's technique, or its last part's, was written: 'study.yaml:12: techniques[1]'."""
        numbers = {spec.name: number for number, spec in enumerate(self.study.techniques)}
        number = numbers.get(chain, numbers.get(chain.rpartition("+")[2]))
        if self.written is None or number is None:
            return self.source
        path = ("techniques", number)
        return f"{self.place(path)}: {shown(path)}"

    def place(self, path: KeyPath) -> str:
        """Return where a part of the study was written, for messages: 'study.yaml:12', or the source's name."""
        return self.written.place(path) if self.written else self.source

    def has(self, path: KeyPath) -> bool:
        """Return whether a part was written in the file at exactly this path."""
        return self.written is not None and path in self.written.places


def read_study(
    name_or_path: str, *, settings: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> ReadStudy:
    """Read a study file, or a shipped study by name, with the changes of the command line.

    `settings` are `path=value` texts, `overrides` the options in `changes.OPTIONS` (None: not given). Raises
    StudyError with all that is wrong: a name that is neither, YAML that cannot be read, what does not fit together.
    """
    path = Path(name_or_path)
    if _is(path, Path.is_file):
        if path.stat().st_size > LARGEST:
            raise StudyError(f"{name_or_path}: too large for a study file. Name a YAML file that describes a study.")
        try:
            content, base = path.read_bytes(), path.parent
        except OSError as error:
            raise StudyError(f"{name_or_path}: cannot be read: {error.strerror}.") from None
    elif name_or_path in shipped_names():
        content, base = shipped_text(name_or_path), Path()
    else:
        raise StudyError(_not_found(path, name_or_path))
    source, problems = read_yaml(content, name_or_path)
    study = _checked(source, problems, folder_name(slug(path.stem), "study") or "study", settings, overrides or {})
    return ReadStudy(study, base, name_or_path, source)


def study_from_mapping(mapping: Mapping[str, Any], where: str = "study") -> Study:
    """Return the study that a mapping with a study file's keys describes; `where` stands in messages for the file.

    Sections such as Protocol(...) and paths may stand in it. Raises StudyError with all that is wrong.
    """
    return _checked(Source(where, dict(mapping)), [], "study", (), {})


def resolved_yaml(study: Study) -> str:
    """Return a study as YAML with every setting written out; reading it gives an equal study."""
    heading = "# Every setting of this study; what techniques add by default is in the records of their stages."
    written: dict[str, Any] = {}
    for key, value in study.model_dump(mode="json").items():
        one = key == "tasks" and len(value) == 1  # as before there could be several, for who reads such a file
        written |= {"task": value[0]} if one else {key: value}
    return f"{heading}\n{to_yaml(written)}"


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Return whether a path is a file or folder; one that no file can have (too long, a zero byte) is neither."""
    try:
        return kind(path)
    except (OSError, ValueError):
        return False


def _not_found(path: Path, given: str) -> str:
    """Say what else could have been meant by a name that is neither a file nor a shipped study."""
    shipped = shipped_names()
    if given and _is(path, Path.is_dir):
        inside = [str(entry) for entry in sorted(path.iterdir()) if entry.suffix in SUFFIXES]
        hint = f" Study files in it: {listed(inside)}." if inside else ""
        return f"{given} is a folder. Name a study file.{hint} Shipped studies: {listed(shipped)}."
    around = path.parent.iterdir() if _is(path.parent, Path.is_dir) else ()
    by_stem = {entry.stem.casefold(): str(entry) for entry in around if entry.suffix in SUFFIXES and entry.is_file()}
    stem = (path.stem if path.suffix in SUFFIXES else path.name).casefold()
    alike = [by_stem[match] for match in difflib.get_close_matches(stem, by_stem, cutoff=0.7)]
    beside = f" There is a file {listed(alike)}." if alike else ""
    return (
        f"there is no study file or shipped study '{shortened(given)}'.{near(given, shipped)}{beside} "
        f"Shipped studies: {listed(shipped)}. `tuneoff init` writes a study file to start from."
    )


def _checked(
    source: Source, problems: list[str], name: str, settings: Sequence[str], options: Mapping[str, Any]
) -> Study:
    """Return the study of a source; `problems` are those that its YAML already has."""
    if unknown := [option for option in options if option not in OPTIONS]:
        raise TypeError(f"unknown overrides: {listed(unknown)}")
    if source.value is None:
        raise StudyError(problems or f"{source.name}: the file is empty. A study needs at least a model and a task.")
    if not isinstance(source.value, dict):
        raise StudyError(f"{source.name}: a study is written as keys with values, found {described(source.value)}.")
    complaints = Complaints(source)
    complaints.problems += problems
    source.value = plain(source.value, complaints.add)
    unfold(source.value, DEFAULT_TECHNIQUES)
    Changes(complaints).apply(options, settings)
    return _Reader(complaints).study(name)


class _Reader:
    """Turns an unfolded study into sections, complaining about what does not fit."""

    def __init__(self, complaints: Complaints) -> None:
        self.complaints = complaints
        self.given: dict[str, Any] = complaints.source.value

    def study(self, default_name: str) -> Study:
        """Return the study; raises StudyError with every complaint."""
        for key in self.given:
            if key not in TOP_LEVEL:
                self.complaints.unknown_key((key,), TOP_LEVEL, " of a study")
        heading = {key: self.given[key] for key in ("name", "title") if self.given.get(key) is not None}
        models = self._models()
        tasks = self._tasks()
        protocol = self._protocol()
        techniques = TechniqueReader(self.complaints).read(self.given["techniques"])
        # The sections are checked above, so stand-ins here leave the heading's own problems alone to be found.
        parts = {"models": [{"id": "-"}], "tasks": [{}], "techniques": ["full"]}
        checked = self.complaints.section(Study, {"name": default_name, **heading, **parts}, ())
        self.complaints.raise_any()
        assert checked and models and tasks and protocol and techniques
        study = checked.model_copy(
            update={"models": models, "tasks": tasks, "techniques": techniques, "protocol": protocol}
        )
        _told_by(self.complaints, ("techniques",), lambda: _compose(study))
        self.complaints.raise_any()
        _told_by(self.complaints, ("protocol",), lambda: _check_spaces(study))
        self.complaints.raise_any()
        return study

    def _models(self) -> list[ModelSpec]:
        given = self.given
        if "model" in given and "models" in given:
            self.complaints.add(("models",), "model and models are both given. Keep one of them.")
            return []
        if "model" in given:
            if not isinstance(given["model"], dict):
                self.complaints.add(("model",), f"expected a hub id or a folder, found {described(given['model'])}.")
                return []
            only = self.complaints.section(ModelSpec, given["model"], ("model",), " of a model")
            return [only] if only else []
        if "models" not in given:
            self.complaints.add((), "'model' is missing. Give a hub id or a local folder.")
            return []
        if not isinstance(given["models"], list) or not given["models"]:
            self.complaints.add(("models",), f"expected a list of models, found {described(given['models'])}.")
            return []
        found = [
            self.complaints.section(ModelSpec, entry, ("models", n), " of a model")
            for n, entry in enumerate(given["models"])
        ]
        names: dict[str, int] = {}
        for n, model in enumerate(found):
            name = model.named(folder_name(slug(PurePath(model.id).name), "model")) if model else f"[{n}]"
            if names.setdefault(name, n) != n:
                self.complaints.add(
                    ("models", n),
                    f"is called '{name}' as models[{names[name]}] is. Give one of them a `name` of its own.",
                )
        return [model for model in found if model]

    def _protocol(self) -> Protocol | None:
        return self.complaints.section(Protocol, self.given.get("protocol", {}), ("protocol",), " of protocol")

    def _tasks(self) -> list[TaskSpec]:
        from tuneoff.tasks import builtin_names

        one, several = self.given.get("task"), self.given.get("tasks")
        if one is not None and several is not None:
            self.complaints.add(("tasks",), "task and tasks are both given. Keep one of them.")
            return []
        if one is not None:
            only = self._task(one, ("task",))
            return [only] if only else []
        if several is None:
            self.complaints.add((), f"'task' is missing. Name a built-in one ({listed(builtin_names())}), or files.")
            return []
        if not isinstance(several, list) or not several:
            self.complaints.add(("tasks",), f"expected a list of tasks, found {described(several)}.")
            return []
        found = [self._task(entry, ("tasks", n)) for n, entry in enumerate(several)]
        self._name_tasks(found)
        return [task for task in found if task]

    def _task(self, given: Any, path: KeyPath) -> TaskSpec | None:
        from tuneoff.tasks import check_task, with_further

        task = self.complaints.section(TaskSpec, given, path, " of a task")
        wrong = len(self.complaints.problems)
        if task:
            _told_by(self.complaints, path, lambda: check_task(task), "task")
        return with_further(task) if task and len(self.complaints.problems) == wrong else None

    def _name_tasks(self, found: list[TaskSpec | None]) -> None:
        """Complain about tasks that would have the same name in folders."""
        from tuneoff.tasks import task_name

        names: dict[str, int] = {}
        for n, task in enumerate(found):
            name = task_name(task) if task else f"[{n}]"
            if names.setdefault(name, n) != n:
                self.complaints.add(
                    ("tasks", n),
                    f"is called '{name}' as tasks[{names[name]}] is. Give one of them another name: `called: NAME`.",
                )


def _compose(study: Study) -> object:
    from tuneoff.techniques.composition import compose

    return compose(study)


def _check_spaces(study: Study) -> None:
    from tuneoff.tuning import check_spaces

    check_spaces(study)


def _told_by(complaints: Complaints, path: KeyPath, check: Callable[[], object], word: str | None = None) -> None:
    """Run a check that raises StudyError with lines such as 'task.label: ...', and give each its place in the file.

    `word` is what the lines begin with, where that is not what the path begins with.
    """
    try:
        check()
    except StudyError as error:
        for problem in error.problems:
            key = re.match(rf"{word or path[0]}(?:\.(\w+))?: ", problem)
            inner = (*path, key[1]) if key and key[1] else _of_technique(complaints, problem) or path
            text = problem[key.end() :] if key else problem
            complaints.add(inner, ended(text))


def _of_technique(complaints: Complaints, problem: str) -> KeyPath | None:
    """Return the path of the entry that a line such as "technique 'a': ..." is about."""
    named = re.match(r"technique '([^']+)'", problem)
    if named is None:
        return None
    entries = complaints.source.value["techniques"]
    names = [entry.get("name", entry.get("use")) for entry in entries]
    return ("techniques", names.index(named[1])) if named[1] in names else None
