"""What a model's own card says in its front matter."""

import re
from pathlib import Path
from typing import Any

import yaml

from tuneoff.study import LONGEST_TITLE
from tuneoff.words import shortened, visible


def card_settings(folder: Path) -> dict[str, Any]:
    """Return the front matter of a folder's model card; empty if it has none that can be read."""
    card = folder / "README.md"
    if not card.is_file():
        return {}
    front = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    try:
        settings = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return {}
    return settings if isinstance(settings, dict) else {}


def card_name(folder: Path) -> str | None:
    """Return `model_name` from the card, as it may be shown, if there is one."""
    named = card_settings(folder).get("model_name")
    return visible(shortened(named, LONGEST_TITLE)) if isinstance(named, str) and named.strip() else None
