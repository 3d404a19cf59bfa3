"""The paragraph for a paper: what it says of a study, and that it cites what it used."""

import re
import shutil
import subprocess

import pytest

from tuneoff.evidence import build_results
from tuneoff.report.methods import methods


def of(made, root, **changes):
    results = build_results(made.write(root))
    results["study"]["protocol"] |= changes
    return methods(results)


def test_the_paragraph_says_what_was_done(tmp_path, made_up):
    text = of(made_up(seeds=2), tmp_path).text
    assert text.startswith(
        "We compared full fine-tuning, linear probing (Alain and Bengio 2016), LoRA (Hu et al. 2022), linear probing "
        "followed by full fine-tuning (Kumar et al. 2022) and linear probing followed by LoRA for fine-tuning small-e5 "
        "(made up) on mini_rte (phenomenon)."
    )
    for part in (
        "small-e5 (made up) (BertModel, 12 layers, hidden size 384, 117,653,760 parameters)",
        "has 3 classes; we used 960 examples for training and 60 for testing.",
        "Each stage was trained for 40 steps of 24 examples with AdamW (Loshchilov and Hutter 2019).",
        "weight decay was 0.01, and the learning rate fell linearly to zero after a warm-up over 6% of the steps",
        "Trained parameters were 21,000,000 (full), 3,072 (linear-probe)",
        "There were 2 seeds",
        "by a generalised p-value over seeds and examples (Tsui and Weerahandi 1989), two-sided, with Holm's "
        "correction (Holm 1979) over 10 pairs at a level of 5%.",
        "Training ran on a processor in fp32.",
        "We used tuneoff 0.1.0, PyTorch 2.13.0 (Paszke et al. 2019) and Transformers 5.23.0 (Wolf et al. 2020).",
        "Reported are the weights after the last step.",
        "Learning curves were measured on the test set; nothing was chosen by them.",
    ):
        assert part in text, part


def test_one_seed_is_compared_by_mcnemars_test(tmp_path, made_up):
    text = of(made_up(techniques=("full", "top-layers")), tmp_path).text
    assert (
        "by the exact McNemar test (McNemar 1947), two-sided" in text
        and "intervals over the test examples (Wilson 1927)" in text
    )
    assert "fine-tuning of the top layers (Lee et al. 2019)" in text and "PEFT" not in text


def test_choosing_on_dev_and_margins_are_said(tmp_path, made_up):
    chosen = {"checkpoint": "best", "choose_by": "loss", "tune": {"trials": 8, "span": 10.0}, "margin": 1.5, "folds": 5}
    text = of(made_up(techniques=("lora", "full"), eval_on="dev"), tmp_path, **chosen).text
    assert "with 8 random trials for each technique, learning rates up to 10 times below and above its default" in text
    assert "the weights with the best loss (cross entropy) on the development set were kept" in text
    assert "Equality within 1.5 points was tested by two one-sided tests (Schuirmann 1987)." in text
    assert "cross-validated over 5 folds" in text and "nothing was chosen" not in text


def test_what_is_cited_is_in_the_bibtex_and_nothing_else(tmp_path, made_up):
    found = of(made_up(), tmp_path)
    cited = {key for keys in re.findall(r"\\citep\{([^}]+)\}", found.latex) for key in keys.split(",")}
    assert cited == set(re.findall(r"^@\w+\{(\w+),", found.bibtex, re.MULTILINE)) and len(cited) > 7
    assert len(re.findall(r"\\citep", found.latex)) == found.text.count(" (") - found.latex.count(" (")


def test_a_name_of_its_own_and_an_unknown_technique_are_named(tmp_path, made_up):
    made = made_up(techniques=({"name": "lora-r32", "use": "lora"}, "new-way"))
    text = of(made, tmp_path).text
    assert text.startswith("We compared LoRA (Hu et al. 2022) as 'lora-r32' and new-way for fine-tuning")


def test_of_nothing_it_says_what_was_asked(tmp_path, made_up):
    made = made_up(techniques=("lora",), missing=(("lora", 0),), described=False)
    text = of(made, tmp_path).text
    assert text.startswith("We used LoRA (Hu et al. 2022) to fine-tune small-e5") and "intervals" not in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_the_latex_compiles_with_hostile_labels(tmp_path, made_up):
    found = of(made_up(label="50% & $_{^~\\ #"), tmp_path / "run")
    head = "\\documentclass{article}\\usepackage{natbib}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{found.latex}\\end{{document}}", encoding="utf-8")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_a_label_that_looks_like_a_citation_is_text(tmp_path, made_up):
    found = of(made_up(techniques=("lora",), label="\ue000 {x} \\cite{y}"), tmp_path)
    assert "{x}" in found.text and r"\cite{y}" not in found.latex
