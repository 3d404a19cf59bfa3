"""The studies that come with tuneoff ask what their titles say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneoff.reading import read_study, resolved_yaml
from tuneoff.shipped import shipped_studies
from tuneoff.study import DEFAULT_TECHNIQUES, Protocol, Study, TaskSpec


def _settings(study: Study) -> dict[str, Mapping[str, Any]]:
    return {technique.name: technique.settings for technique in study.techniques}


def test_shipped_studies_have_titles_and_read_as_themselves(tmp_path: Path) -> None:
    titles = shipped_studies()
    assert sorted(titles) == ["demo", "demo-label", "demo-tasks", "terra", "terra-2025"]
    for name, title in titles.items():
        study = read_study(name).study
        assert (study.name, study.title) == (name, title)
        few = ("linear-probe", "top-layers", "lora") if name == "demo-tasks" else DEFAULT_TECHNIQUES
        assert tuple(technique.name for technique in study.techniques) == few
        (tmp_path / "resolved.yaml").write_text(resolved_yaml(study), encoding="utf-8")
        assert read_study(str(tmp_path / "resolved.yaml")).study == study


def test_terra_2025_has_the_numbers_of_the_experiment() -> None:
    study = read_study("terra-2025").study
    assert [model.id for model in study.models] == ["Qwen/Qwen3-Embedding-0.6B"]
    assert study.task == TaskSpec(name="terra")
    assert study.protocol == Protocol(
        steps=437,
        batch_size=24,
        eval_every=23,
        eval_on="test",
        seeds=[0],
        schedule="constant",
        warmup=0,
        weight_decay=0.01,
        max_grad_norm="off",
    )
    assert _settings(study) == {
        "full": {"learning_rate": 2e-6},
        "linear-probe": {"learning_rate": 1e-4},
        "lora": {"learning_rate": 1e-4, "rank": 8, "alpha": 32, "dropout": 0.1},
        "linear-probe+full": {},
        "linear-probe+lora": {},
    }


def test_terra_is_the_recommended_protocol() -> None:
    study = read_study("terra").study
    protocol = study.protocol
    assert (protocol.epochs, protocol.seed_list, protocol.eval_on) == (4, [0, 1, 2, 3, 4], "dev")
    assert (protocol.schedule, protocol.warmup) == ("linear", 0.1)
    rates = [settings.get("learning_rate") for settings in _settings(study).values()]
    assert rates == [2e-5, 1e-3, 2e-4, None, None]


def test_the_demos_differ_in_the_question_alone() -> None:
    demo, label = read_study("demo").study, read_study("demo-label").study
    assert demo.task == TaskSpec(name="mini_rte", language="ru", label="phenomenon")
    assert label.task == TaskSpec(name="mini_rte", language="ru", label="label")
    assert demo.models[0].id == "models/multilingual-e5-small"
    assert label.model_copy(update={"name": demo.name, "title": demo.title, "tasks": demo.tasks}) == demo
