"""What tuneoff offers: studies, tasks, techniques, a file to start from."""

from pathlib import Path
from typing import Annotated

import typer

from tuneoff.cli.app import app
from tuneoff.cli.messages import plain_errors
from tuneoff.commands.completion import complete_technique
from tuneoff.words import visible


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("study.yaml"),
    model: Annotated[str | None, typer.Option("--model", metavar="ID_OR_DIR", help="The model to study.")] = None,
    train: Annotated[str | None, typer.Option("--train", metavar="FILE", help="Your labelled data.")] = None,
    test: Annotated[str | None, typer.Option("--test", metavar="FILE", help="Data to report on.")] = None,
) -> None:
    """Write a short, commented study file to start from; columns are guessed from --train."""
    with plain_errors():
        from tuneoff.starter import write_starter

        write_starter(file, model=model, train=train, test=test)
    typer.echo(visible(f"{file} written; look at it, then: tuneoff plan {file}"))


@app.command()
def studies() -> None:
    """List the studies that come with tuneoff."""
    from tuneoff.shipped import shipped_studies

    for name, title in shipped_studies().items():
        typer.echo(f"{name:12} {title}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, by which an editor completes and checks them.

        tuneoff schema > study.schema.json

    A study file whose first line is `# yaml-language-server: $schema=study.schema.json` is then checked while you
    write it (VS Code with its YAML extension, and other editors with yaml-language-server).
    """
    from tuneoff.commands.output import print_json
    from tuneoff.schema import study_schema

    print_json(study_schema())


@app.command()
def tasks() -> None:
    """List the tasks that a study can name: texts, classes, splits, where they come from; and those out of scope."""
    from tuneoff.commands.tasks import tasks_command

    tasks_command()


@app.command()
def techniques(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One of them, to see its settings.", autocompletion=complete_technique),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID_OR_DIR", help="Count what each trains of this model.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="A type of peft: its fields, as peft explains them.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """List the ways of fine-tuning; with a name, what a study can set of it, and with a model, what each trains of it.

    Exit status: 0 listed, 2 bad input.
    """
    with plain_errors():
        from tuneoff.commands.techniques import techniques_command

        techniques_command(name, model=model, kind=kind, as_json=json)


@app.command()
def clean() -> None:
    """Empty tuneoff's caches (vectors of frozen models). Run directories are not touched."""
    with plain_errors():
        from tuneoff.commands.clean import clean_command

        clean_command()
