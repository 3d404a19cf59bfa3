"""The studies that come with tuneoff."""

from importlib.resources import files
from pathlib import PurePath

from tuneoff.yaml_source import read_yaml

SUFFIXES = (".yaml", ".yml")  # of study files


def shipped_studies() -> dict[str, str]:
    """Return the names of the studies that come with tuneoff, each with its title."""
    return {name: str(read_yaml(shipped_text(name), name)[0].value["title"]) for name in shipped_names()}


def shipped_names() -> list[str]:
    """Return the names of the studies that come with tuneoff."""
    folder = files("tuneoff") / "studies"
    return sorted(PurePath(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(SUFFIXES))


def shipped_text(name: str) -> bytes:
    """Return the file of a study that comes with tuneoff."""
    return (files("tuneoff") / "studies" / f"{name}.yaml").read_bytes()
