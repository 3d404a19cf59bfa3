"""The example notebook, run as a reader would run it."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_study.ipynb"
MODEL = os.environ.get("TUNEOFF_TEST_MODEL")


def outputs(cell, kind):
    """Return what a cell shows in one of its forms, such as text/html."""
    return [output["data"][kind] for output in cell.outputs if kind in output.get("data", {})]


def test_it_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.skipif(MODEL is None, reason="TUNEOFF_TEST_MODEL names no model")
def test_it_runs_and_shows_its_techniques(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_MODEL", str(Path(MODEL).resolve()))
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    told = "".join(output["text"] for cell in code for output in cell.outputs if output.output_type == "stream")
    assert "done   lora, seed 0" in told and "\x1b" not in told
    shown, frame, *figures, page = code[1:]
    for cell in (shown, frame):
        (html,) = outputs(cell, "text/html")
        assert "linear-probe" in html and "lora" in html and "failed" not in html
    for cell in figures:
        assert len(outputs(cell, "image/png")) == 1 and not outputs(cell, "text/html")
    assert len(figures) == 2 and "first-study.html" in outputs(page, "text/plain")[0]
    assert (tmp_path / "runs" / "first-study.html").is_file()
    assert (tmp_path / "runs" / "first-study" / "results.json").is_file()
