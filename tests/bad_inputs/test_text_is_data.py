"""A study of hostile texts, labels and names of columns runs as any other, and everything it shows is harmless."""

import json

import pytest

from tuneoff.cli import main
from tuneoff.words import is_odd

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
LABELS = (f"=cmd|' /C calc'!A0 {ESCAPE}", "<script>alert(1)</script>\u202e")
COLUMNS = {"text": "<b>text</b>\u202e", "label": f"@label{ESCAPE}", "slice": "+slice\x9b"}


def harmless(text):
    return not any(is_odd(character) for character in text if character not in "\n\t\r")


@pytest.fixture
def command(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        return left.value.code, *capfd.readouterr()

    return run


def test_a_study_of_hostile_texts_is_run_and_reported(command, tmp_path, model_folder, no_figures):
    """With control characters, marks of direction, emoji, a megabyte in one field, HTML and formulas."""
    texts = [
        "the cat",
        f"a {ESCAPE} dog",
        "\u202eold man\u202c",
        "👩‍👩‍👧 mat",
        "=1+1",
        "<img src=x onerror=y>",
        "a\x00b",
    ]
    rows = [
        {
            COLUMNS["text"]: f"{texts[number % len(texts)]} {number}",
            COLUMNS["label"]: LABELS[number % 2],
            COLUMNS["slice"]: ("=1", "-\x1b[1m")[number // 2 % 2],
            "id": f"{number}\x1b",
        }
        for number in range(24)
    ]
    rows[0][COLUMNS["text"]] = "the rain " * 120_000
    for name, part in (("train", rows[:16]), ("test", rows[16:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    task = {"train": "train.jsonl", "test": "test.jsonl", "text": "words", "label": "kind"}
    study = {
        "model": str(model_folder("bert")),
        "task": task,
        "techniques": ["linear-probe"],
        "protocol": {"steps": 2, "batch_size": 8, "seeds": 1, "eval_on": "test", "threads": 1},
    }
    # A study file takes no such names of columns, so that they are looked for in vain, and told harmlessly.
    (tmp_path / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    status, out, err = command("run", "study.yaml", "--out", "out")
    assert status == 2 and "there is no column 'kind'" in err and harmless(err) and r"\x1b[2J" in err

    for name, part in (("train", rows[:16]), ("test", rows[16:])):
        plain = [
            {"words": row[COLUMNS["text"]], "kind": row[COLUMNS["label"]], COLUMNS["slice"]: row[COLUMNS["slice"]]}
            for row in part
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in plain), encoding="utf-8")
    status, out, err = command("run", "study.yaml", "--out", "out")
    assert status == 0, err
    assert harmless(out) and harmless(err)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert harmless(page) and page.count("<script") == 1 and "&lt;script&gt;" in page and r"+slice\x9b" in page
    for path in (tmp_path / "out" / "tables").iterdir():
        assert harmless(path.read_text(encoding="utf-8")), path.name


def test_predictions_named_and_labelled_with_hostile_texts_are_compared(command, tmp_path):
    names = [f"=1+1{ESCAPE}<b>", "@sum\u202e"]
    for name in names:
        lines = [json.dumps({"label": LABELS[n % 2], "prediction": LABELS[n % 3 % 2]}) + "\n" for n in range(20)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    for extra in ((), ("--json",)):
        status, out, err = command("compare", *(f"{name}.jsonl" for name in names), *extra)
        assert status == 0 and harmless(out) and harmless(err) and "=1+1" in out


def test_an_audit_of_hostile_names_is_harmless(command, tmp_path):
    rows = [f'"{name}",0.5,10' for name in (f"=1+1{ESCAPE}", "<script>\u202e")]
    (tmp_path / "table.csv").write_text("technique,accuracy,n\n" + "\n".join(rows), encoding="utf-8")
    for extra in ((), ("--json",)):
        status, out, err = command("audit", "table.csv", *extra)
        assert status == 0 and harmless(out) and harmless(err) and "=1+1" in out


@pytest.mark.parametrize(
    "arguments", [("plan", f"no{ESCAPE}"), ("report", f"no\u202e{ESCAPE}"), ("plan", "x" * 100_000)]
)
def test_a_message_shows_what_was_given_and_does_not_obey_it(command, arguments):
    status, out, err = command(*arguments)
    assert status == 2 and out == "" and harmless(err) and len(err) < 3000


def test_a_study_begun_from_hostile_columns_is_read_again(command, tmp_path):
    header = ",".join(f'"{name}"' for name in ("text", "label", COLUMNS["slice"], "a\nmodel: evil/model #"))
    (tmp_path / "train.csv").write_text(f"{header}\na,x,1,2\nb,y,1,2\n", encoding="utf-8")
    status, out, err = command("init", "mine.yaml", "--train", "train.csv")
    assert status == 0 and harmless(out + err)
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert harmless(text)
    from tuneoff.reading import read_study

    assert read_study("mine.yaml").study.models[0].id == "intfloat/multilingual-e5-small"
