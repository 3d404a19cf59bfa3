"""Numbers as readers see them: times, counts, sizes, means with spreads."""

import math
from collections.abc import Sequence

from tuneoff.report.words import WORDS, Words


def duration(seconds: float | None, say: Words = WORDS) -> str:
    """Return seconds as the paper writes times ('6 h 09 min 31 s'), with decimals below ten seconds."""
    if seconds is None:
        return say("value.unknown")
    if seconds < 9.95:
        return say("unit.seconds", seconds=say.number(f"{seconds:.1f}" if seconds >= 0.95 else f"{seconds:.2g}"))
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return say("unit.seconds", seconds=rest)
    if minutes < 60:
        return say("unit.minutes", minutes=minutes, seconds=rest)
    return say("unit.hours", hours=minutes // 60, minutes=minutes % 60, seconds=rest)


def short_duration(seconds: float, say: Words = WORDS) -> str:
    """Return a round number of seconds in its largest whole unit, for axes: '30 s', '5 min', '2 h'."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and math.isclose(seconds / length, round(seconds / length, 1)):
            return say(f"unit.short.{unit}", value=say.number(f"{seconds / length:g}"))
    return say("unit.short.s", value=say.number(f"{seconds:g}"))


def count(value: int | None, say: Words = WORDS) -> str:
    """Return a whole number with its thousands set apart, in English by commas."""
    return say("value.unknown") if value is None else say.number(f"{value:,}")


def short_count(value: int, say: Words = WORDS) -> str:
    """Return a round number in the largest unit that it reaches, for axes: '500', '10k', '1.5M'."""
    power = sum(value >= 1000**power for power in (1, 2, 3))
    return say(f"unit.count.{'1kMB'[power]}", value=say.number(f"{value / 1000**power:g}"))


def size(value: int | None, say: Words = WORDS) -> str:
    """Return bytes in decimal units with three digits: '1.19 GB', '512 MB'."""
    if value is None:
        return say("value.unknown")
    power = 0
    while power < 4 and float(f"{value / 1000**power:.3g}") >= 1000:
        power += 1
    unit = ("B", "kB", "MB", "GB", "TB")[power]
    return say(f"unit.{unit}", value=say.number(f"{value / 1000**power:.3g}"))


def decimals(spread: float | None, most: int = 4) -> int:
    """Return the decimals that a value with this spread deserves: two digits of the spread, 2 to most; 3 if unknown."""
    if not spread:
        return 3
    return min(most, max(2, 1 - math.floor(math.log10(spread))))


def mean_spread(mean: float | None, spread: float | None, say: Words = WORDS) -> str:
    """Return '0.437 ± 0.012', the decimals after the spread; the mean alone where the spread is unknown."""
    if mean is None:
        return say("value.unknown")
    places = decimals(spread)
    return say.number(f"{mean:.{places}f}" if spread is None else f"{mean:.{places}f} ± {spread:.{places}f}")


def chance(share: float, say: Words = WORDS) -> str:
    """Return a probability with two decimals; one that they would make certain as '>0.99' or '<0.01'."""
    if share > 0.995:
        return say.number(">0.99")
    return say.number("<0.01" if share < 0.005 else f"{share:.2f}")


def plain(value: object, say: Words = WORDS) -> str:
    """Return a value of a description as text: thousands set apart, yes and no, lists joined."""
    if value is None or value == "":
        return say("value.unknown")
    if isinstance(value, bool):
        return say("value.yes" if value else "value.no")
    if isinstance(value, int):
        return count(value, say)
    if isinstance(value, float):
        return say.number(f"{value:g}")
    if isinstance(value, list | tuple):
        return ", ".join(plain(item, say) for item in value) or say("value.none")
    return str(value)


def listed(names: Sequence[str], say: Words = WORDS) -> str:
    """Return names as a sentence lists them: 'a', 'a and b', 'a, b and c'; with semicolons where a name has commas."""
    if len(names) < 2:
        return "".join(names)
    if len(names) > 2 and any(", " in name for name in names):
        return say("and").join(["; ".join(names[:-1]) + ";", names[-1]])
    return say("and").join([", ".join(names[:-1]), names[-1]])
