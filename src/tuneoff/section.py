"""The base of every part of a study file: unknown keys are refused, and each field says whether it is in the key."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a study file. Fields are made by `keyed` or `unkeyed`, so none is neither (a test checks)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())

    def keyed_values(self) -> dict[str, Any]:
        """Return the fields that determine a result, as JSON values, in the order of their definition."""
        names = {name for name, field in type(self).model_fields.items() if in_key(field)}
        return self.model_dump(mode="json", include=names)


def keyed(default: Any = ..., *, doc: str, **constraints: Any) -> Any:
    """Declare a field that changes results: it goes into the content key of the stages that use it."""
    return Field(default, description=doc, json_schema_extra={"in_key": True}, **constraints)


def unkeyed(default: Any = ..., *, doc: str, **constraints: Any) -> Any:
    """Declare a field that changes no result (names, places, speed), or reaches the key by what it resolves to."""
    return Field(default, description=doc, json_schema_extra={"in_key": False}, **constraints)


def in_key(field: Any) -> bool:
    """Return whether a field was declared with `keyed`; raises KeyError if it was declared with neither."""
    extra = field.json_schema_extra or {}
    return bool(extra["in_key"])
