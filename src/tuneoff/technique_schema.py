"""What a schema says of a study's techniques: entries, each technique's settings, peft's types and their fields.

Each setting stands once among the definitions, and is referred to from wherever a study may have it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tuneoff.naming import NOT_A_DEVICE
from tuneoff.naming import PART as LETTERS
from tuneoff.study import PEFT
from tuneoff.technique_entries import KEYS, LONGEST_CHAIN
from tuneoff.techniques import get, names

PART = NOT_A_DEVICE + LETTERS
CHAIN = rf"^{PART}(?:\+{PART})*$"
COMPOSED = rf"^{PART}(?:\+{PART})+$"
SHARED, SHARED_BY_TYPES = "several-techniques", "several-types-of-peft"
OF_PEFT = "peft-{kind}"
_GIVEN = {"steps": {"type": "integer"}, "epochs": {"type": "number"}}
NOT_BOTH_BUDGETS = {"not": {"properties": _GIVEN, "required": [*_GIVEN]}}  # each may be null beside the other


def ref(name: str, *inside: str) -> dict[str, str]:
    """Return a reference to a definition, or to a part inside it."""
    return {"$ref": "/".join(["#/definitions", name, *inside])}


def technique_definitions() -> dict[str, Any]:
    """Return the definitions that entries refer to: settings by technique, entries by technique, peft's types."""
    own: dict[str, Any] = {name: tidy(get(name).settings_class.model_json_schema())["properties"] for name in names()}
    own[PEFT][PEFT] = {**_peft(), "description": own[PEFT][PEFT]["description"]}
    found: dict[str, Any] = {}
    for name, settings in _once(own, SHARED, found).items():
        found[name] = {"type": "object", "properties": settings, "additionalProperties": False, **NOT_BOTH_BUDGETS}
        inside = {"settings": {"anyOf": [ref(name), {"type": "null"}]}}
        beside = {key: ref(name, "properties", key) for key in settings}
        found[_entry_of(name)] = {
            "properties": {"name": True, "use": True, **inside, **beside},
            "additionalProperties": False,
            **NOT_BOTH_BUDGETS,
        }
    return found | _peft_types()


def _once(
    owners: Mapping[str, Mapping[str, Any]], shared: str, definitions: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the properties of some owners, those that several have alike replaced by references.

    What they refer to is put into one of the definitions; a name has a number where it means different things.
    """
    count = Counter(_text(one) for properties in owners.values() for one in properties.values())
    place: dict[str, str] = {}
    for properties in owners.values():
        for name, one in properties.items():
            if count[_text(one)] > 1 and _text(one) not in place:
                taken = sum(known.partition(".")[0] == name for known in place.values())
                place[_text(one)] = f"{name}.{taken + 1}" if taken else name
    definitions[shared] = {"properties": {name: json.loads(text) for text, name in place.items()}}
    return {
        owner: {
            name: ref(shared, "properties", place[_text(one)]) if _text(one) in place else one
            for name, one in properties.items()
        }
        for owner, properties in owners.items()
    }


def _text(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False)


def entry_schema() -> dict[str, Any]:
    """Return the schema of an entry: a name, or a mapping whose settings are of the technique its last stage runs."""
    known = names()
    chain = {"type": "string", "pattern": CHAIN, "maxLength": LONGEST_CHAIN}
    named = {
        "name": {**chain, "description": "Name in folders and tables."},
        "use": {**chain, "description": "A technique, or several joined by '+': " + ", ".join(known) + "."},
        "settings": {"type": ["object", "null"], "description": "Its settings, if they are not given beside `use`."},
    }
    composed = {**chain, "pattern": COMPOSED, "examples": ["linear-probe+lora"]}
    technique = {"anyOf": [{"enum": known}, composed]}
    return {
        "anyOf": [
            {**technique, "description": "A technique, or several joined by '+'."},
            {
                "type": "object",
                "properties": named,
                "anyOf": [{"required": ["use"]}, {"required": ["name"]}],
                "allOf": [
                    _if(_without("use", PEFT), {"properties": {"name": technique}}),
                    _if(_has("use", "name"), {"anyOf": [_own_name(known), *map(_called_as_it_is, known)]}),
                    _if(_has("settings"), {"propertyNames": {"enum": [key for key in KEYS if key != PEFT]}}),
                    _if({**_without("use"), **_has(PEFT)}, ref(_entry_of(PEFT))),
                    *(_if(_ends_with(name), ref(_entry_of(name))) for name in known),
                ],
            },
        ]
    }


def tidy(schema: Any) -> Any:
    """Leave out what is for this package alone (`in_key`) and titles that only repeat a field's name.

    Where the keys of a mapping are to look in some way, others are refused, which pydantic leaves open.
    """
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "patternProperties" in schema else {}
        return closed | {
            key: tidy(value)
            for key, value in schema.items()
            if key != "in_key" and not (key == "title" and isinstance(value, str))
        }
    return [tidy(value) for value in schema] if isinstance(schema, list) else schema


def _entry_of(name: str) -> str:
    return f"entry-of-{name}"


def _if(condition: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": then}


def _has(*keys: str) -> dict[str, Any]:
    return {"required": [*keys]}


def _without(*keys: str) -> dict[str, Any]:
    return {"not": {"anyOf": [_has(key) for key in keys]}}


def _ends_with(name: str) -> dict[str, Any]:
    """Return the condition that an entry's last stage runs a technique, by `use`, or by the name if that is all."""
    last = {"type": "string", "pattern": rf"(^|\+){name}$"}
    by_use = {"properties": {"use": last}, **_has("use")}
    return {"anyOf": [by_use, {"properties": {"name": last}, **_has("name"), **_without("use", PEFT)}]}


def _own_name(known: Iterable[str]) -> dict[str, Any]:
    return {"properties": {"name": {"not": {"enum": [*known]}}}}


def _called_as_it_is(name: str) -> dict[str, Any]:
    return {"properties": {"name": {"const": name}, "use": {"const": name}}}


def _peft() -> dict[str, Any]:
    """Return the schema of `peft:`, whose fields are those of its type."""
    from tuneoff.techniques.peft_fields import usable_types

    kinds = usable_types()
    spelt = {"enum": [kind.lower() for kind in kinds]}  # what an editor offers; letters of any case are taken
    of_any_case = {"pattern": f"^(?:{'|'.join(map(_any_case, kinds))})$"}
    by_type = [
        _if(
            {"properties": {"type": {"type": "string", "pattern": f"^{_any_case(kind)}$"}}, **_has("type")},
            ref(OF_PEFT.format(kind=kind)),
        )
        for kind in kinds
    ]
    kind = {"type": "string", "anyOf": [spelt, of_any_case], "description": "Which of peft's adapters."}
    return {"type": "object", "properties": {"type": kind}, **_has("type"), "allOf": by_type}


def _peft_types() -> dict[str, Any]:
    """Return for each usable type of peft its fields, with default and meaning as the installed peft has them."""
    from tuneoff.techniques.peft_fields import as_json_schema, fields_of, usable_types

    fields = {kind: {name: as_json_schema(one) for name, one in fields_of(kind).items()} for kind in usable_types()}
    found: dict[str, Any] = {}
    for kind, properties in _once(fields, SHARED_BY_TYPES, found).items():
        found[OF_PEFT.format(kind=kind)] = {"properties": {"type": True, **properties}, "additionalProperties": False}
    return found


def _any_case(kind: str) -> str:
    """Return a pattern for a type in letters of any case, with hyphens or underscores."""
    return "".join(f"[{one.lower()}{one}]" if one.isalpha() else "[-_]" if one == "_" else one for one in kind)
