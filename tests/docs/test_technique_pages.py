"""Each technique of peft has a page that says of its settings what the code says."""

import json
import re
from pathlib import Path

import pytest

from tuneoff.exporting.facts import ADAPTED
from tuneoff.techniques import StageSettings, get, names
from tuneoff.techniques.adapter import Adapter
from tuneoff.training.build import sketch, trainable

FOLDER = Path(__file__).parents[2] / "docs" / "techniques"
ADAPTERS = [name for name in names() if issubclass(get(name), Adapter)]
PARTS = ("What it trains", "When", "Cost", "In a chain", "Source")
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


def part(page, name):
    """Return a part of a page on one line, from its name to the next blank line."""
    return " ".join(page.partition(f"**{name}.**")[2].partition("\n\n")[0].split())


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_page_says_what_is_trained_where_and_what_can_follow(name, resolve):
    """As the code has it: the layers of a small BERT, and what it says of chains and of a base in 4 bits."""
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    trains, chain = part(page, "What it trains"), part(page, "In a chain")
    technique = get(name)(get(name).settings_class())
    trained = trainable(sketch(technique, resolve("bert"), 2))
    assert "the head" in trains and "head.weight" in trained
    last = {layer[1] for layer in map(ADAPTED.match, trained) if layer}
    places = {
        "queries and values": {"query", "value"},
        "keys and values": {"key", "value", "dense"},
        "every linear layer": {"query", "key", "value", "dense"},
        "normalizations": {"LayerNorm"},
    }
    said = [layers for words, layers in places.items() if words in trains]
    assert said == ([last] if name != "peft" else [])
    assert technique.ends_a_chain is None and chain.startswith("Another technique can follow: ")
    if name != "peft":
        goes_with_4bit = technique.refuses_4bit is None
        assert ("On a base in 4 bits nothing can follow" in chain, "does not go with `load: 4bit`" in chain) == (
            goes_with_4bit,
            not goes_with_4bit,
        )


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_page_has_its_parts_and_the_papers_that_the_code_names(name):
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n") and all(f"**{part}.**" in page for part in PARTS)
    papers = re.findall(r"arXiv (\d{4}\.\d{5})", get(name).__doc__)
    assert papers or name == "peft"
    assert not [paper for paper in papers if f"https://arxiv.org/abs/{paper}" not in page]
