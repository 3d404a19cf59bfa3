"""The list of techniques in a study: each entry's name, what it uses, and its settings, checked."""

from collections.abc import Mapping
from typing import Any

from tuneoff.complaints import Complaints
from tuneoff.study import NAME, TechniqueSpec
from tuneoff.words import described, listed, near
from tuneoff.yaml_source import KeyPath


class TechniqueReader:
    """Reads the list of techniques: each entry's name, what it uses, and its settings."""

    def __init__(self, complaints: Complaints) -> None:
        from tuneoff.techniques import names

        self.complaints = complaints
        self.known = names()

    def read(self, entries: Any) -> list[TechniqueSpec]:
        """Return the entries that can be read; what is wrong is complained about."""
        if not isinstance(entries, list) or not entries:
            self.complaints.add(("techniques",), f"expected a list of techniques, found {described(entries)}.")
            return []
        found = {n: self._entry(entry, ("techniques", n)) for n, entry in enumerate(entries)}
        own: dict[str, TechniqueSpec] = {}
        for n, technique in found.items():
            if technique and own.setdefault(technique.name, technique) is not technique:
                self.complaints.add(
                    ("techniques", n), f"the name '{technique.name}' is used twice. Add a `name` of its own and `use`."
                )
        for n, technique in found.items():
            if technique and self._parts_are_known(technique, own, ("techniques", n)):
                self._check_settings(technique, own, ("techniques", n), entries[n])
        return [technique for technique in found.values() if technique]

    def _entry(self, entry: Any, path: KeyPath) -> TechniqueSpec | None:
        if not isinstance(entry, dict):
            self.complaints.add(path, f"expected a technique's name, or keys with values, found {described(entry)}.")
            return None
        name = entry.get("name", entry.get("use"))
        use: Any = entry.get("use", name)
        if name is None:
            self.complaints.add(path, f"say which technique: `use`, or `name`. There are: {listed(self.known)}.")
            return None
        settings = {key: value for key, value in entry.items() if key not in ("name", "use")}
        if "settings" in settings:
            for key in settings:
                if key != "settings":
                    self.complaints.unknown_key((*path, key), ("name", "use", "settings"), " beside `settings`")
            settings = settings["settings"] or {}
            if not isinstance(settings, dict):
                self.complaints.add((*path, "settings"), f"expected keys with values, found {described(settings)}.")
                return None
        if not self._names_fit(name, use, path):
            return None
        return TechniqueSpec(name=name, use=use, settings=settings)

    def _names_fit(self, name: Any, use: Any, path: KeyPath) -> bool:
        wanted = "expected small letters, digits and single hyphens, with '+' between techniques"
        wrong = {key: value for key, value in (("name", name), ("use", use)) if not _is_chain(value)}
        for key, value in wrong.items():
            self.complaints.add((*path, key), f"{wanted}, found {described(value)}.")
        if wrong or name == use:
            return not wrong
        if "+" in name:
            self.complaints.add((*path, "name"), f"'{name}': a '+' composes, so a name with it cannot `use` others.")
        elif name in self.known:
            self.complaints.add((*path, "name"), f"'{name}' is a technique itself. Give this one another name.")
        else:
            return True
        return False

    def _parts_are_known(self, technique: TechniqueSpec, own: Mapping[str, TechniqueSpec], path: KeyPath) -> bool:
        options = [*self.known, *(name for name in own if name not in self.known and name != technique.name)]
        unknown = [part for part in technique.use.split("+") if part not in options]
        if technique.use != technique.name and technique.use in own:
            return True
        for part in unknown:
            hint = near(part, options) or (
                f" If it is a name of your own, add what it uses, such as use: {self.known[0]}."
                if part == technique.name
                else ""
            )
            self.complaints.add(path, f"unknown technique '{part}'.{hint} There are: {listed(options)}.")
        return not unknown

    def _check_settings(
        self, technique: TechniqueSpec, own: Mapping[str, TechniqueSpec], path: KeyPath, entry: Mapping[str, Any]
    ) -> None:
        """Check an entry's settings against the technique that its last stage runs."""
        from tuneoff.techniques import settings_of

        last = technique.use.rpartition("+")[2]
        followed = {technique.name}
        while last in own and last not in followed and last != own[last].use:
            followed.add(last)
            last = own[last].use.rpartition("+")[2]
        if last not in self.known:
            return
        inside = (*path, "settings") if "settings" in entry else path
        self.complaints.section(settings_of(last), technique.settings, inside, f" of {last}")
        if technique.settings.get("steps") is not None and technique.settings.get("epochs") is not None:
            self.complaints.add((*inside, "steps"), "give steps or epochs, not both.")


def _is_chain(value: Any) -> bool:
    return isinstance(value, str) and all(NAME.fullmatch(part) for part in value.split("+"))
