"""How an exported folder gets its name."""

import gc
import sys
from pathlib import Path

import pytest

from tuneoff.exporting import export
from tuneoff.in_use import put_in_place


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process has mapped")
@pytest.mark.parametrize("technique", ["full", "lora"])
def test_nothing_holds_the_files_when_their_folder_is_put_in_place(finished, technique, tmp_path, monkeypatch):
    """Windows would not rename it; what this process has done with by then is collected before it tries again."""
    store, seen = finished([technique]), []

    def look(folder, target):
        gc.collect()
        seen.append(str(folder) in Path("/proc/self/maps").read_text(encoding="utf-8"))
        put_in_place(folder, target)

    monkeypatch.setattr("tuneoff.exporting.put_in_place", look)
    export(store.root, tmp_path / "to")
    assert seen == [False] and (tmp_path / "to" / "README.md").is_file()
