"""A row of results.json for each run that was asked for: done with its numbers, failed with its reason, or missing."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tuneoff.evidence.chains import Records, Run, owners
from tuneoff.evidence.metrics import METRICS, measure
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.store import PHASES, PREDICTIONS, StageAddress, StageRecord, Store

REPORTED_SPLIT = "test"
TOKENS = ("trained", "computed", "evaluated")
PARAMETERS = ("trained", "total", "total_peft")


def run_rows(store: Store, runs: Sequence[Run], records: Records) -> list[dict[str, Any]]:
    """Return the rows of the runs in their order; unknown values are None. Raises StoreError for an unreadable file."""
    charged = owners(runs)
    return [_run_row(store, run, records, charged) for run in runs]


def _run_row(store: Store, run: Run, records: Records, charged: Mapping[StageAddress, str]) -> dict[str, Any]:
    address, technique = run.address, str(run.technique["name"])
    chain = [records.get(stage) for stage in run.stages]
    last = chain[-1]
    status, reason = _status(run, chain)
    row: dict[str, Any] = {
        "model": address.model,
        "task": address.task,
        "technique": technique,
        "seed": address.seed,
        "fold": address.fold,
        "status": status,
        "reason": reason,
        "split": REPORTED_SPLIT,
        "step": None,
        "chosen": None,
        "test_opened": None,
        "examples": None,
        "metrics": dict.fromkeys(METRICS),
    }
    if status == "done" and last is not None:
        row |= _measured(store, last)
        row |= {"chosen": dict(last.chosen) if last.chosen else None, "test_opened": last.test_opened}
    own = [record for stage, record in zip(run.stages, chain, strict=True) if charged[stage] == technique]
    row |= {
        "parameters": _known(last.parameters if last else {}, PARAMETERS),
        "seconds": _known(last.seconds if last else {}, PHASES),
        "seconds_alone": _known(last.seconds_alone if last else {}, PHASES),
        "seconds_total": {
            "as_run": _total([record.seconds if record else None for record in own]),
            "alone": _total([record.seconds_alone if record else None for record in chain]),
            "last_stage": _total([last.seconds_alone if last else None]),
            "lost": _sum(record.seconds_lost if record else None for record in own),
        },
        "tokens": {name: _sum(record.tokens.get(name) if record else None for record in chain) for name in TOKENS},
        "peak_memory": _peak(chain),
        "settings": dict(last.settings) if last else None,
        "budget": dict(last.budget) if last else None,
        "machine": dict(last.machine) if last else None,
        "source": _source(run, chain),
    }
    return row


def _status(run: Run, chain: Sequence[StageRecord | None]) -> tuple[str, str | None]:
    """A run is what its last stage is; without one, a stage before it that failed fails the run."""
    last = chain[-1]
    if last is not None and last.status == "done":
        return "done", None
    for stage, record in zip(run.stages, chain, strict=True):
        if record is not None and record.status == "failed":
            reason = failure_text(record.failure or {})
            return "failed", reason if stage == run.address else f"{stage.chain} failed: {reason}"
    return "missing", None


def failure_text(failure: Mapping[str, Any]) -> str:
    """Return why a stage failed, with what is known of the place: step, rate, gradient norm, last finite evaluation."""
    reason = str(failure.get("reason") or "no reason was recorded")
    known = []
    step = failure.get("step")
    if step is not None and not reason.endswith(f"step {step}"):
        known.append(f"step {step}")
    if failure.get("learning_rate") is not None:
        norm = failure.get("grad_norm")
        known.append(f"learning rate {failure['learning_rate']:.3g}")
        known.append("gradient norm not finite" if norm is None else f"gradient norm {norm:.3g}")
    if last := failure.get("last_evaluation"):
        numbers = f"accuracy {last['accuracy']:.3f}, loss {last['loss']:.3f}"
        known.append(f"last finite evaluation at step {last['stage_step']} on {last['split']}: {numbers}")
    elif "last_evaluation" in failure:
        known.append("no finite evaluation before")
    return f"{reason} ({'; '.join(known)})" if known else reason


def _measured(store: Store, record: StageRecord) -> dict[str, Any]:
    path = store.checked(record.address, PREDICTIONS)
    evaluation = last_evaluation(path, REPORTED_SPLIT, record.reported_step)
    if evaluation is None:
        return {"reason": f"no predictions of {REPORTED_SPLIT} are stored"}
    metrics = measure(evaluation.labels, evaluation.logits)
    unknown = all(value is None for value in metrics.values())
    return {
        "metrics": metrics,
        "step": evaluation.step,
        "examples": len(evaluation.labels),
        "reason": "logits are not finite" if unknown else None,
    }


def _known(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: _finite(values.get(name)) for name in names}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sum(values: Iterable[Any]) -> Any:
    """Add up; None if one of the values is unknown or there is none."""
    known = [_finite(value) for value in values]
    return None if not known or None in known else sum(known)


def _total(phases: Sequence[Mapping[str, float] | None]) -> float | None:
    """Add up the phases of several stages; None if a stage's are unknown or there is no stage."""
    totals = [_sum(value for value in stage.values() if value is not None) if stage else None for stage in phases]
    total = _sum(totals)
    return None if total is None else float(total)


def _peak(chain: Sequence[StageRecord | None]) -> dict[str, Any] | None:
    peaks = [record.peak_memory for record in chain if record is not None and record.peak_memory.get("bytes")]
    if len(peaks) < len(chain):
        return None
    highest = max(peaks, key=lambda peak: int(peak["bytes"]))
    return {"bytes": int(highest["bytes"]), "kind": highest.get("kind")}


def _source(run: Run, chain: Sequence[StageRecord | None]) -> dict[str, Any]:
    last = chain[-1]
    return {
        "folder": run.address.folder,
        "key": last.key if last else None,
        "files": dict(last.files) if last and last.files else None,
        "stages": [
            {
                "chain": stage.chain,
                "folder": stage.folder,
                "key": record.key if record else None,
                "head_norm": record.head_norm if record else None,
                "settings": dict(record.settings) if record else None,
                "budget": dict(record.budget) if record else None,
            }
            for stage, record in zip(run.stages, chain, strict=True)
        ],
    }
