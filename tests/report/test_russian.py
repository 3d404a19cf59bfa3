"""Reports in Russian say what the English ones say, with the marks of Russian numbers."""

import re
from string import Formatter

import pytest
from typer.testing import CliRunner

from tests.fabricate import Fabricated
from tuneoff.cli import app
from tuneoff.report import REPORT, TABLES, write_report
from tuneoff.report.formats import count, duration, mean_spread, plain, size
from tuneoff.report.words import ENGLISH, LANGUAGES, Words

RUSSIAN = LANGUAGES["ru"]
SAY = Words("ru")
# Words that a study file or another program knows, names of methods, and units that all languages share.
NAMES = re.compile(r"^(Python|tuneoff|p|test|ru|—|[{}\w.:/ ·–()]*\{[^}]*\}[{}\w.:/ ·–(),%]*)$")


def fields(message: str) -> set[tuple[str, str]]:
    return {(name, spec or "") for _, name, spec, _ in Formatter().parse(message) if name is not None}


def test_every_english_message_has_a_russian_one_and_no_more():
    assert RUSSIAN.keys() == ENGLISH.keys()


@pytest.mark.parametrize("message", ENGLISH)
def test_a_message_has_the_same_fields_written_the_same_way(message):
    assert fields(RUSSIAN[message]) == fields(ENGLISH[message])


@pytest.mark.parametrize("message", ENGLISH)
def test_a_message_is_in_russian(message):
    text = RUSSIAN[message]
    assert re.search("[а-яё]", text.lower()) or NAMES.match(text), text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (mean_spread(0.4372, 0.0121, SAY), "0,437 ± 0,012"),
        (count(1_234_567, SAY), "1\u202f234\u202f567"),
        (duration(4.25, SAY), "4,2 с"),
        (duration(3_723, SAY), "1 ч 02 мин 03 с"),
        (size(1_190_000_000, SAY), "1,19 ГБ"),
        (plain([2e-5, True], SAY), "2e-05, да"),
        (SAY("notice.commonest_class", label="a.b", share=0.5), ""),
    ],
)
def test_numbers_have_russian_marks(text, wanted):
    assert text == wanted or (wanted == "" and "(a.b)" in text and "0,500" in text)


def test_a_message_marks_its_own_numbers_and_leaves_names_alone():
    text = SAY("verdict.open_examples", a="lora-1.5", b="full", smallest=8.04, difference=2.0, examples=12_000)
    assert "lora-1.5 и full" in text and "8,0 п. п." in text and "12\u202f000" in text


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    store = Fabricated(seeds=3).write(tmp_path_factory.mktemp("russian"))
    write_report(store, "ru")
    return store


def test_the_page_has_none_of_the_english_sentences(written):
    page = (written.root / REPORT).read_text(encoding="utf-8")
    assert '<html lang="ru">' in page
    for message, text in ENGLISH.items():
        longest = max(re.split(r"\{[^}]*\}", text), key=len).strip()
        if longest.count(" ") >= 2 and longest not in RUSSIAN[message]:
            assert longest not in page, message


def test_tables_for_people_are_in_russian_and_those_for_programs_are_not(written):
    folder = written.root / TABLES
    markdown, table = (folder / "table.md").read_text("utf-8"), (folder / "table.csv").read_text("utf-8")
    assert "доля верных ответов" in markdown and re.search(r"0,\d{3}", markdown)
    assert "доля" not in table and re.search(r"0\.\d{3}", table)


def test_the_command_takes_the_language_from_its_option_or_the_environment(written):
    for arguments, environment in ((["--lang", "ru"], {}), ([], {"TUNEOFF_LANG": "ru"})):
        write_report(written)
        result = CliRunner().invoke(app, ["report", str(written.root), *arguments], env=environment)
        assert result.exit_code == 0
        assert "способ" in result.stdout
        assert 'lang="ru"' in (written.root / REPORT).read_text(encoding="utf-8")


def test_an_unknown_language_is_refused(written):
    result = CliRunner().invoke(app, ["report", str(written.root), "--lang", "de"])
    assert result.exit_code == 2 and "'de'" in result.stderr
