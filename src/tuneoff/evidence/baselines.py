"""What costs next to nothing, to hold techniques against: the commonest class, counted words, an untrained model."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.metrics import Labels

Texts = Sequence[Sequence[str]]
PENALTIES, FOLDS = (0.1, 1.0, 10.0), 3
# Words of one letter count too, so that a text is empty only if it has no word at all.
WORD = r"\w+"


@dataclass(frozen=True)
class Baseline:
    """Predictions of a baseline for the test rows (n,), their accuracy, the seconds it took and what it chose.

    `predictions` and `accuracy` are None where `reason` says why. `chosen` holds what was fitted beside the weights:
    the penalty's C, or threshold and direction.
    """

    name: str
    predictions: Labels | None
    accuracy: float | None
    seconds: float
    chosen: dict[str, float | str]
    reason: str | None = None


@dataclass(frozen=True)
class BaselineData:
    """Train and test of a task: texts as one entry a field, each with a string a row, and class numbers (rows,).

    `train_groups` has a value a row; rows with the same value stay on one side where C is chosen (None: no groups).
    """

    train_texts: Texts
    train_labels: Labels
    test_texts: Texts
    test_labels: Labels
    train_groups: Sequence[str] | None = None


def text_baselines(data: BaselineData) -> list[Baseline]:
    """Return the baselines that need texts and labels alone: `majority`, `tfidf` and, for pairs, `tfidf_second`.

    `tfidf_second` sees the second text only. Where it does as well as `tfidf`, or better than `majority`, the pairs
    can be guessed without comparing their texts (Gururangan et al. 2018, Annotation Artifacts in Natural Language
    Inference Data, NAACL; Poliak et al. 2018, Hypothesis Only Baselines in Natural Language Inference, *SEM).
    """
    found = [majority(data), tfidf(data)]
    if len(data.train_texts) == 2:
        second = replace(data, train_texts=data.train_texts[1:], test_texts=data.test_texts[1:])
        found.append(replace(tfidf(second), name="tfidf_second"))
    return found


def majority(data: BaselineData) -> Baseline:
    """Return the baseline that gives each test row train's commonest class (of equally common ones the first)."""

    def predict() -> tuple[Labels, dict[str, float | str]]:
        return np.full(len(data.test_labels), np.bincount(data.train_labels).argmax(), dtype=np.int64), {}

    return _timed("majority", data.test_labels, predict)


def tfidf(data: BaselineData) -> Baseline:
    """Return the baseline of TF-IDF over words and pairs of words (of all fields as one text) and logistic regression.

    Term frequencies are 1 + log, weights of a text have length 1, idf is that of train. The penalty's C is the best of
    0.1, 1 and 10 by accuracy in three folds of train (the smallest of equals), split by groups and stratified.
    Languages written without spaces between words are not served by it. Deterministic.
    """
    train, test = _joined(data.train_texts), _joined(data.test_texts)
    if len(np.unique(data.train_labels)) < 2:
        return Baseline("tfidf", None, None, 0.0, {}, "train has one class only")

    def predict() -> tuple[Labels, dict[str, float | str]]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD)
        features = vectorizer.fit_transform(train)
        penalty = _best_penalty(features, data.train_labels, data.train_groups)
        model = _logistic(penalty).fit(features, data.train_labels)
        return model.predict(vectorizer.transform(test)).astype(np.int64), {"C": penalty}

    if not any(character.isalnum() for text in train for character in text):
        return Baseline("tfidf", None, None, 0.0, {}, "train has no words")
    return _timed("tfidf", data.test_labels, predict)


def cosine_threshold(
    train_cosines: NDArray[np.float64], train_labels: Labels, test_cosines: NDArray[np.float64], test_labels: Labels
) -> Baseline:
    """Return the baseline that parts two classes by the cosine of an untrained model's vectors of the two texts.

    The threshold is the one with the highest accuracy on train, halfway between neighbouring values, with either class
    above it; of equally good ones the lowest, class 1 above before class 0. Cosines (rows,). Other tasks than those
    with classes 0 and 1 have no predictions.
    """
    found = set(np.unique(np.concatenate([train_labels, test_labels])).tolist())
    if not found <= {0, 1}:
        return Baseline("cosine", None, None, 0.0, {}, "a threshold parts two classes, and there are more")
    if not (np.isfinite(train_cosines).all() and np.isfinite(test_cosines).all() and len(train_cosines)):
        return Baseline("cosine", None, None, 0.0, {}, "the cosines are not all known")

    def predict() -> tuple[Labels, dict[str, float | str]]:
        threshold, above = _best_threshold(train_cosines, train_labels)
        predictions = np.where(test_cosines > threshold, above, 1 - above).astype(np.int64)
        return predictions, {"threshold": threshold, "above": float(above)}

    return _timed("cosine", test_labels, predict)


def _timed(name: str, labels: Labels, predict: Callable[[], tuple[Labels, dict[str, float | str]]]) -> Baseline:
    begun = time.perf_counter()
    predictions, chosen = predict()
    seconds = time.perf_counter() - begun
    accuracy = float((predictions == labels).mean()) if len(labels) else None
    return Baseline(name, predictions, accuracy, seconds, chosen)


def _joined(texts: Texts) -> list[str]:
    return ["\n".join(fields) for fields in zip(*texts, strict=True)]


def _logistic(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, max_iter=1000)


def _best_penalty(features: Any, labels: Labels, groups: Sequence[str] | None) -> float:
    """Return the C with the highest accuracy over the folds; 1 where train is too small to be folded."""
    from sklearn.model_selection import StratifiedGroupKFold

    # Without groups each row is its own.
    of_row = np.unique(np.asarray(groups), return_inverse=True)[1] if groups else np.arange(len(labels))
    folds = min([FOLDS, len(np.unique(of_row)), *np.bincount(labels)[np.unique(labels)].tolist()])
    if folds < 2:
        return 1.0
    parts = list(StratifiedGroupKFold(folds).split(features, labels, of_row))
    usable = [(seen, held) for seen, held in parts if len(held) and len(np.unique(labels[seen])) > 1]

    def right(penalty: float) -> int:
        fitted = ((_logistic(penalty).fit(features[seen], labels[seen]), held) for seen, held in usable)
        return sum(int((model.predict(features[held]) == labels[held]).sum()) for model, held in fitted)

    return max(PENALTIES, key=right)


def _best_threshold(cosines: NDArray[np.float64], labels: Labels) -> tuple[float, int]:
    """Return the best threshold and the class above it, by one pass over the sorted values."""
    values, place = np.unique(cosines, return_inverse=True)
    ones = np.bincount(place, weights=labels, minlength=len(values))
    zeros = np.bincount(place, weights=1 - labels, minlength=len(values))
    # At cut k the first k values lie below: right answers with class 1 above it, then with class 0 above it.
    below_zeros = np.concatenate([[0.0], zeros.cumsum()])
    below_ones = np.concatenate([[0.0], ones.cumsum()])
    right = np.stack([below_zeros + ones.sum() - below_ones, below_ones + zeros.sum() - below_zeros], axis=1)
    cut, direction = np.unravel_index(right.argmax(), right.shape)
    # At the ends the threshold lies beyond all cosines and is finite, so that it can be stored.
    edges = np.concatenate([[-2.0], (values[:-1] + values[1:]) / 2, [2.0]])
    return float(edges[cut]), int(1 - direction)
