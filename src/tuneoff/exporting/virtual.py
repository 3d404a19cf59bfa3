"""From a classifier with virtual tokens to peft's own model of its base, and what an outsider calls it with."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuneoff.exporting.adapter import ADAPTER, head_names
from tuneoff.exporting.form import BASE, Form, NotExportableError, is_prefix
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    from torch import Tensor


def virtual_model(trained: TrainedClassifier, form: Form, base: str, plain: Any) -> Any:
    """Return peft's model of a plain base with the trained virtual tokens, as numbers: no network is left of P-tuning.

    `base` is where an outsider finds the base. A plain class that classifies has the head already; peft keeps it, too.
    """
    import peft
    import torch
    from peft.tuners.p_tuning import PromptEncoder

    from tuneoff.models import backbones
    from tuneoff.models.virtual_tokens import key_shape

    prompt: Any = trained.classifier.prompt
    count = trained.classifier.virtual_tokens
    with torch.no_grad():
        numbers = prompt(torch.arange(count))
    heads, width = key_shape(plain.config)
    kind: Any = peft.PromptEncoderConfig if isinstance(prompt, PromptEncoder) else peft.PromptTuningConfig
    if is_prefix(trained):
        kind = peft.PrefixTuningConfig
    config = kind(
        task_type="SEQ_CLS" if form.classifies else "FEATURE_EXTRACTION",
        num_virtual_tokens=count,
        num_transformer_submodules=1,
        num_layers=plain.config.get_text_config().num_hidden_layers,
        num_attention_heads=heads,
        token_dim=heads * width if is_prefix(trained) else numbers.shape[1],
        inference_mode=True,
        base_model_name_or_path=BASE if form.beside else base,
        revision=None if form.beside else trained.model.revision,
        modules_to_save=head_names(plain) if form.classifies else None,
    )
    wrapper = peft.PeftModelForSequenceClassification if form.classifies else peft.PeftModelForFeatureExtraction
    with backbones.quiet(), backbones.random_state_kept(), torch.no_grad():
        model: Any = wrapper(plain, config).eval()
        model.prompt_encoder[ADAPTER].embedding.weight.copy_(numbers)
    return model


def within_window(trained: TrainedClassifier, task: Mapping[str, Any]) -> TrainedClassifier:
    """Return a classifier that reads texts no longer than peft's prefix works for.

    peft's prefix takes places in the window that a model attends within, and drops out of it for later tokens; here no
    window hides it. Raises NotExportableError where the task's own texts are longer than that.
    """
    text = trained.model.config.get_text_config()
    window, kinds = getattr(text, "sliding_window", None), getattr(text, "layer_types", None)
    if not is_prefix(trained) or not isinstance(window, int) or (kinds and "sliding_attention" not in kinds):
        return trained
    room = window - trained.classifier.virtual_tokens
    lengths = [split.get("tokens") for split in task["splits"].values()]
    longest = max((tokens["max"] for tokens in lengths if tokens), default=trained.model.max_length)
    if longest > room:
        raise NotExportableError(
            f"{trained.technique.name} is not exported: the model attends within a window of {window} tokens, of which "
            f"peft's prefix takes {trained.classifier.virtual_tokens}, and which hides it from texts of more than "
            f"{max(room, 0)}; in training no window hid it, and texts had up to {longest}. Use `tuneoff predict`."
        )
    return replace(trained, model=replace(trained.model, max_length=min(trained.model.max_length, room)))


def hidden_lines(trained: TrainedClassifier) -> list[str]:
    """Return the lines of Python that make `hidden` [B, T, H], of a text's own tokens, and `mask` [B, T]."""
    count = trained.classifier.virtual_tokens
    cut = f"[:, {count}:]" if count and not is_prefix(trained) else ""
    if not by_hand(trained):
        return [f'hidden, mask = model(**inputs).last_hidden_state{cut}, inputs["attention_mask"]']
    lines = ['mask = inputs["attention_mask"]', f"seen = pad(mask, ({count}, 0), value=1)"]
    if is_prefix(trained):
        return [
            *lines,
            "prefix = model.get_prompt(len(mask))",
            'given = {**inputs, "attention_mask": seen, "past_key_values": prefix}',
            "hidden = model.base_model(**given).last_hidden_state",
        ]
    return [
        *lines,
        'both = [model.get_prompt(len(mask)), model.word_embeddings(inputs["input_ids"])]',
        f'given = {{"attention_mask": seen, "token_type_ids": pad(inputs["token_type_ids"], ({count}, 0))}}',
        f"hidden = model.base_model(inputs_embeds=torch.cat(both, 1), **given).last_hidden_state{cut}",
    ]


def virtual_words(trained: TrainedClassifier, form: Form) -> list[str]:
    """Return sentences on what stands before a text, and on how it gets there, in Markdown; none where nothing does."""
    count = trained.classifier.virtual_tokens
    if not count:
        return []
    what = f"{count} virtual tokens stand before each text, and the text's own tokens alone are pooled."
    if is_prefix(trained):
        what = f"In every layer a text's tokens attend to {count} trained keys and values before their own."
    if form.classifies or not by_hand(trained):
        return [what]
    return [what, "peft's own call would leave out `token_type_ids`, so the snippet calls the model that peft wraps."]


def hidden_states(trained: TrainedClassifier, model: Any, inputs: Mapping[str, "Tensor"]) -> "Tensor":
    """Return what `hidden_lines` computes with a model that was loaded again."""
    import torch
    from torch.nn.functional import pad

    count, mask = trained.classifier.virtual_tokens, inputs["attention_mask"]
    given = dict(inputs)
    if by_hand(trained):
        given["attention_mask"] = pad(mask, (count, 0), value=1)
        if is_prefix(trained):
            given["past_key_values"] = model.get_prompt(len(mask))
        else:
            given["token_type_ids"] = pad(inputs["token_type_ids"], (count, 0))
            both = [model.get_prompt(len(mask)), model.word_embeddings(given.pop("input_ids"))]
            given["inputs_embeds"] = torch.cat(both, dim=1)
        model = model.base_model
    hidden: Tensor = model(**given).last_hidden_state
    return hidden[:, -mask.shape[1] :]


def by_hand(trained: TrainedClassifier) -> bool:
    """Return whether peft's own call is no way in: for features it leaves out which of two texts a token is of."""
    return bool(trained.classifier.virtual_tokens) and trained.classifier.separator is not None
