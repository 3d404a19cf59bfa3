"""Every technique has a page: short, with each of its own settings."""

from pathlib import Path

import pytest

from tuneoff.techniques import StageSettings, names, settings_of

PAGES = Path(__file__).parents[2] / "docs" / "techniques"


@pytest.mark.parametrize("name", names())
def test_it_has_a_page_that_names_its_settings(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}") and 10 <= len(page.splitlines()) <= 40
    own = settings_of(name).model_fields.keys() - StageSettings.model_fields.keys() | {"learning_rate"}
    assert not [setting for setting in own if f"`{setting}`" not in page]
