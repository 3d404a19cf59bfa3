"""What the doctor found before a study ran, in its run directory; reading it needs no torch."""

from collections.abc import Sequence
from typing import Any

from tuneoff.checks.finding import Finding
from tuneoff.files import write_json
from tuneoff.store import Store, read_json

FILE = "doctor.json"


def keep_findings(store: Store, findings: Sequence[Finding], forced: Sequence[str]) -> None:
    """Write the findings, and the names of the checks whose errors were set aside."""
    rows = [{**one.as_json(), "forced": one.severity == "error" and one.check in forced} for one in findings]
    write_json(store.root / FILE, {"findings": rows})


def finding_rows(store: Store) -> list[dict[str, Any]]:
    """Return the findings as results.json has them; none for a run directory of an earlier version.

    Raises StoreError for a file that cannot be read.
    """
    if not (store.root / FILE).is_file():
        return []
    rows: list[dict[str, Any]] = read_json(store.root / FILE)["findings"]
    return rows
