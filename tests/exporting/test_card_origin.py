"""The card's front matter and what it says of licences, languages, data sets and layers with adapters."""

import shutil

import pytest
import yaml

from tuneoff.exporting import export
from tuneoff.study import TaskSpec
from tuneoff.tasks import Origin, origin_of

# peft asks transformers for an attribute by a name that it had before.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


def front_matter(folder):
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8")[4:].partition("\n---\n")[0])


def test_the_card_names_the_layers_with_adapters_where_the_technique_chose_them(finished, tmp_path):
    store = finished(["lora"])
    card = (export(store.root, tmp_path / "to").path / "README.md").read_text(encoding="utf-8")
    assert "target_modules query, value" in card
    own = finished([{"name": "own", "use": "lora", "target_modules": ["key"]}], out="own")
    assert "\\['key'\\]" in (export(own.root, tmp_path / "own-to").path / "README.md").read_text(encoding="utf-8")


def test_the_card_claims_no_licence_and_says_those_of_base_and_data(finished, tmp_path, model_folder):
    base = tmp_path / "base"
    shutil.copytree(model_folder("bert"), base)
    (base / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", encoding="utf-8")
    store = finished(["linear-probe"], model={"id": str(base), "name": "tiny"})
    folder = export(store.root, tmp_path / "to").path
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert front_matter(folder).keys() & {"license", "language", "datasets"} == set()
    assert "no licence of its own. The base model's, by its card: cc-by-nc-4.0. The data's is not known here." in card


def test_the_card_of_a_built_in_task_has_its_language_and_licence(finished, tmp_path):
    task = {"name": "mini_rte", "label": "phenomenon", "language": "en", "limit": 40}
    left_out = {"train": None, "test": None, "text": None, "group": None}
    store = finished(["linear-probe"], task=left_out | task)
    folder = export(store.root, tmp_path / "to").path
    assert front_matter(folder)["language"] == ["en"]
    assert "The data's: CC0." in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"name": "terra"}, Origin("RussianNLP/russian_super_glue", "terra", ("ru",), "MIT")),
        ({"name": "terra", "data": "folder"}, Origin(None, None, ("ru",), "MIT")),
        ({"name": "mini_rte"}, Origin(None, None, ("ru",), "CC0")),
        ({"hub": "owner/set", "config": "a", "text": ["t"]}, Origin("owner/set", "a")),
        ({"train": "a.csv", "test": "b.csv", "text": ["t"]}, Origin()),
    ],
)
def test_where_a_tasks_rows_come_from(task, expected):
    assert origin_of(TaskSpec(**task)) == expected


def test_a_data_set_of_the_hub_is_named_as_the_hub_names_it(finished, tmp_path, monkeypatch):
    """No hub can be reached here, so the rows are files that are said to come from there."""
    store = finished(["linear-probe"])
    monkeypatch.setattr("tuneoff.exporting.facts.origin_of", lambda _: Origin("owner/set", "a", ("ru",), "MIT"))
    folder = export(store.root, tmp_path / "to").path
    front = front_matter(folder)
    assert (front["datasets"], front["language"], "license" in front) == (["owner/set"], ["ru"], False)
    (result,) = front["model-index"][0]["results"]
    assert (result["dataset"]["type"], result["dataset"]["config"]) == ("owner/set", "a")
