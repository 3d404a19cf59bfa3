"""What is done with a run directory: read it, watch it, hand on what was trained."""

from pathlib import Path
from typing import Annotated

import typer

from tuneoff.cli.app import app
from tuneoff.cli.messages import plain_errors
from tuneoff.cli.options import (
    Language,
    LanguageOption,
    RunArgument,
    RunModelOption,
    RunTaskOption,
    SeedOption,
    TechniqueOption,
)
from tuneoff.commands.completion import complete_format
from tuneoff.errors import TuneoffError


@app.command()
def report(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="A run directory, or several.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where the page about several goes: side-by-side.")
    ] = None,
    lang: LanguageOption = Language.en,
) -> None:
    """Write results.json, report.html, figures and tables again, from what is in a run directory.

    With several run directories: one page that sets their techniques side by side, and compares those that were
    measured on the same test rows. The run directories are only read.
    """
    with plain_errors():
        if len(directories) > 1:
            from tuneoff.commands.side_by_side import side_by_side_command

            side_by_side_command(directories, to or Path("side-by-side"), lang.value)
        elif to is not None:
            raise TuneoffError("--to is for a page about several run directories; one has its report inside it")
        else:
            from tuneoff.commands.report import report_command

            report_command(directories[0], lang.value)


@app.command()
def watch(
    directory: RunArgument,
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any free one.")] = 8765,
    lang: LanguageOption = Language.en,
) -> None:
    """Serve a run directory's report to this machine's browser while the study runs; it renews itself.

    Nothing is written, and no other machine can reach it. Ctrl-C stops it.
    """
    with plain_errors():
        from tuneoff.commands.watch import watch_command

        watch_command(directory, port, lang.value)


@app.command()
def export(
    directory: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder to write, empty or not there yet.")],
    technique: TechniqueOption = None,
    model: RunModelOption = None,
    task: RunTaskOption = None,
    seed: SeedOption = None,
    merge: Annotated[bool, typer.Option("--merge", help="Fold an adapter into its base: a plain model.")] = False,
    base: Annotated[
        str | None, typer.Option("--base", metavar="ID_OR_DIR", help="The pre-trained model, if it is elsewhere now.")
    ] = None,
    push: Annotated[str | None, typer.Option("--push", metavar="OWNER/NAME", help="Upload it to the hub.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do not upload: say what would be.")] = False,
) -> None:
    """Write a trained classifier as a folder for transformers or peft, with tokenizer, model card and snippet.

    What was written is loaded again by plain transformers or peft, and its logits are compared. Exit status: 0
    exported, 2 bad input.
    """
    with plain_errors():
        from tuneoff.commands.export import export_command, push_of

        asked = push_of(push, private=private, dry_run=dry_run)
        named = {"technique": technique, "model": model, "task": task}
        export_command(directory, to, **named, seed=seed, merge=merge, base=base, push=asked)


@app.command()
def predict(
    directory: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".jsonl, .csv, .tsv or .parquet with the text columns.")],
    technique: TechniqueOption = None,
    model: RunModelOption = None,
    task: RunTaskOption = None,
    seed: SeedOption = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="OUT", help="Where to write; printed if left out.")] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="jsonl, csv, parquet or russian-superglue; else by --to's suffix.",
            autocompletion=complete_format,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --to if it is there.")] = False,
) -> None:
    """Give new texts labels and probabilities, by the classifier of a finished run.

    Rows keep their order; each has its own idx or id if there is one, its number, its label, and a probability for each
    class. A file of any size can be read: it is computed in chunks.

    Exit status: 0 predicted, 2 bad input.
    """
    with plain_errors():
        from tuneoff.commands.predict import predict_command

        chosen = {"technique": technique, "model": model, "task": task}
        predict_command(directory, file, **chosen, seed=seed, to=to, form=form, force=force)
