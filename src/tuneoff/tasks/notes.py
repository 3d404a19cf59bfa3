"""What is said of a task's data, by message id: the English sentences that are kept with it."""

from collections.abc import Mapping

NOTES: Mapping[str, str] = {
    "limited": "Of each split only the first {limit:,} rows are used (limit).",
    "dropped": "{dropped:,} of the {rows:,} train rows were removed, as they share their {by} with a row of dev or "
    "test.",
    "dev": "dev is {dev:,} of the {rows:,} rows of train, cut out in proportion to the labels, rows with the same {by} "
    "on one side.",
    "folds": "Cross-validation: the {rows:,} labelled rows are cut into {folds} folds, in proportion to the labels, "
    "rows with the same {by} on one side; each row is held out once. Rows of train and dev are those of fold 0.",
    "shared": "{shared:,} of the {rows:,} {split} rows share their {by} with a row of train.",
    "same": "{same:,} of the {rows:,} {split} rows stand in train with the same text.",
    "absent": "Labels of train that do not occur in {split}: {labels}.",
    "unseen": "Labels of {split} that the train rows in use do not have: {labels}.",
    "empty": "{empty:,} of the {rows:,} {split} rows have an empty text and were left out.",
    "broken": "{broken:,} of the {lines:,} lines of {file} are no rows and were left out.",
    "before": "The {column} stands before each of its texts, with a colon.",
    "metrics": "On {task}, {benchmark} reports {metrics}.",
}


def note(name: str, /, **values: object) -> str:
    """Return the note of a name with its values.

    >>> note("limited", limit=1000)
    'Of each split only the first 1,000 rows are used (limit).'
    """
    return NOTES[name].format(**values)
