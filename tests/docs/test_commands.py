"""Every command in the documentation runs: blocks marked `sh`, in a folder with a tiny model and some data."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuneoff.cli import app

DOCS = Path(__file__).parents[2] / "docs"
MODEL = "intfloat/multilingual-e5-small"
STUDY = f"""
model: {MODEL}
task: {{name: mini_rte, label: phenomenon, language: ru, limit: 40}}
techniques: [linear-probe, lora]
protocol: {{steps: 4, seeds: 1}}
"""


def commands(page):
    """Return the commands of a page in their order; blocks marked otherwise (`bash`) are for other machines."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line.split(" #")[0].split() for block in blocks for line in block.splitlines() if line.strip()]


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if commands(page)]


@pytest.fixture
def folder(tmp_path, monkeypatch, model_folder):
    """Return a folder in which the pages' names mean something small."""
    shutil.copytree(model_folder("bert"), tmp_path / MODEL)
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    rows = [f"text {n},other {n % 7},{'yes' if n % 2 else 'no'}" for n in range(60)]
    (tmp_path / "data").mkdir()
    for name, part in (("train", rows[:40]), ("test", rows[40:])):
        lines = ["premise,hypothesis,label", *(f"{name} {row}" for row in part)]
        (tmp_path / "data" / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    for name in ("a", "b"):
        lines = [json.dumps({"id": n, "label": "x", "prediction": "xy"[n % 2 == (name == "a")]}) for n in range(20)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_the_commands_of_a_page_run_in_their_order(page, folder):
    for program, *arguments in commands(page):
        assert program == "tuneoff"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{' '.join(arguments)}\n{result.output}"
