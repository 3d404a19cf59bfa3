"""The paragraph for a paper: what it says of a study, and that it cites what it used."""

import copy
import re
import shutil
import subprocess

import pytest

from tuneoff.evidence import build_results
from tuneoff.report.methods import methods
from tuneoff.report.sentences import lead, protocol_sentences
from tuneoff.report.tables import findings, results_table
from tuneoff.report.words import Words


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
        "Of mini_rte (phenomenon) (3 classes) we used 960 examples for training and 60 for testing.",
        "pooled to one vector a text (the mean of its tokens); texts were cut at 512 tokens. The classification "
        'head had 1,152 parameters. Each text was preceded by "query: ".',
        "Each stage was trained for 40 steps of 24 examples with AdamW (Loshchilov and Hutter 2019).",
        "weight decay was 0.01, and the learning rate fell linearly to zero after a warm-up over 6% of the steps",
        "Trained parameters were 21,000,000 (full), 3,072 (linear-probe)",
        "were rank 8, targets query, value (lora) and rank 8, targets query, value (linear-probe+lora).",
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
    assert "chosen by loss (cross entropy) on the development set, with 8 random trials for each technique" in text
    assert "Learning rates were drawn from 10 times below to 10 times above the technique's own" in text
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


TASKS = tuple({"name": "mini_rte", "label": label} for label in ("label", "phenomenon"))
RATES = {
    ("a", "label", "lora"): 1e-3,
    ("b", "label", "lora"): 1e-3,
    ("a", "phenomenon", "lora"): 2e-3,
    ("b", "phenomenon", "lora"): 3e-3,
}


@pytest.fixture(scope="module")
def several(tmp_path_factory, made_up):
    """Two tasks, two models, tuned: lora's rate differs by task and model, the probe's is one; so are trained sizes."""
    made = made_up(techniques=("linear-probe", "lora", "full"), tasks=TASKS, models=("a", "b"), eval_on="dev")
    results = build_results(made.write(tmp_path_factory.mktemp("several")))
    space = {"lora": {"rank": [4, 8]}}
    results["study"]["protocol"] |= {"tune": {"trials": 6, "span": 5.0, "share": 0.5, "space": space}}
    for model in results["models"]:
        model |= {"label": f"Model {model['name'].upper()}", "head_parameters": None}
    for task in results["tasks"]:
        task["label"] = f"mini RTE, Russian, by {task['name'].removeprefix('mini-rte-ru-')}"
    for row in results["techniques"]:
        task = row["task"].removeprefix("mini-rte-ru-")
        row["settings"] = {
            "learning_rate": RATES.get((row["model"], task, row["technique"]), 0.01),
            **({"rank": 4, "dropout": 0.1, "target_modules": None} if row["technique"] == "lora" else {}),
            **({"schedule": "cosine"} if row["technique"] == "full" else {"schedule": "linear"}),
        }
        row["parameters"] = {"trained": 768 if task == "label" else 4224, "total": 10_000_000}
        if row["technique"] == "full":
            row["parameters"]["trained"] = 21_000_000
    return results


def test_what_differs_by_task_and_model_is_said_of_each_and_what_does_not_once(several):
    text = methods(several).text
    for part in (
        "on mini RTE, Russian, by label and mini RTE, Russian, by phenomenon.",
        "Trained parameters were 21,000,000 (full); 768 (linear-probe) and 768 (lora) on mini RTE, Russian, by label; "
        "4,224 (linear-probe) and 4,224 (lora) on mini RTE, Russian, by phenomenon.",
        "Learning rates were 0.01 (linear-probe) and 0.01 (full); 0.001 (lora) on mini RTE, Russian, by label; 0.002 "
        "(lora) with Model A on mini RTE, Russian, by phenomenon; 0.003 (lora) with Model B on mini RTE",
        "Further settings were rank 4, dropout 0.1, adapters on the projections of queries and values (lora) and "
        "schedule cosine (full).",
        "Of each of mini RTE, Russian, by label (3 classes) and mini RTE, Russian, by phenomenon (3 classes) we used "
        "960 examples for training and 60 for testing.",
        "drawn from 5 times below to 5 times above",
        "Also drawn were rank of lora from 4, 8. A trial took 50% of a run's steps.",
        "ranked by their mean accuracy on each (Demšar 2006).",
        "Friedman's test (Friedman 1937)",
        "Wilcoxon's signed-rank test (Wilcoxon 1945), exact and two-sided, with Holm's correction over 3 pairs",
    ):
        assert part in text, part
    assert "—" not in text and "classification head" not in text and text.count("960") == 1
    protocol = " ".join(protocol_sentences(several))
    assert "0.001 (lora) on mini RTE, Russian, by label" in protocol and "0.003 (lora) with Model B" in protocol


def test_rank_tests_are_in_the_bibtex_where_they_were_used(several, tmp_path, made_up):
    keys = {"demsar2006statistical", "friedman1937use", "wilcoxon1945individual", "zou2008construction"}
    assert keys <= set(re.findall(r"^@\w+\{(\w+),", methods(several).bibtex, re.MULTILINE))
    alone = of(made_up(), tmp_path).bibtex
    assert not any(key in alone for key in keys)
    by_f = copy.deepcopy(several)
    by_f["ranks"][0]["friedman"]["method"] = "F of Iman and Davenport"
    assert "Friedman's test (Friedman 1937; Iman and Davenport 1980)" in methods(by_f).text


def test_in_russian_several_tasks_are_plural_and_nothing_stays_english(several):
    say = Words("ru")
    text = methods(several, say).text
    for part in (
        "на задачах mini RTE (на русском, метка label) и mini RTE (на русском, метка phenomenon)",
        "(среднее по токенам)",
        "Темпы обучения: 0,01 (linear-probe) и 0,01 (full); задача mini RTE (на русском, метка label): 0,001 (lora)",
        "модель Model B, задача mini RTE (на русском, метка phenomenon): 0,003 (lora)",
        "rank у lora из 4, 8",
        "тестом Фридмана (Friedman 1937)",
    ):
        assert part in text, part
    assert "(mean)" not in text and "Russian" not in text and "—" not in text.replace(" — ", "")
    assert "по линейному закону" in " ".join(protocol_sentences(several, say))
    assert "на задачах mini RTE (на русском" in lead(several, results_table(several, say), say)[0]


def test_settings_that_are_not_the_usual_ones_are_said(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora",)).write(tmp_path))
    results["study"]["task"] |= {
        "limit": 1200,
        "drop_overlap": True,
        "also_test": {"english": {"name": "mini_rte", "language": "en"}},
    }
    results["models"][0] |= {"load": "4bit", "head": "native", "template": "{0}\n{1}"}
    text = methods(results).text
    assert "Only the first 1,200 examples of each split were used (mini_rte (phenomenon))." in text
    assert "share their group or texts" in text and "also measured on english" in text
    assert 'by the template "{0}\\n{1}"' in text and "loaded in 4bit" in text
    assert "The model's own classification head was used." in text and "head had" not in text


def test_settings_of_a_stage_that_is_no_technique_of_its_own_are_said(tmp_path, made_up):
    results = build_results(made_up(techniques=("linear-probe+lora",)).write(tmp_path))
    assert "Learning rates were 0.0001 (linear-probe+lora) and 0.0001 (linear-probe)." in methods(results).text
    assert "0.0001 (linear-probe)." in " ".join(protocol_sentences(results))
    both = build_results(made_up(techniques=("linear-probe", "linear-probe+lora")).write(tmp_path))
    assert "Learning rates were 0.0001 (linear-probe) and 0.0001 (linear-probe+lora)." in methods(both).text


def test_models_with_the_same_label_are_told_apart_by_their_names(tmp_path, made_up):
    results = build_results(made_up(models=("a", "b"), techniques=("full", "lora")).write(tmp_path / "same"))
    first, second = "small-e5 (made up) (a)", "small-e5 (made up) (b)"
    assert f"for fine-tuning {first} and {second} on" in methods(results).text
    assert {cell.text for row in results_table(results).rows for cell in row[:1]} == {first, second}
    assert all(first in text or second in text for text in findings(results)) and findings(results)
    alone = build_results(made_up(techniques=("full", "lora")).write(tmp_path / "alone"))
    assert [model["label"] for model in alone["models"]] == ["small-e5 (made up)"]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_stages_without_gradient_steps_have_no_optimizer_steps_or_rate(tmp_path, made_up, language):
    say = Words(language)
    results = build_results(made_up(techniques=("knn", "full", "linear-probe+lora")).write(tmp_path))
    for row in results["techniques"]:
        row["budget"]["steps"] = {"knn": 1, "full": 3, "linear-probe+lora": 5}[row["technique"]]
    for run in results["runs"]:
        for stage in run["source"]["stages"]:
            stage["budget"]["steps"] = 7
    text, protocol = methods(results, say).text, " ".join(protocol_sentences(results, say))
    steps = {"en": "3, 5 and 7 ", "ru": "3, 5 и 7"}[language]
    at_once = {"en": "without gradient steps: knn.", "ru": "без градиентных шагов: knn."}[language]
    for said in (text, protocol):
        assert steps in said and at_once in said and "0001 (full)" in said and "0001 (knn)" not in said
    alone = build_results(made_up(techniques=("knn",)).write(tmp_path / "alone"))
    text, protocol = methods(alone, say).text, " ".join(protocol_sentences(alone, say))
    assert at_once in text and "AdamW" not in text + protocol and "0001" not in text + protocol
