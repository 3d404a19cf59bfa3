import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tuneoff.cli import main

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "examples" / "audit" / "terra-2025.csv"


@pytest.fixture
def audited(capsys, monkeypatch):
    """Return a function that audits a file in a terminal of 80 columns: exit status, output, errors."""

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as left:
            main(["audit", *map(str, arguments)])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def test_the_page_shows_what_the_command_says(audited, monkeypatch):
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    shown = re.search(r"```\n\$ tuneoff audit (\S+)\n(.*?)```", page, re.DOTALL)
    status, out, err = audited(shown[1])
    assert (status, err) == (0, "")
    assert [line.rstrip() for line in out.splitlines()] == shown[2].splitlines()


def test_the_page_shows_the_shipped_file():
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert f"```\n{PAPER.read_text(encoding='utf-8')}```" in page


def test_json_has_the_sentences_of_the_text(audited):
    _, text, _ = audited(PAPER)
    status, out, _ = audited(PAPER, "--json")
    result = json.loads(out)
    assert status == 0 and result["file"] == str(PAPER) and len(result["pairs"]) == 10
    said = " ".join(text.split())
    assert all(f"- {sentence['text']}" in said for sentence in result["sentences"])


def test_a_pair_that_is_told_apart_has_its_mark_and_unequal_sizes_a_dash(audited, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("technique;accuracy;n\nодин;90,0%;200\nдва;60,0%;200\nтри;59,0%;100\n", encoding="utf-8")
    status, out, _ = audited(file)
    assert status == 0 and "один is better than два: by 30.0 points" in out
    rows = {line.split("  ")[0].strip(): line for line in out.splitlines() if " / " in line}
    assert "*" in rows["один / два"] and "*" not in rows["два / три"] and rows["два / три"].count("—") == 4


def test_a_mistake_is_one_message_and_status_2(audited, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("technique,accuracy,n\na,0.617,307\nb,0.5,10\n")
    status, out, err = audited(file)
    assert (status, out) == (2, "") and err.startswith(f"error: {file}, line 2, field 'accuracy': 0.617 is no share")
    assert audited(tmp_path / "none.csv")[0] == 2


def test_auditing_imports_neither_torch_nor_transformers():
    code = (
        "import sys; from pathlib import Path; from tuneoff.commands.audit import audit_command;"
        f"audit_command(Path({str(PAPER)!r}), as_json=True);"
        "print(sorted({'torch', 'transformers', 'datasets'} & sys.modules.keys()), file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr == "[]\n"
