"""How figures look: texts as large everywhere, colours that stay themselves on dark pages, labels off what is drawn."""

import base64
import io
import re
from itertools import combinations
from pathlib import Path

import pytest

from tuneoff.evidence import build_results
from tuneoff.report import write_report
from tuneoff.report.charts import make_figure
from tuneoff.report.curves import load_curves
from tuneoff.report.style import EVALUATION, FIGURE, PALETTE, TRAINING, svg_text
from tuneoff.report.words import LANGUAGES

TECHNIQUES = ("linear-probe", "lora", "full", "linear-probe+full", "linear-probe+lora")
STYLE = (Path(__file__).parents[2] / "src/tuneoff/report/style.css").read_text(encoding="utf-8")
LIGHT, DARK = "#ffffff", "#171717"


@pytest.fixture(scope="module", params=sorted(LANGUAGES))
def page(request, tmp_path_factory, made_up):
    made = made_up(techniques=TECHNIQUES, steps=8, eval_every=2, seeds=2)
    return write_report(made.write(tmp_path_factory.mktemp(f"looked-at-{request.param}")), request.param)


def test_figures_are_all_as_wide_and_their_texts_can_be_read_on_a_telephone(open_page, page):
    with open_page(page, viewport={"width": 360, "height": 800}) as opened:
        shown = opened.page.eval_on_selector_all(
            ".figures img", "all => all.map(one => [one.src, Number(one.getAttribute('width')), one.clientWidth])"
        )
        assert len(shown) > 8 and {width for _, width, _ in shown} == {FIGURE}
        for source, width, pixels in shown:
            svg = base64.b64decode(source.split(",")[1]).decode()
            sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]
            assert sizes and min(sizes) * pixels / width >= 11


def test_a_matrix_of_many_techniques_scrolls_with_its_texts_as_large(open_page, tmp_path, made_up):
    techniques = tuple({"name": f"technique-of-rank-{n}", "use": "lora"} for n in range(14))
    made = made_up(techniques=techniques, steps=4, eval_every=2).write(tmp_path)
    with open_page(write_report(made), viewport={"width": 360, "height": 800}) as opened:
        assert opened.page.locator("img.wide").count() == 1
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
        wide = opened.page.locator("img.wide")
        assert wide.evaluate("one => one.clientWidth") == int(wide.get_attribute("width")) > FIGURE


def linear(value):
    return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4


def contrast(one, other):
    """The contrast ratio of WCAG 2.2."""

    def luminance(color):
        red, green, blue = (linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def oklab(color):
    """Lightness and two axes of hue (B. Ottosson, A perceptual color space for image processing, 2020)."""
    import numpy as np

    rgb = np.array([linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5)])
    lms = (
        np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        )
        @ rgb
    )
    return np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    ) @ np.cbrt(lms)


def between(one, other):
    """The angle between two colours' hues in degrees; None where one has hardly any."""
    import numpy as np

    (_, *a), (_, *b) = oklab(one), oklab(other)
    if min(np.hypot(*a), np.hypot(*b)) < 0.03:
        return None
    return abs((np.degrees(np.arctan2(a[1], a[0]) - np.arctan2(b[1], b[0])) + 180) % 360 - 180)


def test_a_colour_keeps_its_hue_on_a_dark_page_and_stands_out_on_both(browser):
    """As Chromium shows it: two techniques of a hue would change places where lightness is turned."""
    image = pytest.importorskip("PIL.Image")
    (turned,) = re.findall(r"\.figures img \{ filter: ([^;]+); \}", STYLE)
    colors = dict.fromkeys((*PALETTE, TRAINING, EVALUATION))
    boxes = "".join(f'<rect x="{20 * n}" width="20" height="20" fill="{color}"/>' for n, color in enumerate(colors))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="20">{boxes}</svg>'
    source = base64.b64encode(svg.encode()).decode()
    opened = browser.new_page(viewport={"width": 400, "height": 20})
    opened.set_content(f'<body style="margin:0"><img style="filter:{turned}" src="data:image/svg+xml;base64,{source}">')
    seen = image.open(io.BytesIO(opened.screenshot())).convert("RGB")
    opened.close()
    dark = {c: "#{:02x}{:02x}{:02x}".format(*seen.getpixel((20 * n + 10, 10))) for n, c in enumerate(colors)}
    assert all(contrast(color, LIGHT) >= 3 and contrast(dark[color], DARK) >= 3 for color in colors)
    assert all((between(color, dark[color]) or 0) < 20 for color in colors)
    for shown in (list(PALETTE), [dark[color] for color in PALETTE]):
        angles = [between(one, other) for one, other in combinations(shown, 2)]
        assert min(angle for angle in angles if angle is not None) > 20
    for color in (one for one in PALETTE if one != "#000000"):  # and so each is nearest to itself
        others = [between(dark[color], other) for other in PALETTE if other != color]
        assert between(color, dark[color]) < min(angle for angle in others if angle is not None)


def test_a_technique_whose_steps_take_no_time_is_a_point(tmp_path, made_up):
    store = made_up(techniques=("linear-probe", "full"), steps=8, eval_every=2).write(tmp_path)
    results = build_results(store)
    curves = load_curves(results, store)
    probe = (curves["technique"] == "linear-probe") & (curves["series"] == "evaluation")
    curves.loc[probe, "seconds"] = curves["seconds"].max() / 2 + curves.loc[probe, "step"] / 1e4
    figure = make_figure(results, curves, "seconds")
    spec = figure.chart.to_dict()
    layers = spec["vconcat"][0]["layer"]
    (point,) = [layer for layer in layers if layer["mark"].get("shape") == "circle"]
    (line,) = [layer for layer in layers if layer["mark"]["type"] == "line"]
    shown, drawn = (str(spec["datasets"][layer["data"]["name"]]) for layer in (point, line))
    assert shown.count("linear-probe") == 1 and "linear-probe" not in drawn and drawn.count("full") > 1
    assert any(caption.startswith("A round point is the last evaluation") for caption in figure.captions)
    steps = make_figure(results, curves, "steps")
    assert not any(caption.startswith("A round point") for caption in steps.captions)


def test_labels_that_would_stand_on_something_give_way_to_a_legend(tmp_path, made_up):
    store = made_up(techniques=TECHNIQUES, seeds=2).write(tmp_path)
    results = build_results(store)
    curves = load_curves(results, store)

    def texts(seconds, accuracies, reach):
        times, levels = (dict(zip(TECHNIQUES, values, strict=True)) for values in (seconds, accuracies))
        runs = [
            {
                **run,
                "seconds_total": {**run["seconds_total"], "alone": times[run["technique"]]},
                "metrics": {**run["metrics"], "accuracy": levels[run["technique"]]},
            }
            for run in results["runs"]
        ]
        rows = []
        for row in results["techniques"]:
            level = levels[row["technique"]]
            rows.append({**row, "accuracy_interval": {"low": level - reach, "high": level + reach, "covers": "seeds"}})
        changed = {**results, "runs": runs, "techniques": rows}
        spec = make_figure(changed, curves, "time").chart.to_dict()
        return [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"], svg_text(
            make_figure(changed, curves, "time").chart
        )

    apart, svg = texts((1, 3, 10, 30, 100), (0.1, 0.9, 0.3, 0.7, 0.5), 0.01)
    assert len(apart) == 5 and "role-legend" not in svg
    crowded, svg = texts((10, 20, 40, 80, 160), (0.5, 0.5, 0.5, 0.5, 0.5), 0.4)
    assert crowded == [] and "role-legend" in svg and all(f">{name}<" in svg for name in TECHNIQUES)
