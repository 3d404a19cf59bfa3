"""What is done with a study: look at it, run it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tuneoff.cli.app import app
from tuneoff.cli.messages import plain_errors
from tuneoff.cli.options import (
    DataOption,
    Language,
    LanguageOption,
    LimitOption,
    ModelOption,
    OutOption,
    SeedsOption,
    SetOption,
    StepsOption,
    StudyArgument,
    read_of,
)
from tuneoff.commands.completion import complete_check, complete_tracker


@app.command()
def run(
    study: StudyArgument,
    model: ModelOption = None,
    data: DataOption = None,
    out: OutOption = None,
    seeds: SeedsOption = None,
    steps: StepsOption = None,
    limit: LimitOption = None,
    changes: SetOption = None,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="CHECK",
            help="Run although this check finds an error; the report says so.",
            autocompletion=complete_check,
        ),
    ] = None,
    executor: Annotated[
        Literal["local", "ray"], typer.Option("--executor", help="Where stages are computed: here, or by Ray.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="Ray's cluster; if left out one is started here."),
    ] = None,
    cpus: Annotated[
        int | None, typer.Option("--cpus", metavar="N", min=1, help="With Ray: CPUs, and threads, of each stage.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", metavar="N", min=1, help="Share each batch out to N processes (or GPUs)."),
    ] = None,
    shard: Annotated[
        bool,
        typer.Option("--shard", help="With --processes: split weights, gradients and moments among them (FSDP)."),
    ] = False,
    gpus: Annotated[
        int | None, typer.Option("--gpus", metavar="N", min=0, help="With Ray: GPUs of each stage.")
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            metavar="TRACKER",
            help="Tell tensorboard, mlflow, wandb or trackio too. Repeatable.",
            autocompletion=complete_tracker,
        ),
    ] = None,
    lang: LanguageOption = Language.en,
) -> None:
    """Train what is missing of a study, then write its table and report.

    Running the same command again computes only what is missing; after an interruption it goes on where it was.

    Exit status: 0 all done, 1 some runs failed, 2 bad input, 130 interrupted.
    """
    with plain_errors():
        read = read_of(study, changes, model=model, data=data, seeds=seeds, steps=steps, limit=limit)
        from tuneoff.commands.run import run_command
        from tuneoff.commands.where import executor_of, followed

        if followed(read, shard=shard):
            raise typer.Exit
        where = executor_of(read, executor, processes, address=address, cpus=cpus, gpus=gpus, shard=shard)
        with where as execute:
            directory = out or Path("runs") / read.study.name
            status = run_command(read, directory, force or [], lang.value, track or [], execute)
    raise typer.Exit(status)


@app.command()
def plan(
    study: StudyArgument,
    model: ModelOption = None,
    data: DataOption = None,
    out: OutOption = None,
    seeds: SeedsOption = None,
    steps: StepsOption = None,
    limit: LimitOption = None,
    changes: SetOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    time: Annotated[bool, typer.Option("--time/--no-time", help="Train a few layers to tell the time.")] = True,
) -> None:
    """Show what a study would compute: stages, what is shared or done, parameters, tokens, time, memory, disk.

    Needs no weights: a model's config.json is enough. What cannot be known without data or a tokenizer that are not
    there is shown as unknown. To tell the time, a few layers of the model's shape are trained for some seconds.
    """
    with plain_errors():
        read = read_of(study, changes, model=model, data=data, seeds=seeds, steps=steps, limit=limit)
        from tuneoff.commands.plan import plan_command

        plan_command(read, out or Path("runs") / read.study.name, as_json=json, timed=time)


@app.command()
def doctor(
    study: StudyArgument,
    model: ModelOption = None,
    data: DataOption = None,
    out: OutOption = None,
    seeds: SeedsOption = None,
    steps: StepsOption = None,
    limit: LimitOption = None,
    changes: SetOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    lang: LanguageOption = Language.en,
) -> None:
    """Look for what would spoil a study, before its first step: in its data, its models and its techniques.

    Each technique's model is trained on a few examples for some steps, and what that changed is looked at. Nothing is
    written. `tuneoff run` makes those of the checks that take seconds.

    Exit status: 0 no errors, 1 errors found, 2 bad input.
    """
    with plain_errors():
        read = read_of(study, changes, model=model, data=data, seeds=seeds, steps=steps, limit=limit)
        from tuneoff.commands.doctor import doctor_command

        directory = out or Path("runs") / read.study.name
        status = doctor_command(read, directory, as_json=json, language=lang.value)
    raise typer.Exit(status)
