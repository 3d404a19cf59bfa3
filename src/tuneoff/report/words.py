"""What tables, charts and the report say, by message id: a language is a dictionary more, and no code."""

from collections.abc import Mapping
from string import Formatter
from typing import Any

from tuneoff.evidence.choice import SENTENCES as WHY
from tuneoff.evidence.notices import NOTICES
from tuneoff.evidence.pairs import GENERALISED, MCNEMAR
from tuneoff.evidence.rounds import RACES
from tuneoff.evidence.verdicts import SUMMARIES, VERDICTS
from tuneoff.report.chart_words import CHARTS
from tuneoff.report.error_words import ERRORS
from tuneoff.report.frame_words import FRAME
from tuneoff.report.method_words import METHODS
from tuneoff.report.rank_words import RANK_WORDS
from tuneoff.report.russian import RUSSIAN
from tuneoff.report.side_words import SIDE

ENGLISH: Mapping[str, str] = {
    **{f"notice.{name}": text for name, text in NOTICES.items()},
    **{f"verdict.{name}": text for name, text in VERDICTS.items()},
    **{f"race.{name}": text for name, text in RACES.items()},
    **{f"summary.{name}": text for name, text in SUMMARIES.items()},
    **{f"choice.why.{name}": text for name, text in WHY.items()},
    # Columns
    "column.model": "model",
    "column.technique": "technique",
    "column.accuracy": "accuracy",
    "column.interval": "95% interval",
    "column.loss": "loss",
    "column.trained": "trained parameters",
    "column.time": "time",
    "column.last_stage": "last stage",
    "column.macro_f1": "macro F1",
    "column.peak_memory": "peak memory",
    "column.seeds": "seeds",
    "column.note": "note",
    "column.property": "property",
    "column.value": "value",
    "column.total": "all parameters",
    "column.share": "trained share",
    "column.settings": "settings",
    "column.steps": "steps",
    "column.split": "split",
    "column.rows": "rows",
    "column.classes": "rows by class",
    "column.characters": "characters, mean (longest)",
    "column.tokens": "tokens, mean (longest)",
    "column.cut": "cut texts",
    "column.seed": "seed",
    "column.folder": "folder",
    "column.key": "key",
    # Titles and captions of tables
    "table.results": "Results",
    "table.model": "Model",
    "table.doctor": "Before the first step",
    "column.check": "Check",
    "column.about": "About",
    "column.severity": "Severity",
    "column.sentence": "What was found",
    "severity.error": "error",
    "severity.forced": "error, set aside",
    "severity.warning": "warning",
    "severity.note": "note",
    "severity.fine": "fine",
    "doctor.caption": "What the doctor's quick checks found; `tuneoff doctor` makes them all.",
    "table.trained": "Trained model",
    "table.data": "Data",
    "table.hardware": "Hardware and versions",
    "table.runs": "Where each number comes from",
    "table.best": "The best value of a column is marked.",
    "table.spread": "Values are means ± standard deviations (n - 1) over the seeds done; times and memory are means.",
    "table.interval": "The interval of the accuracy covers seeds and examples.",
    "table.interval.examples": "The interval of the accuracy covers the examples, for this trained model.",
    "table.time": "Time is that of all stages of a technique, as if it had been run alone.",
    "table.note": "{technique}: {note}",
    "table.hidden": "Not shown for lack of room: {columns}.",
    "table.trained.caption": "Architecture: {architecture}, pooled by {pooling}, under a head of {head} parameters.",
    # What became of runs
    "cell.failed": "failed",
    "cell.missing": "not run yet",
    "status.done": "done",
    "status.failed": "failed: {reason}",
    "status.missing": "not run yet",
    "status.some_failed": "{failed} of {asked} failed: {reason}",
    "status.some_missing": "{missing} of {asked} not run yet",
    # Properties of a model
    "model.name": "name",
    "model.source": "source",
    "model.revision": "revision",
    "model.architecture": "architecture",
    "model.layers": "layers",
    "model.hidden": "hidden size",
    "model.heads": "attention heads",
    "model.kv_heads": "key and value heads",
    "model.head_dim": "head size",
    "model.intermediate": "feed-forward size",
    "model.vocabulary": "vocabulary",
    "model.max_positions": "longest input, tokens",
    "model.tied_embeddings": "tied embeddings",
    "model.dtype": "type of the weights",
    "model.weight_bytes": "size of the weights",
    "model.parameters": "parameters of the backbone",
    "model.head_parameters": "parameters of the head",
    "model.pooling": "pooling",
    "model.prefix": "prefix of each text",
    "model.template": "template",
    "model.max_length": "tokens kept of a text",
    "model.fingerprint": "fingerprint",
    # Hardware
    "hardware.cpu": "processor",
    "hardware.cores": "cores",
    "hardware.memory": "memory",
    "hardware.gpus": "GPU",
    "hardware.device": "computed on",
    "hardware.platform": "system",
    "hardware.python": "Python",
    "hardware.tuneoff": "tuneoff",
    "hardware.packages": "packages",
    "hardware.git": "commit",
    "hardware.dirty": "{commit} with changes",
    "hardware.time": "time of the last command",
    "hardware.machine": "{device}, {precision}, threads: {threads}",
    # Values
    "value.unknown": "—",
    "value.yes": "yes",
    "value.no": "no",
    "value.none": "none",
    "value.interval": "{low}–{high}",
    "value.range": "{mean} ({max})",
    "unit.hours": "{hours} h {minutes:02d} min {seconds:02d} s",
    "unit.minutes": "{minutes} min {seconds:02d} s",
    "unit.seconds": "{seconds} s",
    "unit.short.h": "{value} h",
    "unit.short.min": "{value} min",
    "unit.short.s": "{value} s",
    "unit.B": "{value} B",
    "unit.kB": "{value} kB",
    "unit.MB": "{value} MB",
    "unit.GB": "{value} GB",
    "unit.TB": "{value} TB",
    **CHARTS,
    **RANK_WORDS,
    # The report's text
    "html.language": "en",
    **FRAME,
    **ERRORS,
    **METHODS,
    **SIDE,
    "html.techniques": "Each technique",
    "html.together": "All techniques together",
    "html.setting": "Model and data",
    "html.protocol": "Protocol",
    "html.notes": "Notes on the data",
    "html.cautions": "To keep in mind",
    "html.origin.text": "Each number is computed from the predictions in the folder given, under the run directory; "
    "the digests of the files and the whole keys are in results.json.",
    "html.chart": "Chart: {title}.",
    "html.classes": "Classes, in the order of their numbers: {classes}.",
    "html.runs": "Runs: {n}",
    "html.made": "Made by tuneoff {version} from the run directory alone.",
    # The sentences at the top
    "lead.compared": "{techniques} ways of fine-tuning {models} on {task} were compared, with {seeds} each.",
    "lead.one": "{technique} was used to fine-tune {models} on {task}, with {seeds}.",
    "lead.seeds.one": "one seed",
    "lead.seeds.many": "{n} seeds",
    "lead.seeds.range": "{least} to {most} seeds",
    "lead.none": "No run is done yet.",
    "lead.guessing": "Nothing here beats guessing: no accuracy is above what always answering one class reaches by "
    "chance.",
    "lead.best": "The highest mean accuracy on test is that of {technique}: {value}.",
    "lead.best.one_seed": "The highest accuracy on test is that of {technique}: {value}.",
    "lead.best.model": "With {model}, the highest mean accuracy on test is that of {technique}: {value}.",
    "lead.reached": "It reached an accuracy of {value} on test.",
    "and": " and ",
    # The protocol in words
    "protocol.steps": "Each stage was trained for {steps} optimizer steps of {batch_size} examples.",
    "protocol.stage_steps": "Stages were trained for {steps} optimizer steps of {batch_size} examples.",
    "protocol.optimizer": "The optimizer was AdamW, with weight decay {weight_decay} unless a technique sets another.",
    "protocol.schedule": "The learning rate followed a {schedule} schedule after a warm-up over {warmup:.0%} of the "
    "steps, unless a technique sets another; it starts anew with each stage.",
    "protocol.schedule.no_warmup": "The learning rate followed a {schedule} schedule without warm-up, unless a "
    "technique sets another; it starts anew with each stage.",
    "protocol.clip": "Gradients were clipped to a norm of {norm}.",
    "protocol.no_clip": "Gradients were not clipped.",
    "protocol.evaluation": "Loss and accuracy were measured on the whole {split} split every {every} steps, before the "
    "first and after the last.",
    "protocol.reported": "Reported metrics are those on test after the last step.",
    "protocol.seeds": "Seeds: {seeds}. With the same seed, techniques get the same order of the examples.",
    "protocol.rates": "Learning rates: {rates}.",
    # Pairs of techniques
    "html.pairs": "Pairs of techniques",
    "pairs.title.model": "Pairs of techniques: {model}",
    "pairs.model": "{model}: {text}",
    "column.higher": "higher",
    "column.lower": "lower",
    "column.difference": "difference, points",
    "column.p": "p",
    "column.p_holm": "p, corrected",
    "column.superiority": "P(higher > lower)",
    "column.seeds_won": "seeds won, tied, lost",
    "column.found": "found from, points",
    "column.verdict": "verdict",
    "pairs.interval": "{value} ({low} to {high})",
    "pairs.counts": "{wins}, {ties}, {losses}",
    "pairs.caption": "With 95% intervals, of each pair by itself; p by {method}, two-sided, Holm over {pairs} pairs.",
    "pairs.caption.race": "With 95% intervals, of each pair by itself; p by {method}, two-sided, with all seeds that "
    "both have. Corrected p: the smallest of any round, times {pairs} pairs, and for the rounds.",
    "method.mcnemar": MCNEMAR,
    "method.generalised": GENERALISED,
    "pairs.superiority": "P(higher > lower): how probably the first, trained once more, has more right answers than "
    "the second trained with the same seed, on as many new examples.",
    "pairs.found": "Found from: the smallest difference that is found with a power of {power:.0%}, if the answers "
    "vary as measured and the pair has the smallest p.",
    "pairs.left_out": "Not compared, for want of common seeds or examples: {pairs}.",
    "pairs.cut": "The first {shown} of {pairs} pairs; all are in tables/pairs.csv.",
    "kind.better": "better",
    "kind.equal": "equal",
    "kind.open": "not told apart",
    "compare.techniques": "Techniques",
    "compare.spread": "Accuracies are means ± standard deviations (n - 1) over the seeds.",
    "compare.interval": "The interval of the accuracy covers seeds and examples; with one seed the examples, for this "
    "trained model.",
    "compare.seeds": "Not all have the same seeds: a pair is compared over those that both have; where that is one, by "
    "the exact McNemar test, and the verdict is about the trained models.",
    # What to choose
    "html.choices": "What to choose",
    "column.limit": "limit",
    "column.take": "take",
    "column.why": "why",
    "choice.no_limit": "none",
    "choice.time": "time: {limit}",
    "choice.memory": "peak memory: {limit}",
    "choice.caption": "The technique that costs the least time among those within the limit that no other of them is "
    "known to beat.",
    # Further test sets
    "html.away": "Away from the training data",
    "html.away.note": "The same trained models on further test sets. What is better on test can be worse on texts of "
    "another kind, full fine-tuning more so than a linear probe (Kumar et al. 2022).",
    "column.drop": "drop, points",
    "away.test": "test",
    "away.caption": "Mean accuracy over seeds, with 95% intervals as in the results; drop: the accuracy on test less "
    "that on the further set, with the standard deviation over seeds.",
    # Baselines, details of each technique, slices
    "html.baselines": "Against cheap baselines",
    "html.details": "Details of each technique",
    "html.slices": "By slice",
    "html.slices.note": "Accuracy on parts of test, as means over seeds, with 95% intervals after Wilson. They cover "
    "the examples of the slice, not the seeds, and are not corrected for the number of slices: one that stands out may "
    "do so by chance.",
    "column.baseline": "baseline",
    "column.chosen": "chosen on train",
    "column.collapsed": "collapsed seeds",
    "column.trend": "loss at the end, nats in 100 steps",
    "column.ece": "calibration error",
    "column.scaled_loss": "loss after temperature",
    "column.scaled_ece": "calibration error after temperature",
    "column.cka": "CKA with the untouched model",
    "column.examples": "examples",
    "baseline.majority": "commonest class of train",
    "baseline.tfidf": "words and pairs of words (TF-IDF)",
    "baseline.tfidf_second": "words of the second text alone (TF-IDF)",
    "baseline.cosine": "cosine of the untrained model's vectors of the two texts",
    "baseline.cosine.model": "cosine of the vectors of {model}, untrained",
    "baselines.model": "{model}: {text}",
    "baselines.cosine": "The cosine tells two texts that are about the same from two that are not; its threshold, and "
    "the class above it, were chosen on train.",
    "baselines.below": "Not above the best of them ({baseline}, {value}) by their mean accuracy: {techniques}.",
    "baselines.above": "The mean accuracy of each technique is above the best of them ({baseline}, {value}).",
    "baselines.second": "Where the second text alone does better than the commonest class, answers can partly be "
    "guessed without comparing the texts.",
    "details.collapsed": "{collapsed} of {seeds}",
    "details.always": "{share} (always {answers})",
    "details.falling": "still falling",
    "details.flat": "flat, or cannot be told",
    "details.rising": "rising",
    "details.slope": "{verdict}: {slope} ({low} to {high})",
    "details.untold": "not known: {reason}",
    "details.collapse.caption": "A collapsed seed answers every example alike.",
    "details.trend.caption": "The slope of the loss on {split} is that of the last quarter of the evaluations (three "
    "at least), with its 95% interval; where it still falls, more steps may help.",
    "details.evaluations.caption": "With one seed the interval knows of this seed's evaluations only.",
    "details.dev.caption": "The temperature of each seed was fitted on dev; it changes no answer.",
    "details.crosswise.caption": "The temperature of each fifth of test was fitted on the other four, for want of dev; "
    "it changes no answer.",
    "details.cka.caption": "CKA tells how like the vectors of test are to those of the untouched model, from 0 to 1 "
    "(linear, Kornblith et al. 2019): the lower, the further training moved them. A head alone moves nothing.",
    "details.uncalibrated": "{technique}: no temperature for {missing} of {seeds} ({reason}).",
    "slices.title": "By slice: {column}",
    "slices.title.model": "By slice: {column}, {model}",
    "slices.accuracy": "{accuracy} ({low} to {high})",
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "ru": RUSSIAN}
"""The languages of reports, by their codes (ISO 639-1)."""
NARROW_SPACE = "\u202f"
_AS_RUSSIAN = str.maketrans({".": ",", ",": NARROW_SPACE})


class _RussianFormatter(Formatter):
    """Puts values into a message with Russian marks in numbers that the message itself formats ('{share:.3f}')."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format one value."""
        text = format(value, format_spec)
        return text.translate(_AS_RUSSIAN) if isinstance(value, int | float) else text


class Words:
    """The messages of one language: `say("column.time")`, `say("table.hidden", columns="...")`."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._messages = LANGUAGES[language]
        self._formatter = _RussianFormatter() if language == "ru" else Formatter()

    def __call__(self, message: str, **values: object) -> str:
        """Return a message with its values put in; raises KeyError for an id that is not there."""
        return self._formatter.vformat(self._messages[message], (), values)

    def number(self, text: str) -> str:
        """Return a number that was written as Python does ('1,234.5') with the language's marks ('1 234,5')."""
        return text.translate(_AS_RUSSIAN) if self.language == "ru" else text

    def get(self, message: str, otherwise: str) -> str:
        """Return a message without values, or what is to be said where there is none."""
        return self._messages.get(message, otherwise)


WORDS = Words()
