"""Texts that were kept in English with data and runs, as a Russian report says them."""

import html
import json
import math
import re
from string import Formatter

import numpy as np
import pytest

from tuneoff.evidence.baselines import BaselineData, cosine_threshold, text_baselines
from tuneoff.evidence.calibration import calibrate_crosswise, calibrate_on_dev
from tuneoff.evidence.improving import LossCurve, trend
from tuneoff.evidence.runs import failure_text
from tuneoff.evidence.slices import seen_in_train
from tuneoff.report import write_report
from tuneoff.report.kept_words import KEPT
from tuneoff.report.words import ENGLISH, KINDS, WORDS, Words
from tuneoff.store import Store
from tuneoff.study import TaskSpec
from tuneoff.tasks import load_task
from tuneoff.training.shortage import failure_of
from tuneoff.training.state import TrainingState, divergence
from tuneoff.tuning import edges

RU = Words("ru")
INNER = {
    "reason": "too few rows",
    "note": "The word stands before each of its texts, with a colon.",
    "metrics": "accuracy",
    "facts": "step 7; gradient norm not finite",
}


def in_russian(kind, text):
    said = RU.kept(kind, text)
    assert said != text and re.search("[а-яё]", said), text
    return said


@pytest.mark.parametrize("message", KEPT)
def test_each_text_is_known_by_its_english_words(message):
    fields = {name: spec for _, name, spec, _ in Formatter().parse(ENGLISH[message]) if name is not None}
    values = {
        name: 1234 if spec in (",", "d") else 0.125 if spec else INNER.get(name, "N7") for name, spec in fields.items()
    }
    kind, text = message.partition(".")[0], ENGLISH[message].format(**values)
    inner = {
        name: "; ".join(RU.kept(name, one) for one in values[name].split("; ")) for name in KINDS if name in values
    }
    assert all(inner[name] != values[name] for name in inner)
    assert RU.kept(kind, text) == RU(message, **{**values, **inner})
    assert WORDS.kept(kind, text) == text


def test_a_text_that_nobody_knows_stays_as_it_is():
    assert RU.kept("note", "3 premises stand in train and in test.") == "3 premises stand in train and in test."
    assert RU.kept("task", "my task") == "my task" and RU.kept("slice", "topic") == "topic"


def test_numbers_get_russian_marks_and_names_stay():
    said = RU.kept("note", "1,200 of the 12,000 test rows share their col,umn 1.5 with a row of train.")
    assert said == "Строк test с тем же значением поля col,umn 1.5, что у строк train: 1\u202f200 из 12\u202f000."


def test_reasons_of_the_evidence_are_known():
    flat, two, three = np.zeros(3), np.array([0, 1, 0]), np.array([0, 1, 2])
    sure = np.array([[9.0, 0.0]] * 10)
    steps = np.arange(12.0)
    without_words = BaselineData([["?", "!", "."]], two, [["?", "!", "."]], two)
    one_class = BaselineData([["a", "b", "c"]], np.zeros(3, int), [["a", "b", "c"]], two)
    found = [one.reason for data in (without_words, one_class) for one in text_baselines(data) if one.reason] + [
        cosine_threshold(flat, three, flat, three).reason,
        cosine_threshold(np.array([0.1, math.nan, 0.3]), two, flat, two).reason,
        calibrate_on_dev(np.zeros(10, int), sure, np.zeros(10, int), sure).reason,
        calibrate_crosswise(np.zeros(10, int), sure).reason,
        calibrate_crosswise(np.zeros(1, int), sure[:1]).reason,
        trend([LossCurve(steps[:1], steps[:1])]).reason,
        trend([LossCurve(steps, np.full(12, math.nan))]).reason,
    ]
    assert len({in_russian("reason", reason) for reason in found}) == 9


def test_why_a_stage_failed_is_known_with_where():
    state = TrainingState()
    first = failure_text(divergence(state, 3, 0.01, None).facts)
    assert in_russian("reason", first) == (
        "потери или их градиент стали бесконечными или NaN на шаге 3 (темп обучения 0,01; норма градиента — "
        "бесконечность или NaN; до этого конечных оценок не было)"
    )
    state.history.append({"event": "eval", "stage_step": 2, "split": "dev", "accuracy": 0.5, "loss": 0.25})
    later = failure_text(divergence(state, 3, 0.01, 12.5).facts)
    assert in_russian("reason", later).endswith(
        "; последняя конечная оценка — на шаге 2, dev: доля верных ответов 0,500, потери 0,250)"
    )
    memory = failure_text(failure_of(MemoryError("tried to take 5 GB (of 4)"), 7))
    assert in_russian("reason", memory) == (
        "не хватило памяти: tried to take 5 GB (of 4); возьмите способ, который обучает меньше весов, или модель "
        "поменьше (шаг 7)"
    )
    assert in_russian("reason", f"lora failed: {memory}").startswith("не удалась стадия lora: не хватило памяти")
    assert in_russian("reason", failure_text({})) == "причина не записана"


def test_what_benchmarks_report_is_known():
    from tuneoff.tasks import built_in_tasks
    from tuneoff.tasks.benchmark import DECLARED

    assert built_in_tasks()
    for task in DECLARED.values():
        said = in_russian("note", f"On {task.label}, {task.benchmark.name} reports {task.metrics}.")
        assert "accuracy" not in said and " and " not in said


def test_labels_of_slices_tasks_and_ends_are_known():
    assert [in_russian("slice", one) for one in seen_in_train(["a", "b"], ["a"])] == ["есть в train", "нет в train"]
    assert (
        RU.kept("slice", "group in train") == "группа в train"
        and RU.kept("slice", "premise in train") == "premise в train"
    )
    ends = [edges([{"rate": 2.0}, {"rate": 1.0}, {"rate": 3.0}], chosen)["rate"] for chosen in (1, 2)]
    assert [in_russian("end", end) for end in ends] == ["наименьшее", "наибольшее"]


@pytest.fixture(scope="module")
def noted():
    """Every note that the package's own data lead to, and their labels."""
    asked = [
        {"language": "ru", "limit": 100, "also_test": {"english": {"name": "mini_rte", "language": "en"}}},
        {"language": "en", "drop_overlap": True},
    ]
    return [load_task(TaskSpec(name="mini_rte", **one), need_dev=True, base=None) for one in asked]


def test_notes_and_labels_of_data_are_known(noted):
    for task in noted:
        assert "(на " in in_russian("task", task.label)
        assert task.notes and all(in_russian("note", note) for note in task.notes)


def test_a_russian_page_has_its_notes_and_reasons_in_russian(noted, tmp_path, made_up, no_figures):
    reason = divergence(TrainingState(), 12, 0.01, None).facts["reason"]
    store = made_up(seeds=2, failed=(("lora", 1),), reason=reason).write(tmp_path)
    path = next(store.root.glob("stages/*/*/task.json"))
    task = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**task, "notes": list(noted[0].notes), "label": noted[0].label}), encoding="utf-8")
    page = html.unescape(write_report(Store(tmp_path), "ru").read_text(encoding="utf-8"))
    for note in noted[0].notes:
        assert note not in page and RU.kept("note", note) in page
    assert reason not in page and RU.kept("reason", reason) in page
    assert noted[0].label not in page and RU.kept("task", noted[0].label) in page
    text = re.sub(r"<[^>]*>", "\n", re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL))
    assert not re.findall(r"[-+]\d\.\d+", text)
