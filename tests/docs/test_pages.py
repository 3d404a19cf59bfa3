"""The pages name only files, tests and headings that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FOLDERS = ("src", "tests", "tools", "docs", "examples")
HERE = "last_layers.py"  # the example of a page, which is not in the package


def prose(page):
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Return the names that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_and_tests_that_are_named_are_there(page):
    for named in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./]*(?:::\w+)?)`", prose(page)):
        path, _, test = named.partition("::")
        if path.endswith(HERE):
            continue
        assert (ROOT / path).exists(), named
        if test:
            assert re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), named


def test_every_key_of_a_study_is_explained():
    from tuneoff.study import ModelSpec, Protocol, TaskSpec, Tune
    from tuneoff.techniques import StageSettings, names, settings_of

    page = prose(ROOT / "docs" / "design.md")
    for kind in (ModelSpec, TaskSpec, Protocol, Tune, StageSettings, *map(settings_of, names())):
        for key in kind.model_fields:
            assert f"`{key}`" in page, f"{kind.__name__}.{key}"


def test_every_field_of_a_record_is_explained():
    from dataclasses import fields

    from tuneoff.store import PHASES, StageAddress, StageRecord
    from tuneoff.training.job import Execution

    page = prose(ROOT / "docs" / "design.md")
    named = [field.name for kind in (StageRecord, StageAddress, Execution) for field in fields(kind)]
    assert not [name for name in (*named, *PHASES) if f"`{name}`" not in page]
