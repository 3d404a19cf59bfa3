"""`tuneoff techniques`: the ways of fine-tuning, what each trains of a model, and the settings of one."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from tuneoff.commands.output import print_json
from tuneoff.errors import StudyError, TuneoffError
from tuneoff.study import PEFT
from tuneoff.techniques import StageSettings, Technique, get, names
from tuneoff.words import ended, visible

CLASSES = 2  # the head that is counted
COMMON = tuple(name for name in StageSettings.model_fields if name != "learning_rate")
INDENT = 4
WHERE_LEFT_OUT = "the layers of the technique of that type, else the projections of queries and values"


def techniques_command(name: str | None, *, model: str | None, kind: str | None, as_json: bool) -> None:
    """Print one technique, or all with what they train of a model, if one is named; of peft the fields of a type too.

    Raises StudyError for a name or a type that there is not, ModelError for a model that cannot be read.
    """
    if kind is not None and name != PEFT:
        raise StudyError(f"--type is one of peft's: tuneoff techniques {PEFT} --type {visible(kind)}")
    chosen = [get(name)] if name else [get(one) for one in names()]
    found = [{**_described(one), **counts} for one, counts in zip(chosen, _counts(chosen, model), strict=True)]
    if name == PEFT:
        found[0] |= _of_peft(kind)
    if as_json:
        print_json({"techniques": found, **({"model": model, "classes": CLASSES} if model else {})})
    elif name:
        _print_one(found[0])
    elif model:
        _print_counts(found, model)
    else:
        width = max(map(len, names()))
        for one in found:
            typer.echo(f"{one['name']:{width}}  {one['summary']}")
        typer.echo(
            "\nJoin names with '+' to train one after the other: linear-probe+lora. "
            "Settings of one: tuneoff techniques NAME. What each trains of a model: --model ID_OR_DIR"
        )


def _described(technique: type[Technique]) -> dict[str, Any]:
    fields = technique.settings_class.model_fields
    return {
        "name": technique.name,
        "summary": technique.summary,
        "about": inspect.getdoc(technique),
        "settings": {
            name: {"default": field.get_default(), "meaning": field.description} for name, field in fields.items()
        },
    }


def _of_peft(kind: str | None) -> dict[str, Any]:
    """Return peft's types, or the fields of one with default and meaning in peft's own words."""
    from tuneoff.techniques.peft_check import type_complaint
    from tuneoff.techniques.peft_fields import fields_of, usable_types, written_type

    if kind is None:
        return {"types": [one.lower() for one in usable_types()]}
    if problem := type_complaint(written_type(kind)):
        raise StudyError(f"--type: {problem}.")
    fields = {
        name: {"default": field.default, "meaning": field.meaning}
        for name, field in fields_of(written_type(kind)).items()
    }
    return {"type": kind.lower(), "fields": fields}


def _counts(chosen: list[type[Technique]], model: str | None) -> Iterator[dict[str, Any]]:
    """Yield what each technique trains of a model, by its config alone, or why it cannot; nothing without a model."""
    if model is None:
        yield from ({} for _ in chosen)
        return
    from rich.progress import track

    from tuneoff.models.resolve import resolve_model
    from tuneoff.study import ModelSpec
    from tuneoff.training.build import count_parameters, sketch

    resolved = resolve_model(ModelSpec(id=model), need_weights=False)
    told = Console(stderr=True)
    for technique in track(chosen, "counting", console=told, transient=True, disable=not told.is_terminal):
        try:
            counts = count_parameters(sketch(technique(technique.settings_class()), resolved, CLASSES))
            yield {"trained": counts["trained"], "share": counts["trained"] / counts["total"]}
        except TuneoffError as error:
            yield {"trained": None, "share": None, "refused": str(error)}


def _print_counts(found: list[dict[str, Any]], model: str) -> None:
    console = Console(highlight=False)
    table = Table(title=visible(f"Trained parameters of {model}, with a head for {CLASSES} classes"))
    table.add_column("technique", no_wrap=True)
    table.add_column("trained", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    refused = []
    for one in found:
        if one["trained"] is None:
            refused.append(one)
            continue
        table.add_row(one["name"], f"{one['trained']:,}", f"{one['share']:.2%}")
    console.print(table)
    for one in refused:
        console.print(f"{one['name']} does not fit this model: {visible(one['refused'])}", markup=False)


def _print_one(one: dict[str, Any]) -> None:
    typer.echo(f"{one['name']}: {one['summary']}\n\n{one['about']}\n")
    if "trained" in one:
        fits = one["trained"] is not None
        typer.echo(f"trained: {one['trained']:,} ({one['share']:.2%})\n" if fits else f"{visible(one['refused'])}\n")
    for name, setting in one["settings"].items():
        left_out = "the protocol's" if name in COMMON and setting["default"] is None else _written(setting["default"])
        typer.echo(f"{'':{INDENT}}{name}: {setting['meaning']} Default: {left_out}")
    if "types" in one:
        typer.echo(
            f"\nTypes: {', '.join(one['types'])}\nFields of one: tuneoff techniques {PEFT} --type {one['types'][0]}"
        )
    if "fields" in one:
        typer.echo(
            f"\nFields of type {one['type']}, in peft's own words; `target_modules` left out: {WHERE_LEFT_OUT}\n"
        )
        for name, field in one["fields"].items():
            typer.echo(f"{'':{INDENT}}{name}: {ended(field['meaning'])} Default: {_written(field['default'])}")


def _written(value: Any) -> str:
    """Return a value as a study file would have it."""
    return value if isinstance(value, str) else json.dumps(value)
