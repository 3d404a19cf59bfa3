"""How far a study that adds seeds until it is clear has come, from the store alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuneoff.evidence.answers import answers
from tuneoff.evidence.chains import Run
from tuneoff.evidence.race import Race, race, seeds_by_round
from tuneoff.evidence.runs import run_rows
from tuneoff.evidence.saying import Sentence, said
from tuneoff.store import StageAddress, StageRecord, Store

Records = Mapping[StageAddress, StageRecord]
Place = tuple[str, str]

RACES = {
    "out": "After {seeds} seeds {out} is out of the race: worse than another technique.",
    "out_many": "After {seeds} seeds {out} are out of the race: each is worse than another technique.",
    "failed": "Out of the race because runs failed: {names}.",
    "best": "It is clear: {best} is the best of {techniques} techniques.",
    "equal": "It is clear: {names} are equal within the margin, and every other technique is worse than one of them.",
    "unclear": "Still in the race after {seeds} seeds: {names}.",
    "ended": "The race ended there: {most} seeds are the most that the study allows.",
}


@dataclass(frozen=True)
class Standing:
    """A race over the techniques of one model and task, and which seeds each technique was asked for."""

    race: Race
    techniques: Sequence[str]
    failed: Sequence[str]
    seeds: Mapping[str, Sequence[int]]
    first: Sequence[int]
    most: int

    @property
    def left(self) -> Sequence[str]:
        """The techniques that would run in a next round; none where it is clear or no round is left."""
        left = self.race.left
        if left is None or self.race.clear or self.race.rounds[-1].seeds >= self.most:
            return ()
        return left

    def as_json(self) -> dict[str, Any]:
        """Return the race as JSON values."""
        rounds = [asdict(one) for one in self.race.rounds]
        return {"rounds": rounds, "clear": self.race.clear, "failed": list(self.failed), "most": self.most}

    def sentences(self) -> list[Sentence]:
        """Return which rounds decided something and how the race stands, in reading order."""
        found = [_of_round(one.seeds, one.out) for one in self.race.rounds if one.out]
        if self.failed:
            found.append(_said("failed", names=", ".join(self.failed)))
        if not self.race.rounds:
            return found
        last = self.race.rounds[-1]
        names = ", ".join(last.left)
        if self.race.clear and len(last.left) == 1:
            return [*found, _said("best", best=names, techniques=len(self.techniques))]
        if self.race.clear:
            return [*found, _said("equal", names=names)]
        found.append(_said("unclear", seeds=last.seeds, names=names))
        return [*found, _said("ended", most=self.most)] if last.seeds >= self.most else found


def standing(
    store: Store, study: Mapping[str, Any], place: Place, runs: Sequence[Run], records: Records
) -> tuple[Standing, list[dict[str, Any]]]:
    """Return how a race stands, and the rows of the runs that were asked for, in the order of `runs`.

    `runs` are those of this model and task with all seeds of all rounds. A round was asked for if the one before is
    complete and left it open, and something of it was begun. Raises StoreError for a file that cannot be read.
    """
    protocol = study["protocol"]
    techniques = [technique["name"] for technique in study["techniques"]]
    rounds = seeds_by_round(study["seeds"], protocol["until_clear"]["seeds"])
    rows = run_rows(store, runs, records)
    failed = [name for name in techniques if any(r["status"] == "failed" for r in rows if r["technique"] == name)]
    found = {key[2]: one for key, one in answers(store, rows).items() if key[:2] == place}
    margin = protocol.get("margin")
    raced = race(techniques, found, rounds, margin and margin / 100, set(failed))
    seeds = {name: list(rounds[0]) for name in techniques}
    for number, finished in enumerate(raced.rounds[: len(rounds) - 1]):
        last = number == len(raced.rounds) - 1
        following = rounds[number + 1]
        begun = any(row["seed"] in following[len(rounds[number]) :] and row["status"] != "missing" for row in rows)
        if last and (raced.clear or not begun):
            break
        seeds |= dict.fromkeys(finished.left, following)
    for name in failed:  # it left in the round in which it failed
        tried = {row["seed"] for row in rows if row["technique"] == name and row["status"] != "missing"}
        seeds[name] = next((one for one in rounds if tried <= set(one)), rounds[-1])
    asked = [row for row in rows if row["seed"] in seeds[row["technique"]]]
    return Standing(raced, techniques, failed, seeds, rounds[0], len(rounds[-1])), asked


def _of_round(seeds: int, out: Sequence[str]) -> Sentence:
    return _said("out" if len(out) == 1 else "out_many", seeds=seeds, out=", ".join(out))


def _said(name: str, **values: Any) -> Sentence:
    return said(RACES, name, "race.", **values)
