"""A classifier's upper layers, fed with what the layers below them gave for each text once."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from tuneoff.models.activation_cache import HiddenStates
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.depth import caught_inputs, layer_list, replace_input, without_layers
from tuneoff.models.mapped_file import Put
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.order import Rows

FORGET_EVERY = 32 << 20  # bytes of the file that may be in memory before they are given back


class HiddenInputs:
    """What a layer is given, kept on disk, in the layout in which `texts` would have it computed.

    `texts` does all but one thing: it cuts batches, pads or packs ids, makes masks and positions, and runs the
    classifier. Only the hidden states of that one layer are replaced, by those of the same rows in the same layout.
    """

    def __init__(self, texts: TokenInputs, states: HiddenStates, layer: nn.Module) -> None:
        self.texts = texts
        self.states = states
        self._starts = {split: starts(lengths) for split, lengths in texts.lengths.items()}
        self._rows: tuple[str, Rows] | None = None
        self._touched = 0
        replace_input(layer, self._replacement)

    def parts(self, split: str, rows: Rows) -> list[Rows]:
        """Cut rows into micro-batches as the texts are cut."""
        return self.texts.parts(split, rows)

    def logits(self, classifier: TextClassifier, split: str, rows: Rows) -> Tensor:
        """Return logits [B, C] in fp32 of one micro-batch."""
        self._rows = split, rows
        return self.texts.logits(classifier, split, rows)

    def tokens(self, split: str, rows: Rows) -> tuple[int, int]:
        """Return real and computed (padded) tokens of one micro-batch, in the layers that are computed."""
        return self.texts.tokens(split, rows)

    def hidden(self, split: str, rows: Rows) -> list[Tensor]:
        """Return the hidden states of some texts, [T, H] each, as they lie on disk."""
        first, states = self._starts[split], self.states.file.tensors[split]
        return [states[first[row] : first[row + 1]] for row in rows]

    def _replacement(self, given: Tensor) -> Tensor:
        assert self._rows is not None
        split, rows = self._rows
        states = torch.cat(self.hidden(split, rows))
        self._touched += states.nbytes
        if self._touched > FORGET_EVERY:
            self.states.file.forget()
            self._touched = 0
        states = states.to(given.device, non_blocking=True)
        where = attended(given.shape, self.texts.lengths[split][rows]).to(given.device)
        placed = states.new_zeros(*given.shape[:-1], states.shape[-1])
        placed[where] = states
        return placed


def compute_hidden(
    classifier: TextClassifier,
    texts: TokenInputs,
    layer: int,
    form: int | None,
    put: Put,
    progress: Callable[[str, int, int], None],
) -> int:
    """Put down what a layer is given, for every text of every split; returns the tokens that were computed.

    `form` is how the layers hand on (see `output_form`). The layers from this one on are not computed.
    """
    found = layer_list(classifier.backbone)
    assert found is not None
    layers = found[1]
    with (
        torch.inference_mode(),
        without_layers(layers, range(layer, len(layers)), form),
        caught_inputs(layers[layer]) as given,
    ):
        for split, lengths in texts.lengths.items():
            first, done = starts(lengths), 0
            for part in texts.parts(split, np.arange(len(lengths), dtype=np.int64)):
                texts.logits(classifier, split, part)
                hidden = given.pop()
                flat = hidden[attended(hidden.shape, lengths[part]).to(hidden.device)].cpu()
                for row, states in zip(part, torch.split(flat, lengths[part].tolist()), strict=True):
                    put(split, int(first[row]), states)
                done += len(flat)
                progress(split, done, int(first[-1]))
    return sum(int(lengths.sum()) for lengths in texts.lengths.values())


def starts(lengths: Rows) -> Rows:
    """Return where each text begins among the tokens of its split, and, last, where they end."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def attended(shape: torch.Size, lengths: Rows) -> Tensor:
    """Return which places of a batch [B, T, H] hold tokens, as a mask [B, T].

    The first ones of each row; a single row holds the texts one after another. Raises ValueError where texts of these
    lengths must lie in another way.
    """
    rows, width = shape[0], shape[1]
    if rows == 1:
        lengths = lengths.sum(keepdims=True)
    if rows != len(lengths) or width < lengths.max():
        raise ValueError(f"texts of {lengths.tolist()} tokens do not lie in a batch of {rows} x {width}")
    return torch.arange(width) < torch.from_numpy(lengths)[:, None]
