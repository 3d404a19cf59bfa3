"""The page in a real browser."""

import shutil
import threading

import pytest

from tuneoff.evidence import build_results
from tuneoff.report import write_report
from tuneoff.report.html import render
from tuneoff.report.live import LivePage, make_server

WIDTHS = (360, 1600)
SCHEMES = ("light", "dark")
VISIBLE = """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
  .filter(one => one.checkVisibility()).map(one => one.outerHTML)"""
FOCUSED = "() => document.activeElement === document.body ? null : document.activeElement.outerHTML"


@pytest.fixture(scope="module")
def run(tmp_path_factory, made_up):
    """A study with one run that failed."""
    root = tmp_path_factory.mktemp("browsed")
    made = made_up(techniques=("lora", "full"), steps=4, eval_every=2, failed=(("full", 0),), seeds=2)
    return write_report(made.write(root))


def test_it_opens_without_a_network_and_complains_of_nothing(open_page, run):
    with open_page(run) as opened:
        assert opened.page.title() == "A made-up study"
        assert opened.page.locator("nav a").count() == opened.page.locator("main h2").count() > 5
        assert opened.said == []
        assert [url for url in opened.asked if not url.startswith("data:")] == [run.as_uri()]
        sizes = opened.page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
        assert sizes and min(sizes) > 100


def test_without_scripts_everything_is_there_and_nothing_that_needs_them(open_page, run):
    with open_page(run, java_script_enabled=False) as opened:
        text = run.read_text(encoding="utf-8")
        assert opened.shown("figure") == text.count("<figure") and opened.shown("tbody tr") > 20
        assert opened.shown(".filters") == opened.shown("nav") == opened.shown("select") == 0
        links = [link.get_attribute("href") for link in opened.page.locator("figcaption a").all()]
        assert links and all((run.parent / link).is_file() for link in links)


def test_filters_hide_rows_columns_and_figures_by_keyboard_and_survive_a_reload(open_page, run):
    with open_page(run) as opened:
        page = opened.page
        assert page.locator(".filters summary").count() == 1  # one model and one task need no filter
        before = opened.shown("figure")
        page.locator("summary", has_text="Techniques").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.value") == "lora"
        page.keyboard.press("Space")
        assert opened.shown('[data-technique~="lora"]') == 0 and opened.shown('[data-technique="full"]') > 3
        assert opened.shown("figure") == before - 1 and page.locator('[data-count="technique"]').inner_text() == "1"
        page.reload()
        assert opened.shown('[data-technique~="lora"]') == 0
        page.locator("summary", has_text="Techniques").click()
        page.get_by_role("button", name="all").first.click()
        assert opened.shown("figure") == before
        assert opened.said == []


def test_a_model_that_is_not_chosen_is_hidden_with_its_tables(open_page, tmp_path, made_up, no_figures):
    made = made_up(techniques=("lora", "full"), models=("small-e5", "large-e5"), steps=4)
    with open_page(write_report(made.write(tmp_path))) as opened:
        opened.page.eval_on_selector_all("details.part", "all => all.forEach(one => { one.open = true })")
        tables = opened.shown("table")
        opened.page.locator("summary", has_text="Models").click()
        opened.page.locator('input[value="large-e5"]').uncheck()
        assert opened.shown('[data-model="large-e5"]') == 0 < opened.shown('[data-model="small-e5"]')
        assert 0 < opened.shown("table") < tables


def test_every_control_is_reached_by_the_keyboard_in_order_and_shows_that_it_is(open_page, run):
    with open_page(run) as opened:
        for details in opened.page.locator("details").all():
            details.evaluate("one => { one.open = true }")
        expected = opened.page.evaluate(VISIBLE)
        reached = []
        for _ in expected:
            opened.page.keyboard.press("Tab")
            reached.append(opened.page.evaluate(FOCUSED))
            assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert reached == expected


@pytest.mark.parametrize(("kind", "beginning"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("csv", b"technique,")])
def test_figures_are_saved_from_a_page_that_was_mailed_alone(open_page, run, tmp_path, kind, beginning):
    alone = shutil.copy(run, tmp_path / "mailed.html")
    with open_page(alone) as opened:
        link = opened.page.get_by_label(f"All techniques over steps: download as {kind.upper()}").first
        with opened.page.expect_download() as found:
            link.press("Enter")
        assert found.value.suggested_filename == f"steps.{kind}"
        content = (tmp_path / "saved").with_suffix(f".{kind}")
        found.value.save_as(content)
        beside = (run.parent / "figures" / f"steps.{kind}").read_bytes()
        assert content.read_bytes().startswith(beginning) and opened.said == []
        if kind == "png":  # of the browser's own fonts, but as large
            assert content.read_bytes()[16:24] == beside[16:24]
        else:
            assert content.read_bytes() == beside


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(open_page, run, width, scheme):
    with open_page(run, viewport={"width": width, "height": 800}, color_scheme=scheme) as opened:
        for details in opened.page.locator("details").all():
            details.evaluate("one => { one.open = true }")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_figures_turn_dark_with_the_page_and_stay_light_on_paper(open_page, run):
    light = "getComputedStyle(document.querySelector('figure img')).filter"
    with open_page(run, color_scheme="dark") as opened:
        assert "invert" in opened.page.evaluate(light)
        opened.page.emulate_media(media="print", color_scheme="dark")
        assert opened.page.evaluate(light) == "none"
        assert opened.shown("nav") == opened.shown(".filters") == opened.shown("figcaption") == 0


def test_the_policy_holds_no_other_script_runs_and_nothing_is_fetched(open_page, run):
    with open_page(run) as opened:
        opened.page.evaluate(
            """() => {
              document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }));
              document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.ran = 2">');
              document.body.insertAdjacentHTML("beforeend", '<img src="figures/steps.png">');
            }"""
        )
        opened.page.wait_for_timeout(200)
        assert opened.page.evaluate("window.ran") is None
        assert len([text for text in opened.said if "Content Security Policy" in text]) == 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_no_serious_problem(open_page, run, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with open_page(run, color_scheme=scheme) as opened:
        assert _serious(axe, opened.page) == []


def _serious(axe, page):
    found = axe.Axe().run(page).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in bad]


@pytest.mark.slow
def test_fifty_techniques_are_still_a_page(open_page, tmp_path, made_up):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    techniques = tuple({"name": f"lora-{n}", "use": "lora"} for n in range(50))
    page = write_report(made_up(techniques=techniques, steps=4, eval_every=2, seeds=2).write(tmp_path))
    for width in WIDTHS:
        with open_page(page, viewport={"width": width, "height": 800}) as opened:
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
            opened.page.locator("summary", has_text="Techniques").click()
            opened.page.get_by_role("button", name="none").click()
            opened.page.get_by_label("lora-7", exact=True).check()
            assert opened.shown("figure[data-technique]") == 1 and opened.said == []
            assert _serious(axe, opened.page) == []


def test_a_watched_page_renews_itself_when_a_stage_has_ended(browser, tmp_path, made_up, monkeypatch):
    made = made_up(techniques=("lora", "full"), missing=(("full", 0),), steps=4)
    store = made.write(tmp_path)
    monkeypatch.setattr("tuneoff.report.live.SHARE", 1.0)  # no rest after it was drawn
    live = LivePage(store, lambda store: render(build_results(store), [], live=True))
    live.refresh()
    server = make_server(live, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_context().new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.get_by_text("No stage is running now.").wait_for()
        assert page.get_by_role("cell", name="not run yet").count() > 0
        made_up(techniques=("lora", "full"), steps=4).write(tmp_path)
        live.refresh()
        page.get_by_role("cell", name="not run yet").first.wait_for(state="detached")
        assert [text for text in said if "favicon" not in text and "404" not in text] == []
    finally:
        page.context.close()
        server.shutdown()
        server.server_close()
