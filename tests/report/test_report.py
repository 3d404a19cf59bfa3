import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tuneoff.errors import StoreError
from tuneoff.evidence import build_results
from tuneoff.report import figure, html_table, markdown_table, terminal_table, write_report
from tuneoff.report.html import page_parts
from tuneoff.report.sentences import lead, protocol_sentences
from tuneoff.report.tables import results_table
from tuneoff.report.words import ENGLISH, KINDS, Words
from tuneoff.store import Store

SOURCE = Path(write_report.__code__.co_filename).parent
VOID = {"meta", "img", "br", "link", "input"}


class Page(html.parser.HTMLParser):
    """Collects elements and text, and checks that elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def five(tmp_path_factory, made_up):
    root = tmp_path_factory.mktemp("five")
    store = made_up(failed=(("full", 0),)).write(root)
    begun = time.process_time()  # of this process alone: what else the machine does is not the report's time
    page = write_report(store)
    assert time.process_time() - begun < 12
    return store, page


def test_all_files_are_written(five):
    store, page = five
    assert page == store.root / "report.html"
    names = [
        "full",
        "linear-probe",
        "lora",
        "linear-probe+full",
        "linear-probe+lora",
        "ranks",
        "superiority",
        "steps",
        "seconds",
        "time",
        "parameters",
        "memory",
    ]
    figures = {path.name for path in (store.root / "figures").iterdir()}
    assert figures == {f"{name}.{suffix}" for name in names for suffix in ("svg", "png", "csv")}
    assert {path.name for path in (store.root / "paper").iterdir()} == {"methods.txt", "methods.tex", "references.bib"}
    assert {path.name for path in (store.root / "tables").iterdir()} == {
        f"{name}.{suffix}" for name in ("table", "pairs") for suffix in ("md", "csv", "tex")
    }
    assert json.loads((store.root / "results.json").read_text(encoding="utf-8")) == build_results(store)


def test_the_png_is_twice_the_svg(five):
    svg = ElementTree.fromstring((five[0].root / "figures" / "steps.svg").read_text(encoding="utf-8"))
    png = (five[0].root / "figures" / "steps.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width = int.from_bytes(png[16:20], "big")
    assert width == pytest.approx(2 * float(svg.get("width")), abs=2)


def test_the_page_needs_nothing_from_outside(five):
    text = five[1].read_text(encoding="utf-8")
    page = Page(text)
    assert not page.all("link") and "url(" not in text and "@import" not in text
    script = (SOURCE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    assert page.all("script") == [{}] and text.count(f"<script>{script}</script>") == 1
    assert page.all("meta")[1] == {"http-equiv": "Content-Security-Policy", "content": allowed}
    assert page.elements.index(("meta", page.all("meta")[1])) < page.elements.index(("style", {}))  # holds from there
    assert not page.all("form") and not page.all("iframe") and not page.all("base")
    assert all((five[0].root / link["href"]).is_file() for link in page.all("a"))  # and what is linked stands beside it
    assert len(page.all("img")) == 12
    for image in page.all("img"):
        assert image["alt"].startswith("Chart: ")
        kind, _, data = image["src"].partition(";base64,")
        svg = ElementTree.fromstring(base64.b64decode(data))
        assert kind == "data:image/svg+xml" and svg.tag.endswith("svg")
        assert float(svg.get("width")) == pytest.approx(float(image["width"]), abs=1)
    assert not [value for _, attributes in page.elements for key, value in attributes.items() if key.startswith("on")]
    outside = re.sub(r'src="data:[^"]*"', "", text)
    assert "http:" not in outside and "https:" not in outside


def test_the_page_says_what_came_out_and_what_failed(five):
    text = " ".join(Page(five[1].read_text(encoding="utf-8")).text)
    assert (
        "5 ways of fine-tuning small-e5 (made up) on mini_rte (phenomenon) were compared, with one seed each." in text
    )
    assert "failed: loss is not finite (step 12)" in text
    assert "nothing may be chosen by looking at them" in text
    for title in ("Results", "What to choose", "Model", "Trained model", "Data", "Protocol", "Hardware and versions"):
        assert title in text
    assert (
        "stages/small-e5/mini-rte-ru-phenomenon/lora/seed-0" in text
        and "3 premises stand in train and in test." in text
    )


def test_texts_from_data_are_escaped(tmp_path, made_up):
    bad = "<script>alert('x')</script>&\"{{ 7 * 7 }}"
    made = made_up(
        techniques=("lora", "full"), title=bad, label=bad, classes=(bad, "no"), reason=bad, failed=(("lora", 0),)
    )
    text = write_report(made.write(tmp_path)).read_text(encoding="utf-8")
    page = Page(text)
    assert page.all("script") == [{}] and "7 * 7" in text
    assert "".join(page.text).count("<script>alert('x')</script>") >= 5
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    pictures = list((tmp_path / "figures").glob("*.svg"))
    assert pictures and any("alert('x')" in "".join(ElementTree.parse(one).getroot().itertext()) for one in pictures)
    for picture in pictures:  # they stand beside the page, too, where nothing keeps a script in them from running
        for element in ElementTree.parse(picture).iter():
            assert not element.tag.endswith("script")
            assert not [name for name in element.attrib if name.startswith("on") or name.endswith("href")]


def test_no_text_from_data_stands_in_the_pages_style_or_script():
    """Escaping is for HTML: in a style or a script it would not hold."""
    head, foot = ((SOURCE / f"{name}.html.j2").read_text(encoding="utf-8") for name in ("head", "foot"))
    assert re.findall(r"<style>(.*?)</style>", head, re.DOTALL) == ["\n{{ style }}"]
    assert re.findall(r"<script>(.*?)</script>", foot, re.DOTALL) == ["{{ script }}"]
    for parts in (page_parts(), page_parts(live=True)):
        own = [(SOURCE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js", "live.js")]
        assert [parts["style"], *parts["scripts"]] == own[: 3 if parts["live"] else 2]
    for path in SOURCE.glob("*.j2"):
        template = path.read_text(encoding="utf-8")
        assert "style=" not in template and "| safe" not in template and "|safe" not in template, path
        assert path.stem in ("head.html", "foot.html") or ("<style" not in template and "<script" not in template), path


def test_a_report_made_again_is_the_same_and_old_figures_go(tmp_path, made_up):
    store = made_up(techniques=("lora", "full")).write(tmp_path)
    write_report(store)
    paths = [path for path in tmp_path.rglob("*") if path.is_file() and "stages" not in path.parts]
    before = {path: path.read_bytes() for path in paths}
    write_report(store)
    assert {path: path.read_bytes() for path in before} == before
    made_up(techniques=("lora",)).write(tmp_path)
    write_report(store)
    assert not list((tmp_path / "figures").glob("full.*")) and (tmp_path / "figures" / "lora.svg").is_file()


def test_what_a_killed_report_left_half_written_goes(tmp_path, made_up):
    made_up(techniques=("lora",)).write(tmp_path)
    (tmp_path / "figures" / ".part-killed").mkdir(parents=True)
    (tmp_path / "figures" / ".part-killed" / "lora.svg").write_text("<svg")
    write_report(Store(tmp_path))
    assert not list(tmp_path.rglob(".part-*"))


def test_a_report_of_nothing_says_so(tmp_path, made_up):
    made = made_up(techniques=("lora",), missing=(("lora", 0),), described=False, title=None)
    text = " ".join(Page(write_report(made.write(tmp_path)).read_text(encoding="utf-8")).text)
    assert "No run is done yet." in text and "no history is stored" in text and "made-up" in text


def test_neither_evidence_nor_report_imports_torch(tmp_path, made_up):
    made_up(techniques=("linear-probe", "linear-probe+lora"), steps=4, eval_every=2).write(tmp_path)
    code = (
        "import sys; from pathlib import Path; from tuneoff.store import Store;"
        "import tuneoff.report as r, tuneoff.evidence as e;"
        "heavy = {'altair', 'pandas', 'sklearn', 'pyarrow', 'jinja2'};"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys();"
        f"r.write_report(Store(Path({str(tmp_path)!r}))); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_one_dict_gives_the_terminal_and_the_markdown_table(five):
    results = build_results(five[0])
    assert terminal_table(results).table == results_table(results)
    assert markdown_table(results) == (five[0].root / "tables" / "table.md").read_text(encoding="utf-8")


def test_the_table_for_notebooks_is_whole_html_with_the_best_marked(five):
    page = Page(html_table(build_results(five[0])))
    assert len(page.all("tr")) == 6 and "3,072" in page.text and len(page.all("strong")) >= 5
    assert page.all("small")


def test_figures_for_notebooks_are_altair_charts(five, tmp_path, made_up):
    store, _ = five
    assert figure(build_results(store), store, "steps").to_dict()["title"]["text"] == "All techniques over steps"
    empty = made_up(techniques=("lora",), missing=(("lora", 0),)).write(tmp_path)
    with pytest.raises(StoreError, match="No evaluation is stored"):
        figure(build_results(empty), empty, "steps")


def test_the_lead_names_the_highest_mean_and_all_that_share_it(tmp_path, made_up):
    results = build_results(made_up(techniques=("full", "lora", "linear-probe"), seeds=2).write(tmp_path))
    for row, mean in zip(results["techniques"], (0.5001, 0.5003, 0.4), strict=True):
        row["metrics"]["accuracy"] |= {"mean": mean, "sd": 0.02}
    assert lead(results, results_table(results))[-1] == (
        "The highest mean accuracy on test is that of full and lora: 0.500 ± 0.020."
    )


def test_the_protocol_in_words_leaves_out_what_is_unknown(tmp_path, made_up):
    results = build_results(made_up(techniques=("full", "linear-probe"), seeds=2).write(tmp_path))
    text = " ".join(protocol_sentences(results))
    assert "trained for 40 optimizer steps of 24 examples" in text and "warm-up over 6% of the steps" in text
    assert "0.0001 (full) and 0.0001 (linear-probe)" in text and "Seeds: 0, 1." in text
    results["study"]["protocol"] = {}
    for row in results["techniques"]:
        row["budget"] = row["settings"] = None
    assert protocol_sentences(results) == [
        "Reported metrics are those on test after the last step.",
        protocol_sentences(results)[1],
    ]


def test_every_message_is_used_and_every_used_message_exists():
    folders = [SOURCE, SOURCE.parent / "commands"]
    files = [path for folder in folders for path in folder.iterdir() if path.suffix in (".py", ".j2")]
    sources = [
        path for path in files if not path.stem.endswith("words") and not path.stem.startswith(("english", "russian"))
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    used = set(re.findall(r'"((?:[a-z]+\.)+[a-zA-Z_.]+)"', code))
    # Their ids stand in the results, and evidence has the words; texts that were kept are known by theirs.
    kept = {*KINDS, *re.findall(r'say\.kept\("([a-z]+)"', code)}
    of_evidence = ("verdict.", "summary.", "race.", "ranks.", *(f"{kind}." for kind in kept))
    prefixes = set(re.findall(r'say(?:\.get)?\(f"([a-z_.]+)\{', code))
    unused = [
        name
        for name in ENGLISH
        if name not in used and f'"{name}"' not in code and not name.startswith((*prefixes, *of_evidence))
    ]
    assert unused == []
    asked = set(re.findall(r'say\(\s*"([^"]+)"', code))
    assert asked and asked <= ENGLISH.keys()
    with pytest.raises(KeyError):
        Words()("no.such.message")
