"""Two texts read each by itself: their features, what is fitted on them, and where they are refused."""

import numpy as np
import pytest
import torch

from tuneoff.checks.patient import Patient
from tuneoff.errors import ModelError, StudyError
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.plan import make_plan
from tuneoff.running import compute_study, prepare
from tuneoff.techniques.composition import compose
from tuneoff.training.logistic import fit_logistic

REGRESSION = {"name": "regression", "use": "logistic-regression", "features": "pair", "c": 1.0}
NEIGHBOURS = {"name": "neighbours", "use": "knn", "features": "pair"}


def features(place, classifier, split):
    """The definition, one text at a time."""
    tokenizer = load_tokenizer(place.model)
    rows = []
    for pair in zip(*place.data.splits[split].texts, strict=True):
        vectors = []
        for text in pair:
            ids = torch.from_numpy(tokenize(place.model, tokenizer, ([text],)).ids[0].astype(np.int64))[None]
            with torch.no_grad():
                vectors.append(classifier.vectors(ids, torch.ones_like(ids))[0])
        u, v = vectors
        rows.append(torch.cat([u, v, (u - v).abs(), u * v]))
    return torch.stack(rows).double().numpy()


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_what_is_stored_is_the_fit_on_the_features_by_their_definition(family, study, listener, tmp_path, load):
    read = study([REGRESSION, NEIGHBOURS], family=family)
    store = compute_study(read, tmp_path / "out", listener())
    records = {record.address.chain: record for record in store.records()}
    assert {record.status for record in records.values()} == {"done"}
    (place,) = prepare(read, listener()).places.values()
    train, test = (features(place, load(family), split) for split in ("train", "test"))
    weights, _ = fit_logistic(train, place.data.splits["train"].labels, 2, 1.0)
    frame = store.predictions(records["regression"].address)
    found = np.stack(frame[(frame["split"] == "test") & (frame["step"] == 1)]["logits"].to_list())
    np.testing.assert_allclose(found, test @ weights.T, rtol=1e-3, atol=1e-3)
    shares = store.predictions(records["neighbours"].address)
    last = np.exp(np.stack(shares[(shares["split"] == "test") & (shares["step"] == 1)]["logits"].to_list()))
    np.testing.assert_allclose(last.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("entry", [REGRESSION, NEIGHBOURS])
def test_nothing_can_follow_it(entry, study):
    with pytest.raises(StudyError, match="nothing can follow"):
        compose(study([entry, f"{entry['name']}+lora"]).study)
    compose(study(["logistic-regression+lora"]).study)


def test_a_task_of_one_text_is_refused_before_anything_is_trained(study, listener, tmp_path):
    with pytest.raises(StudyError, match=r"'regression': `features: pair` wants a task of two texts, and \w+ has 1"):
        compute_study(study([REGRESSION], task={"text": ["premise"]}), tmp_path / "out", listener())
    assert not list((tmp_path / "out").glob("stages/**/DONE"))


@pytest.mark.parametrize("name", ["logistic-regression", "knn"])
def test_one_text_is_not_classified_by_the_head_of_pairs(name, applied, batch):
    _, classifier, trained = applied(name, "bert", features="pair")
    assert max(value.shape[-1] for value in trained.values() if value.ndim == 2) == 4 * 32
    with pytest.raises(ModelError, match="two texts that are read each by itself"):
        classifier(*batch)


def test_the_doctor_leaves_it_out(study, listener, tmp_path):
    prepared = prepare(study([REGRESSION, "linear-probe"]), listener())
    plan = make_plan(prepared.read.study, prepared.questions, None)
    assert [stage.spec.chain for _, stage in Patient(prepared, plan, None).alone()] == ["linear-probe"]
