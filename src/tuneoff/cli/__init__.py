"""The commands. Each is short: heavy imports wait until a command needs them."""

import sys
from typing import Any

from tuneoff.encodings import stand_ins
from tuneoff.heap import restart_with_calm_heap

# Help lists the commands in the order in which these files define them.
# isort: off
from tuneoff.cli.app import app
from tuneoff.cli import studies
from tuneoff.cli import runs
from tuneoff.cli import numbers
from tuneoff.cli import offers
# isort: on

__all__ = ["app", "main", "numbers", "offers", "runs", "studies"]


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; `arguments` are sys.argv's if left out."""
    if arguments is None and sys.argv[1:2] == ["run"]:
        restart_with_calm_heap()
    with stand_ins():
        return app(sys.argv[1:] if arguments is None else arguments)
