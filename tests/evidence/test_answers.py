"""Which examples each technique had right, from made-up run directories."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tuneoff.evidence.answers import answers
from tuneoff.evidence.results import build_results
from tuneoff.store import PREDICTIONS, StageAddress

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
    path = store.folder(StageAddress(*KEY, 1)) / PREDICTIONS
    table = pq.read_table(path)
    pq.write_table(table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows))), path)
    after = found(store)[KEY]
    assert (after.examples == before.examples).all() and (after.right == before.right).all()


def test_a_seed_measured_on_other_examples_is_left_out(tmp_path, made_up):
    store = made_up(techniques=("lora",), seeds=3).write(tmp_path)
    path = store.folder(StageAddress(*KEY, 1)) / PREDICTIONS
    table = pq.read_table(path)
    place = table.schema.get_field_index("row")
    moved = pa.array(table["row"].to_numpy() + 1000, type=table.schema.field("row").type)
    pq.write_table(table.set_column(place, "row", moved), path)
    assert found(store)[KEY].seeds == (0, 2)
