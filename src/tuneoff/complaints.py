"""Checking parts of a study against their sections, with every complaint in plain words: where, what, what instead."""

import json
import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tuneoff.errors import StudyError
from tuneoff.section import Section
from tuneoff.words import described, ended, listed, near
from tuneoff.yaml_source import KeyPath, Source, shown

Part = TypeVar("Part", bound=Section)


class Complaints:
    """What is wrong with a study, gathered so that all of it is shown at once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[str] = []
        self.told: set[KeyPath] = set()

    def add(self, path: KeyPath, message: str) -> None:
        """Complain about the part at a path."""
        self.told.add(path)
        part = f" {shown(path)}:" if path else ""
        problem = f"{self.source.place(path)}:{part} {message}"
        if problem not in self.problems:
            self.problems.append(problem)

    def unknown_key(self, path: KeyPath, allowed: Sequence[str], whose: str = "") -> None:
        """Complain about a key that there is not, with the nearest ones and all."""
        key = str(path[-1])
        self.add(path, f"unknown key{whose}.{near(key, allowed)} Allowed: {listed(allowed, at_most=40)}.")

    def raise_any(self) -> None:
        """Raise StudyError if there is any complaint."""
        if self.problems:
            raise StudyError(self.problems)

    def section(self, kind: type[Part], value: Any, path: KeyPath, whose: str = "") -> Part | None:
        """Return the part at a path as a section of a kind, or None after complaining.

        `whose` goes into the complaint about an unknown key: " of protocol".
        """
        if not isinstance(value, dict):
            self.add(path, f"expected keys with values ({listed(kind.model_fields)}), found {described(value)}.")
            return None
        wrong = [name for name, inner in _sections(kind, value) if not self._is_right(inner, value[name], path, name)]
        if wrong:  # what is wrong inside is told; the rest is checked without it
            self.section(kind, {key: item for key, item in value.items() if key not in wrong}, path, whose)
            return None
        try:
            return kind.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            told = {at[-1] for at in self.told if at and at[:-1] == path}
            for details in error.errors(include_url=False):
                name = str(details["loc"][0]) if details["loc"] else None
                if name is None:
                    self._rule_broken(kind, _rule(details), path)
                elif name not in told:  # pydantic lists each branch of a union on its own
                    told.add(name)
                    self._field_wrong(kind, name, details, value, path, whose)
            return None

    def _is_right(self, kind: type[Section], value: Any, path: KeyPath, name: str) -> bool:
        return self.section(kind, value, (*path, name), f" of {name}") is not None

    def _field_wrong(
        self, kind: type[Section], name: str, details: ErrorDetails, given: dict[str, Any], path: KeyPath, whose: str
    ) -> None:
        at = (*path, name)
        if name in kind.model_fields and isinstance(given.get(name), dict):
            self._inner_wrong(kind.model_fields[name], details, given[name], at)
            return
        match details["type"]:
            case "extra_forbidden":
                self.unknown_key(at, list(kind.model_fields), whose)
            case "missing":
                self.add(path, f"'{name}' is missing. {kind.model_fields[name].description}")
            case "value_error":
                self.add(at, f"{_rule(details)}; found {described(given[name])}.")
            case _:
                self.add(at, expectation(kind.model_fields[name], given[name]))

    def _inner_wrong(self, field: FieldInfo, details: ErrorDetails, value: Any, path: KeyPath) -> None:
        """Complain about the key or value inside a mapping that a field does not take, where it is."""
        annotation, keys, found = field.annotation, list(details["loc"][1:]), value
        while keys and isinstance(found, dict) and keys[0] in found:
            path, found = (*path, str(keys[0])), found[keys[0]]
            annotation = _of_values(annotation)
            keys = keys[1:]
        if details["type"] == "value_error":
            self.add(path, f"{_rule(details)}; found {described(path[-1] if keys == ['[key]'] else found)}.")
        else:
            self.add(path, f"expected {_wanted(annotation)}, found {described(found)}.")

    def _rule_broken(self, kind: type[Section], rule: str, path: KeyPath) -> None:
        """Tell of a rule that ties fields together; where it begins with a field's name, that field is shown."""
        field, colon, rest = rule.partition(": ")
        if colon and field in kind.model_fields:
            self.add((*path, field), ended(rest))
        else:
            self.add(path, ended(rule))


def _sections(kind: type[Section], value: dict[str, Any]) -> list[tuple[str, type[Section]]]:
    """Return the fields of a section that are sections themselves and are given as mappings, each with its kind."""
    found = []
    for name, field in kind.model_fields.items():
        inner = next((one for one in _branches(field.annotation) if _is_section(one)), None)
        if inner is not None and isinstance(value.get(name), dict):
            found.append((name, inner))
    return found


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _branches(annotation: Any) -> list[Any]:
    """Return the branches of a union, or the annotation alone, None aside."""
    annotation, _ = _bare(annotation, ())
    union = get_origin(annotation) in (Union, types.UnionType)
    return [one for one in (get_args(annotation) if union else (annotation,)) if one is not types.NoneType]


def _of_values(annotation: Any) -> Any:
    """Return the annotation of the values in a mapping."""
    return next((get_args(one)[1] for one in _branches(annotation) if get_origin(one) is dict), Any)


def _rule(details: ErrorDetails) -> str:
    return str(details["ctx"]["error"]).rstrip(".")


def expectation(field: FieldInfo, value: Any) -> str:
    """Return the sentence on a value that a field does not take: what is expected, what was found, what is near."""
    wanted = _wanted(field.annotation, field.metadata)
    hint = ""
    if isinstance(value, str):
        hint = near(value, [str(choice) for choice in _choices(field.annotation)])
    elif isinstance(value, int | float) and _takes_text(field.annotation):
        hint = " Put it in quotes if it is meant as a text."
    return f"expected {wanted}, found {described(value)}.{hint}"


def _wanted(annotation: Any, limits: Sequence[Any] = ()) -> str:
    """Say in plain words which values an annotation with limits takes."""
    annotation, limits = _bare(annotation, limits)
    if get_origin(annotation) in (Union, types.UnionType):
        branches = [branch for branch in get_args(annotation) if branch is not types.NoneType]
        choices = [choice for branch in branches for choice in _choices(branch)]
        rest = [_wanted(branch, limits) for branch in branches if not _choices(branch)]
        return " or ".join(rest + ([_one_of(choices)] if choices else []))
    if get_origin(annotation) is Literal:
        return _one_of(list(get_args(annotation)))
    if get_origin(annotation) is list:
        return _list_of(get_args(annotation)[0], limits)
    if _is_section(annotation):
        return f"keys with values ({listed(annotation.model_fields)})"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "keys with values"}
    return words.get(get_origin(annotation) or annotation, "another kind of value") + _bounds(limits)


def _bare(annotation: Any, limits: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        limits = [*limits, *more]
    return annotation, limits


def _choices(annotation: Any) -> list[Any]:
    annotation, _ = _bare(annotation, ())
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return [choice for branch in get_args(annotation) for choice in _choices(branch)]
    return []


def _takes_text(annotation: Any) -> bool:
    annotation, _ = _bare(annotation, ())
    if get_origin(annotation) is dict:  # whose keys are no values
        return False
    return annotation is str or any(_takes_text(part) for part in get_args(annotation) if not isinstance(part, str))


def _one_of(choices: Sequence[Any]) -> str:
    return f"one of {listed(map(str, choices))}" if len(choices) > 1 else str(choices[0])


def _list_of(item: Any, limits: Sequence[Any]) -> str:
    item, item_limits = _bare(item, ())
    words = {int: "whole numbers", float: "numbers", str: "texts"}
    least = next((limit.min_length for limit in limits if isinstance(limit, annotated_types.MinLen)), None)
    most = next((limit.max_length for limit in limits if isinstance(limit, annotated_types.MaxLen)), None)
    size = f" of {least} or {most}" if least and most and most == least + 1 else ""
    return f"a list{size or ' of'} {words.get(item, 'values')}{_bounds(item_limits)}"


def _bounds(limits: Sequence[Any]) -> str:
    words: list[str] = []
    for limit in limits:
        match limit:
            case annotated_types.Ge():
                words.append(f"of at least {limit.ge}")
            case annotated_types.Gt():
                words.append(f"above {limit.gt}")
            case annotated_types.Le():
                words.append(f"of at most {limit.le}")
            case annotated_types.Lt():
                words.append(f"below {limit.lt}")
            case annotated_types.MinLen():
                words.append("that is not empty")
            case annotated_types.MaxLen():
                words.append(f"of at most {limit.max_length} characters")
    return "".join(f" {word}" if not n else f" and {word}" for n, word in enumerate(words))
