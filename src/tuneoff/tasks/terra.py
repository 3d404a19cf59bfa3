"""TERRa: textual entailment in Russian, of the benchmark Russian SuperGLUE (Shavrina et al. 2020)."""

from pathlib import Path

from tuneoff.errors import DataError
from tuneoff.study import TaskSpec
from tuneoff.tasks.files import find_folder, read_table
from tuneoff.tasks.hub import HubId, load_hub
from tuneoff.tasks.raw import RawTask
from tuneoff.tasks.registry import BuiltIn, register
from tuneoff.tasks.table import Table
from tuneoff.words import listed

CLASSES = ("entailment", "not_entailment")
HUB = "RussianNLP/russian_super_glue"
VALIDATION_FILES = ("val.jsonl", "validation.jsonl")
OWN_SPLITS = {"train": "train", "test": "val", "unlabelled": "test"}
"""Our names for the benchmark's splits: its test has no labels, so its validation is what we report on."""


def _problems(spec: TaskSpec) -> list[str]:
    if spec.data and spec.revision:
        return ["task.revision: belongs to the hub's copy, but task.data names a folder. Leave one of them out."]
    return []


def _read(spec: TaskSpec, base: Path) -> RawTask:
    tables, source = _from_folder(spec.data, base) if spec.data else _from_hub(spec.revision)
    return RawTask(
        name="terra",
        label="TERRa",
        source=source,
        tables=tables,
        text_columns=("premise", "hypothesis"),
        label_column="label",
        group_column="premise",
        classes=CLASSES,
        id_prefixes=OWN_SPLITS,
    )


def _from_folder(data: str, base: Path) -> tuple[dict[str, Table], str]:
    folder = find_folder(data, base, "task.data")
    validation = [name for name in VALIDATION_FILES if (folder / name).is_file()]
    if len(validation) > 1:
        raise DataError(f"task.data: {folder} has both {' and '.join(validation)}. Keep the one that is meant.")
    files = {"train": "train.jsonl", "test": (validation or [VALIDATION_FILES[0]])[0]}
    if (folder / "test.jsonl").is_file():
        files["unlabelled"] = "test.jsonl"
    for name in files.values():
        if not (folder / name).is_file():
            there = sorted(path.name for path in folder.iterdir())
            raise DataError(
                f"task.data: {folder} has no {name}. Expected there: train.jsonl, val.jsonl (or validation.jsonl) and, "
                f"if at hand, test.jsonl. Found: {listed(there) or 'nothing'}."
            )
    tables = {split: read_table(folder / name, str(folder / name)) for split, name in files.items()}
    return tables, f"the benchmark's own files ({listed(files.values())})"


def _from_hub(revision: str | None) -> tuple[dict[str, Table], str]:
    instead = " Or give the folder with the benchmark's own files: --data DIR (task.data)."
    found = load_hub(HubId(HUB, "terra", revision, instead))
    splits = {"train": "train", "test": "validation", "unlabelled": "test"}
    tables = {split: found.table(name, "task.hub") for split, name in splits.items()}
    return tables, found.source


TERRA = register(
    BuiltIn(
        name="terra",
        takes=("data", "revision"),
        problems=_problems,
        classes=lambda _: CLASSES,
        slug=lambda _: "terra",
        read=_read,
    )
)
