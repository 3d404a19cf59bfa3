"""How charts look: colours that colour-blind readers tell apart, fonts, and the conversion to SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.words import visible

if TYPE_CHECKING:
    import altair as alt

# M. Okabe, K. Ito, "Color Universal Design" (2008), without the yellow, which is too light for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8A6D3B")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (4, 1, 1, 1), (1, 4))
# From orange over white to blue: the ends differ in hue for all kinds of colour vision, and darken alike.
DIVERGING = ("#B35806", "#F7F7F7", "#1F5F99")
TRAINING, EVALUATION = "#56B4E9", "#D55E00"
GREY = "#595959"
WIDTH, HEIGHT = 350, 180
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
SUBTITLE_WIDTH = 66
PNG_SCALE = 2.0  # pixels a unit of the SVG, for sharp screens
LOCALES = {"en": "en-US", "ru": "ru-RU"}  # of numbers on axes


def technique_styles(techniques: Sequence[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return a colour and a dash for each technique: colours first, then again with the next dash."""
    return {
        name: (PALETTE[place % len(PALETTE)], DASHES[place // len(PALETTE) % len(DASHES)])
        for place, name in enumerate(techniques)
    }


def styled(
    chart: "alt.VConcatChart | alt.HConcatChart | alt.LayerChart | alt.FacetChart", title: str, captions: Sequence[str]
) -> "alt.TopLevelMixin":
    """Return a chart with title, captions under the title, and the look that all share."""
    import textwrap

    lines = [line for caption in captions for line in textwrap.wrap(visible(caption), SUBTITLE_WIDTH)]
    title_spec = {"text": visible(title), "subtitle": lines, "anchor": "start", "frame": "group", "offset": 12}
    finished: alt.TopLevelMixin = chart.properties(title=title_spec, background="white", padding=12).configure(
        **_config()
    )
    return finished


def _config() -> Mapping[str, Any]:
    return {
        "font": FONT,
        "axis": {
            "labelFontSize": 12,
            "titleFontSize": 13,
            "titleFontWeight": "normal",
            "labelColor": "#222",
            "titleColor": "#222",
            "gridColor": "#E5E5E5",
            "domainColor": "#888",
            "tickColor": "#888",
        },
        "legend": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "labelLimit": 170,
            "symbolLimit": 0,
            "symbolSize": 250,
            "symbolOpacity": 1,
        },
        "title": {"fontSize": 15, "subtitleFontSize": 12, "subtitleColor": GREY, "subtitlePadding": 4},
        "view": {"stroke": None},
    }


def svg_text(chart: "alt.TopLevelMixin", language: str = "en") -> str:
    """Return a chart as SVG, made without a network, with a language's marks in numbers; equal charts give one text."""
    import io
    import re

    file = io.StringIO()
    chart.save(file, format="svg", embed_options={"formatLocale": LOCALES[language]})
    numbers: dict[str, str] = {}
    # vega counts its clip paths over all charts of a process.
    return re.sub(
        r"\bclip\d+\b", lambda found: numbers.setdefault(found[0], f"clip{len(numbers) + 1}"), file.getvalue()
    )


def png_bytes(svg: str) -> bytes:
    """Return an SVG of `svg_text` as PNG at twice its size, so that both show the same."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
