"""The entries of references.bib: whole, and cited for what they are about."""

import re

import pytest

from tuneoff.report import bibliography
from tuneoff.report.bibliography import bibtex, entries
from tuneoff.tasks.registry import built_in_tasks
from tuneoff.techniques import names

USED = {
    *bibliography.METHODS.values(),
    *bibliography.MODELS.values(),
    *bibliography.TASKS.values(),
    *bibliography.TESTS.values(),
    *bibliography.LIBRARIES.values(),
    *(bibliography.PROBE_FIRST, bibliography.OPTIMIZER, bibliography.HOLM, bibliography.WILSON),
    *(bibliography.EQUIVALENCE, bibliography.SPENDING, bibliography.OVER_TASKS, bibliography.FRIEDMAN),
    *(bibliography.WILCOXON, bibliography.IMAN_DAVENPORT, bibliography.MEAN_LIMITS),
}


def test_every_entry_is_cited_for_something_and_everything_cited_is_there():
    assert entries().keys() == USED


@pytest.mark.parametrize("key", sorted(USED))
def test_an_entry_is_whole(key):
    entry = entries()[key]
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry.text, re.MULTILINE))
    kind = re.match(r"@(\w+)\{", entry.text)[1]
    needed = {"article": {"journal", "volume", "pages"}, "inproceedings": {"booktitle"}, "misc": set()}[kind]
    assert needed | {"author", "title", "year"} <= fields.keys()
    assert kind != "misc" or "eprint" in fields or "howpublished" in fields
    assert 1900 < int(fields["year"]) <= 2026 and re.fullmatch(r"\{.+\}", fields["title"])
    assert len(entry.text.splitlines()) == len(fields) + 2 and entry.text.count("{") == entry.text.count("}")
    if number := fields.get("eprint"):
        assert re.fullmatch(r"\d{4}\.\d{4,5}", number)
        assert 2000 + int(number[:2]) <= int(fields["year"])  # a paper is not printed before it is written


def test_citations_name_one_two_or_the_first_of_many():
    cited = [entries()[key].short() for key in ("holm1979simple", "tsui1989generalized", "hu2022lora")]
    assert cited == ["Holm 1979", "Tsui and Weerahandi 1989", "Hu et al. 2022"]
    assert entries()["buyukakyuz2024olora"].names == ("Büyükakyüz",)
    assert entries()["demsar2006statistical"].short() == "Demšar 2006"
    assert entries()["gemma2025gemma3"].names == ("Gemma Team",)


def test_bibtex_has_each_entry_once_in_order():
    text = bibtex(["hu2022lora", "holm1979simple", "hu2022lora"])
    assert re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE) == ["holm1979simple", "hu2022lora"]


def test_techniques_with_a_paper_are_known():
    """Full fine-tuning has none; those that come later are named without one until they are added."""
    assert {"linear-probe", "lora", "top-layers"} <= set(names()) & bibliography.METHODS.keys()


def test_sources_are_of_tasks_that_there_are():
    """A task that comes later is named without a source until it is added."""
    assert bibliography.TASKS.keys() <= built_in_tasks().keys() and {"terra", "rte"} <= bibliography.TASKS.keys()
