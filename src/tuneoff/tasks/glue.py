"""The tasks of GLUE that are texts or pairs of texts and classes (Wang et al. 2019, arXiv 1804.07461).

Fields and layout are those of its archives: a folder a task with tab-separated files in which quotation marks are text.
"""

from tuneoff.tasks.benchmark import Benchmark, Declaration, declare
from tuneoff.tasks.registry import refuse

GLUE = Benchmark(
    name="GLUE",
    hub="nyu-mll/glue",
    licence="that of each task's own source; see the data set's page",
    language="en",
    splits={"train": "train", "test": "validation", "unlabelled": "test"},
    prefixes={"train": "train", "test": "validation", "unlabelled": "test"},
)
FILES = {"train": ("train.tsv",), "test": ("dev.tsv",), "unlabelled": ("test.tsv",)}
"""The labels of its tests are hidden, so its validation is what we report on."""
ENTAILMENT = ("entailment", "not_entailment")
THREE = ("entailment", "neutral", "contradiction")
HEADLESS = ("source", "label", "mark", "sentence")

COLA = declare(
    Declaration(
        benchmark=GLUE,
        name="cola",
        label="CoLA",
        texts=("sentence",),
        classes=("unacceptable", "acceptable"),
        metrics="Matthews' correlation (mcc)",
        folder="CoLA",
        files=FILES,
        headers={"train": HEADLESS, "test": HEADLESS},
        spelled={"0": "unacceptable", "1": "acceptable"},
    )
)
SST2 = declare(
    Declaration(
        benchmark=GLUE,
        name="sst2",
        label="SST-2",
        texts=("sentence",),
        classes=("negative", "positive"),
        metrics="accuracy",
        folder="SST-2",
        files=FILES,
        spelled={"0": "negative", "1": "positive"},
    )
)
MRPC = declare(
    Declaration(
        benchmark=GLUE,
        name="mrpc",
        label="MRPC",
        texts=("sentence1", "sentence2"),
        classes=("not_equivalent", "equivalent"),
        metrics="accuracy and the F1 of 'equivalent' (f1)",
        folder="MRPC",
        files=FILES,
        group="sentence1",
        renamed={"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"},
        spelled={"0": "not_equivalent", "1": "equivalent"},
    )
)
QQP = declare(
    Declaration(
        benchmark=GLUE,
        name="qqp",
        label="QQP",
        texts=("question1", "question2"),
        classes=("not_duplicate", "duplicate"),
        metrics="accuracy and the F1 of 'duplicate' (f1)",
        folder="QQP",
        files=FILES,
        group="question1",
        renamed={"label": "is_duplicate"},
        spelled={"0": "not_duplicate", "1": "duplicate"},
    )
)
MNLI_COLUMNS = {"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"}
MNLI = declare(
    Declaration(
        benchmark=GLUE,
        name="mnli",
        label="MNLI",
        texts=("premise", "hypothesis"),
        classes=THREE,
        metrics="accuracy, on the matched and on the mismatched set",
        folder="MNLI",
        files={"train": ("train.tsv",), "test": ("dev_matched.tsv",), "unlabelled": ("test_matched.tsv",)},
        group="premise",
        kept=("genre",),
        splits={"train": "train", "test": "validation_matched", "unlabelled": "test_matched"},
        renamed=MNLI_COLUMNS,
        further={"mismatched": "mnli_mismatched"},
    )
)
MNLI_MISMATCHED = declare(
    Declaration(
        benchmark=GLUE,
        name="mnli_mismatched",
        label="MNLI mismatched",
        texts=("premise", "hypothesis"),
        classes=THREE,
        metrics="accuracy",
        folder="MNLI",
        files={"test": ("dev_mismatched.tsv",)},
        kept=("genre",),
        splits={"test": "validation"},
        renamed=MNLI_COLUMNS,
        further_of=("mnli",),
    )
)
QNLI = declare(
    Declaration(
        benchmark=GLUE,
        name="qnli",
        label="QNLI",
        texts=("question", "sentence"),
        classes=ENTAILMENT,
        metrics="accuracy",
        folder="QNLI",
        files=FILES,
        group="question",
    )
)
RTE = declare(
    Declaration(
        benchmark=GLUE,
        name="rte",
        label="RTE",
        texts=("sentence1", "sentence2"),
        classes=ENTAILMENT,
        metrics="accuracy",
        folder="RTE",
        files=FILES,
        group="sentence1",
    )
)
WNLI = declare(
    Declaration(
        benchmark=GLUE,
        name="wnli",
        label="WNLI",
        texts=("sentence1", "sentence2"),
        classes=("not_entailment", "entailment"),
        metrics="accuracy",
        folder="WNLI",
        files=FILES,
        group="sentence1",
        spelled={"0": "not_entailment", "1": "entailment"},
    )
)
AX = declare(
    Declaration(
        benchmark=GLUE,
        name="ax",
        label="AX",
        texts=("premise", "hypothesis"),
        classes=THREE,
        metrics="Matthews' correlation (mcc)",
        folder="diagnostic",
        files={"test": ("diagnostic-full.tsv",)},
        kept=("Lexical Semantics", "Predicate-Argument Structure", "Logic", "Knowledge", "Domain"),
        splits={},
        no_hub="AX has no labels on the hub, nor in the file for its leaderboard; name the folder with "
        "diagnostic-full.tsv, which has them: {name: ax, data: DIR}",
        renamed={"premise": "Premise", "hypothesis": "Hypothesis", "label": "Label"},
        further_of=("mnli",),
    )
)

refuse("stsb", "a score from 0 to 5 (STS-B), not a class")
