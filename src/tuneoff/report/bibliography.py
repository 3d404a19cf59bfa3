"""What a study used, as BibTeX: the entries stand in references.bib, and here is what each of them is cited for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tuneoff.report.words import WORDS, Words

METHODS: Mapping[str, str] = {
    "linear-probe": "alain2016understanding",
    "lora": "hu2022lora",
    "lora-all": "hu2022lora",
    "top-layers": "lee2019what",
    "rslora": "kalajdzievski2023rank",
    "dora": "liu2024dora",
    "lora-plus": "hayou2024lora",
    "pissa": "meng2024pissa",
    "olora": "buyukakyuz2024olora",
    "lora-fa": "zhang2023lorafa",
    "adalora": "zhang2023adalora",
    "vera": "kopiczko2024vera",
    "loha": "hyeonwoo2022fedpara",
    "lokr": "yeh2024navigating",
    "oft": "qiu2023controlling",
    "boft": "liu2024boft",
    "hra": "yuan2024bridging",
    "fourierft": "gao2024fourier",
    "ia3": "liu2022fewshot",
    "prefix": "li2021prefix",
    "prompt": "lester2021power",
    "p-tuning": "liu2021gpt",
    "bitfit": "benzaken2022bitfit",
    "gradual-unfreezing": "howard2018universal",
    "layerwise-decay": "howard2018universal",
    "setfit": "tunstall2022efficient",
}
"""The source of each technique; one that is not here is named without a source."""
NAMES: Mapping[str, str] = {
    "tuneoff": "tuneoff",
    "torch": "PyTorch",
    "transformers": "Transformers",
    "peft": "PEFT",
    "lora": "LoRA",
    "rslora": "rsLoRA",
    "dora": "DoRA",
    "lora-plus": "LoRA+",
    "pissa": "PiSSA",
    "olora": "OLoRA",
    "lora-fa": "LoRA-FA",
    "adalora": "AdaLoRA",
    "vera": "VeRA",
    "loha": "LoHa",
    "lokr": "LoKr",
    "oft": "OFT",
    "boft": "BOFT",
    "hra": "HRA",
    "fourierft": "FourierFT",
    "ia3": "(IA)³",
    "p-tuning": "P-tuning",
    "bitfit": "BitFit",
    "setfit": "SetFit",
}
"""How methods and programs write themselves, in every language."""
PROBE_FIRST = "kumar2022finetuning"
WITHOUT_PEFT = {
    *("full", "linear-probe", "top-layers", "bitfit", "layerwise-decay", "gradual-unfreezing"),
    *("logistic-regression", "knn", "setfit"),
}
MODELS: Mapping[str, str] = {
    "multilingual-e5": "wang2024multilingual",
    "qwen3-embedding": "zhang2025qwen3",
    "gemma-3": "gemma2025gemma3",
    "gemma3": "gemma2025gemma3",
    "xlm-roberta": "conneau2020unsupervised",
    "bert-base": "devlin2019bert",
    "bert-large": "devlin2019bert",
}
"""The source of a model, by what its id holds."""
TASKS: Mapping[str, str] = {
    **dict.fromkeys(("terra", "danetqa", "lidirus", "rcb", "russe"), "shavrina2020russiansuperglue"),
    **dict.fromkeys(
        (*("cola", "sst2", "mrpc", "qqp", "mnli", "mnli_mismatched"), *("qnli", "rte", "wnli", "ax")), "wang2019glue"
    ),
}
TESTS: Mapping[str, str] = {
    "exact McNemar": "mcnemar1947note",
    "generalised p-value over seeds and examples": "tsui1989generalized",
}
LIBRARIES: Mapping[str, str] = {
    "torch": "paszke2019pytorch",
    "transformers": "wolf2020transformers",
    "peft": "mangrulkar2022peft",
}
OPTIMIZER, HOLM, WILSON = "loshchilov2019decoupled", "holm1979simple", "wilson1927probable"
EQUIVALENCE, SPENDING = "schuirmann1987comparison", "lan1983discrete"
OVER_TASKS, FRIEDMAN, WILCOXON = "demsar2006statistical", "friedman1937use", "wilcoxon1945individual"
IMAN_DAVENPORT, MEAN_LIMITS = "iman1980approximations", "zou2008construction"
MARK = "\ue000"
"""Stands around the ids of sources in a sentence until it is said how they are cited."""


@dataclass(frozen=True)
class Entry:
    """An entry of references.bib: its id, the last names of its authors, its year, and the whole of it."""

    key: str
    names: tuple[str, ...]
    year: str
    text: str

    def short(self, say: Words = WORDS) -> str:
        """Return it as a text cites it: 'Hu et al. 2022'."""
        if len(self.names) > 2:
            return say("cite.many", first=self.names[0], year=self.year)
        message = "cite.one" if len(self.names) == 1 else "cite.two"
        return say(message, first=self.names[0], last=self.names[-1], year=self.year)


def cite(*keys: str | None) -> str:
    """Return the mark of the sources that there are among some, to be put into a sentence."""
    known = [key for key in keys if key]
    return f"{MARK}{' '.join(known)}{MARK}" if known else ""


@cache
def entries() -> Mapping[str, Entry]:
    """Return the entries of references.bib by their ids."""
    text = files("tuneoff.report").joinpath("references.bib").read_text(encoding="utf-8")
    return {entry.key: entry for entry in map(_entry, text.strip().split("\n\n"))}


def _entry(text: str) -> Entry:
    key, author, year = (
        found[1]
        for pattern in (r"@\w+\{(\S+),", r"author = \{(.*)\},", r"year = \{(\d+)\}")
        if (found := re.search(pattern, text))
    )
    plain = re.sub(r"\{\\\"([ou])\}", lambda one: {"o": "ö", "u": "ü"}[one[1]], author).replace(r"{\v{s}}", "š")
    names = [name.split(",")[0].strip("{}") for name in plain.split(" and ")]
    return Entry(key, tuple(names), year, text)


def bibtex(keys: Sequence[str]) -> str:
    """Return entries as BibTeX, each once, in alphabetical order of their ids."""
    return "\n\n".join(entries()[key].text for key in sorted(set(keys))) + "\n"
