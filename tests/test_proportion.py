"""Settings that no memory has room for: told with file, line and key, before anything of their size is made."""

from pathlib import Path

import psutil
import pytest

from tuneoff.cli import main
from tuneoff.errors import ModelError, StudyError
from tuneoff.models.classifier import build_meta
from tuneoff.plan import Question, make_plan
from tuneoff.proportion import check_sizes
from tuneoff.reading import ReadStudy, study_from_mapping
from tuneoff.techniques import get, names
from tuneoff.training.build import count_parameters, sketch

HUGE = 10**9
RANKED = [name for name in names() if "rank" in get(name).settings_class.model_fields]
# What is added to the tiny BERT, whose two layers have queries and values of 32 x 32, by hand.
CASES = [
    ("{name: x, use: lora, rank: 1000000000}", "[0].rank", "lora would add 256,000,000,000 numbers (1.02 TB)", "is 8"),
    ("{name: x, use: lora, settings: {rank: 1000000000}}", "[0].settings.rank", "256,000,000,000", "is 8"),
    ("{name: x, use: prompt, virtual_tokens: 10000000000}", "[0].virtual_tokens", "320,000,000,000", "is 20"),
    ("{name: x, use: prefix, virtual_tokens: 1000000000}", "[0].virtual_tokens", "128,000,000,000", "is 20"),
    ("{name: x, use: vera, rank: 1000000000}", "[0].rank", "vera would add 68,000,000,128", "is 256"),
    ("{name: x, peft: {type: vera, r: 1000000000}}", "[0].peft.r", "68,000,000,128", "Give a smaller number."),
    ("{name: x, use: p-tuning, encoder_hidden_size: 10000000000}", "[0].encoder_hidden_size", "can be made", "smaller"),
    (
        "{name: x, use: p-tuning, encoder_hidden_size: 10000000, virtual_tokens: 1000000000}",
        "[0]",
        "p-tuning would",
        "Give smaller numbers.",
    ),
    ("{name: x, use: pissa, rank: 1000000000}", "[0]", "rank is 1000000000, and a layer's decomposition has 32", ""),
]


@pytest.fixture
def written(tmp_path, model_folder):
    """Return a function that writes a study of the tiny BERT with entries of techniques, a line each, and its path."""

    def write(*entries, protocol=""):
        lines = [f"model: {model_folder('bert')}", "task: mini_rte", "techniques:"]
        lines += [f"  - {entry}" for entry in entries]
        path = tmp_path / "study.yaml"
        path.write_text("\n".join([*lines, f"protocol: {{steps: 2, seeds: 1{protocol}}}"]), encoding="utf-8")
        return path

    return write


@pytest.fixture
def refused(monkeypatch, tmp_path, capsys):
    """Return a function that plans a file and returns the one message, after seeing to status and output."""

    def told(path, *arguments):
        monkeypatch.chdir(path.parent)
        with pytest.raises(SystemExit) as left:
            main(["plan", path.name, "--no-time", *arguments])
        out, err = capsys.readouterr()
        assert left.value.code == 2 and out == "" and err.count("error: ") == 1 and "Traceback" not in err
        return err.partition("error: ")[2].strip()

    return told


@pytest.mark.parametrize(("entry", "key", "says", "advice"), CASES)
def test_it_is_told_with_file_line_and_key(entry, key, says, advice, written, refused):
    message = refused(written("linear-probe", entry))
    assert message.startswith(f"study.yaml:5: techniques{key.replace('[0]', '[1]')}: ")
    assert says in message and advice in message and "\n" not in message


def test_in_a_chain_it_is_told_where_it_is_written_and_once(written, refused):
    message = refused(written("linear-probe+x", "{name: y, use: x}", "{name: x, use: lora, rank: 1000000000}"))
    assert message.startswith("study.yaml:6: techniques[2].rank: lora would add") and "\n" not in message


def test_all_are_told_at_once_and_by_the_option_that_asked(written, refused):
    path = written("{name: x, use: lora, rank: 1000000000}", "{name: y, use: prompt}")
    message = refused(path, "--set", "techniques.y.virtual_tokens=20000000000")
    first, second = message.splitlines()
    assert first.startswith("study.yaml:4: techniques[0].rank: ")
    assert second.startswith(
        "--set techniques.y.virtual_tokens=20000000000: techniques[1].virtual_tokens: prompt would"
    )


def test_a_trials_value_is_told_where_the_space_has_it(written, refused):
    path = written("lora", protocol=", tune: {trials: 4, space: {lora: {rank: [1000000000]}}}")
    assert refused(path).startswith("study.yaml:5: protocol.tune.space.lora.rank: lora would add 256,000,000,000")


def test_a_run_is_refused_too_and_nothing_is_written(written, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    path = written("{name: x, use: lora, rank: 1000000000}")
    monkeypatch.chdir(tmp_path)
    for command in (["run", path.name, "--out", "out"], ["doctor", path.name]):
        with pytest.raises(SystemExit) as left:
            main(command)
        err = capsys.readouterr().err
        assert left.value.code == 2 and "error: study.yaml:4: techniques[0].rank: lora would add" in err
    assert not list(Path("out").rglob("*.yaml"))


def test_from_python_the_call_is_named(model_folder):
    asked = {"model": str(model_folder("bert")), "task": "terra", "techniques": [{"use": "lora", "rank": HUGE}]}
    read = ReadStudy(study_from_mapping(asked, "tuneoff.run"), Path(), "tuneoff.run")
    with pytest.raises(StudyError, match=r"^tuneoff\.run: techniques\[0\]\.rank: lora would add"):
        check(read)
    with pytest.raises(StudyError, match=r"rank: a whole number of more than 64 bits"):
        study_from_mapping(asked | {"techniques": [{"use": "lora", "rank": 10**30}]}, "tuneoff.run")


def check(read):
    from tuneoff.models.resolve import resolve_model

    model = resolve_model(read.study.models[0], need_weights=False)
    questions = [Question(model, "terra", None, "fp32")]
    check_sizes(read, make_plan(read.study, questions, None), questions)


@pytest.mark.parametrize(("rank", "memory", "refused"), [(8, 1, False), (200, 1, True), (200, 1 << 20, False)])
def test_more_than_this_machine_has_is_refused_only_where_it_is_more_than_the_model_too(
    rank, memory, refused, model_folder, monkeypatch
):
    """LoRA of rank 8 adds 2,048 numbers to the tiny BERT's 18,000, of rank 200 51,200, which are 204,800 bytes."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": memory}))
    techniques = [{"name": "x", "use": "lora", "rank": rank, "alpha": 64}]
    asked = {"model": str(model_folder("bert")), "task": "terra", "techniques": techniques}
    read = ReadStudy(study_from_mapping(asked), Path(), "tests")
    if refused:
        with pytest.raises(StudyError, match=r"techniques\[0\]\.rank: lora would add 51,200 numbers"):
            check(read)
    else:
        check(read)


def test_usual_settings_cost_nothing(model_folder, monkeypatch):
    monkeypatch.setattr("tuneoff.proportion.sketch", lambda *_: pytest.fail("sketched"))
    techniques = ["full", "lora", {"name": "low", "use": "lora", "rank": 4}, {"name": "v", "use": "vera", "rank": 64}]
    asked = {"model": str(model_folder("bert")), "task": "terra", "techniques": techniques}
    check(ReadStudy(study_from_mapping(asked), Path(), "tests"))


@pytest.mark.parametrize("name", RANKED)
def test_a_sketch_of_any_rank_takes_no_memory(name, resolve):
    """Or the rank is refused by the technique. A thousand million rows of 32 numbers are 128 GB."""
    fields = {"rank": HUGE} | ({"first_rank": HUGE} if name == "adalora" else {})
    model = resolve("bert")
    try:
        drawn = sketch(get(name)(get(name).settings_class(**fields)), model, 2)
    except ModelError as error:
        assert "rank" in str(error) or "`r`" in str(error)
        return
    assert {value.device.type for value in [*drawn.parameters(), *drawn.buffers()]} == {"meta"}
    # Of LoKr, whose factors are small anyway, none is made low-rank then.
    assert name == "lokr" or sum(one.numel() for one in [*drawn.parameters(), *drawn.buffers()]) > HUGE


def test_the_counts_of_a_large_sketch_are_those_of_a_small_one(resolve):
    model, of = resolve("bert"), get("lora")
    bare = sum(value.numel() for value in build_meta(model, 2).parameters())
    for rank in (1, 1000, HUGE):
        counts = count_parameters(sketch(of(of.settings_class(rank=rank)), model, 2))
        assert counts["total"] == bare + 4 * rank * (32 + 32)
