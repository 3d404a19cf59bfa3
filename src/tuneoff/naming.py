"""Names of models, tasks, techniques and studies, which become folders."""

import re
import unicodedata

LONGEST_NAME = 80
PART = "[a-z0-9]+(?:-[a-z0-9]+)*"
NAME = re.compile(rf"(?=.{{1,{LONGEST_NAME}}}\Z){PART}")
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""What no file or folder can be called on Windows (learn.microsoft.com, Naming Files, Paths, and Namespaces)."""
NOT_A_DEVICE = f"(?!(?:{'|'.join(sorted(DEVICES))})(?:\\+|$))"  # before a name in a schema's pattern


def slug(text: str) -> str:
    """Return a text as a name: small letters and digits, the rest as single hyphens; empty if none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_NAME].strip("-")


def folder_name(name: str, kind: str) -> str:
    """Return a name that was made out of another, as Windows can have it too: `aux` of a model is `model-aux`."""
    return f"{kind}-{name}" if name in DEVICES else name


def why_no_folder(name: str) -> str | None:
    """Return why a name can be no folder's on every system, to follow it in a message; None for one that can."""
    return "is a device on Windows, which has no folders of that name; use another one" if name in DEVICES else None


def plain_name(value: str) -> str:
    """Return a name as it is; raises ValueError for what is none."""
    if not NAME.fullmatch(value):
        raise ValueError(
            f"use lower-case letters, digits and single hyphens, {LONGEST_NAME} at most, such as 'lora-r32'"
        )
    if why := why_no_folder(value):
        raise ValueError(f"'{value}' {why}")
    return value
