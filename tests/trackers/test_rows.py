"""What of a history trackers are told, and that each step is told once."""

from tuneoff.trackers.rows import Steps, numbers_of


def trained(step, loss=1.0, **changes):
    row = {"event": "train", "step": step, "stage_step": step, "learning_rate": 0.5, "tokens": 9, "loss": loss}
    return row | {"accuracy": 0.25, "grad_norm": 2.0, "seconds": 1.0} | changes


def evaluated(step, split="dev", **changes):
    row = {"event": "eval", "split": split, "step": step, "stage_step": 0, "loss": 3.0, "accuracy": 0.75, "seconds": 1}
    return row | changes


def test_the_numbers_of_a_step_and_of_an_evaluation():
    assert numbers_of(trained(1)) == {
        "train/loss": 1.0,
        "train/accuracy": 0.25,
        "train/learning_rate": 0.5,
        "train/grad_norm": 2.0,
    }
    assert numbers_of(evaluated(1)) == {"dev/loss": 3.0, "dev/accuracy": 0.75}
    assert numbers_of(evaluated(1, "also:ru")) == {"also/ru/loss": 3.0, "also/ru/accuracy": 0.75}


def test_what_is_not_finite_is_left_out_and_other_events_have_no_numbers():
    assert numbers_of(evaluated(1, loss=None)) == {"dev/accuracy": 0.75}
    assert numbers_of({"event": "budget", "micro_tokens": 3, "step": 1, "seconds": 1.0}) == {}


def told(rows, last=None, flush=True):
    heard = []
    steps = Steps(last, lambda numbers, step: heard.append((step, numbers)))
    for row in rows:
        steps.add(row)
    if flush:
        steps.flush()
    return heard


def test_a_step_is_told_whole_when_the_next_one_begins():
    rows = [evaluated(0), trained(1), evaluated(1), evaluated(1, "test"), trained(2)]
    heard = told(rows, flush=False)
    assert [step for step, _ in heard] == [0, 1]
    assert set(heard[1][1]) == set(numbers_of(trained(1))) | set(numbers_of(evaluated(1))) | {
        "test/loss",
        "test/accuracy",
    }
    assert [step for step, _ in told(rows)] == [0, 1, 2]


def test_steps_that_were_told_before_are_passed_over():
    rows = [evaluated(0), *(trained(step) for step in range(1, 6))]
    assert [step for step, _ in told(rows, last=3)] == [4, 5]
    assert told(rows, last=5) == []
    assert [step for step, _ in told(rows, last=None)] == [0, 1, 2, 3, 4, 5]


def test_a_second_stages_first_evaluation_is_the_first_stages_last_and_told_once():
    first, second = [trained(1), evaluated(1), evaluated(1, "test")], [evaluated(1), trained(2)]
    heard = []
    steps = Steps(None, lambda numbers, step: heard.append((step, numbers)))
    for row in first:
        steps.add(row)
    steps.flush()
    for row in second:
        steps.add(row)
    steps.flush()
    assert [step for step, _ in heard] == [1, 2] and set(heard[1][1]) == set(numbers_of(trained(2)))
