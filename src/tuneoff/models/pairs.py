"""A head for two texts that are read each by itself."""

import torch
from torch import Tensor, nn

from tuneoff.models.classifier import TextClassifier

PARTS = 4  # of `pair_features`


def pair_features(u: Tensor, v: Tensor) -> Tensor:
    """Return [u; v; |u-v|; u*v], [N, 4 H] of vectors [N, H] (Conneau et al. 2017, arXiv 1705.02364, section 2)."""
    return torch.cat([u, v, (u - v).abs(), u * v], dim=1)


def widen(classifier: TextClassifier) -> None:
    """Give a classifier a linear head as wide as `pair_features`, of zeros; one with a native head stays as it is."""
    head = classifier.head
    if not isinstance(head, nn.Linear):
        return
    wide = nn.Linear(PARTS * head.in_features, head.out_features, bias=False, device="meta", dtype=head.weight.dtype)
    device = head.weight.device
    if device.type != "meta":
        wide = wide.to_empty(device=device)
        nn.init.zeros_(wide.weight)
    classifier.replace_head(wide.requires_grad_(False))
