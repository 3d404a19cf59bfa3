"""What the page about several studies says, by message id."""

from collections.abc import Mapping

SIDE: Mapping[str, str] = {
    "side.title": "Side by side: {studies}",
    "side.lead": "{studies} are set beside each other; each has a report of its own, with its cautions.",
    "side.task": "Techniques on {task}",
    "column.study": "study",
    "side.settings": "Settings that differ",
    "side.settings.none": "The studies were asked with the same settings.",
    "side.settings.caption": "What a study file asks for, where it is not the same in all; an empty place: not set. "
    "What differs besides the technique may be why accuracies differ.",
    "side.pairs": "Pairs on the same test rows: {studies}",
    "side.pairs.note": "These studies were measured on the same test rows, so their techniques are compared example "
    "by example, as within one study; all pairs are one family. A pair of different studies also differs in "
    "their settings.",
    "side.joined": "Trained in several studies with the same seeds and the same answers, so one technique in the "
    "pairs: {entries}.",
    "side.alone": "No other study here was measured on the test rows of {studies}, so no paired test can be made with "
    "it; its accuracies can be set beside the others with their intervals only.",
    "side.ranks": "Accuracies of all studies, and which cannot be told apart",
    "side.folders": "Where the studies are",
    "side.figure": "{task}: {studies}",
}
