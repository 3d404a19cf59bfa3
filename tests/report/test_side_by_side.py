"""The page about several studies, and the command that writes it."""

import pytest
from typer.testing import CliRunner

from tuneoff.cli import app
from tuneoff.errors import StoreError
from tuneoff.evidence import build_results
from tuneoff.report.side_by_side import _setting, write_side_by_side
from tuneoff.report.words import WORDS

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def stores(tmp_path_factory, made_up):
    root = tmp_path_factory.mktemp("studies")
    return [made_up(techniques=(name,), seeds=2).write(root / f"study-{name}") for name in ("lora", "full")]


def test_the_page_shows_both_and_leaves_them_as_they_are(stores, tmp_path):
    before = {path: path.stat().st_mtime_ns for store in stores for path in store.root.rglob("*")}
    page, findings = write_side_by_side(stores, tmp_path / "both")
    text = page.read_text(encoding="utf-8")
    assert "Side by side: study-lora, study-full" in text and findings[0] in text
    assert "Pairs on the same test rows: study-lora and study-full" in text and text.count("<figure") == 1
    assert "The studies were asked with the same settings." in text
    assert {path.suffix for path in (tmp_path / "both" / "figures").iterdir()} == {".svg", ".png", ".csv"}
    assert {path: path.stat().st_mtime_ns for store in stores for path in store.root.rglob("*")} == before


def test_the_command_takes_several_directories_and_says_where_the_page_is(stores, tmp_path):
    done = RUNNER.invoke(app, ["report", *(str(store.root) for store in stores), "--to", str(tmp_path / "here")])
    assert done.exit_code == 0 and f"report: {tmp_path / 'here' / 'report.html'}" in done.stderr
    assert "cannot be told apart" in done.stdout


def test_what_else_is_in_the_folder_stays_and_a_run_directory_is_refused(stores, tmp_path):
    mine = [tmp_path / "figures" / f"mine.{suffix}" for suffix in ("svg", "png", "csv")]
    mine[0].parent.mkdir()
    for path in mine:
        path.write_text("mine", encoding="utf-8")
    write_side_by_side(stores, tmp_path)
    assert (tmp_path / "report.html").is_file() and all(path.read_text(encoding="utf-8") == "mine" for path in mine)
    with pytest.raises(StoreError, match="is a run directory, and has a report of its own"):
        write_side_by_side(stores, stores[0].root)


def test_a_place_for_one_study_is_refused(stores, tmp_path):
    done = RUNNER.invoke(app, ["report", str(stores[0].root), "--to", str(tmp_path)])
    assert done.exit_code == 2 and "--to is for a page about several run directories" in done.stderr


def test_what_was_asked_is_shown_in_words_and_no_folder_of_a_person(tmp_path, made_up):
    stores = [made_up(techniques=("lora",), steps=n).write(tmp_path / "home" / "jo" / f"of-{n}") for n in (4, 8)]
    name = next(iter(build_results(stores[0])["tasks"]))["name"]
    for store, fingerprint in zip(stores, "12", strict=True):
        store.describe_task("small-e5", name, {**store.task("small-e5", name), "test_fingerprint": fingerprint * 64})
    text = write_side_by_side(stores, tmp_path / "both")[0].read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "jo/" not in text
    assert "protocol.steps" in text and "None" not in text and "{&#39;" not in text and "[{" not in text


@pytest.mark.parametrize(("value", "shown"), [("/home/jo/a.csv", "a.csv"), ("data/a.csv", "data/a.csv"), (0.5, "0.5")])
def test_a_setting_is_a_text_of_its_own(value, shown):
    assert _setting(value, WORDS) == shown
    assert _setting({"train": value, "limit": 1000}, WORDS) == f"train {shown}; limit 1,000"


@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_opens_in_a_browser_without_a_complaint(open_page, stores, tmp_path, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, _ = write_side_by_side(stores, tmp_path / "both")
    with open_page(page, viewport={"width": width, "height": 800}) as opened:
        assert opened.page.title() == "Side by side: study-lora, study-full" and opened.said == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.locator("nav a").count() == opened.page.locator("main h2").count() == 3
        assert opened.page.get_by_role("cell", name="study-full: full").count() > 0
        assert axe.Axe().run(opened.page).response["violations"] == []
