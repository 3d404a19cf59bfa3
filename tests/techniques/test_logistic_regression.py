"""Logistic regression as a technique: fitted once, the same for all seeds, handed on, keyed by its groups."""

import pytest
import torch
from safetensors.torch import load_file

from tuneoff.errors import ModelError
from tuneoff.plan import Question, make_plan
from tuneoff.running import compute_study
from tuneoff.tasks import load_study_task, task_name
from tuneoff.training.logistic import fit_logistic

NAME = "logistic-regression"


def weights(store, chain):
    (record,) = [one for one in store.records() if one.address.chain == chain and one.address.seed == 0]
    return load_file(store.weights(record.address))


def test_it_is_fitted_in_one_step_alike_for_all_seeds_and_handed_on(study, listener, tmp_path):
    read = study([NAME, f"{NAME}+lora"], family="qwen3", seeds=2)
    store = compute_study(read, tmp_path / "out", listener())
    records = store.records()
    assert {record.status for record in records} == {"done"} and len(records) == 4
    alone = [record for record in records if record.address.chain == NAME]
    assert {record.budget["steps"] for record in alone} == {1}
    heads = [load_file(store.weights(record.address)) for record in alone]
    assert heads[0].keys() == {"head.weight"} and torch.equal(*(head["head.weight"] for head in heads))
    ended = {record.address.seed: end_of(store, record, 1) for record in alone}
    after = {record.address.seed: end_of(store, record, 0) for record in records if record.parent}
    assert ended.keys() == after.keys() and all(ended[seed] == pytest.approx(after[seed], rel=1e-5) for seed in ended)


def end_of(store, record, step):
    (row,) = [row for row in store.history(record.address) if row["event"] == "eval" and row["stage_step"] == step]
    return row["loss"]


def test_the_head_is_what_the_fit_gives_on_the_vectors(make_job):
    job = make_job(NAME, c=2.0)
    vectors = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.from_numpy(job.labels["train"])
    job.technique.fit(job.classifier, vectors, labels)
    expected, c = fit_logistic(vectors.double().numpy(), labels.numpy(), 2, 2.0)
    assert c == 2.0
    torch.testing.assert_close(job.classifier.head.weight.detach(), torch.from_numpy(expected).float())


def test_groups_are_in_its_key_and_in_no_others(study, tmp_path, resolve):
    keys = []
    for group in ("premise", "hypothesis"):
        read = study([NAME, "linear-probe"], task={"group": group, "dev": None} | splits(tmp_path, study))
        task = load_study_task(read.study, read.base)
        question = Question(resolve("bert"), task_name(read.study.task), task.whole, "fp32")
        keys.append({stage.address.chain: stage.key for stage in make_plan(read.study, [question], None).stages})
    assert keys[0][NAME] != keys[1][NAME] and keys[0]["linear-probe"] == keys[1]["linear-probe"]


def splits(tmp_path, study):
    """A dev of its own, so that no rows are cut out by groups."""
    study()
    (tmp_path / "dev.jsonl").write_text((tmp_path / "test.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    return {"dev": str(tmp_path / "dev.jsonl")}


def test_a_native_head_is_refused_with_the_reason(native):
    from tuneoff.techniques import get
    from tuneoff.training.build import sketch

    technique = get(NAME)(get(NAME).settings_class())
    with pytest.raises(ModelError, match=r"logistic-regression is fitted on vectors, .*use `head: linear`"):
        sketch(technique, native("bert"), 2)
