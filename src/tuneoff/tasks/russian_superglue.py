"""The tasks of Russian SuperGLUE that are texts or pairs of texts and classes (Shavrina et al. 2020, arXiv 2010.15925).

Fields and layout are those of the benchmark's archive, in its version 1.1 (Fenogenova et al. 2022, arXiv 2202.07791):
a folder a task with train.jsonl, val.jsonl and test.jsonl, the last without labels.
"""

from tuneoff.tasks.benchmark import Benchmark, Declaration, declare
from tuneoff.tasks.registry import refuse

RUSSIAN_SUPERGLUE = Benchmark(
    name="Russian SuperGLUE",
    hub="RussianNLP/russian_super_glue",
    licence="MIT",
    language="ru",
    splits={"train": "train", "test": "validation", "unlabelled": "test"},
    prefixes={"train": "train", "test": "val", "unlabelled": "test"},
)
FILES = {
    "train": ("train.jsonl",),
    "test": ("val.jsonl", "validation.jsonl"),
    "unlabelled": ("test.jsonl",),
}
"""Its test has no labels, so its validation is what we report on."""
ENTAILMENT = ("entailment", "not_entailment")
YES_OR_NO = ("False", "True")
SPELLED = {"false": "False", "true": "True", "0": "False", "1": "True"}
"""How answers may stand in files beside JSON's own true and false."""


TERRA = declare(
    Declaration(
        benchmark=RUSSIAN_SUPERGLUE,
        name="terra",
        label="TERRa",
        texts=("premise", "hypothesis"),
        classes=ENTAILMENT,
        metrics="accuracy",
        folder="TERRa",
        files=FILES,
        group="premise",
    )
)
RCB = declare(
    Declaration(
        benchmark=RUSSIAN_SUPERGLUE,
        name="rcb",
        label="RCB",
        texts=("premise", "hypothesis"),
        classes=("entailment", "contradiction", "neutral"),
        metrics="accuracy and macro F1 (macro_f1), and ranks by their mean",
        folder="RCB",
        files=FILES,
        group="premise",
        kept=("verb", "negation"),
    )
)
DANETQA = declare(
    Declaration(
        benchmark=RUSSIAN_SUPERGLUE,
        name="danetqa",
        label="DaNetQA",
        texts=("question", "passage"),
        classes=YES_OR_NO,
        metrics="accuracy",
        folder="DaNetQA",
        files=FILES,
        group="passage",
        spelled=SPELLED,
    )
)
RUSSE = declare(
    Declaration(
        benchmark=RUSSIAN_SUPERGLUE,
        name="russe",
        label="RUSSE",
        texts=("sentence1", "sentence2"),
        classes=YES_OR_NO,
        metrics="accuracy",
        folder="RUSSE",
        files=FILES,
        group="word",
        before="word",  # of each sentence, so that a vector of either alone knows the word
        spelled=SPELLED,
    )
)
LIDIRUS = declare(
    Declaration(
        benchmark=RUSSIAN_SUPERGLUE,
        name="lidirus",
        label="LiDiRus",
        texts=("sentence1", "sentence2"),
        classes=ENTAILMENT,
        metrics="Matthews' correlation (mcc)",
        folder="LiDiRus",
        files={"test": ("LiDiRus.jsonl",)},
        kept=("knowledge", "lexical-semantics", "logic", "predicate-argument-structure"),
        splits={"test": "test"},
        further_of=("terra",),
    )
)

refuse("parus", "a choice between two continuations of a premise, not a class of a text or a pair")
refuse("rwsd", "a question about two marked spans of a text, which texts alone do not give")
refuse("muserc", "several answers to a question, scored together for each question, not a class of a text or a pair")
refuse("rucos", "a choice among the names of a passage, of which each has its own, not a class of a text or a pair")
