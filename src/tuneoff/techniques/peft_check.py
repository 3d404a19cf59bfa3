"""Checking what a study gives to peft: the type, its config's own fields and their values, and what peft refuses."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from tuneoff.complaints import expectation
from tuneoff.techniques.peft_fields import (
    FIRST_NUMBERS,
    OURS,
    PROMPTS,
    REFUSED,
    PeftField,
    config_class,
    fields_of,
    usable_types,
)
from tuneoff.techniques.peft_warnings import PeftWarning, warnings_as_errors
from tuneoff.words import described, listed, near, nearest, shortened

_AS_TECHNIQUES = ("prefix", "prompt", "p-tuning")
LONGEST = 200  # characters of peft's explanation of a field that a message holds


def type_complaint(kind: str) -> str | None:
    """Return why there are no fields to give for a type, as peft writes it, or None where there are."""
    types = usable_types()
    if kind in PROMPTS:
        return f"type {kind}: it puts virtual tokens before a text: use {_prompt_techniques()}"
    if kind in REFUSED:
        return f"type {kind}: {REFUSED[kind]}"
    if kind not in types:
        return f"there is no type {kind!r} in peft.{near(kind, types)} There are: {listed(types, at_most=60)}"
    return None


def complaint(given: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a study's `peft:`, all of it, or None. Needs peft, so it takes seconds at first."""
    kind = given.get("type")
    if not isinstance(kind, str):
        return f"`type` says which of peft's adapters: {listed(usable_types(), at_most=60)}"
    if problem := type_complaint(kind):
        return problem
    fields = {name: value for name, value in given.items() if name != "type"}
    return "; ".join(_wrong_fields(kind, fields)) or _refused_by_peft(kind, fields)


def _prompt_techniques() -> str:
    from tuneoff.techniques import names

    return listed([name for name in _AS_TECHNIQUES if name in names()] or ["an adapter"])


def _wrong_fields(kind: str, fields: Mapping[str, Any]) -> list[str]:
    usable, problems = fields_of(kind), []
    all_of_pefts = config_class(kind).__dataclass_fields__
    for name, value in fields.items():
        if name in usable:
            problems += _wrong_value(name, usable[name], value)
        elif name in OURS and name in all_of_pefts:
            problems.append(f"`{name}` is not a study's to set: {OURS[name]}")
        else:
            problems.append(_unknown(name, kind, usable))
    return problems


def _unknown(name: str, kind: str, usable: Mapping[str, PeftField]) -> str:
    """Return the complaint about a field that there is not, with the nearest ones, what the first is, and all."""
    alike = nearest(name, usable)
    meaning = shortened(usable[alike[0]].meaning, LONGEST).rstrip(".") if alike else ""
    explained = f" peft says of {alike[0]}: {meaning}." if meaning else ""
    names = listed(usable, at_most=60)
    return (
        f"`{name}` is no field of peft's {config_class(kind).__name__}.{near(name, usable)}{explained} Fields: {names}"
    )


def _wrong_value(name: str, field: PeftField, value: Any) -> list[str]:
    """Return what is wrong with a value: its type, its range, or a regular expression that is none."""
    from pydantic import TypeAdapter, ValidationError
    from pydantic.fields import FieldInfo

    if name == "init_lora_weights":
        if value in FIRST_NUMBERS and isinstance(value, bool | str):
            return []
        wanted = listed(str(one).lower() for one in FIRST_NUMBERS)
        return [f"`{name}`: expected one of {wanted}, found {described(value)}"]
    try:
        TypeAdapter(field.annotation).validate_python(value, strict=True)
    except ValidationError as error:
        at, annotation = error.errors(include_url=False)[0]["loc"], field.annotation
        if isinstance(value, dict) and at and at[0] in value:  # one layer's value in a mapping from names to numbers
            name, value, annotation = f"{name}.{at[0]}", value[at[0]], _of_values(annotation)
        return [f"`{name}`: {expectation(FieldInfo.from_annotation(annotation), value).rstrip('.')}"]
    return _bad_pattern(name, value)


def _of_values(annotation: Any) -> Any:
    """Return the type of the values in a mapping, or in a mapping that may be left out."""
    mapping = next((one for one in get_args(annotation) if get_args(one)), annotation)
    return get_args(mapping)[1]


def _bad_pattern(name: str, value: Any) -> list[str]:
    """Return what is wrong with a text that peft takes for a regular expression of names."""
    if not name.endswith("_modules") or not isinstance(value, str):
        return []
    try:
        re.compile(value)
    except re.error as error:
        return [f"`{name}`: expected names, or a regular expression of them; {value!r} is none: {error}"]
    return []


def _refused_by_peft(kind: str, fields: Mapping[str, Any]) -> str | None:
    """Return what peft itself finds wrong with fields that fit one by one."""
    try:
        with warnings_as_errors():
            config_class(kind)(**fields)
    except PeftWarning as error:
        return f"peft's {kind} would do something else than was asked: {error}"
    except (ValueError, TypeError, ImportError) as error:
        return f"peft's {kind} refuses it: {error}".rstrip(".")
    return None
