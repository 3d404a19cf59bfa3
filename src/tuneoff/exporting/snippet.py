"""The lines of Python by which anybody gets an exported classifier's logits, without tuneoff."""

import re
from dataclasses import replace
from typing import Any

from tuneoff.exporting.form import BASE, Form
from tuneoff.exporting.head import head_lines
from tuneoff.exporting.virtual import by_hand, hidden_lines
from tuneoff.models import quantised
from tuneoff.models.resolve import DEFAULT_TEMPLATE, ResolvedModel
from tuneoff.trained import TrainedClassifier

# What stands in the snippet to be replaced: a shorter and a longer text, so that padding takes part.
ONE_TEXT = ["A text.", "Another text, which is a little longer."]
TWO_TEXTS = [("A text.", "A second text."), ("Another text, a little longer.", "And the second text of this pair.")]
POOLED = {
    "mean": "(hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)",
    "first": "hidden[:, 0]",
    "last": "hidden[torch.arange(len(hidden)), mask.sum(1) - 1]",
}
LINES = 20  # at most


def loading_settings(trained: TrainedClassifier, form: Form, pad_id: int) -> dict[str, Any]:
    """Return the arguments that the folder's class is to be loaded with, beside the folder.

    The weights are float32; loaded in their stored type they would not be, where the base is stored in another.
    """
    from tuneoff.models.backbones import auto_class

    settings: dict[str, Any] = {"dtype": "float32"}
    if trained.model.load:
        settings |= {"device_map": "cpu", "quantization_config": quantised.settings(_head(trained, form))}
    if not form.classifies:
        return settings | auto_class(trained.model)[1]
    if form.adapter and not form.beside:  # an adapter's folder has no config of the model
        settings["num_labels"] = len(trained.classes)
        if trained.model.is_decoder:
            settings["pad_token_id"] = pad_id
        if trained.classifier.new_head:  # the base may have a head for other labels
            settings["ignore_mismatched_sizes"] = True
    return settings


def _head(trained: TrainedClassifier, form: Form) -> list[str]:
    """Return the modules that the folder's class adds to the base model."""
    from tuneoff.models.backbones import head_modules

    return head_modules(replace(trained.model, head="native"), trained.classes) if form.classifies else []


def snippet(trained: TrainedClassifier, form: Form, settings: dict[str, Any], fields: int) -> str:
    """Return the snippet, of 20 lines at most: it reads two rows of texts, and prints their labels.

    `logits` [B, C] are what the classifier gave in training, `fields` is how many texts a row has.
    """
    arguments = "".join(f", {name}={_literal(value)}" for name, value in settings.items())
    load = f"{form.loader}.from_pretrained(folder{arguments})"
    parts = f"{form.loader}, AutoTokenizer"
    if form.beside:
        load = f'PeftModel.from_pretrained({form.base.loader}.from_pretrained(f"{{folder}}/{BASE}"{arguments}), folder)'
        parts = f"{form.base.loader}, AutoTokenizer"
    elif form.adapter:
        parts = "AutoTokenizer"
    imports = [
        *([f"from peft import {form.loader}"] if form.adapter else []),
        *([] if form.classifies else ["from safetensors.torch import load_file"]),
        *(["from torch.nn.functional import pad"] if not form.classifies and by_hand(trained) else []),
        f"from transformers import {parts}",
    ]
    body = [
        'folder = "."  # this folder' + (", or its name on the hub" if form.classifies and not form.beside else ""),
        "tokenizer = AutoTokenizer.from_pretrained(folder)",
        f"model = {load}.eval(){'' if form.classifies else '.requires_grad_(False)'}",
        f"labels = {_literal(list(trained.classes))}",
        f"rows = {_literal(ONE_TEXT if fields == 1 else TWO_TEXTS)}",
        *_reading(trained, fields),
        *_logits(trained, form),
        "print([labels[number] for number in logits.argmax(-1).tolist()])",
    ]
    if any("torch." in line for line in body):
        imports.insert(0, "import torch")
    parted = [""] if len(imports) + len(body) < LINES else []
    return "\n".join([*imports, *parted, *body])


def _reading(trained: TrainedClassifier, fields: int) -> list[str]:
    """Return the lines that make `inputs` of `rows`; for features of pairs, of all first texts, then all second."""
    model = trained.model
    cut = f'truncation=True, max_length={model.max_length}, padding=True, return_tensors="pt"'
    if trained.technique.reads_pairs:
        texts = f"[{_joined(model, 1)} for column in zip(*rows) for text in column]"
        return [f"texts = {texts}", f"inputs = tokenizer(texts, {cut})"]
    if model.is_decoder:
        names = "text" if fields == 1 else "first, second"
        return [f"texts = [{_joined(model, fields)} for {names} in rows]", f"inputs = tokenizer(texts, {cut})"]
    if fields == 1:
        texts = f"[{_literal(model.prefix)} + text for text in rows]" if model.prefix else "rows"
        return [f"inputs = tokenizer({texts}, {cut})"]
    own = f"[{_literal(model.prefix)} + text for text in column]" if model.prefix else "list(column)"
    return [f"columns = [{own} for column in zip(*rows)]", f"inputs = tokenizer(*columns, {cut})"]


def _joined(model: ResolvedModel, fields: int) -> str:
    """Return the Python that makes one text of a row's by the template, the prefix before each text."""
    template = model.template or DEFAULT_TEMPLATE
    if fields == 1 and template == DEFAULT_TEMPLATE:
        template = "{0}"
    names = {"{0}": "text" if fields == 1 else "first", "{1}": "second"}
    parts: list[str] = []
    literal = ""
    for piece in re.split(r"(\{[01]\})", template):
        if piece not in names:
            literal += piece
            continue
        literal += model.prefix
        parts += [_literal(literal)] if literal else []
        parts.append(names[piece])
        literal = ""
    parts += [_literal(literal)] if literal else []
    return " + ".join(parts)


def _logits(trained: TrainedClassifier, form: Form) -> list[str]:
    if form.classifies:
        return ["with torch.no_grad():", "    logits = model(**inputs).logits"]
    pooled = POOLED[trained.model.pooling]
    features = [f"vectors = {pooled}"]
    if trained.technique.reads_pairs:
        features = [f"u, v = ({pooled}).chunk(2)", "vectors = torch.cat([u, v, (u - v).abs(), u * v], dim=1)"]
    return [*hidden_lines(trained), *features, *head_lines(trained)]


def _literal(value: Any) -> str:
    """Return a value as Python, texts in the double quotes of the lines around it where that changes nothing."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(name)}: {_literal(one)}' for name, one in value.items())}}}"
    plain = repr(value)
    return f'"{plain[1:-1]}"' if isinstance(value, str) and plain[0] == "'" and '"' not in plain else plain
