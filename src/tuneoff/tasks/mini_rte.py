"""mini_rte: 700 pairs for textual entailment in Russian and English, packaged with tuneoff."""

from importlib.resources import as_file, files
from pathlib import Path

from tuneoff.study import TaskSpec
from tuneoff.tasks.files import read_table
from tuneoff.tasks.raw import RawTask
from tuneoff.tasks.registry import About, BuiltIn, Origin, register
from tuneoff.words import listed, near

LANGUAGES = {"ru": "Russian", "en": "English"}
CLASSES = {
    "label": ("entailment", "not_entailment"),
    "phenomenon": (
        "cause",
        "coreference",
        "lexical",
        "modality",
        "negation",
        "number",
        "quantifier",
        "roles",
        "space",
        "time",
        "world",
    ),
    "relation": ("contradiction", "entailment", "neutral"),
}
"""The columns that can be the label, with their values by code point."""


def _problems(spec: TaskSpec) -> list[str]:
    problems = []
    if _language(spec) not in LANGUAGES:
        hint = near(_language(spec), LANGUAGES)
        problems.append(f"task.language: mini_rte is there in {listed(LANGUAGES)}, not in '{spec.language}'.{hint}")
    if _label(spec) not in CLASSES:
        hint = near(_label(spec), CLASSES)
        problems.append(f"task.label: mini_rte's labels are {listed(CLASSES)}, not '{spec.label}'.{hint}")
    return problems


def _read(spec: TaskSpec, base: Path) -> RawTask:  # noqa: ARG001 (packaged: the study's folder does not matter)
    language, label = _language(spec), _label(spec)
    tables = {}
    for split in ("train", "test"):
        name = f"{language}/{split}.jsonl"
        with as_file(files("tuneoff.tasks") / "data" / "mini_rte" / name) as path:
            tables[split] = read_table(path, f"mini_rte/{name}")
    return RawTask(
        name=_slug(spec),
        label=f"mini RTE, {LANGUAGES[language]}, by {label}",
        source="packaged with tuneoff",
        tables=tables,
        text_columns=("premise", "hypothesis"),
        label_column=label,
        group_column="group",
        classes=CLASSES[label],
        id_prefixes={"train": "train", "test": "test"},
    )


def _slug(spec: TaskSpec) -> str:
    return f"mini-rte-{_language(spec)}-{_label(spec)}"


def _language(spec: TaskSpec) -> str:
    return spec.language or "ru"


def _label(spec: TaskSpec) -> str:
    return spec.label or "label"


MINI_RTE = register(
    BuiltIn(
        name="mini_rte",
        takes=("language", "label"),
        problems=_problems,
        classes=lambda spec: CLASSES[_label(spec)],
        slug=_slug,
        read=_read,
        origin=lambda spec: Origin(languages=(_language(spec),), licence="CC0"),
        about=About(
            title="mini RTE",
            family="Packaged with tuneoff. Licence: CC0",
            texts=("premise", "hypothesis"),
            splits="train, test; language ru or en; label: label, phenomenon or relation",
        ),
    )
)
