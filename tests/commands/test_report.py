import json
import subprocess
import sys

import pytest

from tuneoff.commands.report import report_command
from tuneoff.errors import StoreError
from tuneoff.evidence.results import build_results


def test_the_report_is_made_from_the_store_alone(made_up, tmp_path, capsys, no_figures):
    store = made_up(techniques=("linear-probe", "lora"), seeds=2).write(tmp_path / "a folder [b/c]")
    report_command(store.root)
    said = capsys.readouterr()
    assert json.loads((store.root / "results.json").read_text(encoding="utf-8")) == build_results(store)
    assert "linear-probe" in said.out and "lora" in said.out
    assert said.err == f"report: {store.root / 'report.html'}\n" and (store.root / "report.html").is_file()


def test_what_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(StoreError, match="not a run directory"):
        report_command(tmp_path)


def test_reading_a_run_directory_imports_neither_torch_nor_transformers():
    code = "import sys, tuneoff.commands.report; print(sorted({'torch', 'transformers', 'peft'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
