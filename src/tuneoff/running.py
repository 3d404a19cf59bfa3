"""From a checked study to a finished run directory: prepare, plan, compute, report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.environment import describe_environment
from tuneoff.executors.local import Observer, run_plan
from tuneoff.models.resolve import describe as describe_model
from tuneoff.models.resolve import resolve_model
from tuneoff.plan import Plan, Question, make_plan
from tuneoff.store import Store
from tuneoff.tasks import describe as describe_task
from tuneoff.tasks import load_task, task_name
from tuneoff.training.device import choose_device, choose_precision, make_accelerator
from tuneoff.training.workplace import Workplace

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy
    from tuneoff.study import Study

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A study whose models and data were found and checked: questions for the plan, places for the work."""

    read: "ReadStudy"
    questions: list[Question]
    places: Mapping[tuple[str, str], Workplace]


def prepare(read: "ReadStudy", announce: Announce = lambda _: None) -> Prepared:
    """Load and check all that a study needs before its first step; raises TuneoffError for what is wrong with it."""
    import torch

    study = read.study
    _use_threads(study)
    device = choose_device(study.protocol)
    precision = choose_precision(study.protocol, device)
    announce("reading the task")
    data = load_task(study.task, need_dev=study.protocol.eval_on == "dev", base=read.base)
    name = task_name(study.task)
    accelerator = make_accelerator(torch.device(device))
    questions, places = [], {}
    for spec in study.models:
        announce(f"checking {spec.id}")
        model = resolve_model(spec, need_weights=True)
        questions.append(Question(model, name, data, precision))
        places[model.name, name] = Workplace(model, data, accelerator, precision, study.protocol.micro_tokens)
    return Prepared(read, questions, places)


def run_study(read: "ReadStudy", out: Path, watch: Callable[[Plan], Observer], announce: Announce) -> Store:
    """Compute what is missing of a study and write results and report; returns its run directory.

    `watch` gets the plan and returns who is told of progress. Raises TuneoffError for bad input, before any training,
    and Interrupted where the observer asked to stop.
    """
    from tuneoff.reading import resolved_yaml

    store = Store(out)
    with store.lock():
        prepared = prepare(read, announce)
        plan = make_plan(read.study, prepared.questions, store if (out / "study.yaml").is_file() else None)
        store.create(resolved_yaml(read.study), describe_environment(read.base))
        _describe(prepared, store)
        run_plan(plan, prepared.places, store, watch(plan))
        announce("writing results and report")
        write_report(store)
    return store


def write_report(store: Store) -> Path:
    """Write results.json, the report, its figures and tables from what is in a run directory."""
    from tuneoff.report import write_report as write

    return write(store)


def _describe(prepared: Prepared, store: Store) -> None:
    from tuneoff.models.classifier import build_meta

    for (model_name, name), place in prepared.places.items():
        meta = build_meta(place.model, len(place.data.classes))
        counts = {
            "parameters": sum(value.numel() for value in meta.backbone_parameters().values()),
            "head_parameters": sum(value.numel() for value in meta.head_parameters().values()),
        }
        store.describe_model(model_name, {**describe_model(place.model), **counts})
        store.describe_task(model_name, name, _with_tokens(describe_task(place.data), place))


def _with_tokens(description: dict[str, Any], place: Workplace) -> dict[str, Any]:
    """Add to each labelled split how long its texts are in this model's tokens, and how many were cut."""
    for split, tokens in place.tokens().items():
        lengths = sorted(len(ids) for ids in tokens.ids)
        description["splits"][split]["tokens"] = {
            "mean": sum(lengths) / len(lengths),
            "median": lengths[len(lengths) // 2],
            "max": lengths[-1],
            "cut": tokens.cut,
        }
    return description


def _use_threads(study: "Study") -> None:
    import os

    import torch

    torch.set_num_threads(study.protocol.threads or os.cpu_count() or 1)
