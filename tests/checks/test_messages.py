"""What the checks say, in every language that there is: each message, its values, and what earlier versions kept."""

import ast
import html
import inspect
import re
import subprocess
import sys
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import ClassVar

import pytest

from tuneoff.checks import all_checks, base, examine, messages, of_stage, words_of
from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.kept import FILE, finding_rows, keep_findings
from tuneoff.checks.messages import COMMON, Speaker, first_of, message
from tuneoff.evidence.results import build_results
from tuneoff.files import write_json
from tuneoff.report import REPORT, write_report
from tuneoff.report.doctor_table import doctor_table
from tuneoff.report.tables import cautions
from tuneoff.report.words import LANGUAGES, WORDS, Words
from tuneoff.store import Store

RU = Words("ru")
CHECKS = all_checks()
SAMPLES = {"share": 0.25, "Share": 0.25, "p": 0.01, "size": 2_000_000, ",": 1234, "and": ["a", "b"], "": "N7"}


def fields(text):
    """The fields of a message, each with how it is written."""
    return {(name, spec) for _, name, spec, _ in Formatter().parse(text) if name is not None}


def sampled(text):
    """Values that fit a message."""
    return {name: "train has no words" if spec == "reason" else SAMPLES.get(spec, 0.5) for name, spec in fields(text)}


def longest_piece(text):
    return max(re.split(r"\{[^}]*\}", text), key=len).strip(" .,;:()")


def each_message():
    return [(check, name) for check in CHECKS for name in check.words["en"]]


def of_each_message(**more):
    """A finding for every message of every check, as it would be kept."""
    return [
        check.finding("warning", name, name, values=sampled(check.words["en"][name]), **more)
        for check, name in each_message()
    ]


@pytest.mark.parametrize("words", [COMMON, *(check.words for check in CHECKS)], ids=["all", *(c.name for c in CHECKS)])
def test_every_message_is_in_every_language_with_the_same_values(words):
    assert words.keys() == LANGUAGES.keys()
    for texts in words.values():
        assert texts.keys() == words["en"].keys()
        assert not [name for name in texts if fields(texts[name]) != fields(words["en"][name])]
    foreign = {name: text for name, text in words["ru"].items() if not re.search("[а-яё]", text.lower())}
    assert all(
        re.sub(r"\{[^}]*\}", "", text).strip(" .,;:()") in ("", "protocol.memory_limit") for text in foreign.values()
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_message_of_a_check_is_used_and_every_used_one_is_there(check):
    assert not check.words["en"].keys() & COMMON["en"].keys()
    used, asked = used_in(inspect.getmodule(type(check)))
    assert check.words["en"].keys() <= used
    assert asked <= check.words["en"].keys() | COMMON["en"].keys()


def test_what_all_checks_may_say_is_used():
    modules = [base, examine, messages, of_stage, inspect.getmodule(Finding)]
    assert COMMON["en"].keys() <= {name for module in modules for name in used_in(module)[0]}


def used_in(module):
    """The texts in a file besides its dictionaries of words, and those of them that are asked for as messages."""
    tree = ast.parse(inspect.getsource(module))
    tree.body = [part for part in tree.body if not (is_words(part))]
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    asked = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = call.args[1:3] if name == "finding" else call.args[:1] if name == "message" else []
        asked |= {text for one in given for text in said_by(one)}
    return texts, asked


def is_words(part):
    targets = part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id in ("ENGLISH", "RUSSIAN", "COMMON") for target in targets)


def said_by(given):
    """The ids that an argument may be: a text, or one text or another."""
    if isinstance(given, ast.IfExp):
        return said_by(given.body) | said_by(given.orelse)
    return {given.value} if isinstance(given, ast.Constant) and isinstance(given.value, str) else set()


def test_the_words_stand_in_the_checks_own_file_and_need_no_torch():
    for check in CHECKS:
        assert inspect.getmodule(type(check)).__name__ == f"tuneoff.checks.{check.name.replace('-', '_')}"
        assert words_of(check.name) is check.words
    asked = f"all(words_of(name) for name in {[check.name for check in CHECKS]!r})"
    code = f"import sys; from tuneoff.checks import words_of; assert {asked}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert words_of("own") == words_of("no-such-check") == words_of("../own") == {}


@pytest.mark.parametrize(
    ("part", "english", "russian"),
    [
        (0, "0%", "0%"),
        (1, "100%", "100%"),
        (1 / 3, "33%", "33%"),
        (1 / 100, "1.0%", "1,0%"),
        (0.999, "99.9%", "99,9%"),
        (1 / 10_000, "less than 0.1%", "менее 0,1%"),
        (1 / 1000, "0.1%", "0,1%"),
        (0.9999, "more than 99.9%", "более 99,9%"),
    ],
)
def test_shares_are_never_rounded_to_none_or_all(part, english, russian):
    words = {language: {"is": "{part:share}", "Is": "{part:Share}"} for language in LANGUAGES}
    for say, wanted in ((WORDS, english), (RU, russian)):
        speak = Speaker(words, say)
        assert speak(message("is", part=part)) == wanted
        assert speak(message("Is", part=part)) == wanted[0].upper() + wanted[1:]


@pytest.mark.parametrize(
    ("text", "values", "english", "russian"),
    [
        ("{a:p}", {"a": 0.0314}, "p = 0.031", "p = 0,031"),
        ("{a:p}", {"a": 0.0004}, "p < 0.001", "p < 0,001"),
        ("{a:size}", {"a": 1_190_000_000}, "1.19 GB", "1,19 ГБ"),
        ("{a:,} {b:.2g}", {"a": 12_000, "b": 0.25}, "12,000 0.25", "12\u202f000 0,25"),
        ("{a}", {"a": "1,5.x"}, "1,5.x", "1,5.x"),
        ("{a:and}", {"a": ["x", "y"]}, "x and y", "x и y"),
        ("{named}{more}", first_of(["x", "y", "z"], 2), "x, y, and 1 more", "x, y и ещё 1"),
        ("{named}{more}", first_of(["x", "y"], 2), "x, y", "x, y"),
        ("{a}", {"a": [message("own", b=0.5), message("own", b=2)]}, "[0.5], [2]", "[0,5], [2]"),
        ("{a:reason}", {"a": "a reason that nobody knows"}, *["a reason that nobody knows"] * 2),
    ],
)
def test_values_are_said_in_the_language(text, values, english, russian):
    words = {language: {"said": text, "own": "[{b}]"} for language in LANGUAGES}
    assert Speaker(words, WORDS)(message("said", **values)) == english
    assert Speaker(words, RU)(message("said", **values)) == russian


class Made(Check):
    name, question = "made", "?"
    words: ClassVar = {
        "en": {"seen": "{rows:,} seen.", "look": "Look."},
        "ru": {"seen": "Видно: {rows:,}.", "look": "Смотрите."},
    }


def test_a_finding_is_said_in_another_language_and_in_english_again(monkeypatch):
    monkeypatch.setattr("tuneoff.checks.words_of", lambda name: Made.words if name == "made" else {})
    about = message("stage", technique="lora", model="m")
    finding = Made().finding("note", "seen", "look", about=about, values={"rows": 1200})
    assert str(finding) == "made (lora on m): 1,200 seen. Look."
    assert str(finding.in_words(RU)) == "made (lora на m): Видно: 1\u202f200. Смотрите."
    assert finding.in_words(WORDS) is finding
    of_task = finding.of_task("terra")
    assert of_task.about == "terra: lora on m" and of_task.in_words(RU).about == "terra: lora на m"
    named = Made().finding("note", "seen", about="train", values={"rows": 1})
    assert named.of_task("terra").in_words(RU).about == "terra: train" and named.in_words(RU).advice is None
    assert Made().finding("note", "look").of_task("terra").in_words(RU).about == "terra"


@pytest.mark.parametrize(
    "changed",
    [
        {"said": {}},
        {"check": "no-such-check"},
        {"said": {"sentence": "no such id", "values": {}}},
        {"said": {"sentence": "names_differ", "values": {}}},
        {"said": {"sentence": "none_near", "values": {"sampled": {"id": "no such id", "values": {}}}}},
        {"said": {"sentence": "spread", "values": {"rows": "many", "named": "", "more": ""}}},
        {"said": {"sentence": "spread", "values": {"rows": None, "named": "", "more": ""}}},
    ],
    ids=["finished text alone", "check gone", "id gone", "value gone", "inner id gone", "other value", "no value"],
)
def test_what_another_version_kept_is_said_as_it_was_kept(changed):
    kept = {"check": "labels", "severity": "note", "sentence": "As it was.", "advice": "Read.", "about": "train"}
    finding = Finding.from_json({**kept, "evidence": {}, "forced": False, **changed})
    assert finding.in_words(RU) == finding and finding.sentence == "As it was."


def test_a_run_directory_of_an_earlier_version_is_reported(tmp_path, made_up, no_figures):
    store = made_up(techniques=("lora",)).write(tmp_path)
    kept = {"check": "power", "severity": "warning", "sentence": "It is weak.", "advice": None, "about": None}
    write_json(store.root / FILE, {"findings": [{**kept, "evidence": {}, "forced": False}]})
    page = write_report(store, "ru").read_text(encoding="utf-8")
    assert "проверка power предупредила (исследование в целом): It is weak." in page
    results = build_results(store)
    assert "Before the first step, power warned of the study: It is weak." in cautions(results)
    for notice in results["study"]["notices"]:  # results.json of an earlier version
        notice["values"].pop("findings", None)
    assert any("It is weak." in text for text in cautions(results, RU))


@pytest.fixture(scope="module")
def russian(tmp_path_factory):
    """A run directory with every message of every check, and its page in Russian."""
    from tests.fabricate import Fabricated

    store = Fabricated(techniques=("lora",)).write(tmp_path_factory.mktemp("findings"))
    keep_findings(store, of_each_message(), [])
    write_report(store, "ru")
    return store


def test_a_russian_report_has_no_english_sentence_of_any_check(russian):
    page = html.unescape((russian.root / REPORT).read_text(encoding="utf-8"))
    assert "the study)" not in page
    for check, name in each_message():
        piece = longest_piece(check.words["en"][name])
        if piece.count(" ") >= 2:
            assert piece not in page, (check.name, name)
        assert Speaker(check.words, RU)(message(name, **sampled(check.words["en"][name]))) in page, (check.name, name)


def test_table_and_cautions_are_in_the_language_of_the_report(russian):
    results = build_results(russian)
    rows = {say.language: doctor_table(results, say).rows for say in (WORDS, RU)}
    found = of_each_message()
    assert [row[3].text for row in rows["en"]] == [one.sentence for one in found]
    assert [row[3].text for row in rows["ru"]] == [one.in_words(RU).sentence for one in found]
    assert sum("предупредила (исследование в целом)" in text for text in cautions(results, RU)) == len(found)
    assert results["doctor"] == finding_rows(Store(russian.root))


def test_findings_alike_of_several_things_are_one_caution_that_names_them(tmp_path, made_up):
    store = made_up(techniques=("lora",)).write(tmp_path)
    (numbers,) = [check for check in CHECKS if check.name == "numbers"]
    for_each = [message("stage", technique=name, model="m") for name in ("lora", "full")]
    keep_findings(store, [numbers.finding("warning", "finite", about=about) for about in for_each], [])
    (caution,) = [text for text in cautions(build_results(store), RU) if "numbers" in text]
    assert "(lora на m, full на m): Веса, логиты" in caution
    (caution,) = [text for text in cautions(build_results(store)) if "Weights" in text]
    assert caution.startswith("Before the first step, numbers warned of lora on m, full on m: Weights")


def test_the_check_of_the_page_finds_what_it_says():
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    code = next(
        one for one in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) if "ENGLISH" in one
    )
    names = {}
    exec(code, names)
    train = SimpleNamespace(texts=(["a", " ", "b", "c"],))
    patient = SimpleNamespace(data=SimpleNamespace(splits={"train": train}))
    (found,) = names["Empty"]().of_study(patient)
    assert str(found) == "empty (train): 1 of the 4 rows (25%) are empty. Fill them in or remove them."
    assert Speaker(names["Empty"].words, RU)(message("many", **found.said["values"])) == "Пустых строк: 1 из 4 (25%)."
