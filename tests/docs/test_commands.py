"""Every command in the documentation runs: blocks marked `sh`, in a folder with a tiny model and some data.

What stands within a sentence is read by the command line alone: its options are there, and take such values.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tuneoff.cli import app

ROOT = Path(__file__).parents[2]
MODEL = "intfloat/multilingual-e5-small"
STUDY = f"""
model: {MODEL}
task: {{name: mini_rte, label: phenomenon, language: ru, limit: 40}}
techniques: [linear-probe, lora]
protocol: {{steps: 4, seeds: 1}}
"""
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LOG = ROOT / "docs" / "log.md"  # what was tried once may be gone


def named(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, *languages):
    """Return the blocks of a page that are marked by one of these words."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for language, block in found if language in languages]


def commands(page, *languages):
    """Return the commands of a page's blocks in their order; other programs' are left out."""
    lines = [line.split(" #")[0].split() for block in blocks(page, *languages) for line in block.splitlines()]
    return [line[1:] for line in lines if line[:1] == ["tuneoff"]]


# The Russian README has the same commands, and these are read.
RUN = [page for page in PAGES if page.name != "README.ru.md" and commands(page, "sh")]


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
    lines = [json.dumps({"premise": f"text {n}", "hypothesis": "other"}) for n in range(5)]
    (tmp_path / "new.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=named)
def test_the_commands_of_a_page_run_in_their_order(page, folder):
    """But for TERRa's own study, which needs a model of the hub; what `init` writes is not what is then run."""
    for arguments in commands(page, "sh"):
        if "terra-2025" in arguments:
            parse(arguments)
            continue
        if arguments[0] == "init":
            (folder / "study.yaml").unlink()
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{' '.join(arguments)}\n{result.output}"
        (folder / "study.yaml").write_text(STUDY, encoding="utf-8")


def parse(arguments):
    """Let the command line read arguments, without doing anything; raises its error."""
    name, *rest = arguments
    typer.main.get_command(app).commands[name].make_context(name, rest)


def mentioned(page):
    """Return the arguments of each command that is named in a page: within sentences, and in blocks of any mark."""
    text = page.read_text(encoding="utf-8")
    within = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = re.findall(r"`(?:\$ )?tuneoff ([^`]+)`", within)
    for block in blocks(page, "", "bash", "text", "sh"):
        joined = block.replace("\\\n", " ")
        lines += re.findall(r"^\s*(?:\$ )?tuneoff +([^#\n]*)", joined, re.MULTILINE)
    return [re.sub(r'(?<=\s)"?\$\w+[^\s]*"?', "1", line).replace(" N", " 2").split() for line in lines]


@pytest.mark.parametrize("page", [page for page in PAGES if page != LOG and mentioned(page)], ids=named)
def test_the_commands_that_a_page_mentions_are_read_by_the_command_line(page):
    for arguments in mentioned(page):
        if len(arguments) == 1:
            command = typer.main.get_command(app)
            options = {name for one in command.params for name in one.opts} | {"--help"}
            assert arguments[0] in {*command.commands, *options}, arguments
            continue
        try:
            parse(arguments)
        except typer.Exit as end:  # --help
            assert end.exit_code == 0
        except Exception as error:
            raise AssertionError(f"{named(page)}: tuneoff {' '.join(arguments)}: {error}") from error
