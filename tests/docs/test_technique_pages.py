"""Each technique of peft has a page that says of its settings what the code says."""

import json
import re
from pathlib import Path

import pytest

from tuneoff.techniques import StageSettings, get, names
from tuneoff.techniques.adapter import Adapter

FOLDER = Path(__file__).parents[2] / "docs" / "techniques"
ADAPTERS = [name for name in names() if issubclass(get(name), Adapter)]
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def read(text):
    """Return the value that a page shows as a default."""
    if text == "none":
        return None
    text = text.strip("`")
    return (
        {"type": "LORA"}
        if text == "{type: lora}"
        else json.loads(text)
        if re.match(r"[-\d]|true|false", text)
        else text
    )


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_page_has_every_setting_with_its_default_and_meaning(name):
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    told = {key: (read(default), meaning) for key, default, meaning in ROW.findall(page)}
    fields = get(name).settings_class.model_fields
    own = {
        key: (field.get_default(), field.description)
        for key, field in fields.items()
        if key == "learning_rate" or key not in StageSettings.model_fields or field.get_default() is not None
    }
    assert told == own


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_page_has_its_parts_and_the_papers_that_the_code_names(name):
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n") and all(f"**{part}.**" in page for part in ("When", "Cost", "Source"))
    papers = re.findall(r"arXiv (\d{4}\.\d{5})", get(name).__doc__)
    assert papers or name == "peft"
    assert not [paper for paper in papers if f"https://arxiv.org/abs/{paper}" not in page]
