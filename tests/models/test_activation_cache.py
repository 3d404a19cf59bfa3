"""What was computed once is found again, whole, as long as there is room for it."""

import os
import threading
import time

import pytest
import torch

from tests.models.cached import SHAPES, filled, hidden, made
from tuneoff.errors import StoreError
from tuneoff.models import mapped_file
from tuneoff.models.activation_cache import (
    Cost,
    Features,
    cache_folder,
    cached_features,
    cached_hidden,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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


def names(cache):
    return sorted(path.stem for path in cache.rglob("*.safetensors"))


def test_hidden_states_are_computed_once_and_mapped(cache):
    asked = []
    first, second = hidden("a", 3.0, asked), hidden("a", 4.0, asked)
    assert len(asked) == 1 and first.computed_now and not second.computed_now
    for states in (first, second):
        assert states.cost == Cost(0.0, 0.5, 2.0, 7)
        assert all(torch.equal(states.file.tensors[name], torch.full(SHAPES[name], 3.0)) for name in SHAPES)


@pytest.mark.parametrize("kind", ["features", "hidden"])
def test_a_damaged_entry_is_computed_again_and_said_to_be_damaged(cache, kind):
    said = []

    def ask():
        return cached_features("a", made, said.append) if kind == "features" else hidden("a", say=said.append)

    ask()
    path = cache / kind / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert ask().computed_now and not ask().computed_now
    assert len(said) == 1 and str(path) in said[0] and "damaged" in said[0]


@pytest.mark.parametrize("metadata", [{}, {"cost": "{"}, {"cost": '{"load": 1.0}'}, {"cost": '{"speed": 1.0}'}])
def test_an_entry_of_another_version_is_computed_again(cache, metadata):
    def fill(put):
        put("train", 0, torch.zeros(5, 4))
        put("test", 0, torch.zeros(2, 4))
        return metadata

    path, said = cache / "hidden" / "a.safetensors", []
    path.parent.mkdir(parents=True)
    mapped_file.write(path, SHAPES, torch.float32, fill)
    found = hidden("a", 3.0, say=said.append)
    assert found.computed_now and float(found.file.tensors["train"][0, 0]) == 3.0
    assert len(said) == 1 and "another version" in said[0] and not hidden("a").computed_now


def test_while_it_is_computed_nobody_sees_it_and_if_that_fails_nothing_is_left(cache):
    def broken(put):
        put("train", 0, torch.zeros(1, 4))
        assert names(cache) and not (cache / "hidden" / "a.safetensors").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_hidden("a", SHAPES, torch.float32, broken)
    assert names(cache) == []


def test_of_two_that_compute_the_same_the_last_stays_and_both_are_whole(cache):
    """The second begins and ends while the first is computing, as another process might."""
    inner = []

    def compute(put):
        inner.append(hidden("a", 1.0))
        return filled(2.0)(put)

    outer = cached_hidden("a", SHAPES, torch.float32, compute)
    assert float(inner[0].file.tensors["train"][0, 0]) == 1.0 and float(outer.file.tensors["train"][0, 0]) == 2.0
    assert names(cache) == ["a"] and float(hidden("a").file.tensors["train"][0, 0]) == 2.0


def used(cache, key, seconds_ago):
    path = next(cache.rglob(f"{key}.safetensors"))
    os.utime(path, (time.time() - seconds_ago,) * 2)


def test_a_cache_that_may_only_be_read_is_read_and_keeps_its_order(cache, monkeypatch):
    hidden("a")
    used(cache, "a", 1000)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    for name in ("utime", "fsync"):
        monkeypatch.setattr(os, name, refused)
    said = []
    assert not hidden("a", say=said.append).computed_now and said == []
    assert time.time() - next(cache.rglob("a.safetensors")).stat().st_mtime > 900
    assert hidden("b", say=said.append) is None and names(cache) == ["a"]
    assert len(said) == 1 and "cannot be written (Permission denied)" in said[0]


def test_what_a_process_is_computing_is_waited_for_and_computed_once(cache):
    """By threads: each has the lock's file open for itself, as processes have."""
    asked, found = [], []

    def slowly():
        time.sleep(0.2)
        return made(asked)

    threads = [threading.Thread(target=lambda: found.append(cached_features("a", slowly))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert sorted(one.computed_now for one in found) == [False, False, True]
    assert [path.name for path in (cache / "features").iterdir()] == ["a.safetensors"]
