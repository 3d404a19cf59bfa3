"""Where ticks and labels go: round times on an axis, and labels beside points without covering each other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tuneoff.report.style import LETTER

ROUND_SECONDS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)
LINE = 17.0
GAP = 11.0
RADIUS = 6.0


def time_ticks(low: float, high: float, log: bool, most: int = 6) -> list[float]:
    """Return round numbers of seconds from low to high, about `most` of them, suited to a linear or a log axis."""
    days = [86400.0 * 10**power for power in range(1, 6)]
    ticks = [tick for tick in (*ROUND_SECONDS, *days) if low <= tick <= high]
    # A log axis over a narrow range is nearly linear.
    if not log or len(ticks) < 3:
        span = high - low
        step = next((step for step in ROUND_SECONDS if span / step <= most - 1), 86400.0 * math.ceil(span / 86400 / 5))
        first = math.ceil(low / step)
        return [step * place for place in range(first, int(high / step) + 1)]
    return ticks[:: max(1, math.ceil(len(ticks) / most))]


def count_ticks(low: float, high: float) -> list[float]:
    """Return round numbers for a log axis from low to high: powers of ten, or their multiples where few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**power for power in powers if low <= 10.0**power <= high]
    if len(tens) >= 3:
        return tens[:: math.ceil(len(tens) / 6)]
    for digits in ((1, 2, 5), range(1, 10)):
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        if len(ticks) >= 2:
            break
    return ticks


def padded(values: Sequence[float], share: float = 0.08, least: float = 0.01) -> tuple[float, float]:
    """Return the range of values with a margin on both sides, never of no width."""
    low, high = min(values), max(values)
    margin = max((high - low) * share, least)
    return low - margin, high + margin


def padded_log(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """Return the range of positive values with a margin on both sides of a log axis."""
    low, high = padded([math.log10(value) for value in values], share, least=0.2)
    return 10**low, 10**high


@dataclass(frozen=True)
class Label:
    """A label for the point at (x, y), pixels from the top left; `left` if its text ends at the point."""

    text: str
    x: float
    y: float
    left: bool = False

    def covers(self) -> tuple[float, float]:
        """Return from where to where the text reaches."""
        length = LETTER * len(self.text)
        start = self.x - GAP - length if self.left else self.x + GAP
        return start, start + length


Box = tuple[float, float, float, float]


def place_labels(labels: Sequence[Label], width: float, height: float, drawn: Sequence[Box] = ()) -> list[Label]:
    """Return the labels in the same order, each beside its point: no two overlap, and all are inside.

    Each takes the nearest free place on the right or left of its point, off all points and off what else is `drawn`
    (from x to x, from y to y). Where one finds none, that may be covered; where one still finds none, all are stacked
    instead, which needs a height of LINE pixels for each and may cover points.
    """
    placed = _beside(labels, width, height, drawn)
    if placed is None and drawn:
        placed = _beside(labels, width, height, ())
    return _stacked(labels, width, height) if placed is None else placed


def covers_any(labels: Sequence[Label], drawn: Sequence[Box]) -> bool:
    """Return whether a label stands on something that is drawn."""
    return any(_crosses(label, box) for label in labels for box in drawn)


def _beside(labels: Sequence[Label], width: float, height: float, drawn: Sequence[Box]) -> list[Label] | None:
    placed: list[Label] = []
    for label in labels:
        points = [other for other in labels if (other.x, other.y) != (label.x, label.y)]
        free = (
            place
            for place in _places(label, width, height)
            if not any(_overlap(place, other) for other in placed)
            and not any(_hides(place, point) for point in points)
            and not any(_crosses(place, box) for box in drawn)
        )
        chosen = next(free, None)
        if chosen is None:
            return None
        placed.append(chosen)
    return placed


def _places(label: Label, width: float, height: float) -> Iterator[Label]:
    """The places for a label, best first: beside its point, then ever more above or below."""
    for step in range(int(2 * height / LINE)):
        for away in (0.0,) if step == 0 else (-step * LINE / 2, step * LINE / 2):
            for left in (False, True):
                place = replace(label, y=label.y + away, left=left)
                start, end = place.covers()
                if start >= 0 and end <= width and LINE <= place.y <= height - LINE:
                    yield place


def _stacked(labels: Sequence[Label], width: float, height: float) -> list[Label]:
    """Push labels that share columns down from the top, then up from the bottom."""
    sided = [replace(label, left=label.covers()[1] > width) for label in labels]
    order = sorted(range(len(sided)), key=lambda place: sided[place].y)
    placed: dict[int, Label] = {}
    for place in order:
        label = sided[place]
        above = [other.y for other in placed.values() if _share_columns(label, other)]
        placed[place] = replace(label, y=max([label.y, LINE / 2, *(y + LINE for y in above)]))
    for position in reversed(range(len(order))):
        label = placed[order[position]]
        below = [placed[other] for other in order[position + 1 :]]
        limit = min([height - LINE / 2, *(other.y - LINE for other in below if _share_columns(label, other))])
        placed[order[position]] = replace(label, y=min(label.y, limit))
    return [placed[place] for place in range(len(labels))]


def _overlap(one: Label, other: Label) -> bool:
    return _share_columns(one, other) and abs(one.y - other.y) < LINE


def _share_columns(one: Label, other: Label) -> bool:
    (a, b), (c, d) = one.covers(), other.covers()
    return a < d and c < b


def _hides(label: Label, point: Label) -> bool:
    start, end = label.covers()
    return start - RADIUS < point.x < end + RADIUS and abs(label.y - point.y) < LINE / 2 + RADIUS


def _crosses(label: Label, box: Box) -> bool:
    start, end = label.covers()
    left, right, top, bottom = box
    return start - 1 < right and left < end + 1 and top < label.y + LINE / 2 and bottom > label.y - LINE / 2
