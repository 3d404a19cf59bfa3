"""A study file to start from: short, commented, with the columns of the user's own file where there is one."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneoff.errors import StudyError
from tuneoff.files import write_text
from tuneoff.words import listed, visible
from tuneoff.yaml_source import to_inline_yaml

SMALL_MODEL = "intfloat/multilingual-e5-small"
PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question1", "question2"),
    ("question", "passage"),
    ("question", "sentence"),
    ("question", "answer"),
    ("query", "document"),
)
TEXTS = ("text", "sentence", "review", "comment", "content", "document", "message", "body", "title")
LABELS = ("label", "labels", "target", "class", "category", "sentiment", "intent", "topic", "answer", "y")
GROUPS = ("group", "group_id", "author", "user_id", "document_id")
OTHER_SPLITS = ("test", "val", "validation", "valid", "dev")
MOST_CLASSES = 50


@dataclass(frozen=True)
class Columns:
    """Which columns of a file seem to hold the texts, the label, and what keeps rows together."""

    text: list[str]
    label: str
    group: str | None
    all: list[str]


def starter_study(file: Path, *, model: str | None = None, train: str | None = None, test: str | None = None) -> str:
    """Return a commented study, as it would stand in `file`, that `read_study` accepts.

    With `train`, a data file, its header is read and the columns are guessed; without, the study is about a built-in
    task. Raises DataError for a file that cannot be read, StudyError for `test` without `train`.
    """
    if test is not None and train is None:
        raise StudyError("--test: name the file to train on too, with --train.")
    task = _own_task(file, train, test) if train is not None else BUILT_IN_TASK
    return STUDY.format(file=visible(file.as_posix()), model=to_inline_yaml(model or SMALL_MODEL), task=task)


def write_starter(file: Path, *, model: str | None = None, train: str | None = None, test: str | None = None) -> None:
    """Write a study to start from; raises StudyError if there is a file already, and as `starter_study` does."""
    if file.exists():
        raise StudyError(f"{file} is already there. Name another file, or remove it.")
    if file.suffix not in (".yaml", ".yml"):
        raise StudyError(f"{file}: a study file ends in .yaml. Name it {file.with_suffix('.yaml')}.")
    study = starter_study(file, model=model, train=train, test=test)
    try:
        write_text(file, study)
    except OSError as error:
        raise StudyError(f"{file}: cannot be written ({error.strerror}). Name another file.") from error


def guess_columns(columns: Iterable[str], rows: list[Mapping[str, object]]) -> Columns:
    """Guess by names first, then by content: labels repeat, texts are long.

    `rows` are as many as are worth looking at; with none, names alone decide.
    """
    columns = list(columns)
    by_name = {column.casefold(): column for column in reversed(columns)}
    pair = next(([by_name[a], by_name[b]] for a, b in PAIRS if a in by_name and b in by_name), None)
    named = next((by_name[name] for name in LABELS if name in by_name and by_name[name] not in (pair or ())), None)
    label = named or _most_repeated([column for column in columns if column not in (pair or ())], rows) or "label"
    one = [by_name[name] for name in TEXTS if name in by_name and by_name[name] != label][:1]
    text = pair or one or _longest([column for column in columns if column != label], rows) or ["text"]
    group = next((by_name[name] for name in GROUPS if name in by_name and by_name[name] not in (label, *text)), None)
    return Columns(text, label, group or (text[0] if pair else None), columns)


def _most_repeated(columns: list[str], rows: list[Mapping[str, object]]) -> str | None:
    """Return the column whose values repeat most, at least twice on average, and are of two kinds or more."""
    kinds = {column: len({str(row.get(column)) for row in rows}) for column in columns}
    fit = [column for column in columns if 2 <= kinds[column] <= min(MOST_CLASSES, len(rows) // 2)]
    return min(fit, key=lambda column: kinds[column], default=None)


def _longest(columns: list[str], rows: list[Mapping[str, object]]) -> list[str]:
    """Return the column with the longest texts, in a list; an empty list if no column holds texts alone."""
    sizes = {}
    for column in columns:
        texts = [value for row in rows if isinstance(value := row.get(column), str)]
        if texts and len(texts) == len(rows):
            sizes[column] = sum(map(len, texts))
    return [max(sizes, key=lambda column: sizes[column])] if sizes else []


def _own_task(file: Path, train: str, test: str | None) -> str:
    from tuneoff.tasks.files import find_file, read_table

    table = read_table(find_file(train, Path(), "--train"), train)
    columns = guess_columns(table.columns, list(table.rows[:2000]))
    lines = [f"  train: {_from_study(train, file)}"]
    found = test or _sibling(Path(train), columns.label)
    lines.append(f"  test: {_from_study(found, file)}" if found else "  test: test.csv # name the rows to report on")
    lines.append(f"  text: {to_inline_yaml(columns.text)} # one column or two, of: {_comment(columns.all)}")
    lines.append(f"  label: {to_inline_yaml(columns.label)}")
    if columns.group:
        lines.append(
            f"  group: {to_inline_yaml(columns.group)} # rows with the same value stay together when dev is cut"
        )
    return OWN_TASK.format(lines="\n".join(lines))


def _comment(names: list[str]) -> str:
    return listed(visible(" ".join(name.split())) for name in names)


def _from_study(data: str, file: Path) -> str:
    """Return a data file's path as seen from the study's folder, if it is given relative; paths go with the study."""
    if Path(data).is_absolute() or file.parent == Path():
        return to_inline_yaml(Path(data).as_posix())
    return to_inline_yaml(Path(os.path.relpath(data, file.parent)).as_posix())


def _sibling(train: Path, label: str) -> str | None:
    """Return the file with labels beside `train` whose name has another split in place of "train"."""
    from tuneoff.tasks.files import read_table

    others = [train.with_name(train.name.replace("train", split)) for split in OTHER_SPLITS]
    found = (other for other in others if other != train and other.is_file())
    return next((str(other) for other in found if read_table(other, str(other)).labelled(label)), None)


BUILT_IN_TASK = """\
# A task that comes with tuneoff: Russian sentence pairs (language: en for English ones).
task: {name: mini_rte, language: ru, label: phenomenon}
# Data of your own instead, as .jsonl, .csv, .tsv or .parquet:
# task:
#   train: data/train.csv
#   test: data/test.csv # for reporting alone; what is chosen is chosen on rows cut out of train
#   text: [premise, hypothesis] # one column or two
#   label: label
"""
OWN_TASK = """\
task:
{lines}
"""
STUDY = """\
# Which way of fine-tuning suits this model and this task? Run me: tuneoff run {file}
# First: tuneoff plan {file} shows what would be computed, without computing it.

# A model of the Hugging Face hub, or a folder. For several: models: [FIRST, SECOND]
model: {model}

{task}
# What is compared. '+' is one after the other; {{name: ..., use: ..., ...}} is a technique with settings of its own.
techniques:
  - full # every weight: the baseline
  - linear-probe # the head alone, on a frozen model: cheap
  - lora # small adapters and the head
  - linear-probe+full
  - linear-probe+lora
  # - {{name: lora-r32, use: lora, rank: 32, learning_rate: 1e-4}}

# What all of them get alike. For a first look: tuneoff run {file} --steps 20 --seeds 1
protocol:
  epochs: 4 # or steps: 400
  batch_size: 24
  seeds: 3 # 0, 1 and 2; a single one cannot tell a technique from luck
"""
