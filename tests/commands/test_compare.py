"""`tuneoff compare`: what it prints, against statsmodels and the parts that a study's evidence is made of."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tuneoff.cli import main
from tuneoff.evidence.pairs import GENERALISED, MCNEMAR, compare
from tuneoff.report.formats import chance

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compared(capsys, monkeypatch, tmp_path):
    """Return a function that compares files of tmp_path in a terminal of 80 columns: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as left:
            main(["compare", *map(str, arguments)])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def write(name, right, seeds=None):
    """Write which answers were right, (seeds, examples), as predictions of labels that alternate, in mixed order."""
    order = np.random.default_rng(len(name)).permutation(right.size)
    lines = []
    for place in order:
        seed, example = divmod(int(place), right.shape[1])
        label = example % 2
        prediction = label if right[seed, example] else 1 - label
        more = {} if seeds is None else {"seed": seeds[seed]}
        lines.append(json.dumps({"id": f"t{example}", "label": label, "prediction": prediction, **more}))
    Path(f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def drawn(accuracy, seeds=1, examples=200, seed=0):
    """Return answers that are right more often where an example is easy, the same ones for every technique."""
    easy = np.random.default_rng(0).normal(size=examples)
    noise = np.random.default_rng(seed).normal(size=(seeds, examples))
    return easy + noise < np.quantile(easy + noise, accuracy)


def test_one_seed_is_mcnemar_as_statsmodels_has_it_with_holm(compared):
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests

    answers = {
        name: drawn(share, seed=place) for place, (name, share) in enumerate([("a", 0.9), ("b", 0.8), ("c", 0.7)])
    }
    for name, right in answers.items():
        write(name, right)
    status, out, err = compared("a.jsonl", "b.jsonl", "c.jsonl", "--json")
    result = json.loads(out)
    assert (status, err, len(result["pairs"])) == (0, "", 3)
    wanted = []
    for pair in result["pairs"]:
        a, b = answers[pair["a"]][0], answers[pair["b"]][0]
        table = [[(x & y).sum() for y in (b, ~b)] for x in (a, ~a)]
        wanted.append(mcnemar(table, exact=True).pvalue)
        assert pair["method"] == MCNEMAR and pair["difference"] == pytest.approx(a.mean() - b.mean())
    assert [pair["p"] for pair in result["pairs"]] == pytest.approx(wanted, rel=1e-9)
    holm = multipletests(wanted, method="holm")[1]
    assert [pair["p_holm"] for pair in result["pairs"]] == pytest.approx(holm, rel=1e-9)
    assert [one["technique"] for one in result["techniques"]] == ["a", "b", "c"]
    assert [one["accuracy"] for one in result["techniques"]] == [answers[name].mean() for name in "abc"]


def test_several_seeds_are_compared_as_a_study_compares_them_over_those_in_common(compared):
    a, b = drawn(0.8, 3, seed=1), drawn(0.7, 3, seed=2)
    write("a", a, [4, 2, 9])
    write("b", b, [2, 9, 11])
    result = json.loads(compared("a.jsonl", "b.jsonl", "--json")[1])
    (pair,) = result["pairs"]
    assert pair.items() >= compare(a[[1, 2]], b[[0, 1]]).as_json().items() and pair["method"] == GENERALISED
    first, second = result["techniques"]
    assert (first["seeds"], second["seeds"], first["examples"], first["file"]) == (
        [2, 4, 9],
        [2, 9, 11],
        200,
        "a.jsonl",
    )
    assert first["accuracy_sd"] == pytest.approx(np.std(a.mean(1), ddof=1))
    assert first["accuracy_interval"]["low"] < first["accuracy"] < first["accuracy_interval"]["high"]
    assert "Not all have the same seeds" in compared("a.jsonl", "b.jsonl")[1]


def test_text_has_the_sentences_the_files_the_pairs_and_every_verdict(compared):
    for place, (name, share) in enumerate([("worse", 0.6), ("better", 0.9), ("same", 0.895)]):
        write(name, drawn(share, 4, seed=place), [0, 1, 2, 3])
    files = ("worse.jsonl", "better.jsonl", "same.jsonl")
    result = json.loads(compared(*files, "--json")[1])
    _, text, _ = compared(*files)
    said = " ".join(text.split())
    assert said.startswith(f"- {result['sentences'][0]['text']}")
    assert all(f"- {pair['verdict']['text']}" in said for pair in result["pairs"])
    assert all(f"- {sentence['text']}" in said for sentence in result["sentences"])
    row = next(line.split() for line in text.splitlines() if line.startswith("worse "))
    one = result["techniques"][0]
    bounds = [f"{one['accuracy_interval'][end]:.3f}" for end in ("low", "high")]
    assert (
        row[0] == "worse"
        and row[1].startswith(f"{one['accuracy']:.3f}"[:4])
        and row[-5:] == [bounds[0], "to", bounds[1], "4", "200"]
    )
    wide = compared(*files, columns=150)[1]
    pair = result["pairs"][0]
    shown = next(line for line in wide.splitlines() if re.match(rf"{pair['a']} +{pair['b']} ", line))
    assert f"{100 * pair['difference']:.1f} ({100 * pair['low']:.1f} to {100 * pair['high']:.1f})" in shown
    assert f" {chance(pair['superiority'])} (" in shown and shown.split()[-1] == "better"
    assert "Not shown" in text and "Not shown" not in wide


def test_a_margin_is_in_points_and_finds_equal_ones(compared):
    right = drawn(0.8, examples=600)
    other = right.copy()
    other[0, :4] ^= True
    write("a", right)
    write("b", other)
    result = json.loads(compared("a.jsonl", "b.jsonl", "--margin", "2.5", "--json")[1])
    assert result["margin"] == 0.025 and result["pairs"][0]["kind"] == "equal"
    assert (
        "1 of 1 pairs are equal within your margin of 2.5 points."
        in compared("a.jsonl", "b.jsonl", "--margin", "2.5", columns=120)[1]
    )
    for wrong in ("0", "-1", "100", "nan"):
        status, out, err = compared("a.jsonl", "b.jsonl", "--margin", wrong)
        assert (status, out) == (2, "") and err.startswith("error: --margin")


def test_many_verdicts_do_not_send_to_a_report(compared):
    for place in range(5):
        write("abcde"[place], drawn(0.95 - 0.15 * place, seed=place))
    result = json.loads(compared(*(f"{name}.jsonl" for name in "abcde"), "--json")[1])
    assert sum(pair["kind"] == "better" for pair in result["pairs"]) > 5
    assert not [sentence for sentence in result["sentences"] if "report" in sentence["text"]]


def test_a_mistake_is_one_message_and_status_2(compared):
    write("a", drawn(0.8), [1])
    write("b", drawn(0.8), [2])
    told = "error: No two files have a seed in common (a.jsonl: 1; b.jsonl: 2), and only such are compared.\n"
    assert compared("a.jsonl", "b.jsonl") == (2, "", told)
    Path("c.jsonl").write_text('{"label": 1}\n')
    status, out, err = compared("a.jsonl", "c.jsonl")
    assert (status, out) == (2, "") and err.startswith(
        "error: c.jsonl, line 1, field 'prediction': the field is missing"
    )
    assert compared("a.jsonl")[0] == compared("a.jsonl", "none.jsonl")[0] == 2


def test_the_page_and_the_help_show_a_format_that_is_read(compared):
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = page.split("## Predictions made elsewhere")[1].split("\n## ")[0]
    helped = compared("--help", columns=120)[1]
    for text in (section, helped):
        lines = [line.strip() for line in re.findall(r"^ *(\{.*\}) *$", text, re.MULTILINE)]
        assert len(lines) == 2
        Path("a.jsonl").write_text("\n".join(lines))
        Path("b.jsonl").write_text("\n".join(lines))
        assert compared("a.jsonl", "b.jsonl")[0] == 0


def test_comparing_imports_no_torch(compared):
    write("a", drawn(0.8))
    write("b", drawn(0.7))
    code = (
        "import sys; from pathlib import Path; from tuneoff.commands.compare import compare_command;"
        "compare_command([Path('a.jsonl'), Path('b.jsonl')], margin=None, as_json=False);"
        "print(sorted({'torch', 'transformers', 'datasets', 'pandas'} & sys.modules.keys()), file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr == "[]\n"
