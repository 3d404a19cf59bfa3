"""results.json: everything that is known of a study's runs, from the store alone (schema: results.schema.json)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneoff.checks.kept import finding_rows
from tuneoff.errors import StoreError
from tuneoff.evidence.answers import Answers, Key, answers
from tuneoff.evidence.away import also_metrics, also_rows
from tuneoff.evidence.chains import Records, Run, trace
from tuneoff.evidence.comparisons import compare_techniques
from tuneoff.evidence.cosine import cosine_rows
from tuneoff.evidence.details import detail_rows
from tuneoff.evidence.error_analysis import MOST_SHOWN, analyse
from tuneoff.evidence.notices import about_doctor, about_tuning, models_at_chance, notices
from tuneoff.evidence.over_tasks import rank_rows
from tuneoff.evidence.race import seeds_by_round
from tuneoff.evidence.rounds import Place, Standing, standing
from tuneoff.evidence.runs import run_rows
from tuneoff.evidence.shared_texts import shared_texts
from tuneoff.evidence.summary import technique_rows
from tuneoff.evidence.task_files import baseline_rows, kept_rows, kept_texts
from tuneoff.evidence.tuned import tuning_rows
from tuneoff.files import write_json
from tuneoff.store import StageAddress, Store, read_json
from tuneoff.study import TaskSpec
from tuneoff.tasks import task_name
from tuneoff.tasks.registry import built_in_tasks

Row = Mapping[str, Any]
SCHEMA_VERSION = 1
RESULTS = "results.json"
SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
MODEL_FIELDS = (
    *("name", "id", "label", "source", "revision", "fingerprint", "architecture", "model_type", "layers", "hidden"),
    *("heads", "kv_heads", "head_dim", "intermediate", "vocabulary", "max_positions", "tied_embeddings", "dtype"),
    *("weight_bytes", "pooling", "prefix", "template", "max_length", "parameters", "head_parameters"),
)
TASK_FIELDS = (
    *("name", "label", "source", "classes", "text_fields", "splits", "notes", "fingerprint", "test_fingerprint"),
)


def build_results(store: Store) -> dict[str, Any]:
    """Return the results of a study as JSON values; unknown is None, never 0.

    There is a run for each (model, task, technique, seed, fold) that study.yaml asks for, whatever became of it.
    Raises StoreError for a run directory that cannot be read.
    """
    study = _study(store.study())
    records = {record.address: record for record in store.records()}
    models = _models(store, study)
    tasks = [_task(store, model["name"], spec) for model in models for spec in study["tasks"]]
    asked = _runs(study, models, records)
    rows, races = _asked_for(store, study, asked, records)
    also = {_task_name(spec): list(spec.get("also_test") or {}) for spec in study["tasks"]}
    runs = [{**run, "also": also_metrics(store, run, also[run["task"]])} for run in rows]
    away: dict[Key, dict[str, dict[str, Any]]] = {}
    for name, further in also.items():
        away |= also_rows(store, [run for run in runs if run["task"] == name], further)
    measured = answers(store, runs)
    tuning = tuning_rows(store, study, asked)
    doctor = finding_rows(store)
    techniques = technique_rows(runs, study["techniques"], measured, away)
    comparisons = _comparisons(study, tasks, measured, races)
    study["notices"] = [*notices(study, models, tasks, runs), *about_tuning(tuning), *about_doctor(doctor)]
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study,
        "environment": store.environment() if (store.root / "environment.json").is_file() else {},
        "doctor": doctor,
        "models": models,
        "tasks": tasks,
        "tuning": tuning,
        "details": detail_rows(store, study, runs),
        "runs": runs,
        "techniques": techniques,
        "comparisons": comparisons,
        "ranks": rank_rows(techniques, comparisons, models_at_chance(tasks, runs), shared_texts(store, tasks))
        if len(study["tasks"]) > 1  # a single one has no ranks
        else [],
        "error_analysis": _errors(store, study, tasks, measured),
    }


def _errors(
    store: Store, study: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], measured: Mapping[Key, Answers]
) -> list[dict[str, Any]]:
    """Return the errors of the techniques of each model and task."""
    most = study["protocol"].get("keep_texts") or MOST_SHOWN
    found = []
    for task in tasks:
        model, name = task["model"], task["name"]
        own = {technique: one for (of, on, technique), one in measured.items() if (of, on) == (model, name)}
        texts = kept_texts(store, name, task["fingerprint"])
        parts = analyse(own, len(task["classes"] or ()), most, kept_rows(store, name), texts)
        found.append({"model": model, "task": name, **parts})
    return found


def _comparisons(
    study: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    measured: Mapping[Key, Answers],
    races: Mapping[Place, Standing],
) -> list[dict[str, Any]]:
    """Compare the techniques of each model on each task; those of different models are other questions."""
    margin = study["protocol"].get("margin")
    found = []
    for task in tasks:
        model, name = task["model"], task["name"]
        own = {technique: one for (of, on, technique), one in measured.items() if (of, on) == (model, name)}
        compared = compare_techniques(own, margin and margin / 100, races.get((model, name)))
        found.append({"model": model, "task": name, **compared})
    return found


def _models(store: Store, study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is known of each model; labels that several have alike are followed by the names, which tell them apart."""
    models = [_model(store, asked) for asked in study["models"]]
    shown = Counter(model.get("label") or model["name"] for model in models)
    return [
        {**model, "label": f"{label} ({model['name']})"}
        if shown[label := model.get("label") or model["name"]] > 1 and label != model["name"]
        else model
        for model in models
    ]


def _runs(study: Mapping[str, Any], models: Sequence[Mapping[str, Any]], records: Records) -> list[Run]:
    """Return each run that the study may ask for: model by model, task by task, technique by technique."""
    folds = range(study["protocol"]["folds"]) if study["protocol"].get("folds") else [None]
    tasks = [_task_name(spec) for spec in study["tasks"]]
    return [
        trace(technique, StageAddress(model["name"], task, technique["name"], seed, fold), records)
        for model in models
        for task in tasks
        for technique in study["techniques"]
        for seed in _all_seeds(study)
        for fold in folds
    ]


def _all_seeds(study: Mapping[str, Any]) -> list[int]:
    """The seeds that a technique may have: with `until_clear` those of all rounds."""
    until = study["protocol"].get("until_clear")
    return seeds_by_round(study["seeds"], until["seeds"])[-1] if until else list(study["seeds"])


def _asked_for(
    store: Store, study: Mapping[str, Any], runs: Sequence[Run], records: Records
) -> tuple[list[dict[str, Any]], dict[Place, Standing]]:
    """Return the rows of the runs that were asked for, and the race of each model and task, if the study is one."""
    if not study["protocol"].get("until_clear"):
        return run_rows(store, runs, records), {}
    rows, races = [], {}
    for place in dict.fromkeys((run.address.model, run.address.task) for run in runs):
        own = [run for run in runs if (run.address.model, run.address.task) == place]
        races[place], asked = standing(store, study, place, own, records)
        rows += asked
    return rows, races


def standings(store: Store) -> dict[Place, Standing]:
    """Return how the race of each model and task stands; empty where the study is none."""
    study = _study(store.study())
    if not study["protocol"].get("until_clear"):
        return {}
    records = {record.address: record for record in store.records()}
    _, races = _asked_for(store, study, _runs(study, _models(store, study), records), records)
    return races


def write_results(store: Store) -> Path:
    """Build the results and write them to results.json in the run directory; returns its path."""
    return save_results(store, build_results(store))


def save_results(store: Store, results: Mapping[str, Any]) -> Path:
    """Write results that were built already to results.json in the run directory; returns its path."""
    path = store.root / RESULTS
    write_json(path, results)
    return path


def _study(asked: dict[str, Any]) -> dict[str, Any]:
    protocol = asked.get("protocol") or {}
    seeds = protocol.get("seeds", [0])
    tasks = [dict(spec) for spec in asked.get("tasks") or [asked.get("task") or {}]]
    return {
        "name": asked.get("name"),
        "title": asked.get("title"),
        "protocol": protocol,
        "seeds": list(range(seeds)) if isinstance(seeds, int) else list(seeds),
        "models": list(asked.get("models") or []),
        "task": tasks[0],
        "tasks": tasks,
        "techniques": [_technique(entry) for entry in asked.get("techniques") or []],
    }


def _technique(entry: Mapping[str, Any]) -> dict[str, Any]:
    name = str(entry["name"])
    return {"name": name, "use": str(entry.get("use") or name), "settings": dict(entry.get("settings") or {})}


def asked_task(study: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the task of a study, as study.yaml has it, by the name of its folder; StopIteration for one it lacks."""
    return next(task for task in _asked_tasks(study) if _task_name(task) == name)


def asked_task_names(study: Mapping[str, Any]) -> list[str]:
    """Return the names of the folders of a study's tasks, in its order."""
    return [_task_name(task) for task in _asked_tasks(study)]


def _asked_tasks(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    return study.get("tasks") or [study.get("task") or {}]


def _task_name(asked: Mapping[str, Any]) -> str:
    try:
        return task_name(TaskSpec.model_validate(asked))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, ("task", *problem["loc"])))
        raise StoreError(f"study.yaml: {where}: {problem['msg']}; run the study again to write it anew") from None


def _model(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked of a model, and over it what is known once it was loaded."""
    name = asked.get("name") or str(asked.get("id", "model")).rstrip("/").rsplit("/", 1)[-1].lower()
    described = store.model(name) if (store.root / "stages" / name / "model.json").is_file() else {}
    known = dict.fromkeys(MODEL_FIELDS) | {"id": asked.get("id"), "label": asked.get("label")}
    known |= {key: value for key, value in described.items() if value is not None or key not in known}
    return known | {"name": name}


def _task(store: Store, model: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    name = _task_name(asked)
    known: dict[str, Any] = dict.fromkeys(TASK_FIELDS)
    if (store.root / "stages" / model / name / "task.json").is_file():
        known |= store.task(model, name)
    found = [baseline_rows(store, name, known["fingerprint"]), cosine_rows(store, model, name, known["fingerprint"])]
    known["baselines"] = [row for rows in found for row in rows or []] or None
    further = {set_name: _own_metric(one) for set_name, one in (asked.get("also_test") or {}).items()}
    own = {"metric": _own_metric(asked), "also_metrics": {of: metric for of, metric in further.items() if metric}}
    return known | {"model": model, "name": name, "notes": known["notes"] or [], **own}


def _own_metric(asked: Any) -> str | None:
    """The metric that a built-in task's benchmark reports beside the accuracy or in its place, None for none."""
    if (
        not isinstance(asked, Mapping) or asked.get("train") or asked.get("hub")
    ):  # files of one's own, whatever its name
        return None
    built_in = built_in_tasks().get(str(asked.get("name")))
    return built_in.metric if built_in else None


def rows_disagreed_on(store: Store) -> dict[str, list[int]]:
    """Return by task the test rows that the report shows because techniques disagree on them."""
    study = _study(store.study())
    records = {record.address: record for record in store.records()}
    models = _models(store, study)
    tasks = [_task(store, model["name"], spec) for model in models for spec in study["tasks"]]
    runs, _ = _asked_for(store, study, _runs(study, models, records), records)
    found: dict[str, list[int]] = {}
    for part in _errors(store, study, tasks, answers(store, runs)):
        rows = found.setdefault(part["task"], [])
        rows += [one["row"] for one in part["shown"] if one["row"] not in rows]
    return found


def read_results(store: Store) -> dict[str, Any]:
    """Return the results that were last written into a run directory; raises StoreError where there are none."""
    return read_json(store.root / RESULTS)
