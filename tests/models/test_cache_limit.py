"""The limit of the cache: who makes room, who stays, and what is said where there is none."""

import gc
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import tuneoff.models.activation_cache as module
from tests.models.cached import SHAPES, filled, hidden, made
from tuneoff.errors import StoreError
from tuneoff.models.activation_cache import (
    cache_limit,
    cached_features,
    cached_hidden,
)
from tuneoff.models.mapped_file import file_size


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def names(cache):
    return sorted(path.stem for path in cache.rglob("*.safetensors"))


ONE = file_size(SHAPES, torch.float32)


@pytest.fixture
def room_for(monkeypatch):
    """Return a function that lets the cache take so many entries."""
    return lambda entries: monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", f"{int(entries * ONE)}")


def used(cache, key, seconds_ago):
    path = next(cache.rglob(f"{key}.safetensors"))
    os.utime(path, (time.time() - seconds_ago,) * 2)


def test_the_entry_not_used_for_longest_makes_room(cache, room_for):
    room_for(3)
    for ago, key in [(30, "a"), (20, "b"), (10, "c")]:
        hidden(key)
        used(cache, key, ago)
    hidden("a")  # used just now, though written first
    gc.collect()
    hidden("d")
    assert names(cache) == ["a", "c", "d"]


def test_vectors_and_hidden_states_share_the_limit(cache, room_for):
    room_for(2.5)
    cached_features("f", made)
    used(cache, "f", 10)
    hidden("a")
    hidden("b")
    assert names(cache) == ["a", "b"]


def test_an_entry_in_use_stays(cache, room_for):
    room_for(2)
    opened = hidden("a")
    hidden("b")
    used(cache, "a", 20)
    used(cache, "b", 10)
    gc.collect()
    hidden("c")
    assert names(cache) == ["a", "c"] and float(opened.file.tensors["train"][0, 0]) == 1.0


def test_where_what_must_stay_fills_the_cache_nothing_is_deleted_and_it_is_said(cache, room_for):
    room_for(2)
    opened, said = hidden("a"), []
    hidden("b")
    gc.collect()
    room_for(1.5)
    assert hidden("c", say=said.append) is None and names(cache) == ["a", "b"]
    assert len(said) == 1 and "TUNEOFF_CACHE_LIMIT" in said[0] and opened.file.tensors


def test_on_windows_an_entry_that_another_process_has_open_stays(cache, room_for, monkeypatch):
    """The next one goes in its stead; where none may go, what is new is not kept, and that is said."""
    room_for(2)
    for ago, key in [(30, "a"), (20, "b")]:
        hidden(key)
        used(cache, key, ago)
    gc.collect()
    open_there, real = {"a"}, Path.unlink

    def unlink(path, **how):
        if path.stem in open_there:
            raise PermissionError(13, "The process cannot access the file", str(path))
        real(path, **how)

    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(sys, "platform", "win32")
    hidden("c")
    gc.collect()
    assert names(cache) == ["a", "c"]
    open_there.add("c")
    said = []
    assert hidden("d", say=said.append) is None and names(cache) == ["a", "c"]
    assert len(said) == 1 and "TUNEOFF_CACHE_LIMIT" in said[0]


def test_an_entry_larger_than_the_limit_is_not_computed_and_it_is_said(cache, room_for):
    room_for(0.5)
    asked, said = [], []
    assert hidden("a", asked=asked, say=said.append) is None and asked == [] and names(cache) == []
    assert said == [
        "hidden states would take 1.36 kB and the cache may take 680 B (TUNEOFF_CACHE_LIMIT): they are computed from "
        "the texts each time"
    ]
    features = cached_features("f", made)
    assert features.computed_now and features.vectors and names(cache) == []


def test_what_is_being_written_stays_and_what_a_killed_process_left_goes(cache, room_for):
    room_for(2)
    hidden("a")
    gc.collect()
    (cache / "hidden" / ".part-killed").mkdir()
    (cache / "hidden" / ".part-killed" / "killed.safetensors").write_bytes(b"x" * (ONE // 2))

    def outer(put):
        assert (
            names(cache) == ["a", "b"] and hidden("c") is not None
        )  # it makes room for two: what is written here stays
        assert names(cache) == ["b", "c"]
        return filled()(put)

    assert cached_hidden("b", SHAPES, torch.float32, outer) is not None
    assert names(cache) == ["b", "c"]


SIZES = {"20 GB": 20 * 10**9, "1.5tb": 15 * 10**11, "500 MiB": 500 << 20, "7": 7, "0": 0, "3 k": 3000, "2 B": 2}


@pytest.mark.parametrize("text", SIZES)
def test_a_limit_is_written_as_people_write_sizes(monkeypatch, text):
    monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", text)
    assert cache_limit() == SIZES[text]


@pytest.mark.parametrize("text", ["much", "-1 GB", "20 GBB", "1,5 GB", "GB"])
def test_a_limit_that_is_no_size_says_how_it_is_written(monkeypatch, text):
    monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", text)
    with pytest.raises(StoreError, match="write it as '20 GB'"):
        cache_limit()


@pytest.mark.parametrize(("free", "expected"), [(10**12, 20 * 10**9), (10**10, 10**9)])
def test_by_default_a_tenth_of_the_free_disk_at_most(monkeypatch, cache, free, expected):
    """What the cache itself takes counts as free: the limit does not shrink as it fills."""
    monkeypatch.delenv("TUNEOFF_CACHE_LIMIT", raising=False)
    hidden("a")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=free - ONE))
    assert cache_limit() == expected
