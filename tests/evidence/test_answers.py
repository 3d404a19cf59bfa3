"""Which examples each technique had right, from made-up run directories."""

from tuneoff.evidence.answers import answers
from tuneoff.evidence.results import build_results
from tuneoff.store import StageAddress

KEY = ("small-e5", "mini-rte-ru-phenomenon", "lora")


def found(store):
    return answers(store, build_results(store)["runs"])


def test_the_share_of_right_answers_is_the_accuracy_of_each_seed(tmp_path, made_up):
    store = made_up(techniques=("lora", "full"), seeds=3).write(tmp_path)
    runs = {run["seed"]: run for run in build_results(store)["runs"] if run["technique"] == "lora"}
    one = found(store)[KEY]
    assert one.seeds == (0, 1, 2) and one.right.shape == (3, 60)
    assert one.right.mean(axis=1).tolist() == [runs[seed]["metrics"]["accuracy"] for seed in one.seeds]
    assert (one.of([2, 0]) == one.right[[2, 0]]).all()


def test_seeds_that_failed_or_are_missing_are_not_there(tmp_path, made_up):
    made = made_up(techniques=("lora", "full"), seeds=3, failed=(("lora", 0),), missing=(("full", 2),))
    by_technique = {key[2]: one.seeds for key, one in found(made.write(tmp_path)).items()}
    assert by_technique == {"lora": (1, 2), "full": (0, 1)}


def test_columns_are_the_rows_by_number_in_whatever_order_they_were_written(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=2).write(tmp_path)
    before = found(store)[KEY]
    address = StageAddress(*KEY, 1)
    frame = store.predictions(address)
    store.finish(store.record(address), store.history(address), frame.sample(frac=1, random_state=0), None)
    after = found(store)[KEY]
    assert (after.examples == before.examples).all() and (after.right == before.right).all()


def test_a_seed_measured_on_other_examples_is_left_out(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=3).write(tmp_path)
    address = StageAddress(*KEY, 1)
    frame = store.predictions(address)
    store.finish(store.record(address), store.history(address), frame.assign(row=frame["row"] + 1000), None)
    assert found(store)[KEY].seeds == (0, 2)
