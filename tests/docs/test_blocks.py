"""The studies and programs that the documentation shows: each study is read, each program run."""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModel, AutoTokenizer

from tuneoff.reading import read_study
from tuneoff.running import compute_study

ROOT = Path(__file__).parents[2]
MODEL = "intfloat/multilingual-e5-small"
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language):
    """Return the name of a page and the text of each of its blocks in a language."""
    found = []
    for page in PAGES:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        found += [(page.relative_to(ROOT).as_posix(), text) for text in texts]
    return found


def whole(study):
    """Return a study of which a page shows a part."""
    if not {"model", "models"} & study.keys():
        study["model"] = MODEL
    if not {"task", "tasks"} & study.keys():
        study["task"] = "mini_rte"
    return study


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_a_study_that_a_page_shows_is_read(page, text, tmp_path):
    """A block that gives one key several times shows several ways to write it."""
    lines = text.splitlines()
    several = len(lines) > 1 and len({line.split(":")[0] for line in lines}) == 1
    for one in lines if several else [text]:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(whole(yaml.safe_load(one)), allow_unicode=True), encoding="utf-8")
        assert read_study(str(path)).study.name == "study"


# Left out: what is held to its page by tests of its own, what needs a cluster, and the same in Russian.
ELSEWHERE = ("docs/adding-a-technique.md", "docs/scale.md", "README.ru.md")
PROGRAMS = [(page, text) for page, text in blocks("python") if page not in ELSEWHERE]


@pytest.mark.parametrize(("page", "text"), PROGRAMS, ids=[page for page, _ in PROGRAMS])
def test_a_program_that_a_page_shows_runs(page, text, tmp_path, monkeypatch, study, listener, no_figures):
    read = study(["lora"])
    folder = Path(read.study.models[0].id)
    shutil.copytree(folder, tmp_path / MODEL)
    monkeypatch.chdir(tmp_path)
    if "runs/terra" in text:
        compute_study(read, tmp_path / "runs" / "terra", listener())
        shutil.copy(tmp_path / "test.jsonl", "new.jsonl")
    names = {"model": Logits(folder), "tokenizer": AutoTokenizer.from_pretrained(folder)}
    names["optimizer"] = torch.optim.AdamW(names["model"].head.parameters(), lr=0.01)
    exec(compile(text, page, "exec"), names)


class Logits(torch.nn.Module):
    """Someone's own model: from token ids and attention mask to logits, its head alone trained."""

    def __init__(self, folder):
        super().__init__()
        self.backbone = AutoModel.from_pretrained(folder).requires_grad_(False)
        self.head = torch.nn.Linear(self.backbone.config.hidden_size, 2)

    def forward(self, input_ids, attention_mask):
        return self.head(self.backbone(input_ids, attention_mask).last_hidden_state[:, 0])
