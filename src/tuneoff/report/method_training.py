"""What the paragraph for a paper says of training: budget, rates and other settings, and what was chosen on dev."""

from collections.abc import Iterator, Mapping
from typing import Any

from tuneoff.report import bibliography as sources
from tuneoff.report.bibliography import cite
from tuneoff.report.formats import count, listed, plain
from tuneoff.report.said_once import said_by_place
from tuneoff.report.tables import Results
from tuneoff.report.words import WORDS, Words
from tuneoff.techniques import get, names

Row = Mapping[str, Any]
COMMON = ("schedule", "warmup", "weight_decay", "max_grad_norm")
"""The settings that the protocol gives all techniques alike, unless one has its own."""
OWN_TARGETS = ("ia3", "ln-tuning", "peft")
"""Techniques that, where no modules are named, have others than the projections of queries and values."""


def training(results: Results, say: Words = WORDS) -> Iterator[str]:
    """Yield the sentences on how every technique was trained; what is not known is left out."""
    protocol, rows = results["study"]["protocol"], results["techniques"]
    yield from fitted(results, say)
    if trained_stages(results):
        yield from _optimized(results, say)
    results = with_earlier_stages(results)
    if rates := said_by_place(results, rate_of, lambda name, rate: _one(name, plain(rate, say), say), say):
        yield say("methods.rates", rates=rates)
    own = said_by_place(
        results, lambda row: _own(row, protocol), lambda name, settings: _one(name, _said(settings, say), say), say
    )
    if own:
        yield say("methods.settings", settings=own)
    if any("+" in row["use"] for row in rows):
        yield say("methods.last_stage")
    seeds = sorted({run["seed"] for run in results["runs"]})
    yield say("methods.seeds" if len(seeds) > 1 else "methods.seed", n=len(seeds))


def _optimized(results: Results, say: Words) -> Iterator[str]:
    protocol, steps = results["study"]["protocol"], trained_steps(results)
    if steps and protocol.get("batch_size"):
        yield say(
            "methods.budget.other" if fitted(results, say) else "methods.budget",
            steps=listed([count(n, say) for n in steps], say),
            batch_size=protocol["batch_size"],
            optimizer=cite(sources.OPTIMIZER),
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


def fits_at_once(use: str) -> bool:
    """Return whether the last stage of a chain has no gradient steps; of an unknown technique, that it has some."""
    last = use.split("+")[-1]
    return last in names() and get(last).gradient_free


def fitted(results: Results, say: Words = WORDS) -> list[str]:
    """Return a sentence that names the stages without gradient steps; none where all have some."""
    stages = with_earlier_stages(results)["techniques"]
    found = list(dict.fromkeys(row["technique"] for row in stages if fits_at_once(row["use"])))
    return [say("methods.fitted", techniques=listed(found, say))] if found else []


def trained_stages(results: Results) -> list[Row]:
    """Return the rows of the stages that had gradient steps, or will have them."""
    return [row for row in with_earlier_stages(results)["techniques"] if not fits_at_once(row["use"])]


def trained_steps(results: Results) -> list[int]:
    """Return the numbers of steps of the stages with gradient steps, each once; the protocol's where none is known."""
    rows, asked = trained_stages(results), results["study"]["protocol"].get("steps")
    steps = list(dict.fromkeys(row["budget"]["steps"] for row in rows if (row["budget"] or {}).get("steps")))
    return steps or ([asked] if rows and asked else [])


def with_earlier_stages(results: Results) -> Results:
    """Return results whose techniques have a row, too, for each stage before a last one that is no technique itself."""
    named = {row["technique"] for row in results["techniques"]}
    found = {
        (run["model"], run["task"], stage["chain"]): stage
        for run in results["runs"]
        for stage in run["source"]["stages"][:-1]
        if stage["chain"] not in named and stage["settings"]
    }
    rows = [
        {"model": model, "task": task, "technique": chain, "use": chain}
        | {"settings": stage["settings"], "budget": stage.get("budget")}
        for (model, task, chain), stage in found.items()
    ]
    return {**results, "techniques": [*results["techniques"], *rows]}


def rate_of(row: Row) -> Any:
    """Return the learning rate of a row's last stage; None where it is not known or has no effect."""
    return None if fits_at_once(row["use"]) else (row["settings"] or {}).get("learning_rate")


def _one(technique: str, value: str, say: Words) -> str:
    return say("methods.of", value=value, technique=technique)


def _own(row: Row, protocol: Row) -> dict[str, Any] | None:
    """A technique's settings beside its rate; of the common ones those that differ from the protocol's."""
    settings = row["settings"] or {}
    found = {
        name: value
        for name, value in settings.items()
        if name != "learning_rate"
        and value is not None
        and (name not in COMMON or name in protocol)
        and not (name in COMMON and (value == protocol[name] or fits_at_once(row["use"])))
    }
    if "target_modules" in settings and settings["target_modules"] is None:
        found |= {} if row["use"].split("+")[-1] in OWN_TARGETS else {"target_modules": None}
    return found or None


def _said(settings: Row, say: Words) -> str:
    return ", ".join(
        say("methods.targets") if value is None else f"{name} {plain(value, say)}" for name, value in settings.items()
    )


def selection(results: Results, say: Words = WORDS) -> Iterator[str]:
    """Yield the sentences on what was chosen on dev, and which weights are reported."""
    protocol = results["study"]["protocol"]
    by = say.get(f"axis.{protocol.get('choose_by') or 'accuracy'}", "")
    if tune := protocol.get("tune"):
        yield say("methods.tuned", trials=tune["trials"], by=by)
        space = tune.get("space") or {}
        rates = [name for name, settings in space.items() if "learning_rate" in settings]
        yield say("methods.tuned.span", span=plain(tune.get("span", 10.0), say))
        drawn = [
            say("methods.tuned.from", technique=name, setting=setting, values=plain(values, say))
            for name, settings in space.items()
            for setting, values in settings.items()
        ]
        if drawn:
            yield say("methods.tuned.space.rates" if rates else "methods.tuned.space", drawn="; ".join(drawn))
        if (share := tune.get("share", 1.0)) != 1:
            yield say("methods.tuned.share", share=float(share))
    if not trained_stages(results):
        return
    if protocol.get("checkpoint") == "best":
        yield say("methods.best.other" if fitted(results, say) else "methods.best", by=by)
    elif protocol:
        yield say("methods.last")
    if protocol.get("eval_on") == "test":
        yield say("methods.watched_test")
