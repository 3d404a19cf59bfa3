"""How the page is laid out: on paper, in narrow windows and in wide ones."""

import pytest

from tuneoff.report import write_report

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
