"""What the command line changes in a study: `--set path=value` and the options that stand for one setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.complaints import Complaints
from tuneoff.words import described, listed, near
from tuneoff.yaml_source import KeyPath, plain, read_value, shown

OPTIONS: Mapping[str, KeyPath] = {
    "model": ("model",),
    "task": ("task",),
    "data": ("task", "data"),  # of several tasks, that of the built-in one that takes a folder
    "limit": ("task", "limit"),  # of several tasks, that of each
    "seeds": ("protocol", "seeds"),
    "steps": ("protocol", "steps"),
}
"""The options of the commands that change a study, and where each writes."""
BUDGET = {"steps": "epochs", "epochs": "steps"}
SINGULAR = {"models": "model", "tasks": "task"}
PLURAL = {one: several for several, one in SINGULAR.items()}


def unfold(study: dict[str, Any], techniques: Sequence[str]) -> None:
    """Write the short forms of a study out in place: a model, task or technique given as one text, no techniques."""
    study.setdefault("techniques", list(techniques))
    for key, inner in (("model", "id"), ("task", "name")):
        if isinstance(study.get(key), str):
            study[key] = {inner: study[key]}
    for key, inner in (("models", "id"), ("tasks", "name"), ("techniques", "name")):
        if isinstance(study.get(key), list):
            study[key] = [{inner: item} if isinstance(item, str) else item for item in study[key]]


class _NoSuchPartError(Exception):
    """A path leads nowhere; the message says why."""


class Changes:
    """Writes what the command line says into an unfolded study; what cannot be written is complained about."""

    def __init__(self, complaints: Complaints) -> None:
        self.complaints = complaints
        self.source = complaints.source
        self._given: set[KeyPath] = set()

    def apply(self, options: Mapping[str, Any], settings: Sequence[str]) -> None:
        """Apply options (None: not given), then `--set` arguments, which may say the same thing more exactly."""
        for name, value in options.items():
            if value is None:
                continue
            place = f"--{name} {value}"
            if name == "steps":
                self._forget_budgets()
            for path in self._paths(name, place):
                self._put(path, value, place)
        for setting in settings:
            self._set(setting)

    def _set(self, setting: str) -> None:
        place = f"--set {setting}"
        path, equals, text = setting.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            self.complaints.problems.append(
                f"{place}: expected path=value, such as protocol.steps=50 or techniques.lora.rank=32."
            )
            return
        try:
            value = read_value(text)
        except ValueError as error:
            self.complaints.problems.append(f"{place}: the value is not YAML: {error}")
            return
        self._put(tuple(parts), value, place)

    def _put(self, parts: KeyPath, value: Any, place: str) -> None:
        try:
            path, holder = self._reach(self._top(parts), place)
        except _NoSuchPartError as error:
            self.complaints.problems.append(f"{place}: {error}")
            return
        key = path[-1]
        self.source.put(path, place)
        holder[key] = plain(value, self.complaints.add, path)
        self._given.add(path)
        if key in BUDGET and value is not None:
            self._replace_budget(path, holder)
        unfold(self.source.value, ())

    def _paths(self, option: str, place: str) -> list[KeyPath]:
        """Return where an option writes; none after complaining that it does not fit."""
        path = OPTIONS[option]
        tasks = self.source.value.get("tasks")
        if path[0] != "task" or len(path) == 1 or not isinstance(tasks, list):
            if option == "data" and (files := _own_files(self.source.value.get("task"))):
                self.complaints.problems.append(
                    f"{place}: is for built-in tasks; this study names its own rows with task.{files}."
                )
                return []
            return [path]
        if option != "data":
            return [("tasks", str(n), *path[1:]) for n in range(len(tasks))]
        taking = [n for n, task in enumerate(tasks) if _takes_folder(task)]
        if len(taking) == 1:
            return [("tasks", str(taking[0]), "data")]
        several = f"{len(taking)} of this study's tasks take" if taking else "none of this study's tasks takes"
        hint = f" Say which one: --set tasks.{taking[0]}.data=DIR." if taking else ""
        self.complaints.problems.append(f"{place}: {several} a folder with its own files.{hint}")
        return []

    def _top(self, parts: KeyPath) -> KeyPath:
        """Return a path with `model` or `models`, `task` or `tasks`, as this study has it.

        What a whole value replaces is taken out.
        """
        study, first = self.source.value, str(parts[0])
        other = SINGULAR.get(first) or PLURAL.get(first)
        if other is None:
            return parts
        if len(parts) == 1:
            study.pop(other, None)
            self.source.forget((other,))
        elif other in study and first not in study:
            if first in SINGULAR and parts[1] == "0":
                return (other, *parts[2:]) if len(parts) > 2 else (other,)
            if first in PLURAL and isinstance(study[other], list) and len(study[other]) == 1:
                return (other, "0", *parts[1:])
            raise _NoSuchPartError(
                f"the study has `{other}`: say {f'{other}.0.' if first in PLURAL else f'{other}.'}{parts[-1]}."
            )
        return parts

    def _reach(self, parts: KeyPath, place: str) -> tuple[KeyPath, Any]:
        """Return the exact path that is meant, and the mapping or list that holds its last part."""
        path: KeyPath = ()
        holder: Any = self.source.value
        for n, part in enumerate(parts):
            part, inner = self._part(holder, part, path)
            if inner is not None:  # a technique whose settings are under `settings`
                path, holder = (*path, inner), holder[inner]
            path = (*path, part)
            if n < len(parts) - 1:
                if isinstance(holder, dict) and holder.get(part) is None:
                    holder[part] = {}
                    self.source.put(path, place)
                holder = holder[part]
        return path, holder

    def _part(self, holder: Any, part: str | int, path: KeyPath) -> tuple[str | int, str | None]:
        if isinstance(holder, dict):
            technique = len(path) == 2 and path[0] == "techniques"
            if technique and isinstance(holder.get("settings"), dict) and part not in ("name", "use", "settings"):
                return part, "settings"
            return part, None
        if isinstance(holder, list):
            return _index(holder, str(part), path), None
        raise _NoSuchPartError(f"{shown(path)} is {described(holder)}, which has no part '{part}'.")

    def _replace_budget(self, path: KeyPath, holder: Any) -> None:
        """Let a new budget replace the file's; one that was given beside it stays, to be complained about."""
        other = (*path[:-1], BUDGET[str(path[-1])])
        if other not in self._given and isinstance(holder, dict):
            holder.pop(other[-1], None)
            self.source.forget(other)

    def _forget_budgets(self) -> None:
        """Take each technique's own budget out, so that every stage gets the protocol's."""
        entries = self.source.value["techniques"]
        for entry in entries if isinstance(entries, list) else ():
            for holder in (entry, entry.get("settings")) if isinstance(entry, dict) else ():
                for key in BUDGET:
                    if isinstance(holder, dict):
                        holder.pop(key, None)


def _own_files(task: Any) -> str | None:
    """Return the key by which a task names rows of its own, None for a built-in one."""
    return next((key for key in ("train", "hub") if isinstance(task, dict) and task.get(key)), None)


def _takes_folder(task: Any) -> bool:
    """Return whether a task is a built-in one that reads its own files from a folder."""
    from tuneoff.tasks.registry import built_in_tasks

    known = built_in_tasks().get(str(task.get("name"))) if isinstance(task, dict) else None
    return known is not None and "data" in known.takes and not _own_files(task)


def _index(items: list[Any], part: str, path: KeyPath) -> int:
    if part.isascii() and part.isdecimal() and int(part) < len(items):
        return int(part)
    keys = ("called", "name", "use", "id")
    names = [str(next(filter(None, map(item.get, keys)), None)) for item in items if isinstance(item, dict)]
    if len(names) == len(items) and part in names:
        if names.count(part) > 1:
            alike = [str(number) for number, name in enumerate(names) if name == part]
            raise _NoSuchPartError(f"{shown(path)} has {len(alike)} entries '{part}': say which, {listed(alike)}.")
        return names.index(part)
    if names and not part.isdecimal():
        raise _NoSuchPartError(f"{shown(path)} has no '{part}'.{near(part, names)} There are: {listed(names)}.")
    numbers = f"its entries are numbered {listed(map(str, range(len(items))))}" if items else "it is empty"
    raise _NoSuchPartError(f"{shown(path)} has no entry '{part}': {numbers}.")
