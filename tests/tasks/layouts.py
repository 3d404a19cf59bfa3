"""The tasks of GLUE and Russian SuperGLUE: small files in the layout of the benchmarks' archives, and as on the hub.

Layouts, field names and class orders are written down here again, from the hub's data set pages, the archives' readme
files and the benchmarks' own readers, so that a declaration is held to them.
"""

import json
from dataclasses import dataclass, field

from datasets import ClassLabel, Dataset, Features, Value

PARSES = "sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
MNLI = f"index promptID pairID genre {PARSES} sentence1 sentence2"


@dataclass
class Layout:
    """A task as it lies in its archive: columns of train, validation and test; and as it lies on the hub."""

    folder: str
    texts: tuple[str, ...]
    classes: tuple[str, ...]
    columns: tuple[str, str, str]
    own: tuple[str, ...] = ()  # names of the texts in the files
    label: str = "label"
    coded: bool = False  # labels are numbers in the files
    headless: bool = False
    group: str | None = None
    hub: str = "nyu-mll/glue"
    more: dict[str, str] = field(default_factory=dict)

    def rows(self, count, start=0):
        """Rows whose groups have two members, with quotation marks that nothing closes."""
        return [
            {name: f'"{name} {n // 2 if name == self.group else n}' for name in self.texts}
            | {name: f"{value}{n // 2}" for name, value in self.more.items()}
            | {"label": n % len(self.classes)}
            for n in range(start, start + count)
        ]


ENTAILMENT = ("entailment", "not_entailment")
TWO = ("sentence1", "sentence2")
PAIR = ("index sentence1 sentence2 label", "index sentence1 sentence2 label", "index sentence1 sentence2")
QUESTION = ("index question sentence label", "index question sentence label", "index question sentence")
RUSSIAN = "RussianNLP/russian_super_glue"
ANSWERS = ("False", "True")
GLUE = {
    "cola": Layout(
        "CoLA",
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("source label mark sentence", "source label mark sentence", "index sentence"),
        coded=True,
        headless=True,
    ),
    "sst2": Layout(
        "SST-2",
        ("sentence",),
        ("negative", "positive"),
        ("sentence label", "sentence label", "index sentence"),
        coded=True,
    ),
    "mrpc": Layout(
        "MRPC",
        TWO,
        ("not_equivalent", "equivalent"),
        (*["Quality|#1 ID|#2 ID|#1 String|#2 String"] * 2, "index|#1 ID|#2 ID|#1 String|#2 String"),
        own=("#1 String", "#2 String"),
        label="Quality",
        coded=True,
        group="sentence1",
    ),
    "qqp": Layout(
        "QQP",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        (*["id qid1 qid2 question1 question2 is_duplicate"] * 2, "id question1 question2"),
        label="is_duplicate",
        coded=True,
        group="question1",
    ),
    "mnli": Layout(
        "MNLI",
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        (f"{MNLI} label1 gold_label", f"{MNLI} label1 label2 label3 label4 label5 gold_label", MNLI),
        own=TWO,
        label="gold_label",
        group="premise",
    ),
    "qnli": Layout("QNLI", ("question", "sentence"), ENTAILMENT, QUESTION, group="question"),
    "rte": Layout("RTE", TWO, ENTAILMENT, PAIR, group="sentence1"),
    "wnli": Layout("WNLI", TWO, ENTAILMENT[::-1], PAIR, coded=True, group="sentence1"),
}
NLI = ("premise hypothesis label idx",) * 2 + ("premise hypothesis idx",)
THREE = ("entailment", "contradiction", "neutral")
RUSSIAN_SUPERGLUE = {
    "terra": Layout("TERRa", ("premise", "hypothesis"), ENTAILMENT, NLI, group="premise", hub=RUSSIAN),
    "rcb": Layout(
        "RCB",
        ("premise", "hypothesis"),
        THREE,
        (*["premise hypothesis verb negation label idx"] * 2, "premise hypothesis verb negation idx"),
        group="premise",
        hub=RUSSIAN,
        more={"verb": "v", "negation": "no"},
    ),
    "danetqa": Layout(
        "DaNetQA",
        ("question", "passage"),
        ANSWERS,
        (*["question passage label idx"] * 2, "question passage idx"),
        group="passage",
        hub=RUSSIAN,
    ),
    "russe": Layout(
        "RUSSE",
        TWO,
        ANSWERS,
        (*["word sentence1 sentence2 gold_sense1 label idx"] * 2, "word sentence1 sentence2 idx"),
        group="word",
        hub=RUSSIAN,
        more={"word": "слово"},
    ),
}
ALL = GLUE | RUSSIAN_SUPERGLUE
SPLITS = {"train": 40, "validation": 6, "test": 4}
HUB_SPLITS = {"mnli": {"validation": "validation_matched", "test": "test_matched"}}


def in_files(layout, row, number, column):
    """Return what stands in a column of a file of a benchmark."""
    own = dict(zip(layout.own or layout.texts, layout.texts, strict=True))
    if column in own:
        return row[own[column]]
    if column == layout.label:
        label = layout.classes[row["label"]]
        return {"False": False, "True": True}.get(label, row["label"] if layout.coded else label)
    return row.get(column, number if column == "idx" else "7" if column.startswith("gold_sense") else f"x{number}")


def write_archive(root, name):
    """Write a task's folder as its archive has it."""
    layout = ALL[name]
    folder = root / layout.folder
    folder.mkdir(parents=True)
    for split, columns in zip(SPLITS, layout.columns, strict=True):
        header = columns.split("|" if "|" in columns else None)
        rows = [
            {column: in_files(layout, row, number, column) for column in header}
            for number, row in enumerate(layout.rows(SPLITS[split]))
        ]
        if layout.hub == RUSSIAN:
            path = folder / f"{'val' if split == 'validation' else split}.jsonl"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            continue
        stem = "dev" if split == "validation" else split
        stem += "_matched" if name == "mnli" and split != "train" else ""
        lines = ["\t".join(map(str, row.values())) for row in rows]
        bare = layout.headless and split != "test"
        (folder / f"{stem}.tsv").write_text("\n".join([*([] if bare else ["\t".join(header)]), *lines]) + "\n", "utf-8")
    return folder


def on_hub(name):
    """Return the splits of a task as the hub has them: labels of test are -1."""
    layout = ALL[name]
    text = (*layout.texts, *layout.more)
    features = dict.fromkeys(text, Value("string")) | {"label": ClassLabel(names=layout.classes), "idx": Value("int32")}
    splits = {}
    for split, count in SPLITS.items():
        rows = [
            row | {"idx": n, "label": -1 if split == "test" else row["label"]}
            for n, row in enumerate(layout.rows(count))
        ]
        found = HUB_SPLITS.get(name, {}).get(split, split)
        splits[found] = Dataset.from_list(rows, features=Features(features))
    return splits
