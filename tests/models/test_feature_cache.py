import pytest
import torch

from tuneoff.errors import StoreError
from tuneoff.models.feature_cache import Cost, Features, cache_folder, cached_features


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def made(asked=None):
    """Vectors of two splits; each call is noted in `asked`."""
    if asked is not None:
        asked.append(1)
    vectors = {
        "train": torch.randn(7, 4, generator=torch.Generator().manual_seed(1)),
        "test": torch.arange(8.0).reshape(4, 2).T,
    }
    return Features(vectors, Cost(0.1 + 0.2, 1e-9, 12.5, 2**40), computed_now=True)


def test_the_folder_is_the_users_choice_else_the_systems(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("TUNEOFF_CACHE")
    assert cache_folder().name == "tuneoff" and cache_folder() != cache
    monkeypatch.setenv("TUNEOFF_CACHE", "")
    assert cache_folder().name == "tuneoff"


def test_vectors_are_computed_once_and_come_back_bit_for_bit(cache):
    asked = []
    first = cached_features("k", lambda: made(asked))
    second = cached_features("k", lambda: made(asked))
    assert len(asked) == 1 and first.computed_now and not second.computed_now
    assert first.vectors.keys() == second.vectors.keys() == {"train", "test"}
    for name, value in first.vectors.items():
        assert torch.equal(value, second.vectors[name]) and second.vectors[name].dtype == torch.float32
    assert second.cost == first.cost == Cost(0.1 + 0.2, 1e-9, 12.5, 2**40)


def test_another_key_is_another_computation(cache):
    asked = []
    for key in ("a", "b", "a"):
        cached_features(key, lambda: made(asked))
    assert len(asked) == 2
    assert sorted(path.name for path in (cache / "features").iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_computation_that_fails_leaves_nothing(cache):
    def broken():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features("k", broken)
    assert not list(cache.rglob("*.safetensors"))
    assert cached_features("k", made).computed_now


def test_a_cache_that_is_emptied_is_filled_again(cache):
    cached_features("k", made)
    (cache / "features" / "k.safetensors").unlink()
    assert cached_features("k", made).computed_now


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "file"))
    made = Features({"train": torch.zeros(2, 3)}, Cost(0.0, 0.0, 0.0, 1), computed_now=True)
    with pytest.raises(StoreError, match="set TUNEOFF_CACHE"):
        cached_features("key", lambda: made)
