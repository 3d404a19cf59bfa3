"""A tracker that keeps what it is told, and studies that tell it."""

import pytest

import tuneoff.trackers as package
from tuneoff.running import compute_study
from tuneoff.store import Store
from tuneoff.trackers.tracking import tracked
from tuneoff.training.state import Interrupted


class Kept:
    """A tracker that keeps what it is told, by run: "opened" with a step, points, "finished". `fails` at a call."""

    def __init__(self, fails=None):
        self.loses = 0  # steps, in a kill
        self.runs, self.opened, self.heard, self.fails, self.calls = {}, [], {}, fails, 0

    def __call__(self, folder):
        return self

    def open(self, run, last):
        self._count()
        self.runs[run.place] = run
        self.opened.append((run.place, last))
        if last is not None:
            last -= self.loses
            self.heard[run.place] = [point for point in self.heard[run.place] if point[0] <= last]
        self.heard.setdefault(run.place, [])
        self._now = self.heard[run.place]
        print("a tracker prints as it opens")
        return self, last

    def log(self, values, step=None):
        self._count()
        self._now.append((step, values))

    def finish(self):
        self._count()

    def look(self):
        return "look here"

    def _count(self):
        self.calls += 1
        if self.fails is not None and self.calls >= self.fails:
            raise RuntimeError("the disk\nis full")


@pytest.fixture
def kept(monkeypatch):
    """Return a function that makes the tracker that stands under the name "kept", perhaps failing at some call."""

    def make(fails=None):
        tracker = Kept(fails)
        monkeypatch.setitem(package.TRACKERS, "kept", tracker)
        monkeypatch.setattr(package, "is_installed", lambda _: True)
        return tracker

    return make


@pytest.fixture
def told(study, listener, tmp_path):
    """Return a function that computes a study which tells trackers; gives its store and what its listener heard.

    With `stop_after` it stops after so many events.
    """

    def compute(*techniques, track=("kept",), stop_after=None, out="out", **changes):
        quiet, folder = listener(stop_after), tmp_path / out
        try:
            with tracked(quiet, list(track), folder) as hearing:
                compute_study(study(techniques or ("full",), **changes), folder, hearing)
        except Interrupted:
            assert stop_after is not None
        return Store(folder), quiet

    return compute


@pytest.fixture
def expected():
    """Return a function from a store and its chains to the points that trackers are to have: (step, name): value."""

    def points(store, *chains):
        found = {}
        for record in [one for chain in chains for one in store.records() if one.address.chain == chain]:
            for row in store.history(record.address):
                if row["event"] == "train":
                    for name in ("loss", "accuracy", "learning_rate", "grad_norm"):
                        found[row["step"], f"train/{name}"] = row[name]
                elif row["event"] == "eval":
                    for name in ("loss", "accuracy"):
                        found.setdefault((row["step"], f"{row['split']}/{name}"), row[name])
        return found

    return points
