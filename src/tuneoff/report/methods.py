"""The protocol as a paragraph for a paper: what was compared, on what, how, with which tests, and the sources."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneoff.evidence.results import asked_task
from tuneoff.report import bibliography as sources
from tuneoff.report.formats import count, plain
from tuneoff.report.places import task_label
from tuneoff.report.table import LATEX
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words
from tuneoff.words import visible

Row = Mapping[str, Any]
MARK = "\ue000"
"""Stands around the ids of sources in a sentence until it is said how they are cited."""


@dataclass(frozen=True)
class Methods:
    """A paragraph as plain text and for LaTeX (natbib), and the BibTeX entries that it cites."""

    text: str
    latex: str
    bibtex: str

    @property
    def files(self) -> dict[str, str]:
        """What is written into the run directory's folder `paper`, by file name."""
        return {"methods.txt": self.text + "\n", "methods.tex": self.latex + "\n", "references.bib": self.bibtex}


def methods(results: Results, say: Words = WORDS) -> Methods:
    """Return the paragraph; what is not known of a study is left out."""
    marked = " ".join(_sentences(results, say))
    known = "|".join(sources.entries())
    parts = re.split(f"{MARK}((?:(?:{known}) ?)+){MARK}", marked)
    texts, cited = parts[::2], _first_mentions([part.split() for part in parts[1::2]])
    short = [_brackets(keys, say) for keys in cited]
    citations = [f"~\\citep{{{','.join(keys)}}}" if keys else "" for keys in cited]
    return Methods(
        text=visible(_joined(texts, short)),
        latex=_joined(["".join(LATEX.get(letter, letter) for letter in visible(text)) for text in texts], citations),
        bibtex=sources.bibtex([key for keys in cited for key in keys]),
    )


def _first_mentions(cited: Sequence[Sequence[str]]) -> list[list[str]]:
    """The sources of each place that no place before has."""
    seen: set[str] = set()
    found = []
    for keys in cited:
        found.append([key for key in dict.fromkeys(keys) if key not in seen])
        seen.update(keys)
    return found


def _brackets(keys: Sequence[str], say: Words) -> str:
    if not keys:
        return ""
    return " " + say("cite.brackets", sources="; ".join(sources.entries()[key].short(say) for key in keys))


def _joined(texts: Sequence[str], between: Sequence[str]) -> str:
    return "".join(text + mark for text, mark in zip(texts, [*between, ""], strict=True))


def _cite(*keys: str | None) -> str:
    known = [key for key in keys if key]
    return f"{MARK}{' '.join(known)}{MARK}" if known else ""


def _sentences(results: Results, say: Words) -> Iterator[str]:
    yield _compared(results, say)
    yield from _models(results, say)
    yield from _data(results, say)
    yield from _training(results, say)
    yield from _selection(results, say)
    yield from _tests(results, say)
    yield from _machine(results, say)


def _and(names: Sequence[str], say: Words) -> str:
    return say("and").join([*([", ".join(names[:-1])] if len(names) > 1 else []), *names[-1:]])


def _compared(results: Results, say: Words) -> str:
    techniques = [_technique(row, say) for row in results["study"]["techniques"]]
    models = [
        model_label(model) + _cite(_found(sources.MODELS, str(model["id"] or model["name"])))
        for model in results["models"]
    ]
    tasks = {task["name"]: task for task in results["tasks"]}
    named = [task_label(task, say) + _cite(_source_of_task(results, name)) for name, task in tasks.items()]
    values = {"techniques": _and(techniques, say), "models": _and(models, say), "tasks": _and(named, say)}
    return say("methods.compared" if len(techniques) > 1 else "methods.one", **values)


def _source_of_task(results: Results, name: str) -> str | None:
    """The source of a built-in task, which the study names."""
    asked = str(asked_task(results["study"], name).get("name") or "")
    return sources.TASKS.get(asked)


def _found(table: Mapping[str, str], name: str) -> str | None:
    return next((key for part, key in table.items() if part in name.lower()), None)


def _technique(row: Row, say: Words) -> str:
    """'linear probing (Alain & Bengio 2016), then LoRA (Hu et al. 2022)', after a name of its own if it has one."""
    stages = row["use"].split("+")
    parts = [
        say.get(f"technique.{stage}", sources.NAMES.get(stage, stage)) + _cite(sources.METHODS.get(stage))
        for stage in stages
    ]
    text = say("methods.then").join(parts)
    if stages[0] == "linear-probe" and len(stages) == 2:
        text += _cite(sources.PROBE_FIRST)
    return text if row["name"] == row["use"] else say("methods.named", name=row["name"], technique=text)


def _models(results: Results, say: Words) -> Iterator[str]:
    for model in results["models"]:
        if model.get("parameters") is None or not model.get("layers"):
            continue
        values = {
            name: plain(model.get(name), say) for name in ("architecture", "layers", "hidden", "pooling", "max_length")
        }
        numbers = {name: count(model.get(name), say) for name in ("parameters", "head_parameters")}
        yield say("methods.model", model=model_label(model), **values, **numbers)
    by_technique = {row["technique"]: row["parameters"] for row in results["techniques"] if row["parameters"]}
    if by_technique and not several_models(results):
        trained = [
            say("methods.trained.one", technique=name, n=count(known["trained"], say))
            for name, known in by_technique.items()
        ]
        yield say("methods.trained", trained=_and(trained, say))


def _data(results: Results, say: Words) -> Iterator[str]:
    for task in {task["name"]: task for task in results["tasks"]}.values():
        rows = {name: split.get("rows") for name, split in (task["splits"] or {}).items()}
        if not task["classes"] or not rows.get("test"):
            continue
        numbers = {name: count(rows.get(name), say) for name in ("train", "dev", "test")}
        message = "methods.data" if rows.get("dev") else "methods.data.no_dev"
        yield say(message, task=task_label(task, say), classes=len(task["classes"]), **numbers)
    if folds := results["study"]["protocol"].get("folds"):
        yield say("methods.folds", folds=folds)


def _training(results: Results, say: Words) -> Iterator[str]:
    protocol, rows = results["study"]["protocol"], results["techniques"]
    steps = list(dict.fromkeys(row["budget"]["steps"] for row in rows if (row["budget"] or {}).get("steps")))
    steps = steps or ([protocol["steps"]] if protocol.get("steps") else [])
    if steps and protocol.get("batch_size"):
        yield say(
            "methods.budget",
            steps=_and([count(n, say) for n in steps], say),
            batch_size=protocol["batch_size"],
            optimizer=_cite(sources.OPTIMIZER),
        )
    if protocol.get("schedule") and protocol.get("warmup") is not None and protocol.get("weight_decay") is not None:
        yield say(
            "methods.schedule",
            weight_decay=plain(protocol["weight_decay"], say),
            schedule=say.get(f"schedule.{protocol['schedule']}", str(protocol["schedule"])),
            warmup=protocol["warmup"],
        )
    if (norm := protocol.get("max_grad_norm")) not in (None, "off", False):
        yield say("methods.clip", norm=plain(norm, say))
    rates = {row["technique"]: (row["settings"] or {}).get("learning_rate") for row in rows}
    known = [say("methods.rate", technique=name, rate=plain(rate, say)) for name, rate in rates.items() if rate]
    if known:
        yield say("methods.rates", rates=_and(known, say))
    seeds = sorted({run["seed"] for run in results["runs"]})
    yield say("methods.seeds" if len(seeds) > 1 else "methods.seed", n=len(seeds))


def _selection(results: Results, say: Words) -> Iterator[str]:
    protocol = results["study"]["protocol"]
    if tune := protocol.get("tune"):
        yield say("methods.tuned", trials=tune["trials"], span=plain(tune.get("span", 10.0), say))
    if protocol.get("checkpoint") == "best":
        yield say("methods.best", by=say.get(f"axis.{protocol.get('choose_by', 'accuracy')}", ""))
    elif protocol:
        yield say("methods.last")
    if protocol.get("eval_on") == "test":
        yield say("methods.watched_test")


def _tests(results: Results, say: Words) -> Iterator[str]:
    covers = {row["accuracy_interval"]["covers"] for row in results["techniques"] if row["accuracy_interval"]}
    if covers:
        over_examples = covers == {"examples"}
        yield say("methods.interval.examples" if over_examples else "methods.interval", cite=_cite(sources.WILSON))
    compared = [one for one in results["comparisons"] if one["pairs"]]
    if not compared:
        return
    tests = list(dict.fromkeys(pair["method"] for one in compared for pair in one["pairs"]))
    said = [say.get(f"test.{test}", test) + _cite(sources.TESTS.get(test)) for test in tests]
    pairs = _and([str(n) for n in dict.fromkeys(len(one["pairs"]) for one in compared)], say)
    if any(one["race"] for one in compared):
        yield say("methods.race", tests=_and(said, say), pairs=pairs, cite=_cite(sources.SPENDING))
    else:
        yield say("methods.pairs", tests=_and(said, say), pairs=pairs, cite=_cite(sources.HOLM))
    if margin := results["study"]["protocol"].get("margin"):
        yield say("methods.margin", margin=plain(margin, say), cite=_cite(sources.EQUIVALENCE))


def _machine(results: Results, say: Words) -> Iterator[str]:
    known = results["environment"]
    machines = [run["machine"] for run in results["runs"] if run["machine"]]
    if machines:
        processor = known.get("cpu")
        devices = dict.fromkeys(str(one.get("device_name") or processor or one.get("device")) for one in machines)
        precisions = dict.fromkeys(str(one["precision"]) for one in machines if one.get("precision"))
        yield say("methods.machine", devices=_and(list(devices), say), precisions=_and(list(precisions), say))
    versions = {"tuneoff": known.get("tuneoff"), **(known.get("packages") or {})}
    names = ("tuneoff", "torch", "transformers", *(["peft"] if _adapters(results) else []))
    software = [
        say("methods.library", name=sources.NAMES[name], version=versions[name]) + _cite(sources.LIBRARIES.get(name))
        for name in names
        if versions.get(name)
    ]
    if software:
        yield say("methods.software", software=_and(software, say))


def _adapters(results: Results) -> bool:
    """Whether a technique is peft's: all but those that train weights of the model itself or a head alone."""
    stages = {stage for row in results["study"]["techniques"] for stage in row["use"].split("+")}
    return bool(stages - sources.WITHOUT_PEFT)
