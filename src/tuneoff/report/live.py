"""`tuneoff watch`: the report of a study that is running, served to this machine alone, and read only."""

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tuneoff.errors import StoreError, TuneoffError
from tuneoff.evidence.running_now import RunningStage, running_stages
from tuneoff.files import digest
from tuneoff.report.formats import duration
from tuneoff.report.words import WORDS, Words
from tuneoff.store import RECORD, Store

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
PAUSE = 5.0  # seconds between two looks at the run directory
SHARE = 0.2  # of the time that drawing the page may take from the study


class LivePage:
    """The page as it was last drawn, and what runs now.

    It is drawn again when a stage has ended, but not so often that the study waits for it.
    """

    def __init__(self, store: Store, draw: Callable[[Store], str], say: Words = WORDS) -> None:
        self.version = ""
        self.html = ""
        self._store, self._draw, self._say = store, draw, say
        self._rested = 0.0

    def refresh(self) -> None:
        """Draw the page anew if the run directory has changed; raises TuneoffError where it cannot be read."""
        version = self._seen()
        if version == self.version or time.monotonic() < self._rested:
            return
        begun = time.monotonic()
        self.html, self.version = self._draw(self._store), version
        self._rested = time.monotonic() + (time.monotonic() - begun) * (1 / SHARE - 1)

    def state(self) -> dict[str, str]:
        """Return the version of the page, and what runs now as a sentence."""
        running = running_stages(self._store)
        return {"version": self.version, "text": " ".join(self._sentence(one) for one in running)}

    def _seen(self) -> str:
        """What changes with the results: which records there are, and when they were written."""
        found = {}
        for path in sorted(self._store.root.glob(f"*/**/{RECORD}")):
            try:
                found[str(path)] = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
        return digest(found)

    def _sentence(self, stage: RunningStage) -> str:
        values: dict[str, Any] = {"stage": stage.folder, "time": duration(stage.seconds, self._say)}
        if stage.step is None:
            return self._say("live.running", **values)
        if stage.accuracy is None:
            return self._say("live.running.step", step=stage.step, **values)
        reached = {"accuracy": self._say.number(f"{stage.accuracy:.3f}"), "split": stage.split}
        return self._say("live.running.evaluated", step=stage.step, **reached, **values)


def make_server(page: LivePage, port: int) -> ThreadingHTTPServer:
    """Return a server of the page for this machine alone; port 0 takes a free one.

    It answers two requests, for the page and for its state, and reads no path of the request, so that no other file can
    be asked for. Raises StoreError where the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers with the page or its state."""

        def do_GET(self) -> None:
            """Answer a request; one under another name comes from a foreign page in the browser, and gets nothing."""
            if self.headers.get("Host", "").rpartition(":")[0] not in NAMES:
                self.send_error(HTTPStatus.FORBIDDEN)
            elif self.path == "/":
                self._answer("text/html", page.html)
            elif self.path == "/state":
                self._answer("application/json", json.dumps(page.state()))
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, kind: str, text: str) -> None:
            content = text.encode("utf-8")
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of requests."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise StoreError(f"port {port} cannot be listened on ({error.strerror}); give another --port") from error


def serve(page: LivePage, server: ThreadingHTTPServer, report: Callable[[str], None]) -> None:
    """Serve until interrupted, and look at the run directory now and then; what cannot be read just now is reported."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    said = ""
    try:
        while True:
            try:
                page.refresh()
                said = ""
            except (TuneoffError, OSError) as error:  # the latter where a stage replaces a file just now
                if str(error) != said:  # once, not at every look
                    said = str(error)
                    report(said)
            time.sleep(PAUSE)
    finally:
        server.shutdown()
        server.server_close()
