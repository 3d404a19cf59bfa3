"""`tuneoff watch`: serve the report of a run directory on this machine while its study runs."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from tuneoff.report import live_page
from tuneoff.report.live import HOST, LivePage, make_server, serve
from tuneoff.report.words import Words
from tuneoff.store import Store
from tuneoff.words import visible


def watch_command(directory: Path, port: int, language: str = "en") -> None:
    """Serve until Ctrl-C. Drawing gives way to the study: this process asks for less of the processor."""
    console = Console(stderr=True, highlight=False)

    def report(text: str) -> None:
        console.print(visible(text), markup=False, soft_wrap=True)

    page = LivePage(Store.existing(directory), partial(live_page, language=language), Words(language))
    server = make_server(page, port)
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(5)
    report("drawing the report")
    page.refresh()
    report(f"http://{HOST}:{server.server_port}/ shows {directory} while it runs; Ctrl-C to stop")
    with suppress(KeyboardInterrupt):
        serve(page, server, report)
