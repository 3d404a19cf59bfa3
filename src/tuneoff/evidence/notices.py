"""What a reader must know beside the numbers, as sentences with an id (so that they can be said in other languages)."""

from collections.abc import Sequence
from typing import Any

from tuneoff.evidence.saying import said

NOTICES = {
    "curves_on_test": "The curves and the reported numbers come from the same split (test): nothing may be chosen by "
    "looking at them.",
    "test_examples": "Accuracy is measured on {examples} test examples.",
    "commonest_class": "Always answering test's commonest class ({label}) gives an accuracy of {share:.3f}.",
    "guessing": "Nothing here beats guessing: an accuracy below {needed:.3f} comes about by chance where every text is "
    "given the commonest class (test examples: {examples}, techniques: {techniques}).",
    "guessing_any": "No accuracy here would be beyond guessing (test examples: {examples}, techniques: {techniques}).",
    "folds": "Cross-validated: a run is one of {folds} folds, and means are over folds and seeds. Folds train on rows "
    "that they share, so they vary less together than new data would.",
    "limited": "Only the first {limit} rows of each split were used.",
    "misindexed": "{model} was pooled at a wrong position (misindexed) on purpose, to replicate a defect.",
    "tuning_edge": "{technique} ({model}): the {setting} chosen on dev, {value}, is the {end} that was tried; a better "
    "one may lie beyond it.",
    "tuning_failed": "{technique} ({model}): no trial ended well, so its own settings were kept.",
    "runs_failed": "{failed} of {asked} runs failed; means are over the runs that are done.",
    "runs_missing": "{missing} of {asked} runs have not been run yet.",
    "work_lost": "Runs were interrupted: {seconds:.0f} s of their work had to be done again, and are in none of the "
    "times.",
    "also_missing": "{missing} of {done} runs were not evaluated on {further}; run the study again.",
    "settings_differ": "{technique} ({model}): its seeds ran with different settings or budgets; run the study again.",
    "doctor_warning": "Before the first step, {check} warned of {about}: {sentence}",
    "doctor_forced": "An error was set aside by --force {check} ({about}): {sentence}",
    "machines_differ": "Runs come from different machines, precisions or thread counts: times do not compare.",
}


def notices(
    study: dict[str, Any],
    models: Sequence[dict[str, Any]],
    tasks: Sequence[dict[str, Any]],
    runs: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return the notices that apply, in the order in which they should be read.

    Of several tasks, one that does not hold for all of them has the names of those that it is about as `tasks`.
    """
    found = [
        *_about_curves(study),
        *_about_runs(runs),
        *_about_tasks(study, tasks, runs),
        *(_notice("misindexed", model=model["label"] or model["name"]) for model in models if _misindexed(model)),
        *_about_sameness(runs),
    ]
    return list({notice["text"]: notice for notice in found}.values())


def tasks_at_chance(notices: Sequence[dict[str, Any]], tasks: Sequence[str]) -> list[str]:
    """Return the names of those of a study's tasks on which nothing beats guessing, or could, by its notices."""
    named = [one.get("tasks") for one in notices if one["id"] in ("guessing", "guessing_any")]
    # A notice that names no task is about all.
    return [task for task in tasks if any(names is None or task in names for names in named)]


def models_at_chance(tasks: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return for each model the names of the tasks on which none of its own techniques beats guessing, or could.

    `tasks` and `runs` are those of results.json. Another model may be above chance there, in which case no notice says
    so. A model that has not been run on a task is not at chance there.
    """
    found: dict[str, list[str]] = {}
    for task in tasks:
        own = found.setdefault(task["model"], [])
        commonest = _commonest(task)
        if commonest and _about_guessing(commonest[1], task, [run for run in runs if run["task"] == task["name"]]):
            own.append(task["name"])
    return found


def _notice(name: str, **values: Any) -> dict[str, Any]:
    return said(NOTICES, name, **values)


def _about_tasks(
    study: dict[str, Any], tasks: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what is to be said of each task's data."""
    names = list(dict.fromkeys(task["name"] for task in tasks))
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for name, asked in zip(names, study["tasks"], strict=True):
        own_runs = [run for run in runs if run["task"] == name]
        own = [task for task in tasks if task["name"] == name]
        for notice in [*_about_also(asked, own_runs), *_about_data(study, asked, own, own_runs)]:
            _, about = found.setdefault(notice["text"], (notice, []))
            about += [name] if name not in about else []
    return [
        notice
        if len(about) == len(names)
        else {**notice, "tasks": about, "text": f"{', '.join(about)}: {notice['text']}"}
        for notice, about in found.values()
    ]


def _misindexed(model: dict[str, Any]) -> bool:
    return bool(model.get("pooling") == "misindexed")


def _about_curves(study: dict[str, Any]) -> list[dict[str, Any]]:
    return [_notice("curves_on_test")] if study["protocol"].get("eval_on") == "test" else []


def _about_runs(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = {status: sum(run["status"] == status for run in runs) for status in ("failed", "missing")}
    found = [_notice(f"runs_{status}", **{status: count}, asked=len(runs)) for status, count in counts.items() if count]
    lost = sum((run.get("seconds_total") or {}).get("lost") or 0.0 for run in runs)
    return [*found, *([_notice("work_lost", seconds=lost)] if lost >= 1 else [])]


def _about_also(asked: dict[str, Any], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    done = [run for run in runs if run["status"] == "done"]
    names = asked.get("also_test") or {}
    missing = {name: sum(run["also"][name]["accuracy"] is None for run in done) for name in names}
    return [_notice("also_missing", missing=n, done=len(done), further=name) for name, n in missing.items() if n]


def _about_data(
    study: dict[str, Any], asked: dict[str, Any], tasks: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    found = [_notice("test_examples", examples=n) for n in _examples(study, tasks, runs)]
    if folds := study["protocol"].get("folds"):
        found.append(_notice("folds", folds=folds))
    done = {run["model"] for run in runs if run["status"] == "done"}
    guessing = []
    for task in tasks:
        if commonest := _commonest(task):
            label, share = commonest
            found.append(_notice("commonest_class", label=label, share=share))
            guessing += [_about_guessing(share, task, runs)] if task["model"] in done else []
    if all(guessing):  # "nothing here": not where another model is above it
        found += [notice for one in guessing for notice in one]
    if limit := asked.get("limit"):
        found.append(_notice("limited", limit=limit))
    return found


def _commonest(task: dict[str, Any]) -> tuple[str, float] | None:
    """Return test's commonest class and its share; None where the labels are not known."""
    labels = ((task["splits"] or {}).get("test") or {}).get("labels")
    if not labels or not sum(labels.values()):
        return None
    label = max(labels, key=lambda name: int(labels[name]))
    return label, labels[label] / sum(labels.values())


def _examples(study: dict[str, Any], tasks: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> list[int]:
    """Return how many examples techniques are measured on: with folds, those that all of them hold out together."""
    if not study["protocol"].get("folds"):
        return sorted({run["examples"] for run in runs if run["examples"]})
    return sorted({task["splits"]["test"]["rows"] for task in tasks if (task["splits"] or {}).get("test")})


def _about_guessing(share: float, task: dict[str, Any], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say so if no technique's mean accuracy is above what the commonest class reaches by chance.

    The bound is the smallest accuracy with an exact binomial p-value of at most 5% over the number of techniques
    (Bonferroni), for a single run; means over seeds vary less, so for them it is on the safe side.
    """
    scores: dict[tuple[str, str], list[float]] = {}
    examples = {run["examples"] for run in runs if run["status"] == "done" and run["examples"]}
    for run in runs:
        if run["status"] == "done" and run["metrics"] and run["model"] == task["model"]:
            accuracy = run["metrics"]["accuracy"]
            if accuracy is not None:
                scores.setdefault((run["model"], run["technique"]), []).append(accuracy)
    if len(examples) != 1 or not scores:
        return []
    from scipy.stats import binom

    (count,) = examples
    needed = (binom.isf(0.05 / len(scores), count, share) + 1) / count
    if max(sum(found) / len(found) for found in scores.values()) >= needed:
        return []
    if needed > 1:
        return [_notice("guessing_any", examples=count, techniques=len(scores))]
    return [_notice("guessing", examples=count, techniques=len(scores), needed=float(needed))]


def about_tuning(tuning: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what must be known of how settings were chosen: at an edge of what was tried, or not at all."""
    found = []
    several = len({row["task"] for row in tuning}) > 1
    for row in tuning:
        model = f"{row['model']}, {row['task']}" if several else row["model"]
        named = {"technique": row["chain"], "model": model}
        if row["chosen"] is None:
            continue
        trial = row["trials"][row["chosen"]]
        for setting, end in row["at_edge"].items():
            found.append(_notice("tuning_edge", **named, setting=setting, value=trial["settings"][setting], end=end))
        if trial["status"] == "failed":
            found.append(_notice("tuning_failed", **named))
    return list({notice["text"]: notice for notice in found}.values())


def about_doctor(findings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the doctor's warnings, and the errors that were set aside; what holds for several things is said once.

    Beside the English words a notice has the places of its `findings`, which have what other languages are made of.
    """
    said: dict[tuple[str, str, str], list[int]] = {}
    for place, one in enumerate(findings):
        name = "doctor_forced" if one["forced"] else "doctor_warning" if one["severity"] == "warning" else None
        if name:
            said.setdefault((name, one["check"], one["sentence"]), []).append(place)
    notices = []
    for (name, check, sentence), places in said.items():
        about = ", ".join(findings[place]["about"] or "the study" for place in places)
        notices.append(_notice(name, check=check, about=about, sentence=sentence, findings=places))
    return notices


def _about_sameness(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    done = [run for run in runs if run["status"] == "done"]
    asked: dict[tuple[str, str, str, int | None], list[Any]] = {}
    machines: list[Any] = []
    for run in done:
        asked.setdefault((run["model"], run["task"], run["technique"], run.get("fold")), []).append(
            (run["settings"], run["budget"])
        )
        machine = run["machine"] or {}
        machines.append([machine.get(name) for name in ("device_name", "precision", "threads")])
    several = len({task for _, task, _, _ in asked}) > 1
    found = [
        _notice("settings_differ", model=f"{model}, {task}" if several else model, technique=technique)
        for (model, task, technique, _), kinds in asked.items()
        if any(kind != kinds[0] for kind in kinds)
    ]
    if any(machine != machines[0] for machine in machines):
        found.append(_notice("machines_differ"))
    return found
