"""Nearest neighbours as a technique: what is stored rebuilds it, nothing follows it, nothing of it is trained."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from tuneoff.errors import StudyError
from tuneoff.plan import make_plan
from tuneoff.running import compute_study, prepare
from tuneoff.training.build import build_classifier
from tuneoff.training.inputs import TokenInputs


def test_a_study_of_it_is_scikit_learns_vote_and_is_rebuilt_from_what_is_stored(study, listener, tmp_path):
    read = study(["knn"], family="qwen3")
    hears = listener()
    store = compute_study(read, tmp_path / "out", hears)
    (record,) = store.records()
    assert record.status == "done" and record.budget["steps"] == 1
    prepared = prepare(read, hears)
    (place,) = prepared.places.values()
    vectors = place.features([]).vectors
    train = place.data.splits["train"].labels
    theirs = KNeighborsClassifier(10, metric="cosine").fit(vectors["train"].numpy(), train)
    expected = (10 * theirs.predict_proba(vectors["test"].numpy()) + 1) / 12
    frame = store.predictions(record.address)
    found = np.stack(frame[(frame["split"] == "test") & (frame["step"] == 1)]["logits"].to_list())
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-4)
    # The file of the run directory alone gives the same logits from token ids.
    (stage,) = make_plan(read.study, prepared.questions, store).stages
    assert not stage.reason.runs
    from tuneoff.training.build import Ancestor

    saved = Ancestor(stage.spec, record.key, store.weights(record.address))
    classifier = build_classifier(place.model, place.data.classes, [saved], torch.device("cpu"), head_seed=7)
    texts = TokenInputs(place.tokens(), 1_000, torch.device("cpu"))
    with torch.inference_mode():
        rows = np.arange(len(texts.ids["test"]), dtype=np.int64)
        np.testing.assert_allclose(texts.logits(classifier, "test", rows).numpy(), found, rtol=1e-4, atol=1e-5)


def test_nothing_can_follow_it_and_the_reason_is_told(study):
    from tuneoff.techniques.composition import compose

    with pytest.raises(StudyError, match="nothing can follow knn, for it keeps rows of train"):
        compose(study(["knn+lora"]).study)


def test_it_can_follow_and_then_votes_on_the_trained_backbone(study, listener, tmp_path):
    store = compute_study(study(["lora+knn"]), tmp_path / "out", listener())
    assert {record.address.chain: record.status for record in store.records()} == {"lora": "done", "lora+knn": "done"}
