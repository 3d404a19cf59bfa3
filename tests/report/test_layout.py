"""How the page is laid out: on paper, in narrow windows and in wide ones."""

import pytest

from tuneoff.report import write_report
from tuneoff.report.html import _notes
from tuneoff.report.words import WORDS

PAPER, PHONE = {"width": 680, "height": 960}, {"width": 360, "height": 800}  # 180 mm of A4 between margins of 15 mm
TECHNIQUES = ("linear-probe", "lora", "full", "linear-probe+full", "linear-probe+lora")
# Words and numbers that stand on two lines; after a hyphen or a plus a name may go on below.
BROKEN = r"""() => [...document.querySelectorAll("td.number, th")].filter(one => one.checkVisibility())
  .flatMap(cell => {
  const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
  while (walk.nextNode()) {
    for (const word of walk.currentNode.textContent.matchAll(/[^\s\-+]+/g)) {
      const range = document.createRange();
      range.setStart(walk.currentNode, word.index);
      range.setEnd(walk.currentNode, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      if (lines.size > 1) found.push(word[0]);
    }
  }
  return found;
})"""
WIDE = """most => [...document.querySelectorAll("table")].filter(one => one.checkVisibility())
  .map(one => [one.parentElement.ariaLabel, one.getBoundingClientRect().right]).filter(([_, right]) => right > most)"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, made_up):
    root = tmp_path_factory.mktemp("laid-out")
    return write_report(made_up(techniques=TECHNIQUES, steps=4, eval_every=2, seeds=2).write(root))


def test_on_paper_no_number_is_broken_no_table_cut_and_no_control_shown(open_page, run):
    with open_page(run, viewport=PAPER) as opened:
        opened.page.emulate_media(media="print")
        assert opened.page.evaluate(BROKEN) == [] == opened.page.evaluate(WIDE, PAPER["width"])
        assert opened.shown("select") == opened.shown("button") == opened.shown(".filters") == 0
        rules = "[...document.styleSheets[0].cssRules].filter(rule => rule instanceof CSSPageRule)"
        assert opened.page.evaluate(f"{rules}.map(rule => rule.style.margin)") == ["15mm"]


def test_in_a_narrow_window_the_first_column_stays_and_rows_are_low(open_page, run):
    with open_page(run, viewport=PHONE) as opened:
        pairs = opened.page.locator(".scroll", has=opened.page.get_by_role("columnheader", name="higher")).first
        first, second = pairs.locator("tbody th").first, pairs.locator("tbody td").first
        before, moved = first.bounding_box()["x"], second.bounding_box()["x"]
        pairs.evaluate("one => { one.scrollLeft = 200 }")
        assert first.bounding_box()["x"] == before and second.bounding_box()["x"] == moved - 200
        lines = "one => one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight)"
        assert max(row.evaluate(lines) for row in pairs.locator("tbody tr").all()) < 4
        assert "local" in pairs.evaluate("one => getComputedStyle(one).backgroundAttachment")


def test_in_a_wide_window_names_stand_on_one_line(open_page, run):
    with open_page(run, viewport={"width": 1600, "height": 900}) as opened:
        names = opened.page.locator("td.name").all()
        assert len(names) > 5 and all(
            name.evaluate("one => getComputedStyle(one).whiteSpace") == "nowrap" for name in names
        )


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory, made_up):
    tasks = tuple({"name": "mini_rte", "label": label} for label in ("phenomenon", "label"))
    made = made_up(techniques=("lora", "full"), tasks=tasks, steps=4, eval_every=2)
    return write_report(made.write(tmp_path_factory.mktemp("two-tasks")))


def test_in_a_wide_window_the_contents_stay_beside_what_is_read(open_page, run):
    with open_page(run, viewport={"width": 1600, "height": 900}) as opened:
        nav, main = opened.page.locator("#contents"), opened.page.locator("main")
        before = nav.bounding_box()
        assert before["x"] + before["width"] <= main.bounding_box()["x"]
        opened.page.evaluate("scrollTo(0, 3000)")
        assert 0 <= nav.bounding_box()["y"] < before["y"] and main.bounding_box()["y"] < -1000
    with open_page(run, viewport=PHONE) as opened:
        nav, main = opened.page.locator("#contents").bounding_box(), opened.page.locator("main").bounding_box()
        assert nav["y"] + nav["height"] <= main["y"]


def test_several_tasks_are_folded_but_for_the_first_and_open_on_paper(open_page, two_tasks):
    with open_page(two_tasks, viewport=PAPER) as opened:
        parts = opened.page.locator("details.part")
        assert parts.count() >= 8  # pairs, figures of each technique, of all together, errors
        beginnings = opened.page.eval_on_selector_all(
            "details.part", "all => all.map(one => [one.open, one.previousElementSibling?.matches('.part') ?? false])"
        )
        errors = opened.page.locator("section > details.part").count()
        assert sum(is_open for is_open, _ in beginnings) < len(beginnings)
        assert not any(is_open and follows for is_open, follows in beginnings) and errors == 2
        tables = "() => [...document.querySelectorAll('.part table')].filter(one => one.checkVisibility()).length"
        before = opened.page.evaluate(tables)
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("details.part:not([open])").count() == 0
        assert opened.page.evaluate(tables) > before
        opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert opened.page.evaluate(tables) == before and opened.said == []


def test_what_is_alike_for_all_tasks_is_said_once_and_every_region_has_its_own_name(open_page, two_tasks):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with open_page(two_tasks, viewport={"width": 1600, "height": 900}) as opened:
        text = two_tasks.read_text(encoding="utf-8")
        assert text.count("how probably the first has more right answers than the second") == 1  # one seed
        names = opened.page.eval_on_selector_all('[role="region"]', "all => all.map(one => one.ariaLabel)")
        assert len(names) == len(set(names)) > 10
        found = [one["id"] for one in axe.Axe().run(opened.page).response["violations"]]
        assert "landmark-unique" not in found


def test_examples_are_folded_with_their_number_and_a_label_is_called_gold(open_page, run):
    with open_page(run) as opened:
        examples = opened.page.locator("details", has=opened.page.locator("article"))
        number = opened.page.locator("article").count()
        assert number > 5 and opened.shown("article") == 0
        assert examples.locator("summary").first.inner_text() == f"Examples: {number}"
        examples.locator("summary").first.click()
        assert opened.shown("article") == number
        assert opened.page.locator("article > p").first.inner_text().split("gold: ")[1] in ("yes", "no", "may be")


def test_what_could_not_be_drawn_is_said_below_the_figures(open_page, run):
    with open_page(run) as opened:
        assert opened.page.locator(".skipped").count() > 0 == opened.page.locator(".figures .skipped").count()
        boxes = [one.bounding_box()["y"] for one in opened.page.locator("figure, .skipped").all()]
        assert boxes == sorted(boxes)


def test_a_note_on_the_data_is_said_once_and_names_the_tasks_only_where_not_all_have_it():
    tasks = [
        {"name": "a", "notes": ["dev is cut out.", "one row is empty."]},
        {"name": "b", "notes": ["dev is cut out."]},
    ]
    assert _notes({"tasks": tasks}, WORDS) == ["dev is cut out.", "a: one row is empty."]
