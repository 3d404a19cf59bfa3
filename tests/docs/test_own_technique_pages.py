"""The pages of techniques that are our own: short, each with all of the technique's own settings."""

from pathlib import Path

import pytest

from tuneoff.techniques import StageSettings, settings_of

FOLDER = Path(__file__).parents[2] / "docs" / "techniques"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(FOLDER.glob("*.md"))}
OURS = [name for name, page in PAGES.items() if "**When to use it.**" in page]


@pytest.mark.parametrize("name", OURS)
def test_it_names_all_settings_and_has_its_parts(name):
    page = PAGES[name]
    assert page.startswith(f"# {name}: ") and 15 <= len(page.splitlines()) <= 30
    parts = ("What it trains", "When to use it", "Cost", "Settings", "In a chain", "Source")
    assert not [part for part in parts if f"**{part}.**" not in page]
    own = settings_of(name).model_fields.keys() - StageSettings.model_fields.keys() | {"learning_rate"}
    assert not [setting for setting in own if f"`{setting}`" not in page]


def test_there_are_as_many_as_techniques_of_our_own():
    assert len(OURS) == 12
