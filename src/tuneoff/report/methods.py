"""The protocol as a paragraph for a paper: what was compared, on what, how, with which tests, and the sources."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneoff.evidence.ranks import IMAN_DAVENPORT
from tuneoff.evidence.results import asked_task
from tuneoff.report import bibliography as sources
from tuneoff.report.bibliography import MARK, cite
from tuneoff.report.formats import count, listed, plain
from tuneoff.report.method_training import selection, training
from tuneoff.report.places import task_label
from tuneoff.report.said_once import said_by_place
from tuneoff.report.table import LATEX
from tuneoff.report.tables import Results, model_label
from tuneoff.report.words import WORDS, Words
from tuneoff.words import visible

Row = Mapping[str, Any]


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


def _sentences(results: Results, say: Words) -> Iterator[str]:
    yield _compared(results, say)
    yield from _models(results, say)
    yield from _data(results, say)
    yield from training(results, say)
    yield from selection(results, say)
    yield from _tests(results, say)
    yield from _over_tasks(results, say)
    yield from _machine(results, say)


def _compared(results: Results, say: Words) -> str:
    techniques = [_technique(row, say) for row in results["study"]["techniques"]]
    models = [
        model_label(model) + cite(_found(sources.MODELS, str(model["id"] or model["name"])))
        for model in results["models"]
    ]
    tasks = {task["name"]: task for task in results["tasks"]}
    named = [task_label(task, say) + cite(_source_of_task(results, name)) for name, task in tasks.items()]
    on = say("methods.on" if len(named) == 1 else "methods.on.many", tasks=listed(named, say))
    values = {"techniques": listed(techniques, say), "models": listed(models, say), "on": on}
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
        say.get(f"technique.{stage}", sources.NAMES.get(stage, stage)) + cite(sources.METHODS.get(stage))
        for stage in stages
    ]
    text = say("methods.then").join(parts)
    if stages[0] == "linear-probe" and len(stages) == 2:
        text += cite(sources.PROBE_FIRST)
    return text if row["name"] == row["use"] else say("methods.named", name=row["name"], technique=text)


def _models(results: Results, say: Words) -> Iterator[str]:
    for model in results["models"]:
        named = ("architecture", "layers", "hidden", "pooling", "max_length", "parameters")
        if any(model.get(name) is None for name in named):
            continue
        values = {name: plain(model.get(name), say) for name in ("architecture", "layers", "hidden", "max_length")}
        values |= {"pooling": say.get(f"pooling.{model['pooling']}", str(model["pooling"]))}
        values |= {"model": model_label(model), "parameters": count(model["parameters"], say)}
        yield say("methods.model", **values)
        if model.get("head_parameters") is not None and model.get("head") != "native":
            yield say("methods.head", n=count(model["head_parameters"], say))
        yield from (say(f"methods.{name}", value=_as_written(model[name])) for name in _READING if model.get(name))
        if model.get("head") == "native":
            yield say("methods.native")
        if model.get("load"):
            yield say("methods.load", value=model["load"])
    trained = said_by_place(
        results,
        lambda row: (row["parameters"] or {}).get("trained"),
        lambda name, n: say("methods.trained.one", technique=name, n=count(n, say)),
        say,
    )
    if trained:
        yield say("methods.trained", trained=trained)


_READING = ("prefix", "template")


def _as_written(text: str) -> str:
    """A text as a study file has it in quotes, so that its spaces and line ends are seen."""
    return json.dumps(text, ensure_ascii=False)


def _data(results: Results, say: Words) -> Iterator[str]:
    """Say of tasks whose splits are of the same sizes once what these are."""
    alike: dict[tuple[str | None, ...], list[Row]] = {}
    for task in {task["name"]: task for task in results["tasks"]}.values():
        rows = {name: split.get("rows") for name, split in (task["splits"] or {}).items()}
        if task["classes"] and rows.get("test"):
            sizes = (count(rows[name], say) if rows.get(name) else None for name in ("train", "dev", "test"))
            alike.setdefault(tuple(sizes), []).append(task)
    for (train, dev, test), tasks in alike.items():
        named = [say("methods.classes", task=task_label(task, say), n=len(task["classes"])) for task in tasks]
        used = [say(f"methods.use.{name}", n=n) for name, n in (("train", train), ("dev", dev), ("test", test)) if n]
        message = "methods.data" if len(tasks) == 1 else "methods.data.many"
        yield say(message, tasks=listed(named, say), used=listed(used, say))
    for limit, named in _asked(results, "limit", say).items():
        yield say("methods.limit", n=count(limit, say), tasks=listed(named, say))
    if dropped := _asked(results, "drop_overlap", say).get(True):
        yield say("methods.drop_overlap", tasks=listed(dropped, say))
    further = [name for task in results["study"]["tasks"] for name in task.get("also_test") or {}]
    if further:
        yield say("methods.also", names=listed(list(dict.fromkeys(further)), say))
    if folds := results["study"]["protocol"].get("folds"):
        yield say("methods.folds", folds=folds)


def _asked(results: Results, setting: str, say: Words) -> dict[Any, list[str]]:
    """The labels of the tasks that a study asks to have a setting, by its value."""
    found: dict[Any, list[str]] = {}
    for task in {task["name"]: task for task in results["tasks"]}.values():
        if value := asked_task(results["study"], task["name"]).get(setting):
            found.setdefault(value, []).append(task_label(task, say))
    return found


def _tests(results: Results, say: Words) -> Iterator[str]:
    covers = {row["accuracy_interval"]["covers"] for row in results["techniques"] if row["accuracy_interval"]}
    if covers:
        over_examples = covers == {"examples"}
        yield say("methods.interval.examples" if over_examples else "methods.interval", cite=cite(sources.WILSON))
    compared = [one for one in results["comparisons"] if one["pairs"]]
    if not compared:
        return
    tests = list(dict.fromkeys(pair["method"] for one in compared for pair in one["pairs"]))
    said = [say.get(f"test.{test}", test) + cite(sources.TESTS.get(test)) for test in tests]
    pairs = listed([str(n) for n in dict.fromkeys(len(one["pairs"]) for one in compared)], say)
    if any(one["race"] for one in compared):
        yield say("methods.race", tests=listed(said, say), pairs=pairs, cite=cite(sources.SPENDING))
    else:
        yield say("methods.pairs", tests=listed(said, say), pairs=pairs, cite=cite(sources.HOLM))
    if margin := results["study"]["protocol"].get("margin"):
        yield say("methods.margin", margin=plain(margin, say), cite=cite(sources.EQUIVALENCE))


def _over_tasks(results: Results, say: Words) -> Iterator[str]:
    ranked = results.get("ranks") or []
    if not ranked:
        return
    yield say("methods.ranks", cite=cite(sources.OVER_TASKS))
    if max(len(row["techniques"]) for row in ranked) > 2:
        by_f = any(row["friedman"]["method"] == IMAN_DAVENPORT for row in ranked)
        sources_of_p = (sources.FRIEDMAN, sources.IMAN_DAVENPORT if by_f else None)
        yield say("methods.friedman", cite=cite(*sources_of_p))
    pairs = listed([str(n) for n in dict.fromkeys(len(row["pairs"]) for row in ranked)], say)
    yield say("methods.wilcoxon", cite=cite(sources.WILCOXON), holm=cite(sources.HOLM), pairs=pairs)
    if any(pair["low"] is not None for row in ranked for pair in row["pairs"]):
        yield say("methods.mean_difference", cite=cite(sources.MEAN_LIMITS))


def _machine(results: Results, say: Words) -> Iterator[str]:
    known = results["environment"]
    machines = [run["machine"] for run in results["runs"] if run["machine"]]
    if machines:
        processor = known.get("cpu")
        devices = dict.fromkeys(str(one.get("device_name") or processor or one.get("device")) for one in machines)
        precisions = dict.fromkeys(str(one["precision"]) for one in machines if one.get("precision"))
        yield say("methods.machine", devices=listed(list(devices), say), precisions=listed(list(precisions), say))
    versions = {"tuneoff": known.get("tuneoff"), **(known.get("packages") or {})}
    names = ("tuneoff", "torch", "transformers", *(["peft"] if _adapters(results) else []))
    software = [
        say("methods.library", name=sources.NAMES[name], version=versions[name]) + cite(sources.LIBRARIES.get(name))
        for name in names
        if versions.get(name)
    ]
    if software:
        yield say("methods.software", software=listed(software, say))


def _adapters(results: Results) -> bool:
    """Whether a technique is peft's: all but those that train weights of the model itself or a head alone."""
    stages = {stage for row in results["study"]["techniques"] for stage in row["use"].split("+")}
    return bool(stages - sources.WITHOUT_PEFT)
