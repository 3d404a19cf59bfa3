"""Files that somebody has open, as on Windows: changed as soon as they are closed, or left where they may stay."""

import gc
import sys
import time
from pathlib import Path

import pytest

from tuneoff import in_use
from tuneoff.errors import WriteError
from tuneoff.files import write_text
from tuneoff.in_use import put_in_place, remove, remove_if_closed, remove_if_possible


@pytest.fixture
def held(monkeypatch):
    """Return a function that has a file open for so many tries of `Path.replace` and `Path.unlink`; gives the tries."""

    def hold(path, tries, platform="win32"):
        made = []
        for name in ("replace", "unlink"):
            real = getattr(Path, name)

            def change(self, *rest, _real=real, **how):
                target = rest[0] if rest else self
                if target == path:
                    made.append(time.monotonic())
                    if len(made) <= tries:
                        raise PermissionError(13, "The process cannot access the file", str(path))
                return _real(self, *rest, **how)

            monkeypatch.setattr(Path, name, change)
        monkeypatch.setattr(sys, "platform", platform)
        return made

    return hold


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_text("old")
    return tmp_path / "file"


def test_what_is_being_read_is_replaced_a_little_later(held, path, monkeypatch):
    made, waits = held(path, 9), []
    monkeypatch.setattr(in_use.time, "sleep", waits.append)
    write_text(path, "new")
    assert path.read_text() == "new" and len(made) == 10
    assert waits == [min(in_use.FIRST_WAIT * 2**n, in_use.LONGEST_WAIT) for n in range(9)]


def test_a_folder_is_put_in_the_place_of_an_empty_one(held, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("new")
    held(tmp_path / "target", 2)
    put_in_place(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "new" and not (tmp_path / "source").exists()


def test_what_stays_open_is_told_with_the_way_out_and_stays_as_it_was(held, path, monkeypatch):
    monkeypatch.setattr(in_use, "PATIENCE", 0.05)
    held(path, 10**6)
    with pytest.raises(WriteError, match=r"cannot access the file\); close it where it is open, .* give another --out"):
        write_text(path, "new")
    with pytest.raises(PermissionError):
        remove(path)
    assert path.read_text() == "old" and [one.name for one in path.parent.iterdir()] == ["file"]


def test_what_this_process_has_done_with_is_let_go_of(path, monkeypatch):
    """As a tensor that is mapped from the file, and hangs on in a cycle until somebody collects garbage."""

    class Holder:
        def __init__(self):
            self.itself = self

        def __del__(self):
            gone.append(True)

    gone = []
    real = Path.unlink

    def unlink(self, **how):
        if not gone:
            raise PermissionError(13, "The process cannot access the file", str(self))
        real(self, **how)

    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(sys, "platform", "win32")
    gc.disable()
    try:
        Holder()
        remove(path)
    finally:
        gc.enable()
    assert not path.exists()


def test_elsewhere_a_refusal_is_about_rights_and_told_at_once(held, path):
    made = held(path, 10**6, platform="linux")
    with pytest.raises(WriteError, match="make it writable"):
        write_text(path, "new")
    for change in (remove, remove_if_closed):
        with pytest.raises(PermissionError):
            change(path)
    assert len(made) == 3


def test_what_may_stay_is_not_waited_for(held, path):
    made = held(path, 2)
    assert not remove_if_closed(path)
    remove_if_possible(path)
    assert path.exists() and len(made) == 2
    assert remove_if_closed(path) and not path.exists()
    assert remove_if_closed(path)  # gone is gone
    remove_if_possible(path)
    remove(path)
