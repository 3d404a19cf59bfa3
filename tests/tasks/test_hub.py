"""Data sets of the hub, without a network: load_dataset is replaced, or reads a folder laid out as on the hub."""

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value
from datasets.exceptions import DatasetNotFoundError

from tuneoff.errors import DataError, StudyError
from tuneoff.study import TaskSpec
from tuneoff.tasks import check_task, known_labels, load_task, task_name
from tuneoff.tasks.hub import HubId, load_hub

NAMES = ["yes", "maybe", "no"]


def split(name, labels, n_columns=1):
    """Return a split whose class order is not the alphabetical one, with a nested column."""
    texts = [f"{name} {row}" for row in range(len(labels))]
    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=NAMES),
            "idx": Value("int32"),
            "spans": Sequence(Value("int8")),
        }
    )
    columns = {"text": texts, "label": labels, "idx": list(range(len(labels))), "spans": [[1]] * len(labels)}
    return Dataset.from_dict(columns, features=features)


@pytest.fixture
def hub(monkeypatch):
    """Return a function that puts splits on a hub of our own; its calls are kept in `asked`."""

    class Hub:
        def __init__(self):
            self.asked = []

        def __call__(self, answer):
            def load_dataset(path, **asked):
                self.asked.append((path, asked))
                found = answer(**asked) if callable(answer) else answer
                if isinstance(found, Exception):
                    raise found
                return DatasetDict(found)

            monkeypatch.setattr("datasets.load_dataset", load_dataset)

    return Hub()


def load(tmp_path, need_dev=False, **keys):
    return load_task(TaskSpec(**{"hub": "who/what", "text": "text", **keys}), need_dev=need_dev, base=tmp_path)


TRAIN = [0, 1, 2] * 10


def test_class_order_is_the_data_sets_own(hub, tmp_path):
    hub({"train": split("train", TRAIN), "test": split("test", [2, 0])})
    task = load(tmp_path, config="small", revision="v1")
    assert hub.asked == [("who/what", {"name": "small", "revision": "v1"})]
    assert task.classes == tuple(NAMES)
    assert task.splits["train"].labels.tolist() == TRAIN
    assert task.splits["test"].texts == (["test 0", "test 1"],)
    assert task.splits["test"].source_ids == ["0", "1"]
    assert "spans" not in task.splits["test"].columns
    assert task.source == "who/what/small on the hub, revision v1"
    assert task.name == "what"


def test_validation_is_dev_where_test_has_labels(hub, tmp_path):
    hub({name: split(name, TRAIN) for name in ("train", "validation", "test")})
    task = load(tmp_path, need_dev=True)
    assert {name: part.texts[0][0] for name, part in task.splits.items()} == {
        "train": "train 0",
        "dev": "validation 0",
        "test": "test 0",
    }


def test_validation_is_test_where_test_has_no_labels(hub, tmp_path):
    hub({"train": split("train", TRAIN), "validation": split("validation", [0, 1]), "test": split("test", [-1, -1])})
    task = load(tmp_path, need_dev=True)
    assert task.splits["test"].texts[0] == ["validation 0", "validation 1"]
    assert task.splits["unlabelled"].texts[0] == ["test 0", "test 1"]
    assert task.splits["unlabelled"].labels is None
    assert len(task.splits["dev"]) == 3
    assert len(task.splits["train"]) == 27


def test_splits_are_taken_as_named_and_sliced(hub, tmp_path):
    hub({"all": split("all", TRAIN)})
    task = load(tmp_path, train="all[:80%]", dev="all[24:27]", test="all[-3:]")
    assert [part.texts[0][0] for part in task.splits.values()] == ["all 0", "all 24", "all 27"]
    assert [len(part) for part in task.splits.values()] == [24, 3, 3]


FAULTS = [
    ({"train": "trian"}, r"task.train: who/what has no split 'trian'. Did you mean 'train'\? Splits there: train, "),
    ({"dev": "train[a:]"}, r"task.dev: 'train\[a:\]' is not a slice"),
    ({"test": "test"}, r"task.test: who/what's split 'test' has no labels. Perhaps test: validation\?"),
    ({"dev": "train"}, r"task.train and task.dev are the same, train"),
    ({"text": "spans"}, r"who/what, split train: there is no column 'spans' \(task.text\).*: text, label, idx"),
]


@pytest.mark.parametrize(("keys", "message"), FAULTS)
def test_what_the_data_set_does_not_have_is_said(hub, tmp_path, keys, message):
    hub({"train": split("train", TRAIN), "validation": split("validation", [0]), "test": split("test", [-1])})
    with pytest.raises(DataError, match=message):
        load(tmp_path, **keys)


def test_no_split_to_report_on_is_said(hub, tmp_path):
    hub({"train": split("train", TRAIN), "test": split("test", [-1])})
    with pytest.raises(DataError, match=r"task.test: who/what has no split with labels.*Splits there: train, test"):
        load(tmp_path)


def test_row_without_label_in_train_is_named(hub, tmp_path):
    hub({"train": split("train", [0, 1, -1]), "test": split("test", [0, 1])})
    with pytest.raises(DataError, match=r"who/what, split train, row 2 \(counted from 0\), field 'label': there is no"):
        load(tmp_path)


ERRORS = [
    (ConnectionError("Couldn't reach 'who/what' on the Hub"), r"task.hub: the hub cannot be reached for who/what"),
    (DatasetNotFoundError("Dataset 'who/what' doesn't exist"), r"task.hub: who/what cannot be loaded \(Dataset 'who"),
    (ValueError("BuilderConfig 'x' not found. Available: ['a']"), r"task.config: who/what: .*Available: \['a'\]"),
]


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_errors_of_the_hub_say_what_to_do(hub, error, message):
    hub(error)
    with pytest.raises(DataError, match=message + ".*Or so."):
        load_hub(HubId("who/what", instead=" Or so."))


SCRIPT = RuntimeError("Dataset scripts are no longer supported, but found what.py")


def test_script_is_read_from_the_hubs_parquet_copy(hub, tmp_path):
    splits = {"train": split("train", TRAIN), "test": split("test", [0])}
    hub(lambda revision, **_: splits if revision == "refs/convert/parquet" else SCRIPT)
    task = load(tmp_path, config="small")
    assert hub.asked[1] == ("who/what", {"revision": "refs/convert/parquet", "data_dir": "small"})
    assert task.source == "who/what/small on the hub, from the hub's Parquet copy (refs/convert/parquet)"


@pytest.mark.parametrize(
    ("keys", "message"),
    [({}, "task.config: .*is a script"), ({"revision": "v1", "config": "a"}, "task.revision: at 'v1' .*is a script")],
)
def test_script_that_the_copy_cannot_stand_for_is_refused(hub, tmp_path, keys, message):
    """Without a configuration all of them would be mixed; the copy is of the newest revision alone."""
    hub(SCRIPT)
    with pytest.raises(DataError, match=message):
        load(tmp_path, **keys)


def test_other_runtime_errors_pass(hub):
    hub(RuntimeError("out of luck"))
    with pytest.raises(RuntimeError, match="out of luck"):
        load_hub(HubId("who/what"))


def test_commit_is_recorded(hub, tmp_path):
    train = split("train", TRAIN)
    train.info.download_checksums = {f"hf://datasets/who/what@{'0a' * 20}/train.parquet": {}}
    hub({"train": train, "test": split("test", [0])})
    assert load(tmp_path).source == f"who/what on the hub, commit {'0a' * 20}"


def test_terra_of_the_hub_and_of_the_files_are_one(hub, write, tmp_path):
    """The hub calls TERRa's val validation, and its test has -1 for labels; ids, rows and fingerprint are the same."""
    rows = [
        {"premise": f"p{n // 2}", "hypothesis": f"h{n}", "label": "not_entailment" if n % 2 else "entailment", "idx": n}
        for n in range(40)
    ]
    bare = [{key: row[key] for key in ("premise", "hypothesis", "idx")} for row in rows[:4]]
    for name, part in (("train", rows), ("val", rows[:6]), ("test", bare)):
        write(f"terra/{name}.jsonl", part)
    files = load_task(TaskSpec(name="terra", data="terra"), need_dev=True, base=tmp_path)
    features = Features(
        dict.fromkeys(("premise", "hypothesis"), Value("string"))
        | {"label": ClassLabel(names=["entailment", "not_entailment"]), "idx": Value("int32")}
    )
    parts = {"train": rows, "validation": rows[:6], "test": [row | {"label": -1} for row in bare]}
    hub({name: Dataset.from_list(part, features=features) for name, part in parts.items()})
    found = load_task(TaskSpec(name="terra"), need_dev=True, base=tmp_path)
    assert hub.asked == [("RussianNLP/russian_super_glue", {"name": "terra", "revision": None})]
    assert found.fingerprint == files.fingerprint
    assert found.notes == files.notes
    assert found.splits["test"].source_ids == files.splits["test"].source_ids


def test_terra_names_its_way_out_when_the_hub_is_out_of_reach(hub, tmp_path):
    hub(ConnectionError("no network"))
    with pytest.raises(DataError, match=r"cannot be reached for RussianNLP/russian_super_glue/terra.*--data DIR"):
        load_task(TaskSpec(name="terra"), need_dev=True, base=tmp_path)


def test_layout_of_the_parquet_branch_is_read_by_configuration(tmp_path, monkeypatch):
    """A folder laid out as that branch: with data_dir the library reads one configuration alone, classes in order."""
    import datasets

    for config in ("small", "large"):
        for name in ("train", "test"):
            path = tmp_path / "set" / config / name / "0000.parquet"
            path.parent.mkdir(parents=True)
            split(f"{config} {name}", [2, 0]).to_parquet(path)
    real = datasets.load_dataset

    def load_dataset(path, revision=None, **asked):
        if revision is None:
            raise SCRIPT
        return real(path, cache_dir=str(tmp_path / "cache"), **asked)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    task = load(tmp_path, hub=str(tmp_path / "set"), config="small")
    assert task.splits["test"].texts == (["small test 0", "small test 1"],)
    assert task.classes == tuple(NAMES)


def test_hub_tasks_are_named_without_loading():
    assert task_name(TaskSpec(hub="Who/Some_Set", text="text")) == "some-set"
    assert task_name(TaskSpec(hub="Who/Some_Set", text="text", name="mine")) == "mine"
    assert known_labels(TaskSpec(hub="who/what", text="text")) is None
    with pytest.raises(StudyError, match=r"task.data: is for built-in tasks"):
        check_task(TaskSpec(hub="who/what", text="text", data="x"))
