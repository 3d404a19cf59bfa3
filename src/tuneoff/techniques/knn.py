"""Nearest neighbours: a text gets the labels of the rows of train whose vectors are most like its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from torch import Tensor

    from tuneoff.models.classifier import TextClassifier


class KnnSettings(StageSettings):
    """Settings of nearest neighbours."""

    learning_rate: float = keyed(1.0, doc="Has no effect here: nothing is trained in steps.", gt=0)
    neighbours: int = keyed(10, doc="Rows of train that vote, or all where there are fewer.", ge=1)
    features: Literal["text", "pair"] = keyed(
        "text", doc="The vector of the text, or, of two texts read each by itself, u, v, |u - v| and u * v."
    )
    smoothing: float = keyed(1.0, doc="Votes that every class has from the start, so that none has a share of 0.", gt=0)


class Knn(Technique):
    """Classify by the nearest rows of train (Cover and Hart 1967; Fix and Hodges 1951), by the cosine of their vectors.

    A class's logit is the log of its share of the votes, smoothed, so the probabilities are the shares. Nothing is
    trained: what is kept are the vectors and class numbers of train.
    """

    name = "knn"
    summary = "keep the vectors of train and let the nearest ones vote; nothing is trained"
    settings_class = KnnSettings
    changes_weights = False
    gradient_free = True
    keeps_logits = False
    ends_a_chain = "for it keeps rows of train in the head's place, and has no head to hand on"

    @property
    def reads_pairs(self) -> bool:
        """Whether the two texts of a task are read each by itself."""
        assert isinstance(self.settings, KnnSettings)
        return self.settings.features == "pair"

    def apply(self, classifier: TextClassifier) -> None:
        """Put the vote of neighbours in the head's place, without any yet."""
        from torch import nn

        from tuneoff.models.neighbours import Neighbours
        from tuneoff.models.pairs import widen

        classifier.requires_grad_(False)
        if self.reads_pairs:
            widen(classifier)
        settings, head = self.settings, classifier.head
        assert isinstance(settings, KnnSettings)
        if isinstance(head, nn.Linear):  # a native one has no vectors to take, and is refused for that
            classifier.replace_head(Neighbours(head, neighbours=settings.neighbours, smoothing=settings.smoothing))

    def fit(self, classifier: TextClassifier, vectors: Tensor, labels: Tensor) -> None:
        """Keep all rows of train."""
        from tuneoff.models.neighbours import Neighbours

        assert isinstance(classifier.head, Neighbours)
        classifier.head.keep(vectors, labels)
