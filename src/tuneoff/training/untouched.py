"""What the model gives before anything is trained: vectors of test, and how alike it finds the texts of pairs."""

import numpy as np
import torch
from numpy.typing import NDArray

from tuneoff.models.text import Tokens, forget_tokenizers, load_tokenizer, tokenize
from tuneoff.study import GPU_FORWARD_TOKENS, MICRO_TOKENS
from tuneoff.training.build import build_classifier
from tuneoff.training.device import autocast
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.memory import release
from tuneoff.training.workplace import Workplace

PAIRS = "pairs"


def pair_cosines(place: Workplace, texts: tuple[list[str], list[str]]) -> NDArray[np.float64] | str:
    """Return the cosine of the model's pooled vectors of each row's two texts (rows,), or why there is none.

    Each text is read by itself, with the model's prefix and special tokens, and equal ones once; they are computed
    sorted by length.
    """
    model = place.model
    if model.head == "native" or model.pooling == "misindexed":
        return "a text has no vector of its own with this head or pooling"
    unlike = list(dict.fromkeys([*texts[0], *texts[1]]))
    number = {text: row for row, text in enumerate(unlike)}
    tokens = tokenize(model, load_tokenizer(model), (unlike,))
    forget_tokenizers()
    unit = torch.nn.functional.normalize(_vectors(place, PAIRS, tokens).double(), dim=1).numpy()
    first, second = (unit[[number[text] for text in column]] for column in texts)
    return np.asarray((first * second).sum(axis=1))


def vectors_of_test(place: Workplace, most: int) -> NDArray[np.float32]:
    """Return the model's pooled vectors (rows, size) of the first rows of test, at most so many."""
    tokens = place.tokens()["test"]
    return _vectors(place, "test", Tokens(tokens.ids[:most], 0)).numpy()


def _vectors(place: Workplace, name: str, tokens: Tokens) -> torch.Tensor:
    """Return float32 vectors [N, H] in the order of the rows; the model is let go afterwards.

    A few texts at once, without gradients: less than any stage needs, so no limit on memory is set for it.
    """
    device = place.accelerator.device
    classifier = build_classifier(place.model, place.data.classes, [], device, head_seed=0)
    packed = place.execution.packs(classifier)
    most = GPU_FORWARD_TOKENS if device.type == "cuda" else MICRO_TOKENS
    at_once = min(place.execution.micro_tokens, most)
    inputs = TokenInputs({name: tokens}, at_once, device, packed=packed)
    with torch.inference_mode(), autocast(device, place.precision)():
        vectors = place.vectors(classifier, inputs, name)
    del classifier, inputs
    release()
    return vectors
