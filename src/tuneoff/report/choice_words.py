"""What the table of what to choose says, by message id."""

from collections.abc import Mapping

CHOICES: Mapping[str, str] = {
    "html.choices": "What to choose",
    "column.limit": "limit",
    "column.take": "take",
    "column.why": "why",
    "choice.no_limit": "none",
    "choice.time": "time: {limit}",
    "choice.memory": "peak memory: {limit}",
    "choice.at_chance": "Nothing beats guessing there: no choice is better than another.",
    "choice.caption": "The technique that costs the least time among those within the limit that no other of them is "
    "known to beat. No limit lies between times closer than a factor of {seconds:g}, or peaks closer than {memory:g}: "
    "one run can differ from the next by as much.",
}
