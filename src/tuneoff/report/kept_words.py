"""The English texts that are kept with data and runs, by message id: a report in another language knows them by these.

Fields named as a kind of text (`{reason}`, `{note}`, `{metrics}`) hold another text of that kind, `{facts}` some of
them, joined by semicolons.
"""

from collections.abc import Mapping

from tuneoff.evidence.slices import SEEN, UNSEEN
from tuneoff.tasks.notes import NOTES

KEPT: Mapping[str, str] = {
    # Notes on the data
    **{f"note.{name}": text for name, text in NOTES.items()},
    **{f"note.{name}.texts": NOTES[name].replace("{by}", "text") for name in ("dropped", "dev", "folds")},
    "note.further": "{name}: {note}",
    "metrics.accuracy": "accuracy",
    "metrics.mcc": "Matthews' correlation (mcc)",
    "metrics.f1": "accuracy and the F1 of '{label}' (f1)",
    "metrics.macro_f1": "accuracy and macro F1 (macro_f1), and ranks by their mean",
    "metrics.matched": "accuracy, on the matched and on the mismatched set",
    # The label of a task that comes with tuneoff
    "task.mini_rte.ru": "mini RTE, Russian, by {label}",
    "task.mini_rte.en": "mini RTE, English, by {label}",
    # Columns and values of slices
    "slice.group": "group in train",
    "slice.column": "{column} in train",
    "slice.seen": SEEN,
    "slice.unseen": UNSEEN,
    # Ends of what was tried for a setting
    "end.lowest": "lowest",
    "end.highest": "highest",
    # Why a number is not there
    "reason.one_class": "train has one class only",
    "reason.no_words": "train has no words",
    "reason.first_rows": "of the {rows:,} rows of train the first {used:,} were used",
    "reason.more_classes": "a threshold parts two classes, and there are more",
    "reason.no_cosines": "the cosines are not all known",
    "reason.no_vector": "a text has no vector of its own with this head or pooling",
    "reason.right_on_dev": "no temperature is best on dev: every row there is right",
    "reason.right_on_folds": "no temperature is best on some folds of test: every row there is right",
    "reason.few_rows": "too few rows",
    "reason.few_evaluations": "a slope with an interval needs {fewest:d} evaluations",
    "reason.loss": "a loss is not finite",
    "reason.logits": "logits are not finite",
    "reason.no_predictions": "no predictions of {split} are stored",
    # Why a stage failed
    "reason.unrecorded": "no reason was recorded",
    "reason.stage": "{chain} failed: {reason}",
    "reason.place": "{reason} ({facts})",
    "reason.diverged": "the loss or its gradient was not finite at step {step:d}",
    "reason.memory": "out of memory: {error}",
    "reason.memory.advice": "out of memory: {error}; use a technique that trains fewer weights, or a smaller model",
    "facts.step": "step {step:d}",
    "facts.rate": "learning rate {rate:.3g}",
    "facts.norm": "gradient norm {norm:.3g}",
    "facts.no_norm": "gradient norm not finite",
    "facts.evaluation": "last finite evaluation at step {step:d} on {split}: accuracy {accuracy:.3f}, loss {loss:.3f}",
    "facts.no_evaluation": "no finite evaluation before",
}
