"""How each technique's settings were chosen: its trials with their numbers on dev, from the store alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuneoff.choosing import ChooseBy, merit
from tuneoff.evidence.budget_curve import expected_curve
from tuneoff.evidence.chains import Run
from tuneoff.store import StageAddress, StageRecord, Store
from tuneoff.tuning import Outcome, choose_trial, edges, outcome_of

DEV = "dev"


def tuning_rows(store: Store, study: Mapping[str, Any], runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return a row for each model, task, chain and fold whose last stage was tuned; none where the study does not.

    Chains that techniques start from have rows too. Raises StoreError for a file that cannot be read.
    """
    if not study["protocol"].get("tune"):
        return []
    records = {record.address: record for record in store.tuning_records()}
    places = dict.fromkeys((stage.model, stage.task, stage.chain, stage.fold) for run in runs for stage in run.stages)
    rows = []
    for model, task, chain, fold in places:
        asked = store.tuning(model, task, chain)
        if asked is not None:
            rows.append(_row(store, asked, StageAddress(model, task, chain, asked["seed"], fold), records))
    return rows


def _row(
    store: Store, asked: Mapping[str, Any], place: StageAddress, records: Mapping[StageAddress, StageRecord]
) -> dict[str, Any]:
    trials, outcomes = [], []
    for number, settings in enumerate(asked["trials"]):
        address = StageAddress(place.model, place.task, place.chain, place.seed, place.fold, f"trial-{number}")
        row, outcome = _trial(store, number, settings, address, records.get(address))
        trials.append(row)
        outcomes.append(outcome)
    known = all(trial["status"] != "missing" for trial in trials)
    chosen = choose_trial(outcomes, asked["choose_by"]) if known else None
    tried = [asked["trials"][number] for number, outcome in enumerate(outcomes) if outcome is not None]
    at_edge = {}
    if chosen is not None and outcomes[chosen] is not None:
        at_edge = edges(tried, tried.index(asked["trials"][chosen]))
    return {
        "model": place.model,
        "task": place.task,
        "chain": place.chain,
        "fold": place.fold,
        "technique": asked["technique"],
        "space": asked["space"],
        "choose_by": asked["choose_by"],
        "share": asked["share"],
        "seed": asked["seed"],
        "trials": trials,
        "chosen": chosen,
        "at_edge": at_edge,
        "expected": _expected(outcomes, asked["choose_by"]),
    }


def _expected(outcomes: Sequence[Outcome | None], by: ChooseBy) -> list[float]:
    """Return the expected dev accuracy of the best of 1, 2, ... trials, from those that ended well."""
    done = [outcome for outcome in outcomes if outcome is not None]
    if not done:
        return []
    ranked = np.array([merit(outcome.accuracy, outcome.loss, by) for outcome in done])
    return expected_curve(ranked, np.array([outcome.accuracy for outcome in done]))


def _trial(
    store: Store, number: int, settings: Mapping[str, Any], address: StageAddress, record: StageRecord | None
) -> tuple[dict[str, Any], Outcome | None]:
    outcome = None
    if record is not None and record.status == "done":
        outcome = outcome_of(store.history(address), DEV, record.reported_step)
    failure = (record.failure if record else None) or {}
    row = {
        "trial": number,
        "settings": dict(settings),
        "status": record.status if record else "missing",
        "reason": str(failure["reason"]) if "reason" in failure else None,
        "steps": record.budget.get("steps") if record else None,
        "step": outcome.step if outcome else None,
        "accuracy": outcome.accuracy if outcome else None,
        "loss": outcome.loss if outcome else None,
        "seconds": sum(record.seconds.values()) if record else None,
        "seconds_alone": sum(record.seconds_alone.values()) if record else None,
        "folder": address.folder,
        "key": record.key if record else None,
    }
    return row, outcome
