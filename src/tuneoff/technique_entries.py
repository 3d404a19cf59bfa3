"""The list of techniques in a study: each entry's name, what it uses, and its settings, checked."""

from collections.abc import Mapping
from typing import Any

from tuneoff.complaints import Complaints
from tuneoff.naming import NAME, why_no_folder
from tuneoff.study import PEFT, TechniqueSpec
from tuneoff.words import described, listed, near, nearest
from tuneoff.yaml_source import KeyPath

KEYS = ("name", "use", PEFT, "settings")
LONGEST_CHAIN = 200  # a chain names a folder, and no system takes more than 255


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
            path = ("techniques", n)
            if technique and self._parts_are_known(technique, own, path) and self._ends(technique, own, path):
                self._check_settings(technique, own, path, entries[n])
        return [technique for technique in found.values() if technique]

    def _entry(self, entry: Any, path: KeyPath) -> TechniqueSpec | None:
        if not isinstance(entry, dict):
            self.complaints.add(path, f"expected a technique's name, or keys with values, found {described(entry)}.")
            return None
        name = entry.get("name", entry.get("use"))
        use: Any = entry.get("use", PEFT if PEFT in entry else name)
        if name is None:
            self.complaints.add(path, f"say which technique: `use`, or `name`. There are: {listed(self.known)}.")
            return None
        if "use" not in entry and PEFT not in entry and name not in self.known and self._misspelt(entry, path):
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
        if not self._names_fit(entry, name, use, path):
            return None
        return TechniqueSpec(name=name, use=use, settings=settings)

    def _misspelt(self, entry: Mapping[str, Any], path: KeyPath) -> bool:
        """Complain about keys of an entry without a technique that are nearly one that would say which; else False."""
        wrong = [key for key in entry if key not in KEYS and nearest(key, ("use", PEFT))]
        for key in wrong:
            self.complaints.unknown_key((*path, key), KEYS, " of an entry without `use`")
        return bool(wrong)

    def _names_fit(self, entry: Mapping[str, Any], name: Any, use: Any, path: KeyPath) -> bool:
        wanted = (
            f"expected small letters, digits and single hyphens, with '+' between techniques, {LONGEST_CHAIN} in all"
        )
        wrong = {key: entry[key] for key in ("name", "use") if key in entry and not _is_chain(entry[key])}
        for key, value in wrong.items():
            self.complaints.add((*path, key), f"{wanted}, found {described(value)}.")
        devices = [(part, why) for part in name.split("+") if (why := why_no_folder(part))] if not wrong else []
        for part, why in devices:
            self.complaints.add((*path, "name"), f"'{part}' {why}.")
        if wrong or devices or name == use:
            return not (wrong or devices)
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
        for part in unknown:
            is_own = part == technique.name  # then other names of this study's own are not what is meant
            hint = near(part, self.known if is_own else options)
            if is_own and not hint:
                hint = " If it is a name of your own, add what it uses, such as use: lora."
            self.complaints.add(path, f"unknown technique '{part}'.{hint} There are: {listed(options)}.")
        return not unknown

    def _ends(self, technique: TechniqueSpec, own: Mapping[str, TechniqueSpec], path: KeyPath) -> bool:
        """Return whether following what a technique uses never comes back to it; complain if it does."""
        reached: set[str] = set()
        ahead = [technique]
        while ahead:
            parts = {part for user in ahead for part in _own_parts(user, own)} - reached
            reached |= parts
            ahead = [own[part] for part in parts]
        if technique.name in reached:
            around = listed(sorted(reached - {technique.name}))
            self.complaints.add(path, f"'{technique.name}' is made of itself, by way of {around}. Let one use less.")
        return technique.name not in reached

    def _check_settings(
        self, technique: TechniqueSpec, own: Mapping[str, TechniqueSpec], path: KeyPath, entry: Mapping[str, Any]
    ) -> None:
        """Check an entry's settings against the technique that its last stage runs."""
        from tuneoff.techniques import settings_of

        last, followed = technique.use.rpartition("+")[2], set()
        while last in own and last not in followed and last != own[last].use:
            followed.add(last)
            last = own[last].use.rpartition("+")[2]
        if last not in self.known:
            return
        inside = (*path, "settings") if "settings" in entry else path
        self.complaints.section(settings_of(last), technique.settings, inside, f" of {last}")
        if technique.settings.get("steps") is not None and technique.settings.get("epochs") is not None:
            self.complaints.add((*inside, "steps"), "give steps or epochs, not both.")


def _own_parts(technique: TechniqueSpec, own: Mapping[str, TechniqueSpec]) -> list[str]:
    """Return the parts of what a technique uses that are this study's own techniques, other than itself."""
    return [part for part in technique.use.split("+") if part in own and part != technique.name]


def _is_chain(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_CHAIN
        and all(NAME.fullmatch(part) for part in value.split("+"))
    )
