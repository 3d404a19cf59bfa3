"""The page on adding a technique: its code is run as it stands, on tiny models."""

import inspect
import re
import sys
import types
from pathlib import Path

import pytest
import torch

from tuneoff import techniques

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-technique.md"
FILE, TEST, OUTSIDE = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
TESTS = re.findall(r"^def (test_\w+)", TEST, re.MULTILINE)
HUB_ID = '"intfloat/multilingual-e5-small"'


def run(code, name):
    """Return the module that some code of the page makes."""
    module = types.ModuleType(name)
    sys.modules[name] = module  # pydantic looks annotations up there
    exec(compile(code, f"{PAGE.name}: {name}", "exec", dont_inherit=True), vars(module))
    return module


@pytest.fixture
def registry(monkeypatch):
    """A registry that is the package's own again afterwards."""
    techniques.names()
    monkeypatch.setattr(techniques, "_registry", dict(techniques._registry))
    before = set(sys.modules)
    yield techniques.register
    for name in set(sys.modules) - before:
        if sys.modules[name].__spec__ is None:
            del sys.modules[name]


@pytest.mark.parametrize("name", TESTS)
def test_the_technique_passes_its_own_tests(registry, request, name):
    registry(run(FILE, "tuneoff.techniques.last_layers").LastLayers)
    test = getattr(run(TEST, "test_last_layers"), name)
    test(*(request.getfixturevalue(fixture) for fixture in inspect.signature(test).parameters))


@pytest.mark.parametrize("family", ["electra", "distilbert", "xlm-roberta", "gemma3", "llama", "t5"])
def test_its_layers_are_found_in_every_family(registry, make_job, family):
    job = make_job(run(FILE, "tuneoff.techniques.last_layers").LastLayers, family=family)
    layers = {re.match(r"backbone\.(.*?\b1)\.", name) for name in job.trained if name != "head.weight"}
    assert None not in layers and len({found[1] for found in layers}) == 1


def test_the_technique_outside_the_package_runs(registry, model_folder, tmp_path, monkeypatch, capsys, no_figures):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert OUTSIDE.count(HUB_ID) == 1
    threads = torch.get_num_threads()
    try:
        outside = run(OUTSIDE.replace(HUB_ID, repr(str(model_folder("bert")))), "outside")
    finally:
        torch.set_num_threads(threads)
    table = outside.result.table().set_index("technique")
    assert list(table.index) == ["least-squares", "linear-probe", "least-squares+lora"]
    assert set(table["status"]) == {"done"}
    assert "least-squares" in capsys.readouterr().out
    history = [row["event"] for row in outside.result.store.history(outside.result.store.records()[0].address)]
    assert history[0] == "eval" and "train" not in history
