"""What is said of numbers made elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from tuneoff.cli.app import app
from tuneoff.cli.messages import plain_errors


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
    with plain_errors():
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
    with plain_errors():
        from tuneoff.commands.compare import compare_command

        compare_command(files, margin=margin, as_json=json)
