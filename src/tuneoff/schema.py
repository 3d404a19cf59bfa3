"""The JSON Schema of study files, for editors that complete and check YAML while it is written."""

from typing import Any

from tuneoff.section import Section
from tuneoff.study import LONGEST_TITLE, ModelSpec, Protocol, Study, TaskSpec
from tuneoff.tasks import builtin_names
from tuneoff.technique_schema import NOT_BOTH_BUDGETS, entry_schema, ref, technique_definitions, tidy

DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that YAML editors know
DEFINITIONS = "#/definitions/{model}"


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of a study file, with every key's description and default.

    It is looser than `read_study` where a schema cannot say more: which names a study's own techniques have, what one
    entry says of another, and what data, models and peft say themselves. Needs peft, whose fields it describes.
    """
    definitions: dict[str, Any] = technique_definitions()
    sections: dict[str, type[Section]] = {"model": ModelSpec, "task": TaskSpec, "protocol": Protocol}
    for name, section in sections.items():
        found = section.model_json_schema(ref_template=DEFINITIONS)
        definitions |= tidy(found.pop("$defs", {}))
        definitions[name] = tidy(found)
    definitions["task"] |= {"anyOf": _ways_to_name_a_task()}
    definitions["protocol"] |= {"allOf": [NOT_BOTH_BUDGETS, *_nothing_chosen_on_test()]}
    model = {"anyOf": [{"type": "string", "minLength": 1, "description": "Hub id or local folder."}, ref("model")]}
    task = {"anyOf": [{"enum": [*builtin_names()], "description": "A built-in task."}, ref("task")]}
    name = tidy(Study.model_json_schema())["properties"]["name"]
    return {
        "$schema": DIALECT,
        "title": "A study of tuneoff",
        "type": "object",
        "properties": {
            "name": {"anyOf": [{key: name[key] for key in ("type", "pattern", "maxLength")}, {"type": "null"}]}
            | {"description": "Names the run directory; the file's name if left out."},
            "title": {
                "type": ["string", "null"],
                "maxLength": LONGEST_TITLE,
                "description": "Shown above tables and in the report.",
            },
            "model": model,
            "models": {"type": "array", "items": model, "minItems": 1, "description": "Several models."},
            "task": task,
            "tasks": {"type": "array", "items": task, "minItems": 1, "description": "Several tasks."},
            "techniques": {
                "type": "array",
                "items": entry_schema(),
                "minItems": 1,
                "description": "The techniques, in the order of the tables; the five of the paper if left out.",
            },
            "protocol": ref("protocol"),
        },
        "allOf": [{"oneOf": [{"required": [one]}, {"required": [f"{one}s"]}]} for one in ("model", "task")],
        "additionalProperties": False,
        "definitions": definitions,
    }


def _ways_to_name_a_task() -> list[dict[str, Any]]:
    """Return what a task's description must have: a built-in name, a data set of the hub, or files; and columns."""
    own = [{"required": ["hub", "text"]}, {"required": ["train", "test", "text"]}]
    return [{"properties": {"name": {"enum": [*builtin_names()]}}, "required": ["name"]}, *own]


def _nothing_chosen_on_test() -> list[dict[str, Any]]:
    """Return the rule that what is chosen on dev has a dev to be chosen on."""
    on_test = {"properties": {"eval_on": {"const": "test"}}, "required": ["eval_on"]}
    return [{"if": on_test, "then": {"properties": {"checkpoint": {"const": "last"}, "tune": {"type": "null"}}}}]
