"""Every technique has a page: short, with each of its own settings, and with its source."""

from pathlib import Path

import pytest

from tuneoff.techniques import StageSettings, names, settings_of

PAGES = Path(__file__).parents[2] / "docs" / "techniques"


@pytest.mark.parametrize("name", names())
def test_it_has_a_page_that_names_its_settings_and_its_source(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}: ") and 15 <= len(page.splitlines()) <= 30
    for part in ("What it trains", "When to use it", "Cost", "Settings", "In a chain", "Source"):
        assert f"**{part}.**" in page, part
    own = settings_of(name).model_fields.keys() - StageSettings.model_fields.keys() | {"learning_rate"}
    assert not [setting for setting in own if f"`{setting}`" not in page]
