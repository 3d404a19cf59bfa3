"""The command line itself: its name, its help, and the options before a command."""

from typing import Annotated

import typer

app = typer.Typer(
    name="tuneoff",
    help="Fine-tuning, face to face: train a model in several ways under one protocol, and see what the data "
    "supports.\n\nStart with `tuneoff run demo`, or write a study of your own with `tuneoff init`.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("tuneoff"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Hold the options that come before a command; typer shows the app's own help."""
