"""The soak finds nothing where all is well, and finds what is planted."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from tuneoff.store import CHECKSUM, HISTORY, RECORD, Store

SCRIPT = Path(__file__).parents[2] / "tools" / "soak.py"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    module = sys.modules["soak"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_five_kills_change_nothing(soak, tmp_path, capsys):
    status = soak.soak(5, seed=1, work=tmp_path)
    said = capsys.readouterr().out
    assert status == 0, said
    assert "\n5 kills over " in said and "no difference" in said


@pytest.fixture(scope="module")
def undisturbed(soak, tmp_path_factory):
    work = tmp_path_factory.mktemp("soak")
    place = soak.Place(work / "undisturbed", soak.make_study(work))
    assert soak.attempt(place, 600.0, aimed=False)
    return place


def rewritten(path, change):
    """Change a record and give it the checksum of what it now says, so that only the soak can tell."""
    from tuneoff.files import digest

    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    value.pop(CHECKSUM)
    path.write_text(json.dumps({**value, CHECKSUM: digest(value)}), encoding="utf-8")


def lose_a_row(folder):
    from tuneoff.files import sha256

    lines = (folder / HISTORY).read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / HISTORY).write_text("".join(lines[:-1]), encoding="utf-8")
    rewritten(folder / RECORD, lambda value: value["files"].update({HISTORY: sha256(folder / HISTORY)}))


PLANTED = {
    "nothing": (lambda folder: None, None),
    "a history with a row less": (lose_a_row, "history: not the same"),
    "a file of a library's own": (lambda folder: (folder / ".tmpXyz").touch(), "files: not the same"),
    "work lost in one attempt": (
        lambda folder: rewritten(folder / RECORD, lambda value: value.update(seconds_lost=5.0)),
        "one attempt, and 5.0 s lost",
    ),
    "times below nothing": (
        lambda folder: rewritten(folder / RECORD, lambda value: value["seconds"].update(load=-1.0)),
        "times that cannot be",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(soak, undisturbed, tmp_path, what):
    plant, expected = PLANTED[what]
    known = dict(soak.outcome(undisturbed))
    place = soak.Place(tmp_path / "copy", undisturbed.study, seconds=undisturbed.seconds)
    shutil.copytree(undisturbed.root, place.root)
    store = Store(place.out)
    plant(store.folder(store.records()[0].address))
    problems = soak.differences(place, known)
    assert (problems == []) if expected is None else any(expected in problem for problem in problems), problems


def test_a_stage_written_again_is_known_by_its_mark(soak, undisturbed, tmp_path):
    place = soak.Place(tmp_path / "copy", undisturbed.study)
    shutil.copytree(undisturbed.root, place.root)
    before = soak.marks(place)
    path = next(iter(before))
    (path.parent / "again").write_bytes(path.read_bytes())
    (path.parent / "again").replace(path)
    assert [one for one in before if soak.marks(place)[one] != before[one]] == [path]
