"""What the command line changes in a study."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuneoff.errors import StudyError
from tuneoff.reading import read_study
from tuneoff.study import Protocol, Study, TaskSpec

SHORT = "model: m\ntask: terra\n"
Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a study file into an empty working folder; returns the name to read it by."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
        return "s.yaml"

    return write


def _problems(name: str, settings: Sequence[str] = (), overrides: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(StudyError) as caught:
        read_study(name, settings=settings, overrides=overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def _settings(study: Study) -> dict[str, Mapping[str, Any]]:
    return {technique.name: technique.settings for technique in study.techniques}


def test_set_reaches_every_part(write: Write) -> None:
    name = write(SHORT + "protocol: {epochs: 4}\n")
    study = read_study(
        name,
        settings=[
            "protocol.steps=50",
            "techniques.lora.rank=32",
            "techniques.0.learning_rate=1e-5",
            "models.0.pooling=mean",
            "model.name=short",
            "task.limit=7",
        ],
    ).study
    assert (study.protocol.steps, study.protocol.epochs, study.task.limit) == (50, None, 7)
    assert (study.models[0].pooling, study.models[0].name) == ("mean", "short")
    assert _settings(study)["lora"] == {"rank": 32} and _settings(study)["full"] == {"learning_rate": 1e-5}


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("techniques=[full, lora]", lambda study: [one.name for one in study.techniques] == ["full", "lora"]),
        ("models=[a, b]", lambda study: [one.id for one in study.models] == ["a", "b"]),
        ("model=a", lambda study: [one.id for one in study.models] == ["a"]),
        ("task=mini_rte", lambda study: study.task == TaskSpec(name="mini_rte")),
        ("protocol={steps: 3}", lambda study: study.protocol == Protocol(steps=3)),
        ("protocol.seeds=[4, 2]", lambda study: study.protocol.seed_list == [4, 2]),
        ("protocol.eval_every=", lambda study: study.protocol.eval_every is None),
        ("title=x = y", lambda study: study.title == "x = y"),
    ],
)
def test_set_takes_any_yaml_value(write: Write, setting: str, read: Callable[[Study], bool]) -> None:
    assert read(read_study(write(SHORT + "protocol: {eval_every: 3}\n"), settings=[setting]).study)


def test_set_reaches_settings_written_out(write: Write) -> None:
    name = write(SHORT + "techniques: [{name: lora, use: lora, settings: {rank: 4}}]\n")
    assert _settings(read_study(name, settings=["techniques.lora.alpha=5"]).study) == {"lora": {"rank": 4, "alpha": 5}}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("protocol.stepz=50", "protocol.stepz: unknown key of protocol. Did you mean 'steps'?"),
        ("protocl.steps=50", "protocl: unknown key of a study. Did you mean 'protocol'?"),
        ("techniques.lorra.rank=4", "techniques has no 'lorra'. Did you mean 'lora'? There are: full"),
        ("techniques.lora.rnk=4", "techniques[2].rnk: unknown key of lora. Did you mean 'rank'?"),
        ("techniques.9.rank=4", "techniques has no entry '9': its entries are numbered 0, 1, 2, 3, 4."),
        ("model.id.x=4", "model.id is the text 'm', which has no part 'x'."),
        ("models.1.pooling=mean", "say model.pooling"),
        ("models.0.pooling=men", "model.pooling: expected one of"),
        ("protocol.steps=many", "protocol.steps: expected a whole number"),
        ("protocol.steps=[", "the value is not YAML"),
        ("title=\x1b[31m", "control character"),
        ("protocol.steps", "expected path=value"),
        ("=5", "expected path=value"),
        ("a..b=5", "expected path=value"),
    ],
)
def test_what_set_cannot_do_is_told_by_its_own_words(write: Write, setting: str, words: str) -> None:
    (problem,) = _problems(write(SHORT), [setting])
    assert problem.startswith(f"--set {setting}: ") and words in problem


def test_options_write_where_they_should(write: Write) -> None:
    name = write(
        "models: [{id: a, pooling: mean, name: x}, b]\ntask: terra\n"
        "techniques: [{name: lora, epochs: 3, rank: 4}, {use: full, settings: {steps: 9}}]\n"
        "protocol: {epochs: 4, seeds: [5]}\n"
    )
    study = read_study(
        name, overrides={"model": "new", "data": "d", "seeds": 2, "steps": 5, "limit": 3, "task": None}
    ).study
    assert [model.model_dump(exclude_defaults=True) for model in study.models] == [{"id": "new"}]
    assert (study.task.data, study.task.limit) == ("d", 3)
    assert (study.protocol.steps, study.protocol.epochs, study.protocol.seed_list) == (5, None, [0, 1])
    assert _settings(study) == {"lora": {"rank": 4}, "full": {}}


@pytest.mark.parametrize(
    ("file", "settings", "steps", "epochs"),
    [("epochs: 4", "steps=5", 5, None), ("steps: 4", "epochs=5", None, 5), ("steps: 4", "steps=", None, None)],
)
def test_a_budget_replaces_the_other_kind(write: Write, file: str, settings: str, steps: int, epochs: int) -> None:
    protocol = read_study(write(f"{SHORT}protocol: {{{file}}}\n"), settings=[f"protocol.{settings}"]).study.protocol
    assert (protocol.steps, protocol.epochs) == (steps, epochs)


def test_a_technique_s_own_budget_can_be_set_beside_the_steps_of_all(write: Write) -> None:
    name = write(SHORT + "techniques: [{use: lora, epochs: 3}, {use: full, epochs: 2}]\n")
    study = read_study(name, settings=["techniques.lora.steps=7"], overrides={"steps": 5}).study
    assert study.protocol.steps == 5 and _settings(study) == {"lora": {"steps": 7}, "full": {}}


def test_two_budgets_on_one_command_line_contradict_each_other(write: Write) -> None:
    name = write(SHORT)
    assert "not both" in _problems(name, ["protocol.steps=5", "protocol.epochs=2"])[0]
    assert "not both" in _problems(name, ["protocol.epochs=2"], {"steps": 5})[0]


def test_bad_options_are_told_by_their_own_words(write: Write) -> None:
    name = write("model: m\ntask: {train: a.csv, test: b.csv, text: t}\n")
    problems = _problems(name, overrides={"data": "d", "limit": 0, "seeds": 0, "model": ""})
    for start in ("--data d: is for built-in tasks", "--limit 0: ", "--seeds 0: ", "--model : "):
        assert any(problem.startswith(start) for problem in problems), start
    with pytest.raises(TypeError):
        read_study(name, overrides={"stepz": 5})


TASKS = "model: m\ntasks: [terra, {name: mini_rte, label: phenomenon}, {name: mini_rte, called: other}]\n"


def test_set_and_options_reach_single_tasks(write: Write) -> None:
    study = read_study(
        write(TASKS),
        settings=["tasks.other.language=en", "tasks.terra.drop_overlap=true", "tasks.1.label=relation"],
        overrides={"limit": 9, "data": "d"},
    ).study
    assert [task.limit for task in study.tasks] == [9, 9, 9]
    assert [task.data for task in study.tasks] == ["d", None, None]
    assert (study.tasks[2].language, study.tasks[0].drop_overlap, study.tasks[1].label) == ("en", True, "relation")


def test_a_task_replaces_all_tasks_and_tasks_the_task(write: Write) -> None:
    assert read_study(write(TASKS), settings=["task=mini_rte"]).study.tasks == [TaskSpec(name="mini_rte")]
    tasks = read_study(write(SHORT), settings=["tasks=[mini_rte, terra]"]).study.tasks
    assert [task.name for task in tasks] == ["mini_rte", "terra"]
    assert read_study(write(SHORT), settings=["tasks.0.limit=4"]).study.task.limit == 4


@pytest.mark.parametrize(
    ("file", "setting", "words"),
    [
        (TASKS, "task.limit=3", "the study has `tasks`: say tasks.0.limit."),
        ("model: m\ntasks: [mini_rte, mini_rte]\n", "tasks.mini_rte.limit=3", "2 entries 'mini_rte': say which, 0, 1."),
        (TASKS, "tasks.mini.limit=3", "tasks has no 'mini'. "),
    ],
)
def test_which_task_is_meant_must_be_said(write: Write, file: str, setting: str, words: str) -> None:
    assert any(words in problem for problem in _problems(write(file), [setting]))


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ("[mini_rte, {name: mini_rte, called: b}]", "none of this study's tasks takes a folder"),
        (
            "[terra, {name: terra, called: b}]",
            "2 of this study's tasks take a folder with its own files. Say which one",
        ),
    ],
)
def test_a_folder_of_data_is_for_one_task(write: Write, tasks: str, words: str) -> None:
    (problem,) = _problems(write(f"model: m\ntasks: {tasks}\n"), overrides={"data": "d"})
    assert words in problem
