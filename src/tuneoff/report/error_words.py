"""What the report's error analysis says, by message id."""

from collections.abc import Mapping

ERRORS: Mapping[str, str] = {
    "errors.title": "Errors",
    "errors.title.place": "{model}, {task}",
    "errors.counts": "Of {examples} test examples, all techniques have {all_right} right and none has {none_right} "
    "right; on {disagreed} they disagree: some have them right and some do not.",
    "errors.majority": "A technique has an example right if more than half of its seeds have.",
    "errors.slices": "Where techniques disagree: {column}",
    "column.disagreed": "disagree",
    "column.none_right": "none right",
    "errors.examples": "Examples that techniques disagree on",
    "errors.shown": "{shown} of {disagreed}, those first on which the techniques are most evenly divided. Which text "
    "is hard may itself be chance: these are examples, not evidence.",
    "errors.no_texts": "Texts of these examples are not kept in the run directory (protocol.keep_texts); rows are "
    "numbered as in the test data.",
    "errors.slice": "Show",
    "errors.slice.all": "all examples",
    "errors.slice.value": "{column}: {value}",
    "errors.folded": "Examples: {n}",
    "errors.row": "Row {row}",
    "errors.label": "gold: {label}",
    "errors.answer": "{answer}:",
    "errors.right": "right",
    "errors.wrong": "wrong",
    "errors.seeds": "{technique} ({given} of {seeds})",
    "errors.confusion": "Confusion matrices",
    "errors.confusion.note": "Rows are labels, columns answers; numbers are answers to test examples over all seeds "
    "done, shaded by their share of the row.",
    "errors.confusion.title": "{technique}: {seeds}",
    "errors.confusion.many": "There are too many classes for matrices that could be read.",
    "errors.confusion.corner": "label / answer",
}
