"""Heads that no class has: rows of train that vote, and heads on two texts that are read each by itself.

The snippet of the card is what computes them, beside the logits that training stored.
"""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.neighbors import KNeighborsClassifier

from tuneoff.errors import ModelError
from tuneoff.exporting import export
from tuneoff.exporting.form import NotExportableError

PAIRS = {"name": "pairs", "use": "logistic-regression", "features": "pair", "c": 1.0}
VOTE = {"name": "vote", "use": "knn", "features": "pair", "neighbours": 7, "smoothing": 0.5}
KNN = {"name": "knn"}
MODELS = [
    ("bert", {}),
    ("bert", {"pooling": "first", "prefix": "query: "}),
    ("roberta", {"prefix": "query: "}),
    ("qwen3", {}),
    ("qwen3", {"pooling": "mean", "prefix": "query: "}),
    ("gpt2", {}),
]


def close(found, stored):
    return np.linalg.norm(np.asarray(found) - stored) < 1e-4 * np.linalg.norm(stored)


@pytest.mark.parametrize(("family", "settings"), MODELS)
def test_the_snippet_gives_the_logits_of_training(
    family, settings, finished, tmp_path, run_snippet, test_rows, stored_logits
):
    store = finished([PAIRS, VOTE, KNN], family=family, model={"name": "tiny"} | settings)
    for name in ("pairs", "vote", "knn"):
        found = export(store.root, tmp_path / name, technique=name)
        assert found.loader == "AutoModel" and found.difference < 1e-5
        assert found.reasons[0].startswith("No class of transformers ")
        names = {"weight"} if name == "pairs" else {"vectors", "labels"}
        assert load_file(found.path / "head.safetensors").keys() == names
        variables = run_snippet(found.path, test_rows())
        stored = stored_logits(store, name)
        assert close(variables["logits"], stored) and np.ptp(stored, axis=0).max() > 1e-2
        texts = 17 * (1 if name == "knn" else 2)
        assert variables["inputs"]["attention_mask"].shape[0] == texts


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_rows_that_tie_share_their_places(family, finished, tmp_path, run_snippet, stored_logits):
    """There are four texts in train, each several times, so the tenth nearest is one of several."""
    texts = ["the cat ran far", "a very old dog", "the man reads", "old woman in rain"]
    rows = [{"premise": texts[n % 4], "label": ("no", "yes", "perhaps")[n % 3 % (n // 4 + 1)]} for n in range(31)]
    task = {"train": str(tmp_path / "a.jsonl"), "test": str(tmp_path / "b.jsonl"), "text": "premise"}
    for path, some in ((tmp_path / "a.jsonl", rows), (tmp_path / "b.jsonl", rows[:9])):
        path.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
    store = finished([KNN], family=family, task=task, model={"name": "tiny"})
    folder = export(store.root, tmp_path / "to").path
    variables = run_snippet(folder, [row["premise"] for row in rows[:9]])
    assert close(variables["logits"], stored_logits(store, "knn"))
    assert (variables["tied"].sum(1) + variables["nearer"].sum(1) > 10).all()


def test_what_is_kept_of_train_is_its_vectors_and_labels(finished, tmp_path, run_snippet):
    """scikit-learn's vote with the file, on vectors of the exported model, is the snippet's."""
    store = finished([KNN], family="qwen3", model={"name": "tiny"})
    folder = export(store.root, tmp_path / "to").path
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    train = [(row["premise"], row["hypothesis"], row["label"]) for row in map(json.loads, lines)]
    found = run_snippet(folder, [row[:2] for row in train])
    kept = load_file(folder / "head.safetensors")
    torch.testing.assert_close(kept["vectors"], torch.nn.functional.normalize(found["vectors"]), rtol=1e-4, atol=1e-5)
    assert [("canine", "feline")[number] for number in kept["labels"].tolist()] == [row[2] for row in train]
    theirs = KNeighborsClassifier(10, metric="cosine").fit(kept["vectors"].numpy(), kept["labels"].numpy())
    expected = (10 * theirs.predict_proba(found["vectors"].numpy()) + 1) / 12
    shares = found["logits"].exp().numpy()
    alike = np.abs(shares - expected).max(axis=1) < 1e-5  # but for ties, which scikit-learn leaves to chance
    assert alike.mean() > 0.8


def test_neighbours_vote_on_a_backbone_that_was_trained(finished, tmp_path, run_snippet, test_rows, stored_logits):
    lora = {"name": "lora", "learning_rate": 3e-2}
    store = finished([lora, PAIRS, {"name": "lora+knn"}, {"name": "lora+pairs"}], model={"name": "tiny"})
    for chain in ("lora+knn", "lora+pairs"):
        folder = export(store.root, tmp_path / chain, technique=chain).path
        assert close(run_snippet(folder, test_rows())["logits"], stored_logits(store, chain))


def test_the_card_says_what_the_file_holds_and_how_texts_are_read(finished, tmp_path):
    store = finished([PAIRS, VOTE, KNN], model={"name": "tiny"})
    cards = {
        name: (export(store.root, tmp_path / name, technique=name).path / "README.md").read_text(encoding="utf-8")
        for name in ("pairs", "vote", "knn")
    }
    assert "holds the head's `weight` [classes, 128]" in cards["pairs"]
    assert "holds the 41 rows of train: `vectors` of length 1 [rows, 32]" in cards["knn"]
    assert "The 10 with the greatest cosines vote" in cards["knn"] and "each class has 1 beside" in cards["knn"]
    assert "The 7 with" in cards["vote"] and "each class has 0.5 beside" in cards["vote"]
    assert "vectors of the rows trained on" in cards["vote"]
    for name, card in cards.items():
        assert ("Each of the two is read by itself" in card) == (name != "knn") != ("own pair form" in card)


@pytest.mark.parametrize("name", ["pairs", "vote", "knn"])
def test_there_is_nothing_to_merge(name, finished, tmp_path):
    store = finished([next(entry for entry in (PAIRS, VOTE, KNN) if entry["name"] == name)], model={"name": "tiny"})
    with pytest.raises(NotExportableError, match="leaves no adapter, so there is nothing to merge: leave --merge out"):
        export(store.root, tmp_path / "to", merge=True)
    assert not (tmp_path / "to").exists()


def test_vectors_that_would_vote_alike_are_compared_all_the_same(finished, tmp_path, monkeypatch):
    """With all rows voting every vector has the same logits; what was written must still be the run's model."""
    store = finished([{"name": "knn", "neighbours": 41}], model={"name": "tiny"})
    own = "tuneoff.exporting.plain_model"

    def shaken(*arguments):
        from tuneoff.exporting.plain import plain_model

        model = plain_model(*arguments)
        with torch.no_grad():
            model.encoder.layer[0].output.dense.weight.mul_(1.5)
        return model

    with monkeypatch.context() as patch:
        patch.setattr(own, shaken)
        with pytest.raises(ModelError, match="AutoModel computes other"):
            export(store.root, tmp_path / "to")


def test_other_rows_of_train_are_noticed(finished, tmp_path, monkeypatch):
    store = finished([KNN], model={"name": "tiny"})

    def swapped(path, tensors):
        save_file(tensors | {"labels": 1 - tensors["labels"]}, path)

    monkeypatch.setattr("tuneoff.exporting.save_tensors", swapped)
    with pytest.raises(ModelError, match="AutoModel computes other"):
        export(store.root, tmp_path / "to")
