import pytest
import torch
from transformers import AutoModel

from tuneoff.errors import ModelError
from tuneoff.models.classifier import build_meta, init_head, load_classifier
from tuneoff.techniques import get
from tuneoff.training.build import apply_technique

REFUSALS = {}  # by technique and family: why it is refused, None where it is not


@pytest.fixture
def load(resolve):
    """Return a function from a family to its tiny model with a head for three classes, nothing of it trainable."""

    def loaded(family, dtype=torch.float32):
        classifier = load_classifier(resolve(family), ["a", "b", "c"], device="cpu", dtype=dtype)
        init_head(classifier, 0)
        return classifier

    return loaded


@pytest.fixture
def make_technique():
    """Return a function from a technique's name and settings to the technique."""
    return lambda name, **settings: get(name)(get(name).settings_class(**settings))


@pytest.fixture
def applied(load, make_technique):
    """Return a function that applies a technique to a tiny model; gives the technique, the classifier, what it trains.

    What is trained is moved a little, so that nothing holds for the first numbers alone.
    """

    def apply(name, family, dtype=torch.float32, **settings):
        classifier, technique = load(family, dtype), make_technique(name, **settings)
        trained = apply_technique(technique, classifier, 1)
        noise = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for value in trained.values():
                value += 0.05 * torch.randn(value.shape, generator=noise).to(value.dtype)
        return technique, classifier.eval(), trained

    return apply


@pytest.fixture
def batch():
    """Token ids of three texts and their mask, padded on the right; every tiny model has these ids."""
    ids = torch.tensor([[5, 9, 11, 7], [6, 12, 13, 0], [8, 0, 0, 0]])
    return ids, torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0]])


@pytest.fixture
def bare(model_folder):
    """Return a function from a family to transformers' own bare model, loaded anew."""
    return lambda family, **kind: AutoModel.from_pretrained(model_folder(family), **kind)


@pytest.fixture(autouse=True)
def where_it_applies(request):
    """Skip what is asked of every technique on a family that the technique refuses; its own test says which those are.

    A refusal is a ModelError while it is applied to the model's shape.
    """
    asked = getattr(getattr(request.node, "callspec", None), "params", {})
    if "name" not in asked or "family" not in asked:
        return
    pair = asked["name"], asked["family"]
    if pair not in REFUSALS:
        technique = get(pair[0])
        try:
            technique(technique.settings_class()).apply(build_meta(request.getfixturevalue("resolve")(pair[1]), 3))
            REFUSALS[pair] = None
        except ModelError as error:
            REFUSALS[pair] = str(error)
    if REFUSALS[pair]:
        pytest.skip(REFUSALS[pair])
