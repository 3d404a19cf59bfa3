"""What is tried of a model once it is loaded: whether texts may be packed, and whether padding leaves them alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tuneoff.errors import ModelError
from tuneoff.models import packed_attention, text
from tuneoff.models.packing import packs_exactly
from tuneoff.models.pooling import pool
from tuneoff.models.resolve import ResolvedModel

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


def try_packing(classifier: "TextClassifier", probes: Sequence[text.Ids]) -> None:
    """Make a classifier packable if its backbone takes positions and an attention of ours, and packs exactly with it.

    The attention stays exchanged: given no packed row, ours is transformers' own.
    """
    config: Any = classifier.backbone.config
    takes_positions = "position_ids" in classifier.accepted
    if classifier.head is None or classifier.depends_on_batch or not takes_positions:
        return
    if getattr(config, "_attn_implementation", None) != "sdpa":
        return
    packed_attention.install()
    config._attn_implementation = packed_attention.NAME
    classifier.packable = packs_exactly(classifier, probes)
    if not classifier.packable:
        config._attn_implementation = "sdpa"


def long_probe(resolved: ResolvedModel, ids: text.Ids) -> text.Ids:
    """Return ids to try packing with: where a model attends within a window, longer than the window."""
    windows = [
        value
        for name, value in vars(resolved.config).items()
        if ("window" in name or "local_attention" in name)
        and isinstance(value, int)
        and 0 < value < resolved.max_length
    ]
    length = min(resolved.max_length, max(windows, default=0) + len(ids))
    return np.resize(ids, length)


def check_padding(classifier: "TextClassifier", ids: Sequence[text.Ids]) -> None:
    """Raise ModelError unless a short text beside a longer one gets what the model itself makes of it alone.

    Some architectures mix padding in (FNet, Nystromformer), or count positions in a way of their own.
    """
    device = next(classifier.parameters()).device
    short, mask = (part.to(device) for part in text.collate(ids[:1], classifier.pad_id, "right"))
    both = [part.to(device) for part in text.collate(ids, classifier.pad_id, "right")]
    with torch.no_grad():
        if classifier.head is None:
            alone, company = classifier.backbone(input_ids=short).logits, classifier(*both)
        else:
            hidden = classifier.backbone(input_ids=short).last_hidden_state
            alone, company = pool(hidden, mask, classifier.pooling), classifier.vectors(*both)
    error = (alone[0].float() - company[0]).norm() / alone[0].float().norm().clamp(min=1e-6)
    exact = next(classifier.backbone.parameters()).dtype == torch.float32
    if not error < (1e-3 if exact else 0.1):
        raise ModelError(
            "this model's vector of a text changes when a longer text stands beside it (padding is mixed in): it "
            "cannot be compared fairly; use another model."
        )
