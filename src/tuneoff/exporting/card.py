"""The model card of an exported folder: what it is, how to use it, on what it was trained, how well it does."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import Any

from tuneoff.exporting.facts import Facts
from tuneoff.exporting.form import Form
from tuneoff.exporting.head import head_words
from tuneoff.exporting.virtual import virtual_words
from tuneoff.models.card import card_settings
from tuneoff.models.resolve import ResolvedModel
from tuneoff.report.formats import count, mean_spread
from tuneoff.store import StageRecord
from tuneoff.tasks import Origin
from tuneoff.tasks.data_set import ALSO
from tuneoff.techniques import get
from tuneoff.techniques.base import Optimization
from tuneoff.trained import TrainedClassifier
from tuneoff.words import shortened, visible

CARD = "README.md"
NAMES = {
    "accuracy": "Accuracy",
    "loss": "Loss",
    "macro_f1": "Macro F1",
    "f1": "F1 of the second class",
    "mcc": "MCC",
    "ece": "ECE",
}
# What the hub calls our metrics; it knows none of our loss (in nats) and calibration error.
HUB_METRICS = {"accuracy": "accuracy", "macro_f1": "f1", "f1": "f1", "mcc": "matthews_correlation"}


@dataclass(frozen=True)
class Folder:
    """What a card is about: the form of the folder, its snippet, why it is of this form, and where its base is."""

    form: Form
    snippet: str
    reasons: tuple[str, ...]
    trained: TrainedClassifier
    base: str
    pad_token: str

    @property
    def model(self) -> ResolvedModel:
        """The model that the run started from."""
        return self.trained.model


def model_card(folder: Folder, facts: Facts) -> str:
    """Return the text of README.md, with the hub's metadata before it."""
    sections = [_title(folder, facts), _use(folder, facts), _data(facts), _protocol(facts), _results(facts)]
    lines = ["---", _metadata(folder, facts).strip(), "---", *(line for section in sections for line in (*section, ""))]
    return "\n".join(lines).rstrip() + "\n"


def _metadata(folder: Folder, facts: Facts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    origin = facts.origin
    found = [
        EvalResult(
            task_type="text-classification",
            dataset_type=origin.hub or facts.task["name"],
            dataset_config=origin.config,
            dataset_name=visible(facts.task["label"]),
            dataset_split="test",
            metric_type=HUB_METRICS[name],
            metric_value=value,
            metric_name=_metric_name(name, facts.intervals.get(name)),
        )
        for name, value in facts.metrics.items()
        if name in HUB_METRICS and value is not None and (name != "f1" or facts.own_metric == "f1")
    ]
    data = ModelCardData(
        base_model=folder.base if folder.model.revision else None,
        datasets=[origin.hub] if origin.hub else None,
        language=[*origin.languages] or None,
        eval_results=found or None,
        library_name=folder.form.library,
        model_name=_name(facts),
        pipeline_tag="text-classification",
        tags=["text-classification", "tuneoff"],
    )
    text: str = data.to_yaml()
    return text


def _metric_name(name: str, interval: Mapping[str, Any] | None) -> str:
    if interval is None:
        return NAMES[name]
    return f"{NAMES[name]} ({_level(interval)} interval {_ends(interval)})"


def _licence(model: ResolvedModel) -> str | None:
    licence = card_settings(model.path).get("license") if model.path else None
    return licence if isinstance(licence, str) else None


def _name(facts: Facts) -> str:
    address = facts.record.address
    return f"{address.model}-{address.task}-{address.chain}".replace("+", "-")


def _title(folder: Folder, facts: Facts) -> list[str]:
    address, model = facts.record.address, folder.model
    licence = _licence(model)
    base = f"{_as_is(folder.base)} (commit {model.revision})" if model.revision else _as_is(model.source)
    return [
        f"# {_plain(model.label)}, {address.chain}: {_plain(facts.task['label'])}",
        "",
        f"{base}, fine-tuned by `{address.chain}` to tell {len(facts.task['classes'])} classes apart. It is "
        f"{_article(folder.form)} for `{folder.form.loader}`. Trained and compared with other ways of fine-tuning by "
        f"tuneoff {version('tuneoff')}.",
        "",
        f"This folder names no licence of its own. {_licences(licence, facts.origin)}",
    ]


def _licences(base: str | None, origin: Origin) -> str:
    """Say whose licences hold for what went into the model: the base's, which is not its own, and the data's."""
    of_base = f"The base model's, by its card: {_plain(base)}." if base else "The base model's is not known here."
    of_data = f"The data's: {_plain(origin.licence)}." if origin.licence else "The data's is not known here."
    return f"{of_base} {of_data}"


def _article(form: Form) -> str:
    if form.adapter:
        return "an adapter of peft, and the base is loaded with it," if form.classifies else "an adapter of peft"
    return "a model of transformers"


def _use(folder: Folder, facts: Facts) -> list[str]:
    lines = ["## Use", "", *(f"{_plain(reason)}\n" for reason in folder.reasons)]
    lines += [f"Run it in this folder, or name the folder in it.{_where(folder)}", ""]
    lines += ["```python", folder.snippet, "```", ""]
    return [
        *lines,
        "The logits are those of training if texts are read as they were there:",
        "",
        *_reading(folder, facts),
    ]


def _where(folder: Folder) -> str:
    if not folder.form.adapter or folder.form.beside or folder.model.revision:
        return ""
    return (
        f" The base was a folder, {_as_is(folder.model.source)}: `base_model_name_or_path` in `adapter_config.json` "
        "says where, and is to be changed where it is elsewhere."
    )


def _reading(folder: Folder, facts: Facts) -> list[str]:
    model, form = folder.model, folder.form
    fields = " and ".join(_as_is(name) for name in facts.task["text_fields"])
    lines = [f"- A row is {fields}."]
    if model.prefix:
        lines.append(f"- The prefix {_code(model.prefix)} stands before each text.")
    if folder.trained.technique.reads_pairs:
        lines.append("- Each of the two is read by itself. The head takes their vectors u, v, \\|u - v\\| and u \\* v.")
    elif model.is_decoder and len(facts.task["text_fields"]) > 1:
        lines.append(f"- The template {_code(model.template or '')} makes one text of the two.")
    elif not model.is_decoder and len(facts.task["text_fields"]) > 1:
        lines.append("- The two texts go in by the tokenizer's own pair form.")
    longest = f"- A text has {model.max_length} tokens at most, special ones included; the tokenizer adds these."
    if model.is_decoder and not folder.trained.technique.reads_pairs and (share := _cut_share(facts)):
        longest += f" Longer ones ({share:.1%} of test) are cut at their end here; in training the longer part was."
    lines += [longest, "- Padding is on the right."]
    if form.classifies and model.is_decoder:
        lines.append(
            f"- The class finds a text's last token as the last that is not {_code(folder.pad_token)}. The tokenizer "
            "here pads with it; a padding that also ends texts would make the class read another token."
        )
    lines += [f"- {sentence}" for sentence in virtual_words(folder.trained, form)]
    if not form.classifies:
        lines.append(f"- {head_words(folder.trained)}")
    return [*lines, "- All numbers are float32."]


def _cut_share(facts: Facts) -> float:
    tokens = facts.task["splits"]["test"].get("tokens") or {}
    return float(tokens.get("cut") or 0.0)


def _data(facts: Facts) -> list[str]:
    task = facts.task
    lines = ["## Data", "", f"{_plain(task['label'])}, from: {_plain(task['source'])}.", ""]
    lines += ["| split | rows | rows by class |", "|---|---:|---|"]
    for name, split in task["splits"].items():
        labels = split["labels"]
        by_class = ", ".join(f"{_plain(label)} {count(rows)}" for label, rows in labels.items()) if labels else "none"
        lines.append(f"| {_plain(name.removeprefix(ALSO))} | {count(split['rows'])} | {by_class} |")
    classes = ", ".join(f"{number}: {_plain(name)}" for number, name in enumerate(task["classes"]))
    return [*lines, "", f"Classes by number: {classes}.", *(f"\n{_plain(note)}" for note in task["notes"])]


def _protocol(facts: Facts) -> list[str]:
    record = facts.record
    fold = "" if record.address.fold is None else f", fold {record.address.fold}"
    lines = ["## Training", "", f"Seed {record.address.seed}{fold}. It was not chosen by its results.", ""]
    lines += [f"{number}. {_stage(stage)}" for number, stage in enumerate(facts.stages, start=1)]
    machine = record.machine
    return [*lines, "", f"On {_plain(machine['device_name'] or machine['device'])}, in {machine['precision']}."]


def _stage(record: StageRecord) -> str:
    budget, chosen = record.budget, record.chosen
    what = f"{count(budget['steps'])} steps of {budget['batch_size']} rows"
    which = (
        f"The weights are those of step {chosen['step']}, chosen by {chosen['by']} on {chosen['split']}."
        if chosen
        else "The weights are those of the last step."
    )
    settings = {name: value for name, value in record.settings.items() if value is not None}
    if get(record.technique).gradient_free:  # its one step is a fit, in which an optimizer's settings have no effect
        what, which = "fitted on all rows of train at once, without gradients", ""
        for one in fields(Optimization):
            settings.pop(one.name, None)
    said = ", ".join(f"{name} {_plain(_value(value))}" for name, value in settings.items())
    parameters = f"{count(record.parameters['trained'])} of {count(record.parameters['total'])} parameters."
    return f"`{record.technique}`: {what}; {said}. {parameters} {which}".rstrip()


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _results(facts: Facts) -> list[str]:
    lines = ["## Results", ""]
    if not facts.metrics:
        return [*lines, "No predictions on test are stored."]
    lines += [
        f"On test, {count(facts.examples)} rows, this model:",
        "",
        "| metric | value | interval |",
        "|---|---:|---|",
    ]
    for name, value in facts.metrics.items():
        if value is None:  # F1 of one class, where there are more than two
            continue
        interval = facts.intervals.get(name)
        shown = f"{_level(interval)}: {_ends(interval)}" if interval else ""
        lines.append(f"| {NAMES.get(name, name)} | {value:.3f} | {shown} |")
    lines += ["", "The intervals are this model's, over new examples.", *_over_seeds(facts)]
    return [*lines, *(f"\n{_plain(notice)}" for notice in facts.notices)]


def _over_seeds(facts: Facts) -> list[str]:
    spread, interval = facts.technique["metrics"]["accuracy"], facts.technique["accuracy_interval"]
    if spread["n"] < 2 or interval is None:
        return []
    return [
        f"Over {spread['n']} seeds `{facts.record.address.chain}` has an accuracy of "
        f"{mean_spread(spread['mean'], spread['sd'])} (mean and standard deviation), {_level(interval)} interval over "
        f"{interval['covers']}: {_ends(interval)}."
    ]


def _level(interval: Mapping[str, Any]) -> str:
    return f"{interval['level']:.0%}"


def _ends(interval: Mapping[str, Any]) -> str:
    return f"{interval['low']:.3f} to {interval['high']:.3f}"


def _plain(text: object) -> str:
    """Return a text from data so that Markdown shows it and obeys nothing in it."""
    shown = visible(shortened(str(text), 300))
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in shown)


def _as_is(text: str) -> str:
    """Return a name as Markdown's code."""
    return f"`{visible(text).replace('`', chr(39))}`"


def _code(text: str) -> str:
    """Return a text as Markdown's code, in which spaces and line ends show as Python writes them."""
    return f"`{visible(repr(text)).replace('`', chr(39))}`"
