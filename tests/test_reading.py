"""From a name, a file, the command line or a mapping to a checked study."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuneoff.errors import StudyError
from tuneoff.reading import read_study, resolved_yaml, study_from_mapping
from tuneoff.shipped import shipped_studies
from tuneoff.study import DEFAULT_TECHNIQUES, Protocol, Study, TaskSpec, TechniqueSpec

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


# What is found


def test_model_and_task_are_enough(write: Write) -> None:
    read = read_study(write(SHORT))
    assert (read.base, read.source) == (Path(), "s.yaml")
    assert read.study == Study(
        name="s",
        models=[{"id": "m"}],  # type: ignore[list-item]  # pydantic makes it one
        tasks=[TaskSpec(name="terra")],
        techniques=[TechniqueSpec(name=name, use=name) for name in DEFAULT_TECHNIQUES],
    )


def test_a_file_gives_its_folder_and_its_name(tmp_path: Path) -> None:
    file = tmp_path / "Первый study_2.yaml"
    file.write_text(SHORT)
    read = read_study(str(file))
    assert read.base == tmp_path and read.study.name == "study-2"
    file.write_text(SHORT + "name: own\n")
    assert read_study(str(file)).study.name == "own"


def test_a_file_wins_over_a_shipped_name_and_a_folder_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "terra").mkdir()
    assert read_study("terra").study.name == "terra"
    (tmp_path / "demo").write_text(SHORT)
    assert read_study("demo").study.models[0].id == "m"


def test_an_unknown_study_is_answered_with_near_names_near_files_and_all_names(write: Write) -> None:
    write(SHORT)
    (problem,) = _problems("demmo")
    assert "Did you mean 'demo'" in problem
    assert all(name in problem for name in shipped_studies())
    Path("terse.yml").write_text(SHORT)
    assert "There is a file terse.yml." in _problems("terse")[0]
    assert "There is a file terse.yml." in _problems("ters.yaml")[0]


def test_a_folder_is_answered_with_the_studies_in_it(write: Write) -> None:
    Path("runs").mkdir()
    Path("runs/study.yaml").write_text(SHORT)
    (problem,) = _problems("runs")
    assert "is a folder" in problem and "runs/study.yaml" in problem


# What is refused


@pytest.mark.parametrize(
    ("rest", "start", "words"),
    [
        ("protocol:\n  stepz: 5\n", "s.yaml:4: protocol.stepz: unknown key of protocol.", "Did you mean 'steps'?"),
        ("protocl: {}\n", "s.yaml:3: protocl: unknown key of a study.", "Did you mean 'protocol'?"),
        ("protocol: {steps: '24'}\n", "s.yaml:3: protocol.steps:", "a whole number of at least 1, found the text '24'"),
        ("protocol: {steps: 2.5}\n", "s.yaml:3: protocol.steps:", "a whole number of at least 1, found the number 2.5"),
        ("protocol: {steps: true}\n", "s.yaml:3: protocol.steps:", "found true"),
        ("protocol: {steps: 0}\n", "s.yaml:3: protocol.steps:", "of at least 1, found the number 0"),
        ("protocol: {batch_size: }\n", "s.yaml:3: protocol.batch_size:", "found nothing"),
        ("protocol: {warmup: 1}\n", "s.yaml:3: protocol.warmup:", "a number of at least 0 and below 1"),
        ("protocol: {warmup: .nan}\n", "s.yaml:3: protocol.warmup:", "no finite number"),
        (
            "protocol: {eval_on: tset}\n",
            "s.yaml:3: protocol.eval_on:",
            "one of dev, test, found the text 'tset'. Did you mean",
        ),
        ("protocol: {max_grad_norm: of}\n", "s.yaml:3: protocol.max_grad_norm:", "a number or off"),
        ("protocol: {seeds: [1, a]}\n", "s.yaml:3: protocol.seeds:", "whole number or a list of whole numbers"),
        ("protocol: {seeds: [1, 1]}\n", "s.yaml:3: protocol.seeds:", "each once"),
        ("protocol: {seeds: 0}\n", "s.yaml:3: protocol.seeds:", "between 1 and 1000"),
        ("protocol:\n  epochs: 1\n  steps: 5\n", "s.yaml:5: protocol.steps:", "steps or epochs, not both"),
        ("protocol: 5\n", "s.yaml:3: protocol:", "expected keys with values"),
        ("name: My Study\n", "s.yaml:3: name:", "found the text 'My Study'"),
        ("title: 5\n", "s.yaml:3: title:", "Put it in quotes"),
        ("models: [n]\n", "s.yaml:3: models:", "Keep one"),
        ("techniques: lora\n", "s.yaml:3: techniques:", "a list of techniques, found the text 'lora'"),
        ("techniques: []\n", "s.yaml:3: techniques:", "found the list []"),
        (
            "techniques:\n- full\n- lorra\n",
            "s.yaml:5: techniques[1]: unknown technique 'lorra'.",
            "Did you mean 'lora'",
        ),
        ("techniques: [linear-probe+lorra]\n", "s.yaml:3: techniques[0]: unknown technique 'lorra'.", "'lora'"),
        (
            "techniques: [{name: wide, rank: 8}]\n",
            "s.yaml:3: techniques[0]: unknown technique 'wide'.",
            "add what it uses",
        ),
        ("techniques: [{rank: 8}]\n", "s.yaml:3: techniques[0]:", "say which technique"),
        ("techniques: [5]\n", "s.yaml:3: techniques[0]:", "found the number 5"),
        ("techniques: [lora, lora]\n", "s.yaml:3: techniques[1]:", "used twice"),
        ("techniques: [{name: full, use: lora}]\n", "s.yaml:3: techniques[0].name:", "a technique itself"),
        ("techniques: [{name: a+b, use: lora}]\n", "s.yaml:3: techniques[0].name:", "'+' composes"),
        ("techniques: [{use: LoRA}]\n", "s.yaml:3: techniques[0]", "small letters"),
        (
            "techniques:\n- full\n- name: lora\n  ranks: 4\n",
            "s.yaml:6: techniques[1].ranks: unknown key of lora.",
            "'rank'",
        ),
        ("techniques: [{use: lora, rank: big}]\n", "s.yaml:3: techniques[0].rank:", "whole number of at least 1"),
        ("techniques: [{use: linear-probe+lora, ranks: 4}]\n", "s.yaml:3: techniques[0].ranks:", "key of lora"),
        ("techniques: [{use: lora+linear-probe, rank: 4}]\n", "s.yaml:3: techniques[0].rank:", "key of linear-probe"),
        ("techniques: [{name: w, use: lora}, {name: x, use: w, rnk: 4}]\n", "s.yaml:3: techniques[1].rnk:", "of lora"),
        ("techniques: [{use: lora, settings: {rnk: 4}}]\n", "s.yaml:3: techniques[0].settings.rnk:", "of lora"),
        ("techniques: [{use: lora, settings: {}, rank: 4}]\n", "s.yaml:3: techniques[0].rank:", "beside `settings`"),
        ("techniques: [{use: lora, steps: 4, epochs: 1}]\n", "s.yaml:3: techniques[0].steps:", "not both"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_is_allowed(
    write: Write, rest: str, start: str, words: str
) -> None:
    (problem,) = _problems(write(SHORT + rest))
    assert problem.startswith(start) and words in problem
    assert "pydantic" not in problem and "http" not in problem and "Input should" not in problem


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [
        ("task: terra\n", "s.yaml: 'model' is missing.", "hub id"),
        ("model: m\n", "s.yaml: 'task' is missing.", "mini_rte, mnli"),
        ("model: {pooling: mean}\ntask: terra\n", "s.yaml:1: model: 'id' is missing.", "Hub id"),
        ("model: ''\ntask: terra\n", "s.yaml:1: model.id:", "a text that is not empty"),
        ("model: 7\ntask: terra\n", "s.yaml:1: model:", "a hub id or a folder, found the number 7"),
        ("model: {id: m, revision: 12345}\ntask: terra\n", "s.yaml:1: model.revision:", "Put it in quotes"),
        (
            "model: {id: m, polling: mean}\ntask: terra\n",
            "s.yaml:1: model.polling: unknown key of a model.",
            "'pooling'",
        ),
        ("models: []\ntask: terra\n", "s.yaml:1: models:", "a list of models"),
        ("models:\n- m\n- {id: n, pooling: men}\ntask: terra\n", "s.yaml:3: models[1].pooling:", "Did you mean 'mean'"),
        ("models:\n- a/m\n- b/M\ntask: terra\n", "s.yaml:3: models[1]:", "called 'm' as models[0]"),
        ("model: m\ntasks: []\n", "s.yaml:2: tasks:", "a list of tasks"),
        ("model: m\ntasks: terra\n", "s.yaml:2: tasks:", "a list of tasks, found the text 'terra'"),
        ("model: m\ntask: terra\ntasks: [terra]\n", "s.yaml:3: tasks:", "Keep one"),
        ("model: m\ntasks:\n- terra\n- tera\n", "s.yaml:4: tasks[1].name:", "Did you mean 'terra'"),
        ("model: m\ntasks: [{name: mini_rte, lable: x}]\n", "s.yaml:2: tasks[0].lable:", "'label'"),
        ("model: m\ntasks:\n- terra\n- {name: terra, limit: 3}\n", "s.yaml:4: tasks[1]:", "`called: NAME`"),
        ("model: m\ntasks:\n- {name: terra, called: A b}\n", "s.yaml:3: tasks[0].called:", "lower-case"),
        ("model: m\ntask: tera\n", "s.yaml:2: task.name:", "Did you mean 'terra'"),
        ("model: m\ntask:\n  name: mini_rte\n  label: phenomena\n", "s.yaml:4: task.label:", "phenomenon"),
        ("model: m\ntask: {train: a.csv, test: b.csv}\n", "s.yaml:2: task.text:", "one or two"),
        ("model: m\ntask: {train: a.csv, text: [a, 5]}\n", "s.yaml:2: task.text:", "a list of 1 or 2 texts"),
        ("", "s.yaml: the file is empty.", "a model and a task"),
        ("- a\n- b\n", "s.yaml: a study is written as keys with values", "found the list"),
        ("just text\n", "s.yaml: a study is written as keys with values", "found the text"),
    ],
)
def test_a_mistake_in_the_essentials_is_told_too(write: Write, text: str, start: str, words: str) -> None:
    (problem,) = _problems(write(text))
    assert problem.startswith(start) and words in problem


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    problems = _problems(
        write(
            "modle: m\nname: A B\ntask: tera\nprotocol: {stepz: 1, warmup: 2, warmup: 3}\n"
            "techniques: [lorra, {use: lora, rnk: 1}]\n"
        )
    )
    for part in (
        "modle",
        "'model' is missing",
        "name",
        "task.name",
        "protocol.stepz",
        "protocol.warmup",
        "written twice",
    ):
        assert any(part in problem for problem in problems), part
    assert sum("techniques[" in problem for problem in problems) == 2


@pytest.mark.parametrize(
    "entries",
    [
        "[{name: a, use: b}, {name: b, use: a}]",
        "[{name: a, use: b+full}, {name: b, use: a}]",
        "[{name: c, use: a}, {name: a, use: b}, {name: b, use: a}]",
    ],
)
def test_a_technique_made_of_itself_is_refused(write: Write, entries: str) -> None:
    problems = _problems(write(f"{SHORT}techniques: {entries}\n"))
    assert all(problem.startswith("s.yaml:3: techniques") for problem in problems)
    assert "made of itself" in problems[0]


def test_words_that_yaml_1_1_takes_for_truth_values_are_texts(write: Write) -> None:
    text = "model: m\ntask: {train: a.csv, test: b.csv, text: on, label: no}\nprotocol: {max_grad_norm: off}\n"
    study = read_study(write(text)).study
    assert (study.task.text, study.task.label, study.protocol.max_grad_norm) == (["on"], "no", "off")
    assert (
        "true or false, found the text 'yes'"
        in _problems(write("model: {id: m, trust_remote_code: yes}\ntask: terra\n"))[0]
    )


# From Python, and back


def test_a_mapping_may_hold_sections_and_paths() -> None:
    study = study_from_mapping(
        {
            "model": Path("models/m"),
            "task": TaskSpec(name="terra"),
            "techniques": ("lora",),
            "protocol": Protocol(steps=3),
        }
    )
    assert study.models[0].id == "models/m" and study.protocol == Protocol(steps=3)
    assert [technique.name for technique in study.techniques] == ["lora"]


def test_a_mapping_s_mistakes_are_told_by_key() -> None:
    with pytest.raises(StudyError) as caught:
        study_from_mapping({"model": "m", "task": "terra", "protocol": {"stepz": 3}, "title": object()}, where="run()")
    assert [problem.split(" unknown")[0][:25] for problem in caught.value.problems] == [
        "run(): title: a value of ",
        "run(): protocol.stepz:",
    ]


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        "models: [{id: ./m, name: x, prefix: '1e-4'}, {id: n, label: no}]\n"
        "task: {train: a b.csv, test: 'x: y.csv', text: ['on', '5'], label: 'no', group: '~'}\n"
        "techniques: [{name: w, use: lora, rank: 3, learning_rate: 2e-6}, linear-probe, linear-probe+w]\n"
        "protocol: {epochs: 1.5, seeds: [3, 1], max_grad_norm: off, eval_on: test}\ntitle: Проба «а»\n",
        "model: m\ntasks: [terra, {name: mini_rte, label: phenomenon}, {name: mini_rte, called: other, limit: 5}]\n",
    ],
)
def test_the_resolved_study_has_every_field_and_reads_as_the_same(write: Write, text: str) -> None:
    study = read_study(write(text)).study
    resolved = resolved_yaml(study)
    assert read_study(write(resolved)).study == study
    for section in (*study.models, *study.tasks, study.protocol):
        assert all(f"{name}:" in resolved for name in type(section).model_fields)


def test_a_study_of_one_task_is_written_as_ever(write: Write) -> None:
    one, listed = read_study(write(SHORT)).study, read_study(write("model: m\ntasks: [terra]\n")).study
    assert one == listed and one.task == TaskSpec(name="terra")
    assert "\ntask:\n" in resolved_yaml(one) and "tasks:" not in resolved_yaml(one)
    several = read_study(write("model: m\ntasks: [terra, mini_rte]\n")).study
    assert "\ntasks:\n" in resolved_yaml(several)
    with pytest.raises(ValueError):
        several.task  # noqa: B018
