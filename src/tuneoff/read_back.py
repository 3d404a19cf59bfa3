"""Files of a run directory as they are read back: whole and unchanged, or refused with what to do."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tuneoff.errors import StoreError
from tuneoff.files import sha256


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a run directory; raises StoreError with what to do if it is not there or not whole."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: missing; run the study again to write it") from None
    except ValueError as error:
        raise StoreError(f"{path}: not valid JSON ({error}); delete it and run the study again") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: not a JSON object; delete it and run the study again")
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file of a stage, one a line; raises StoreError if it is not whole."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise StoreError(
            f"{path}: not valid JSON lines ({error}); delete its folder and run the study again"
        ) from error


def read_kept_study(path: Path) -> dict[str, Any]:
    """Return a study as it was resolved; raises StoreError for a file that does not hold a whole one."""
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise StoreError(f"{path}: not valid YAML ({error}); run the study again to write it anew") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: not a study; run the study again to write it anew")
    if wrong := _not_whole(value):
        raise StoreError(f"{path}: not a whole study, {wrong}; run the study again to write it anew")
    return value


def _not_whole(study: Mapping[str, Any]) -> str | None:
    """Return what keeps a study that is kept from being read again; names make folders, so they lead nowhere else."""
    for key in ("models", "techniques", *(["tasks"] if "tasks" in study else [])):
        entries = study.get(key)
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            return f"{key} is no list of entries"
        for entry in entries if key != "tasks" else ():
            name = entry.get("name") or ("model" if key == "models" else None)
            if not isinstance(name, str) or name in (".", "..") or "/" in name or "\\" in name:
                return f"{key} has an entry with the name {name!r}"
    for key in ("task", "protocol"):
        if not isinstance(study.get(key, {}), dict):
            return f"{key} has no keys with values"
    return None


def altered(path: Path) -> StoreError:
    """Return the error for a file whose checksum differs."""
    return StoreError(
        f"{path}: not what was written (its checksum differs); delete its folder and run the study again, which "
        "computes it anew"
    )


@cache
def unchanged_sha256(path: Path, _size: int, _changed: int) -> str:
    """Hash a file once a process; size and time of change are arguments so that a changed one is read again."""
    return sha256(path)
