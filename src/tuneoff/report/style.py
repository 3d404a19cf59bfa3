"""How charts look: colours that colour-blind readers tell apart, fonts, and the conversion to SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.words import visible

if TYPE_CHECKING:
    import altair as alt

# M. Okabe, K. Ito, "Color Universal Design" (2008), without what is under 3:1 on white (yellow, orange, sky blue), and
# with a violet and a dark red instead. In a dark page the style sheet turns lightness alone: no two of a hue, or one
# would be taken for the other there.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7C4DFF", "#000000", "#81313C")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (4, 1, 1, 1), (1, 4), (10, 2, 2, 2, 2, 2))
# From orange over white to blue: the ends differ in hue for all kinds of colour vision, and darken alike.
DIVERGING = ("#B35806", "#F7F7F7", "#1F5F99")
TRAINING, EVALUATION = "#0072B2", "#D55E00"
GREY = "#595959"
LABELS = 200  # the longest label of a y axis, in pixels
# All figures are as wide, so that their texts are as large beside each other; at the 336 pixels that a telephone has
# for them, a text of 13 is one of 11. A matrix of many techniques alone is wider.
FIGURE, PADDING, TEXT = 392, 12, 13
WIDTH, HEIGHT = 306, 180
LETTER = 7.3  # about how wide a letter is
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
TITLE_WIDTH, SUBTITLE_WIDTH = 46.0, 60.0  # in letters; Cyrillic ones are wider
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
    lines = [line for caption in captions for line in _wrapped(caption, SUBTITLE_WIDTH)]
    head = _wrapped(title, TITLE_WIDTH)
    text: Any = head if len(head) > 1 else head[0]
    title_spec = {"text": text, "subtitle": lines, "anchor": "start", "frame": "bounds"}
    finished: alt.TopLevelMixin = chart.properties(
        title={**title_spec, "offset": 12}, background="white", padding=PADDING
    ).configure(**_config())
    return finished


def _wrapped(text: str, width: float) -> list[str]:
    import textwrap

    shown = visible(text)
    wide = sum("\u0400" <= letter <= "\u04ff" for letter in shown) / max(len(shown), 1)
    return textwrap.wrap(shown, int(width / (1 + 0.15 * wide)))


def plot_width(labels: Sequence[str], beside: float = 0.0) -> float:
    """Return how wide a plot may be beside these labels of its y axis and what stands at its right, in pixels."""
    longest = LETTER * max(map(len, labels), default=0)
    return max(100.0, FIGURE - 2 * PADDING - min(LABELS, longest) - 14 - beside)


def legend_columns(names: Sequence[str]) -> int:
    """Return in how many columns names stand below a figure without making it wider."""
    return max(1, min(3, int((FIGURE - 2 * PADDING) / (LETTER * max(map(len, names), default=1) + 44))))


def _config() -> Mapping[str, Any]:
    return {
        "font": FONT,
        "axis": {
            "labelFontSize": TEXT,
            "titleFontSize": TEXT,
            "titleFontWeight": "normal",
            "labelColor": "#222",
            "titleColor": "#222",
            "gridColor": "#E5E5E5",
            "domainColor": "#888",
            "tickColor": "#888",
        },
        "legend": {
            "labelFontSize": TEXT,
            "titleFontSize": TEXT,
            "labelLimit": 310,
            "symbolLimit": 0,
            "symbolSize": 250,
            "symbolOpacity": 1,
        },
        "title": {"fontSize": 15, "subtitleFontSize": TEXT, "subtitleColor": GREY, "subtitlePadding": 4},
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
    text = re.sub(
        r"\bclip\d+\b", lambda found: numbers.setdefault(found[0], f"clip{len(numbers) + 1}"), file.getvalue()
    )
    return _as_wide_as_all(text)


def _as_wide_as_all(svg: str) -> str:
    """Widen a figure that is narrower than FIGURE by what is missing, at its right."""
    import re

    found = re.match(r'<svg[^>]*?width="(\d+(?:\.\d+)?)" height="(\d+(?:\.\d+)?)"', svg)
    if found is None or float(found[1]) >= FIGURE:
        return svg
    old, height = found[1], found[2]
    head = svg[: svg.index("<g")].replace(f'width="{old}"', f'width="{FIGURE}"')
    return head.replace(f"0 0 {old} {height}", f"0 0 {FIGURE} {height}") + svg[svg.index("<g") :]


def png_bytes(svg: str) -> bytes:
    """Return an SVG of `svg_text` as PNG at twice its size, so that both show the same."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
