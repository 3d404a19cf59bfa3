"""The tokenizer as it is saved beside exported weights: padding, side and length as the classifier wants them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuneoff.models.text import load_tokenizer, padding_id
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    from tuneoff.models.resolve import ResolvedModel

NEW_PADDING = "<|pad|>"


def padding_token(model: "ResolvedModel") -> str:
    """Return a token that no text of a decoder ends with, for classes that find a text's last token by the padding.

    The tokenizer may not have it yet. Raises ModelError where there is none: Qwen3-Embedding's own padding is also the
    end of each text, and there it is another token than its own.
    """
    tokenizer = load_tokenizer(model)
    chosen = padding_id(replace(model, head="native"), tokenizer)
    known = tokenizer.convert_ids_to_tokens(chosen) if chosen < len(tokenizer) else None
    return known if isinstance(known, str) else NEW_PADDING


def own_tokenizer(trained: TrainedClassifier, *, padding_ends_texts: bool) -> Any:
    """Return a tokenizer that pads on the right and cuts at the model's length.

    With `padding_ends_texts` its padding may also be the end of a text: whoever reads goes by the attention mask.
    """
    from transformers import AutoTokenizer

    model = trained.model
    assert model.path is not None
    tokenizer: Any = AutoTokenizer.from_pretrained(model.path, local_files_only=True)
    tokenizer.init_kwargs.pop("local_files_only", None)  # it would be saved, and hold for others
    if not padding_ends_texts:
        _pad_with(tokenizer, padding_token(model))
    elif tokenizer.pad_token_id is None:
        _pad_with(tokenizer, tokenizer.convert_ids_to_tokens(trained.classifier.pad_id))
    if trained.classifier.separator is None:  # the model got no numbers of segments, and may not take any
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    # Else it is not saved, and the class's own holds for others, which is left for Gemma's.
    tokenizer.init_kwargs |= {"padding_side": "right", "truncation_side": "right"}
    tokenizer.model_max_length = model.max_length
    return tokenizer


def _pad_with(tokenizer: Any, token: str) -> None:
    if token == NEW_PADDING:
        tokenizer.add_special_tokens({"pad_token": token})
    else:
        tokenizer.pad_token = token
