"""The cheap baselines: what they can and cannot see, against slow definitions."""

from dataclasses import replace

import numpy as np
import pytest

from tuneoff.evidence.baselines import BaselineData, cosine_threshold, majority, text_baselines, tfidf

SUBJECTS = ["cat", "dog", "owl", "hen", "fox", "bee", "ant", "elk"]


def pairs(rows, seed, label):
    """Pairs of sentences; `label(first, second, denied)` gives the class."""
    rng = np.random.default_rng(seed)
    first, second, labels = [], [], []
    for _ in range(rows):
        a, b = rng.choice(SUBJECTS, 2)
        denied = bool(rng.integers(2))
        first.append(f"The {a} sleeps.")
        second.append(f"The {b} {'never ' if denied else ''}sleeps.")
        labels.append(label(a, b, denied))
    return (first, second), np.array(labels, dtype=np.int64)


def made(label, groups=None):
    train, test = pairs(300, 1, label), pairs(400, 2, label)
    return BaselineData(*train, *test, groups)


def test_what_the_second_text_gives_away_is_found_without_the_first():
    found = {one.name: one for one in text_baselines(made(lambda a, b, denied: denied))}
    assert list(found) == ["majority", "tfidf", "tfidf_second"]
    assert found["tfidf"].accuracy == found["tfidf_second"].accuracy == 1.0
    assert found["majority"].accuracy == pytest.approx(0.5, abs=0.08)


def test_what_only_the_first_text_tells_is_not_in_the_second():
    found = {one.name: one for one in text_baselines(made(lambda a, b, denied: a in SUBJECTS[:4]))}
    assert found["tfidf_second"].accuracy < 0.65 < 0.85 < found["tfidf"].accuracy


def test_single_texts_have_no_second():
    data = made(lambda a, b, denied: denied)
    data = replace(data, train_texts=data.train_texts[1:], test_texts=data.test_texts[1:])
    assert [one.name for one in text_baselines(data)] == ["majority", "tfidf"]


def test_predictions_are_class_numbers_that_give_the_accuracy_and_stay_the_same():
    """With three classes, and a class that test alone lacks."""
    data = made(lambda a, b, denied: 2 if denied else int(a < b))
    data = replace(data, test_labels=np.minimum(data.test_labels, 1))
    one, again = tfidf(data), tfidf(data)
    assert one.predictions.dtype == np.int64 and one.predictions.shape == (400,)
    assert one.accuracy == (one.predictions == data.test_labels).mean()
    assert (one.predictions == again.predictions).all() and one.chosen == again.chosen and one.seconds > 0


def test_the_commonest_class_is_trains_and_of_equals_the_first():
    texts = (["a"] * 6,)
    data = BaselineData(texts, np.array([2, 1, 1, 2, 0, 1]), texts, np.array([0, 0, 0, 0, 0, 1]))
    assert majority(data).accuracy == pytest.approx(1 / 6)
    assert majority(replace(data, train_labels=np.array([2, 1, 1, 2, 0, 0]))).predictions.tolist() == [0] * 6


def test_c_is_chosen_across_groups():
    """Words that name the group give the label of its rows: with rows apart a weak penalty looks best, else not.

    Each group has one label, drawn at random, and a word of its own beside a word that tells the label in 70%.
    """
    rng = np.random.default_rng(3)
    labels_of = rng.integers(2, size=60)
    groups = np.repeat(np.arange(60), 5)
    labels = labels_of[groups]
    hints = np.where(rng.random(300) < 0.7, labels, 1 - labels)
    texts = ([f"name{g} hint{h}" for g, h in zip(groups, hints, strict=True)],)
    data = BaselineData(texts, labels, texts, labels)
    apart = tfidf(data).chosen["C"]
    together = tfidf(replace(data, train_groups=[str(group) for group in groups])).chosen["C"]
    assert together < apart


@pytest.mark.parametrize(
    ("texts", "labels", "reason"),
    [(["one", "two"], [1, 1], "one class"), (["?", "!"], [0, 1], "no words")],
)
def test_what_cannot_be_fitted_has_a_reason_and_no_number(texts, labels, reason):
    found = tfidf(BaselineData((texts,), np.array(labels), (texts,), np.array(labels)))
    assert (found.predictions, found.accuracy) == (None, None) and reason in found.reason


def test_a_train_split_too_small_for_folds_is_fitted_all_the_same():
    data = BaselineData((["good", "bad", "bad"],), np.array([1, 0, 0]), (["bad", "good"],), np.array([0, 1]))
    assert tfidf(data).chosen == {"C": 1.0}
    one_group = replace(data, train_groups=["g"] * 3)
    assert tfidf(one_group).chosen == {"C": 1.0}


# The untrained model


def slow_best(cosines, labels):
    """The highest accuracy of any threshold in either direction, tried one by one."""
    cuts = [-9.0, *sorted(cosines)]
    return max(((cosines > cut) == (labels == above)).mean() for cut in cuts for above in (0, 1))


@pytest.mark.parametrize("seed", range(20))
def test_no_threshold_is_better_on_train(seed):
    """With values that occur several times, too; train is its own test here."""
    rng = np.random.default_rng(seed)
    cosines = rng.uniform(-1, 1, size=31).round(rng.integers(1, 4))
    labels = (cosines * rng.choice([-1, 1]) + rng.uniform(-1, 1, size=31) > 0).astype(np.int64)
    found = cosine_threshold(cosines, labels, cosines, labels)
    assert found.accuracy == pytest.approx(slow_best(cosines, labels))


def test_the_threshold_comes_from_train_and_lies_halfway():
    train, labels = np.array([0.1, 0.2, 0.6, 0.8]), np.array([0, 0, 1, 1])
    found = cosine_threshold(train, labels, np.array([0.39, 0.41, 0.9]), np.array([1, 1, 1]))
    assert found.chosen == {"threshold": pytest.approx(0.4), "above": 1.0}
    assert found.predictions.tolist() == [0, 1, 1] and found.accuracy == pytest.approx(2 / 3)
    turned = cosine_threshold(train, 1 - labels, np.array([0.39, 0.41, 0.9]), np.array([1, 1, 1]))
    assert turned.predictions.tolist() == [1, 0, 0] and turned.chosen["above"] == 0.0


def test_one_class_in_train_is_always_answered():
    found = cosine_threshold(np.array([0.1, 0.2]), np.array([1, 1]), np.array([-1.0, 1.0]), np.array([0, 1]))
    assert found.predictions.tolist() == [1, 1] and np.isfinite(found.chosen["threshold"])


def test_other_tasks_have_a_reason():
    cosines = np.array([0.1, 0.2, 0.3])
    three = cosine_threshold(cosines, np.array([0, 1, 2]), cosines, np.array([0, 1, 2]))
    assert three.predictions is None and "two classes" in three.reason
    unknown = cosine_threshold(np.array([0.1, np.nan]), np.array([0, 1]), cosines, np.array([0, 1, 1]))
    assert unknown.accuracy is None and "not all known" in unknown.reason
