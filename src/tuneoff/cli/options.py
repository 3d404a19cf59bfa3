"""Arguments and options that several commands take."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneoff.commands.completion import complete_chain, complete_model, complete_seed, complete_study, complete_task

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy


class Language(StrEnum):
    """The languages of reports."""

    en = "en"
    ru = "ru"


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
    typer.Option(
        "--lang", envvar="TUNEOFF_LANG", help="Language of report, tables and findings; CSV and JSON are the same."
    ),
]
# Which of the runs in a run directory; Tab offers those that are there.
TechniqueOption = Annotated[
    str | None,
    typer.Option("--technique", metavar="NAME", help="If there are several.", autocompletion=complete_chain),
]
RunModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", help="Its name in the study, if there are several.", autocompletion=complete_model
    ),
]
RunTaskOption = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="NAME", help="Its name in the study, if there are several.", autocompletion=complete_task
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help="The first that is done if left out, never the best.",
        autocompletion=complete_seed,
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A run directory, such as runs/demo.")]


def read_of(study: str, changes: list[str] | None, **overrides: Any) -> "ReadStudy":
    """Return the study that a command is about, with what its options change."""
    from tuneoff.reading import read_study

    return read_study(study, settings=changes or [], overrides=overrides)
