"""Small data sets on disk."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]
Write = Callable[[str, Rows], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes rows into a file of tmp_path, in the format of its suffix."""

    def write_rows(name: str, rows: Rows) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        elif path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0], delimiter="," if path.suffix == ".csv" else "\t")
                writer.writeheader()
                writer.writerows(rows)
        return path

    return write_rows


@pytest.fixture
def pairs() -> Rows:
    """Return 40 rows of two texts, two labels (as whole numbers) and 20 groups of two; texts need quoting in CSV."""
    return [
        {
            "premise": f'посылка {n // 2}, "с кавычками"\nи строкой',
            "hypothesis": f"гипотеза {n}",
            "label": 9 if n % 2 else 10,
            "topic": n // 2,
        }
        for n in range(40)
    ]
