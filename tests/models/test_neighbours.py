"""The vote of the nearest: against scikit-learn's and against its definition; ties, and what is kept."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from tuneoff.models import neighbours as module
from tuneoff.models.neighbours import Neighbours


def voting(vectors, labels, classes=3, neighbours=5, smoothing=1.0):
    made = Neighbours(
        torch.nn.Linear(vectors.shape[1], classes, bias=False), neighbours=neighbours, smoothing=smoothing
    )
    made.keep(vectors, labels)
    return made.eval()


@pytest.fixture
def kept():
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(40, 8, generator=numbers), torch.randint(3, (40,), generator=numbers)


def test_the_shares_are_those_of_scikit_learns_nearest_by_cosine(kept):
    vectors, labels = kept
    asked = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    theirs = KNeighborsClassifier(5, metric="cosine").fit(vectors.numpy(), labels.numpy()).predict_proba(asked.numpy())
    smoothed = (5 * theirs + 0.5) / (5 + 3 * 0.5)
    found = voting(vectors, labels, smoothing=0.5)(asked)
    np.testing.assert_allclose(found.detach().exp().numpy(), smoothed, rtol=1e-5)
    np.testing.assert_allclose(found.detach().exp().sum(dim=1).numpy(), 1.0, rtol=1e-6)


def test_rows_that_tie_for_the_last_places_share_them_in_any_order():
    vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8], [3.0, 4.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    asked = torch.tensor([[1.0, 0.0]])
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        votes = voting(vectors[order], labels[order], neighbours=2, smoothing=1e-9)(asked).exp()
        # One place for the text itself, and one for three that are alike: a third of it is of class 0.
        np.testing.assert_allclose(votes.detach().numpy(), [[(1 + 1 / 3) / 2, (2 / 3) / 2, 0.0]], atol=1e-6)


def test_fewer_rows_than_neighbours_all_vote_and_none_leave_the_classes_alike(kept):
    vectors, labels = kept
    asked = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    few = voting(vectors[:2], torch.tensor([1, 1]), neighbours=5)(asked).exp()
    np.testing.assert_allclose(few.detach().numpy(), [[0.2, 0.6, 0.2]] * 2, rtol=1e-6)
    none = voting(vectors[:0], labels[:0])(asked).exp()
    np.testing.assert_allclose(none.detach().numpy(), [[1 / 3] * 3] * 2, rtol=1e-6)


def test_computed_in_parts_it_is_the_same(kept, monkeypatch):
    asked = torch.randn(30, 8, generator=torch.Generator().manual_seed(3))
    whole = voting(*kept)(asked)
    monkeypatch.setattr(module, "AT_ONCE", 7 * 40)
    torch.testing.assert_close(voting(*kept)(asked), whole)
