"""Lines in charts of accuracy: what always the commonest class reaches, and the best of the cheap baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneoff.report.style import GREY
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt

DOTTED, DASHED = [2, 3], [7, 4]


@dataclass(frozen=True)
class Reference:
    """An accuracy on test that a technique must be above to be worth its cost, its dash and the sentence about it."""

    accuracy: float
    dash: Sequence[int]
    caption: str


def references(task: Mapping[str, Any], say: Words) -> list[Reference]:
    """Return the lines for a row of `tasks` of the results: chance, and the best baseline if that is above it."""
    known = {row["name"]: row["accuracy"] for row in task["baselines"] or () if row["accuracy"] is not None}
    found = []
    if "majority" in known:
        value = say.number(f"{known['majority']:.3f}")
        found.append(Reference(known["majority"], DOTTED, say("caption.chance", value=value)))
    best = max(known, key=lambda name: float(known[name]), default=None)
    if best is not None and known[best] > known.get("majority", -1.0):
        named = {"baseline": say(f"baseline.{best}"), "value": say.number(f"{known[best]:.3f}")}
        found.append(Reference(known[best], DASHED, say("caption.baseline", **named)))
    return found


def reference_rules(lines: Sequence[Reference], channel: str, axis: Any) -> list["alt.Chart"]:
    """Return a rule across the chart for each reference; `channel` (x or y) has the accuracy, on `axis`."""
    import altair as alt

    return [
        alt.Chart(alt.InlineData(values=[{"accuracy": one.accuracy}]))
        .mark_rule(color=GREY, strokeDash=list(one.dash), strokeWidth=1.3)
        .encode(**{channel: axis})
        for one in lines
    ]
