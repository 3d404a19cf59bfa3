"""The JSON Schema of study files, for editors that complete and check YAML while it is written."""

from typing import Any

from tuneoff.section import Section
from tuneoff.study import ModelSpec, Protocol, TaskSpec
from tuneoff.techniques import get, names

DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that YAML editors know
DEFINITIONS = "#/definitions/{model}"
PART = "[a-z0-9]+(?:-[a-z0-9]+)*"
CHAIN = rf"^{PART}(?:\+{PART})*$"


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of a study file, with every key's description and default.

    It is looser than `read_study` where a schema cannot say more: a technique's own names, what fits together, and
    keys that a technique does not know.
    """
    definitions: dict[str, Any] = {}
    sections: dict[str, type[Section]] = {"model": ModelSpec, "task": TaskSpec, "protocol": Protocol}
    for name, section in sections.items():
        found = section.model_json_schema(ref_template=DEFINITIONS)
        definitions |= found.pop("$defs", {})
        definitions[name] = _tidy(found)
    model = {"anyOf": [{"type": "string", "description": "Hub id or local folder."}, _ref("model")]}
    task = {"anyOf": [{"type": "string", "description": "A built-in task."}, _ref("task")]}
    return {
        "$schema": DIALECT,
        "title": "A study of tuneoff",
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Names the run directory; the file's name if left out."},
            "title": {"type": ["string", "null"], "description": "Shown above tables and in the report."},
            "model": model,
            "models": {"type": "array", "items": model, "minItems": 1, "description": "Several models."},
            "task": task,
            "tasks": {"type": "array", "items": task, "minItems": 1, "description": "Several tasks."},
            "techniques": {
                "type": "array",
                "items": _technique(),
                "minItems": 1,
                "description": "The techniques, in the order of the tables; the five of the paper if left out.",
            },
            "protocol": _ref("protocol"),
        },
        "allOf": [{"oneOf": [{"required": [one]}, {"required": [f"{one}s"]}]} for one in ("model", "task")],
        "additionalProperties": False,
        "definitions": definitions,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": DEFINITIONS.format(model=name)}


def _technique() -> dict[str, Any]:
    """An entry: a name, or a mapping whose settings are those of the technique that its last stage runs."""
    known = names()
    chain = {"type": "string", "pattern": CHAIN}
    named = {
        "name": {**chain, "description": "Name in folders and tables."},
        "use": {**chain, "description": "A technique, or several joined by '+': " + ", ".join(known) + "."},
        "settings": {"type": "object", "description": "Its settings, if they are not given beside `use`."},
    }
    by_use = [
        {
            "if": {"properties": {key: {"pattern": rf"(^|\+){name}$"}}, "required": [key]},
            "then": {"properties": settings_schema(name)},
        }
        for name in known
        for key in ("use", "name")
    ]
    return {
        "anyOf": [
            {**chain, "description": "A technique, or several joined by '+'.", "examples": [*known]},
            {"type": "object", "properties": named, "anyOf": [{"required": ["use"]}, {"required": ["name"]}]}
            | {"allOf": by_use},
        ]
    }


def settings_schema(name: str) -> dict[str, Any]:
    """Return the schema of each setting of a technique by its key; raises StudyError for a technique there is not."""
    found: dict[str, Any] = _tidy(get(name).settings_class.model_json_schema(ref_template=DEFINITIONS))["properties"]
    return found


def _tidy(schema: Any) -> Any:
    """Leave out what is for this package alone (`in_key`), and titles that only repeat the field's name."""
    if isinstance(schema, dict):
        return {
            key: _tidy(value)
            for key, value in schema.items()
            if key != "in_key" and not (key == "title" and isinstance(value, str))
        }
    return [_tidy(value) for value in schema] if isinstance(schema, list) else schema
