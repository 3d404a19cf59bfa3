"""Logits from the labels of the nearest kept vectors, in the place of a linear head."""

import torch
from torch import Tensor, nn

ALIKE = 1e-6  # cosines this near are equal: what rounding makes of them must not decide who votes
AT_ONCE = 1 << 24  # cosines computed at once


class Neighbours(nn.Module):
    """Kept vectors [N, H] with class numbers [N], and the vote of the nearest of them.

    Both are parameters, so that they are saved as what a stage trains; class numbers are kept as floats for that.
    There are none (N = 0) until `keep` is called or they are loaded.
    """

    def __init__(self, instead_of: nn.Linear, *, neighbours: int, smoothing: float) -> None:
        super().__init__()
        device = instead_of.weight.device
        self.vectors = nn.Parameter(torch.empty(0, instead_of.in_features, device=device))
        self.labels = nn.Parameter(torch.empty(0, device=device))
        self.in_features, self.classes = instead_of.in_features, instead_of.out_features
        self.neighbours = neighbours
        self.smoothing = smoothing

    def keep(self, vectors: Tensor, labels: Tensor) -> None:
        """Keep vectors [N, H] and their class numbers [N], in the place of those before."""
        self.vectors.data = vectors.detach().float().to(self.vectors.device, copy=True)
        self.labels.data = labels.detach().float().to(self.labels.device, copy=True)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return logits [B, C] of vectors [B, H]: the log of each class's share of the votes of the nearest.

        The nearest have the greatest cosines. Those that tie for the last places share them, so that the result does
        not depend on the order of rows. Every class has `smoothing` votes beside.
        """
        size = max(1, AT_ONCE // max(1, len(self.vectors)))
        votes = torch.cat([self._votes(part) for part in torch.split(vectors, size)])
        shares = (votes + self.smoothing) / (votes.sum(dim=1, keepdim=True) + self.smoothing * self.classes)
        return shares.log()

    def _votes(self, vectors: Tensor) -> Tensor:
        """Return how many of the nearest are of each class, [B, C]."""
        kept = nn.functional.normalize(self.vectors, dim=1)
        count = min(self.neighbours, len(kept))
        of_class = nn.functional.one_hot(self.labels.long(), self.classes).to(vectors.dtype)
        if count == 0:
            return vectors.new_zeros(len(vectors), self.classes)
        cosines = nn.functional.normalize(vectors, dim=1) @ kept.T
        last = cosines.topk(count, dim=1).values[:, -1:]
        nearer = (cosines > last + ALIKE).to(vectors.dtype)
        tied = ((cosines - last).abs() <= ALIKE).to(vectors.dtype)
        places = count - nearer.sum(dim=1, keepdim=True)
        return (nearer + tied * places / tied.sum(dim=1, keepdim=True)) @ of_class
