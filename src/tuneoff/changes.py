"""What the command line changes in a study: `--set path=value` and the options that stand for one setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.complaints import Complaints
from tuneoff.words import described, listed, near
from tuneoff.yaml_source import KeyPath, plain, read_value, shown

OPTIONS: Mapping[str, KeyPath] = {
    "model": ("model",),
    "task": ("task",),
    "data": ("task", "data"),
    "limit": ("task", "limit"),
    "seeds": ("protocol", "seeds"),
    "steps": ("protocol", "steps"),
}
"""The options of the commands that change a study, and where each writes."""
BUDGET = {"steps": "epochs", "epochs": "steps"}


def unfold(study: dict[str, Any], techniques: Sequence[str]) -> None:
    """Write the short forms of a study out in place: a model, task or technique given as one text, no techniques."""
    study.setdefault("techniques", list(techniques))
    for key, inner in (("model", "id"), ("task", "name")):
        if isinstance(study.get(key), str):
            study[key] = {inner: study[key]}
    for key, inner in (("models", "id"), ("techniques", "name")):
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
            if name == "data" and (files := self._own_files()):
                self.complaints.problems.append(
                    f"{place}: is for built-in tasks; this study names its own rows with task.{files}."
                )
                continue
            self._put(OPTIONS[name], value, place)
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

    def _top(self, parts: KeyPath) -> KeyPath:
        """Return a path with `model` or `models` as this study has it, after taking out what a whole value replaces."""
        study, first = self.source.value, parts[0]
        if first not in ("model", "models"):
            return parts
        other = "models" if first == "model" else "model"
        if len(parts) == 1:
            study.pop(other, None)
            self.source.forget((other,))
        elif other in study and first not in study:
            if first == "models" and parts[1] == "0":
                return ("model", *parts[2:]) if len(parts) > 2 else ("model",)
            if first == "model" and isinstance(study["models"], list) and len(study["models"]) == 1:
                return ("models", "0", *parts[1:])
            raise _NoSuchPartError(
                f"the study has `{other}`: say {'models.0.' if first == 'model' else 'model.'}{parts[-1]}."
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

    def _own_files(self) -> str | None:
        task = self.source.value.get("task")
        return next((key for key in ("train", "hub") if isinstance(task, dict) and task.get(key)), None)


def _index(items: list[Any], part: str, path: KeyPath) -> int:
    if part.isascii() and part.isdecimal() and int(part) < len(items):
        return int(part)
    names = [str(item.get("name") or item.get("use") or item.get("id")) for item in items if isinstance(item, dict)]
    if len(names) == len(items) and part in names:
        return names.index(part)
    if names and not part.isdecimal():
        raise _NoSuchPartError(f"{shown(path)} has no '{part}'.{near(part, names)} There are: {listed(names)}.")
    numbers = f"its entries are numbered {listed(map(str, range(len(items))))}" if items else "it is empty"
    raise _NoSuchPartError(f"{shown(path)} has no entry '{part}': {numbers}.")
