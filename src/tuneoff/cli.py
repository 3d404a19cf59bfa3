"""The commands. Each is short: heavy imports wait until a command needs them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from tuneoff.commands.completion import complete_study
from tuneoff.errors import TuneoffError
from tuneoff.heap import restart_with_calm_heap
from tuneoff.words import shortened, visible

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy

LONGEST_LINE = 2000  # characters of a message: what is longer quotes the input
BAD_INPUT, SOME_FAILED, INTERRUPTED = 2, 1, 130


class Language(StrEnum):
    """The languages of reports."""

    en = "en"
    ru = "ru"


app = typer.Typer(
    name="tuneoff",
    help="Fine-tuning, face to face: train a model in several ways under one protocol, and see what the data "
    "supports.\n\nStart with `tuneoff run demo`, or write a study of your own with `tuneoff init`.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study file, or the name of a shipped study.", autocompletion=complete_study
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="ID_OR_DIR", help="Another model than the study's.")
]
DataOption = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Folder with a built-in task's own files.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run directory; runs/NAME of the study if left out.")
]
SeedsOption = Annotated[int | None, typer.Option("--seeds", metavar="N", min=1, help="Seeds 0 to N-1.")]
StepsOption = Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Optimizer steps of each stage.")]
LimitOption = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="First N rows of each split.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change anything: --set protocol.batch_size=32. Repeatable."),
]
LanguageOption = Annotated[
    Language,
    typer.Option("--lang", envvar="TUNEOFF_LANG", help="Language of report and tables; CSV and JSON are the same."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A run directory, such as runs/demo.")]


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
        typer.Option("--force", metavar="CHECK", help="Run although this check finds an error; the report says so."),
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
    gpus: Annotated[
        int | None, typer.Option("--gpus", metavar="N", min=0, help="With Ray: GPUs of each stage.")
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option("--track", metavar="TRACKER", help="Tell tensorboard, mlflow, wandb or trackio too. Repeatable."),
    ] = None,
    lang: LanguageOption = Language.en,
) -> None:
    """Train what is missing of a study, then write its table and report.

    Running the same command again computes only what is missing; after an interruption it goes on where it was.

    Exit status: 0 all done, 1 some runs failed, 2 bad input, 130 interrupted.
    """
    with _plain_errors():
        read = _read(study, changes, model=model, data=data, seeds=seeds, steps=steps, limit=limit)
        from tuneoff.commands.run import run_command
        from tuneoff.commands.where import executor_of, followed

        if followed(read):
            raise typer.Exit
        with executor_of(read, executor, processes, address=address, cpus=cpus, gpus=gpus) as execute:
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
    with _plain_errors():
        read = _read(study, changes, model=model, data=data, seeds=seeds, steps=steps, limit=limit)
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
) -> None:
    """Look for what would spoil a study, before its first step: in its data, its models and its techniques.

    Each technique's model is trained on a few examples for some steps, and what that changed is looked at. Nothing is
    written. `tuneoff run` makes those of the checks that take seconds.

    Exit status: 0 no errors, 1 errors found, 2 bad input.
    """
    with _plain_errors():
        read = _read(study, changes, model=model, data=data, seeds=seeds, steps=steps, limit=limit)
        from tuneoff.commands.doctor import doctor_command

        status = doctor_command(read, out or Path("runs") / read.study.name, as_json=json)
    raise typer.Exit(status)


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
    with _plain_errors():
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
    with _plain_errors():
        from tuneoff.commands.watch import watch_command

        watch_command(directory, port, lang.value)


@app.command()
def export(
    directory: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder to write, empty or not there yet.")],
    technique: Annotated[str | None, typer.Option("--technique", metavar="NAME", help="If there are several.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="If there are several.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="NAME", help="If there are several.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="The first that is done if left out, never the best.")
    ] = None,
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
    with _plain_errors():
        from tuneoff.commands.export import export_command, push_of

        asked = push_of(push, private=private, dry_run=dry_run)
        named = {"technique": technique, "model": model, "task": task}
        export_command(directory, to, **named, seed=seed, merge=merge, base=base, push=asked)


@app.command()
def predict(
    directory: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".jsonl, .csv, .tsv or .parquet with the text columns.")],
    technique: Annotated[str | None, typer.Option("--technique", help="Needed if there are several.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Its name in the study, if there are several.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Its name in the study, if there are several.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The first one that is done, if left out.")] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="OUT", help="Where to write; printed if left out.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="jsonl, csv, parquet or russian-superglue; else by --to's suffix.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --to if it is there.")] = False,
) -> None:
    """Give new texts labels and probabilities, by the classifier of a finished run.

    Rows keep their order; each has its own idx or id if there is one, its number, its label, and a probability for each
    class. A file of any size can be read: it is computed in chunks.

    Exit status: 0 predicted, 2 bad input.
    """
    with _plain_errors():
        from tuneoff.commands.predict import predict_command

        chosen = {"technique": technique, "model": model, "task": task}
        predict_command(directory, file, **chosen, seed=seed, to=to, form=form, force=force)


@app.command()
def audit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Columns technique, accuracy, n; seeds if they are published.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences and a table.")] = False,
) -> None:
    """Say what published accuracies support: which pairs they tell apart, and what it would take for the others.

    Exit status: 0 audited, 2 bad input.
    """
    with _plain_errors():
        from tuneoff.commands.audit import audit_command

        audit_command(file, as_json=json)


@app.command()
def compare(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Two or more, each the predictions of a technique.")
    ],
    margin: Annotated[
        float | None,
        typer.Option("--margin", metavar="POINTS", help="Smaller differences do not matter: look for equal ones, too."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences and tables.")] = False,
) -> None:
    """Say what predictions made elsewhere tell of each pair of techniques, as a study does for its own.

    A file is a technique and named after it; a line is a prediction:

        {"id": "t1", "label": "yes", "prediction": "yes", "seed": 0}
        {"id": "t2", "label": "no", "prediction": "yes", "seed": 0}

    All files must hold the same examples. Without id, these are matched by the order of the lines within a seed;
    without seed, there is one. With several seeds, verdicts are about the techniques, not about the trained models
    alone. Other fields are left aside; .csv, .tsv and .parquet with these columns are read, too.

    Exit status: 0 compared, 2 bad input.
    """
    with _plain_errors():
        from tuneoff.commands.compare import compare_command

        compare_command(files, margin=margin, as_json=json)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("study.yaml"),
    model: Annotated[str | None, typer.Option("--model", metavar="ID_OR_DIR", help="The model to study.")] = None,
    train: Annotated[str | None, typer.Option("--train", metavar="FILE", help="Your labelled data.")] = None,
    test: Annotated[str | None, typer.Option("--test", metavar="FILE", help="Data to report on.")] = None,
) -> None:
    """Write a short, commented study file to start from; columns are guessed from --train."""
    with _plain_errors():
        from tuneoff.starter import write_starter

        write_starter(file, model=model, train=train, test=test)
    typer.echo(visible(f"{file} written; look at it, then: tuneoff plan {file}"))


@app.command()
def studies() -> None:
    """List the studies that come with tuneoff."""
    from tuneoff.reading import shipped_studies

    for name, title in shipped_studies().items():
        typer.echo(f"{name:12} {title}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, by which an editor completes and checks them.

        tuneoff schema > study.schema.json

    A study file whose first line is `# yaml-language-server: $schema=study.schema.json` is then checked while you
    write it (VS Code with its YAML extension, and other editors with yaml-language-server).
    """
    import json

    from tuneoff.schema import study_schema

    typer.echo(json.dumps(study_schema(), indent=2, ensure_ascii=False))


@app.command()
def tasks() -> None:
    """List the tasks that a study can name: texts, classes, splits, where they come from; and those out of scope."""
    from tuneoff.commands.tasks import tasks_command

    tasks_command()


@app.command()
def techniques(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them, to see its settings.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID_OR_DIR", help="Count what each trains of this model.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """List the ways of fine-tuning; with a name, what a study can set of it, and with a model, what each trains of it.

    Exit status: 0 listed, 2 bad input.
    """
    with _plain_errors():
        from tuneoff.commands.techniques import techniques_command

        techniques_command(name, model=model, as_json=json)


@app.command()
def clean() -> None:
    """Empty tuneoff's caches (vectors of frozen models). Run directories are not touched."""
    with _plain_errors():
        from tuneoff.commands.clean import clean_command

        clean_command()


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


def _read(study: str, changes: list[str] | None, **overrides: Any) -> "ReadStudy":
    """Return the study that a command is about, with what its options change."""
    from tuneoff.reading import read_study

    return read_study(study, settings=changes or [], overrides=overrides)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Print the user's mistakes as one message without a traceback, and leave with the documented status."""
    try:
        yield
    except TuneoffError as error:
        _leave(f"error: {error}", BAD_INPUT)
    except OSError as error:
        if error.filename is None:  # no file of the user's: a mistake of ours
            raise
        what = f"{error.filename}: {error.strerror}"
        _leave(f"error: {what}. Make room or change the file's rights, or give another place.", BAD_INPUT)
    except KeyboardInterrupt:
        _leave("interrupted; run the same command again to go on", INTERRUPTED)


def _leave(message: str, status: int) -> NoReturn:
    lines = (shortened(line, LONGEST_LINE) for line in message.split("\n"))
    typer.echo("\n".join(map(visible, lines)), err=True)
    raise typer.Exit(status)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; `arguments` are sys.argv's if left out."""
    if arguments is None and sys.argv[1:2] == ["run"]:
        restart_with_calm_heap()
    return app(sys.argv[1:] if arguments is None else arguments)
