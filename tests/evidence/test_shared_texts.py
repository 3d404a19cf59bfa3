"""Tasks that share texts are found: by the texts themselves, by groups, and in older run directories by examples."""

import json

import pandas as pd

from tuneoff.evidence.shared_texts import shared_texts
from tuneoff.evidence.task_files import COLUMNS, keep_test_columns, kept_rows, task_folder, text_mark
from tuneoff.store import Store
from tuneoff.study import TaskSpec
from tuneoff.tasks import load_task


def described(name, source="packaged with tuneoff", texts=()):
    return {"name": name, "source": source, "examples": [{"texts": {"text": text}, "label": "a"} for text in texts]}


def keep(store, name, texts, groups=None):
    folder = task_folder(store, name)
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"row": range(len(texts)), "texts": [text_mark([text]) for text in texts]})
    (frame if groups is None else frame.assign(group=groups)).to_parquet(folder / COLUMNS, index=False)


def test_packaged_tasks_with_other_labels_or_in_translation_share_texts(tmp_path):
    store = Store(tmp_path)
    tasks = {}
    for language, label in (("ru", "label"), ("ru", "phenomenon"), ("en", "label")):
        data = load_task(TaskSpec(name="mini_rte", label=label, language=language), need_dev=True, base=tmp_path)
        keep_test_columns(store, data.name, data, folded=False)
        tasks[data.name] = described(data.name)
        kept = kept_rows(store, data.name)
        assert len(kept.texts) == len(kept.rows) == 200
    by_text = [set(kept_rows(store, name).texts) for name in tasks]
    assert by_text[0] == by_text[1] and not by_text[0] & by_text[2]
    assert shared_texts(store, list(tasks.values())) == [list(tasks)]


def test_one_text_in_common_is_enough_and_a_third_task_joins_two(tmp_path):
    store = Store(tmp_path)
    for name, texts in {"a": "xyz", "b": "zw", "c": "wv", "d": "uu", "e": "q"}.items():
        keep(store, name, list(texts))
    assert shared_texts(store, [described(name) for name in "abcde"]) == [["a", "b", "c"]]


def test_groups_are_one_only_within_a_source(tmp_path):
    store = Store(tmp_path)
    for name, texts in {"a": "xy", "b": "zw", "c": "vu"}.items():
        keep(store, name, list(texts), groups=["1", "2"])
    one, two = (f"{name} on the hub" for name in ("org/one", "org/two"))
    assert shared_texts(store, [described("a", one), described("b", one), described("c", two)]) == [["a", "b"]]


def test_groups_of_files_that_are_called_alike_are_not_one(tmp_path):
    """Two tasks without a text in common, with the same file names and groups, share nothing; one more text joins."""
    store = Store(tmp_path)
    tasks = []
    for name, more in {"a": "a", "b": "b", "c": "b"}.items():
        folder = tmp_path / name
        folder.mkdir()
        for split in ("train", "test"):
            lines = [f"{name} {split} {row},{row % 2},{row}" for row in range(8)]
            lines.append(f"{more} {split},0,8")
            (folder / f"{split}.csv").write_text("\n".join(["text,label,group", *lines]) + "\n", encoding="utf-8")
        files = {split: f"{name}/{split}.csv" for split in ("train", "test")}
        data = load_task(TaskSpec(name=name, text=["text"], group="group", **files), need_dev=False, base=tmp_path)
        keep_test_columns(store, name, data, folded=False)
        tasks.append(described(name, data.source))
        assert len(set(kept_rows(store, name).groups)) == 9
    assert len({task["source"] for task in tasks}) == 1
    assert shared_texts(store, tasks) == [["b", "c"]]


def test_groups_of_a_benchmarks_own_files_are_not_one(tmp_path):
    store = Store(tmp_path)
    for name, texts in {"a": "xy", "b": "zw"}.items():
        keep(store, name, list(texts), groups=["1", "2"])
    folder = tmp_path / "TERRa"
    folder.mkdir()
    rows = [
        {"premise": "p", "hypothesis": str(n), "label": ("entailment", "not_entailment")[n % 2], "idx": n}
        for n in range(8)
    ]
    for split in ("train", "val"):
        text = "".join(json.dumps({**row, "hypothesis": split + row["hypothesis"]}) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    source = load_task(TaskSpec(name="terra", data=str(tmp_path)), need_dev=False, base=tmp_path).source
    assert "train.jsonl" in source
    assert shared_texts(store, [described("a", source), described("b", source)]) == []


def test_without_marks_the_examples_of_the_descriptions_tell(tmp_path):
    tasks = [described("a", texts=["x", "y"]), described("b", texts=["y"]), described("c", texts=["z"])]
    assert shared_texts(Store(tmp_path), tasks) == [["a", "b"]]
    assert shared_texts(Store(tmp_path), [described("a"), described("b")]) == []
