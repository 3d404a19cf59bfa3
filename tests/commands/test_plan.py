"""`tuneoff plan`: the paper's exact counts from a config.json alone, and what cannot be known said as unknown."""

import io
import json
import shutil
from contextlib import redirect_stdout

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, Qwen3Config

from tuneoff.cli import main
from tuneoff.commands import plan_paces
from tuneoff.commands.plan import describe_plan, plan_command
from tuneoff.running import compute_study
from tuneoff.study import DEFAULT_TECHNIQUES

# Qwen3-Embedding-0.6B as the experiment of 2025 had it, with one token more than the published model.
PAPER = {
    "architectures": ["Qwen3ForCausalLM"],
    "vocab_size": 151670,
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """The plan of terra-2025 as the command prints it, for a folder with a config.json and no network."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps({"model_type": "qwen3", **PAPER}))
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), pytest.raises(SystemExit) as left:
        # Else the hub would be asked for the data, again and again.
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        patch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "hub")
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
        patch.chdir(folder)
        main(["plan", "terra-2025", "--model", "model", "--json"])
    assert left.value.code == 0
    assert [path.name for path in folder.iterdir() if path.name != "hub"] == ["model"]  # a plan writes nothing
    return json.loads(printed.getvalue())


def counts(described, model="model"):
    return {one["name"]: one["parameters"][model] for one in described["techniques"]}


def test_the_papers_exact_counts(paper):
    found = counts(paper)
    assert found["full"] == {"trained": 595_779_584, "total": 595_779_584}
    assert found["linear-probe"] == {"trained": 2_048, "total": 595_779_584}
    assert found["lora"] == {"trained": 1_148_928, "total": 596_926_464, "total_peft": 596_928_512}
    assert found["linear-probe+full"] == found["full"] and found["linear-probe+lora"] == found["lora"]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
def test_the_counts_are_transformers_and_pefts_own(paper):
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(Qwen3Config(**PAPER, num_labels=2))
    total = model.num_parameters()
    config = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=32, target_modules=["q_proj", "v_proj"])
    theirs = get_peft_model(model, config).get_nb_trainable_parameters()
    found = counts(paper)
    assert found["full"]["total"] == total and (found["lora"]["trained"], found["lora"]["total_peft"]) == theirs


def test_the_papers_stages(paper):
    stages = {stage["chain"]: stage for stage in paper["stages"]}
    assert list(stages) == list(DEFAULT_TECHNIQUES) and {stage["seed"] for stage in paper["stages"]} == {0}
    budget = {"steps": 437, "batch_size": 24, "eval_every": 23, "eval_on": "test"}
    assert all(stage["budget"] == budget for stage in paper["stages"])
    assert stages["linear-probe"]["needed_by"] == ["linear-probe", "linear-probe+full", "linear-probe+lora"]
    assert [stages[chain]["parent"] for chain in DEFAULT_TECHNIQUES] == [None, None, None, *["linear-probe"] * 2]
    rates = {chain: stage["optimization"]["learning_rate"] for chain, stage in stages.items()}
    assert rates == {
        "full": 2e-6,
        "linear-probe": 1e-4,
        "lora": 1e-4,
        "linear-probe+full": 2e-6,
        "linear-probe+lora": 1e-4,
    }
    assert stages["lora"]["settings"] | {"target_modules": None} == {
        "learning_rate": 1e-4,
        "rank": 8,
        "alpha": 32,
        "dropout": 0.1,
        "target_modules": None,
        "layers": None,
    }


def test_what_cannot_be_known_without_data_and_weights_is_null_and_the_notes_say_why(paper):
    for stage in paper["stages"]:
        assert stage["token_passes"] is None and stage["train_rows"] is None and stage["key"] is None
        assert stage["state"] == "unknown"
    notes = "\n".join(paper["notes"])
    assert "data could not be read" in notes and "--data DIR" in notes
    assert "model: its weights are not here" in notes


def test_memory_and_disk_are_of_the_models_size(paper):
    peak = {stage["chain"]: stage["peak_memory_bytes"] for stage in paper["stages"]}
    assert peak["linear-probe"] < peak["lora"] < peak["full"]
    assert 16 * 595_779_584 < peak["full"] < 32 * 595_779_584  # weights, gradients, two moments; and what is kept
    assert paper["disk_bytes"] == 4 * (2 * 595_779_584 + 2 * 1_148_928 + 2_048)


# A study whose model and data are there


def test_with_data_and_weights_everything_is_known(study, tmp_path):
    described = describe_plan(study(DEFAULT_TECHNIQUES, seeds=2), tmp_path / "out")
    assert described["notes"] == [] and len(described["stages"]) == 10 and not (tmp_path / "out").exists()
    for stage in described["stages"]:
        assert None not in {stage[name] for name in ("token_passes", "train_rows", "key", "peak_memory_bytes")}
        assert (stage["state"], stage["train_rows"]) == ("missing", 41)
    assert json.loads(json.dumps(described)) == described


def test_a_plan_needs_no_tokenizer_but_says_what_it_cannot_tell_without(study, model_folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(model_folder("bert") / name, bare)
    described = describe_plan(study(model={"id": str(bare)}), tmp_path / "out")
    (stage,) = described["stages"]
    assert stage["token_passes"] is None and stage["train_rows"] == 41 and stage["peak_memory_bytes"]
    assert described["notes"] == ["bare: tokens are unknown, its tokenizer is not here"]


def test_a_task_of_ones_own_without_its_files_has_no_classes_to_count_for(study, tmp_path):
    read = study()
    (tmp_path / "train.jsonl").unlink()
    described = describe_plan(read, tmp_path / "out")
    assert described["techniques"] == [{"name": "linear-probe", "parameters": {"tiny-bert": None}}]
    assert described["disk_bytes"] is None and described["stages"][0]["peak_memory_bytes"] is None
    assert "train.jsonl" in described["notes"][0] and "parameters are not counted" in described["notes"][-1]


def test_what_is_done_and_what_changed_is_told(study, listener, tmp_path):
    compute_study(study(steps=1, eval_every=1), tmp_path / "out", listener())
    (done,) = describe_plan(study(steps=1, eval_every=1), tmp_path / "out")["stages"]
    assert (done["state"], done["reason"]) == ("done", None)
    (changed,) = describe_plan(study(steps=2, eval_every=1), tmp_path / "out")["stages"]
    assert changed["state"] == "changed" and "budget.steps 1 -> 2" in changed["reason"]


def test_the_disk_is_that_of_the_weights_that_are_kept(study, tmp_path):
    found = {
        keep: describe_plan(study(["linear-probe", "full"], seeds=3, keep_weights=keep), tmp_path / "out")
        for keep in ("all", "last-seed", "none")
    }
    trained = sum(one["tiny-bert"]["trained"] for one in (t["parameters"] for t in found["all"]["techniques"]))
    assert [one["disk_bytes"] for one in found.values()] == [3 * 4 * trained, 4 * trained, 0]


def test_what_the_cache_will_hold_is_told_once_for_all_that_begin_at_the_same_layer(study, tmp_path, capsys):
    top = {"name": "top", "use": "top-layers", "layers": 1}
    lora = {"name": "lora-top", "use": "lora", "layers": 1}
    read = study([top, lora, "lora", "linear-probe"], seeds=2)
    described = describe_plan(read, tmp_path / "out")
    size = 4 * 32 * described["stages"][3]["token_passes"]  # the probe passes each token once
    assert [stage["fixed_layers"] for stage in described["stages"]] == [1, 1, 0, 0] * 2
    assert [stage["cache_bytes"] for stage in described["stages"]] == [size, size, 0, 0] * 2
    assert described["cache_bytes"] == size
    plan_command(read, tmp_path / "out", as_json=False, timed=False)
    assert "frozen activations" in capsys.readouterr().out
    plain = describe_plan(study([top, "linear-probe"], reuse_activations=False), tmp_path / "out")
    assert plain["cache_bytes"] == 0 and plain["stages"][1]["token_passes"] > 2 * described["stages"][3]["token_passes"]


def test_tables_and_json_tell_the_same(study, tmp_path, capsys):
    read = study(["linear-probe", "linear-probe+lora"])
    plan_command(read, tmp_path / "out", as_json=True, timed=False)
    described = json.loads(capsys.readouterr().out)
    plan_command(read, tmp_path / "out", as_json=False, timed=False)
    shown = capsys.readouterr().out
    for one in described["techniques"]:
        assert one["name"] in shown and f"{one['parameters']['tiny-bert']['trained']:,}" in shown
    for stage in described["stages"]:
        assert f"{stage['token_passes']:,}" in shown and stage["state"] in shown


def test_a_timed_plan_tells_the_time_of_each_stage_and_of_all(study, tmp_path, capsys):
    read = study(["full", "linear-probe", "linear-probe+lora"])
    plan_command(read, tmp_path / "out", as_json=True, timed=True)
    described = json.loads(capsys.readouterr().out)
    seconds = [stage["seconds"] for stage in described["stages"]]
    assert all(one["total"] > 0 for one in seconds)
    full, probe, lora = seconds
    assert full["training"] > 0 and full["before"] == 0 and probe["before"] > 0 and lora["evaluation"] > 0
    assert described["seconds_to_run"] >= sum(one["total"] for one in seconds)  # and reading the texts
    plan_command(read, tmp_path / "out", as_json=False, timed=True)
    shown = capsys.readouterr()
    assert "In all about" in shown.out and "A GPU of 16 GB takes" in shown.out
    assert shown.err.count("timing") == 3


def test_what_is_done_takes_no_time_any_more(study, listener, tmp_path):
    compute_study(study(steps=1, eval_every=1), tmp_path / "out", listener())
    described = describe_plan(study(steps=1, eval_every=1), tmp_path / "out", timed=True)
    assert described["seconds_to_run"] < 0.5  # the tokenizer's


@pytest.mark.parametrize("command", ["plan", "run", "doctor"])
def test_a_technique_that_does_not_fit_is_told_with_its_entrys_place(command, study, tmp_path, capsys, model_folder):
    """Of three entries of peft one is wrong: the message says which, in which line, on which model."""
    (tmp_path / "study.yaml").write_text(
        f"model: {{id: {json.dumps(str(model_folder('bert')))}, name: tiny}}\n"
        f"task: {json.dumps(study().study.tasks[0].model_dump(mode='json', exclude_none=True))}\n"
        "techniques:\n"
        "  - {name: a, peft: {type: lora}}\n"
        "  - {name: b, peft: {type: oft, oft_block_size: 5}}\n"
        "  - {name: c, peft: {type: vera}}\n"
        "protocol: {steps: 1, seeds: 1, batch_size: 4, threads: 1}\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as left:
        main([command, str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert left.value.code == 2 and told.count("error: ") == 1 and "site-packages" not in told
    assert "study.yaml:5: techniques[1]: technique 'b' on tiny: peft would put OFT on this model otherwise" in told


def test_layers_that_a_few_layers_lack_are_timed_in_all_of_them_or_not(study, tmp_path):
    last = {"name": "last", "peft": {"type": "lora", "layers_to_transform": [1], "rank_pattern": {r".*1\..*query": 4}}}
    named = {"name": "named", "peft": {"type": "lora", "target_modules": r".*layer\.1\..*query"}}
    described = describe_plan(study([last, named]), tmp_path / "out", timed=True)
    assert [bool(stage["seconds"]) for stage in described["stages"]] == [True, False]
    assert "the time of named is unknown: on a few layers of tiny-bert, " in " ".join(described["notes"])


def test_a_rank_that_no_layer_can_have_is_noted(study, tmp_path):
    high = {"name": "high", "use": "lora", "rank": 40}
    notes = describe_plan(study(["lora", high, "linear-probe+high"]), tmp_path / "out")["notes"]
    (note,) = [one for one in notes if "rank" in one]
    assert note.startswith("high on tiny-bert: rank is 40, and encoder.layer.0.attention.self.query has a smaller side")
    assert note.endswith("Set rank to 32 or less.")


@pytest.mark.parametrize("short", ["foreseen", "met"])
def test_what_memory_does_not_do_for_is_not_timed_and_said_so(study, tmp_path, monkeypatch, short):
    if short == "foreseen":
        none = type("Memory", (), {"available": 100_000, "total": 1 << 30})  # the weights, not moments
        monkeypatch.setattr("tuneoff.commands.plan_paces.psutil.virtual_memory", lambda: none)
    else:
        made = plan_paces.measure_pace

        def measure_pace(stage, *given):
            if stage.spec.technique == "full":
                raise torch.OutOfMemoryError("no room")
            return made(stage, *given)

        monkeypatch.setattr(plan_paces, "measure_pace", measure_pace)
    found = describe_plan(study(["full", "linear-probe"]), tmp_path / "out", timed=True)
    seconds = {stage["chain"]: stage["seconds"] for stage in found["stages"]}
    assert seconds["full"] is None and seconds["linear-probe"]["total"] > 0 and found["seconds_to_run"] is None
    (note,) = [one for one in found["notes"] if "timed" in one]
    assert note == "full on tiny-bert: not timed, a few of its layers do not fit into memory here"


def test_another_error_while_timing_is_none_of_memory(study, tmp_path, monkeypatch):
    def measure_pace(*_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(plan_paces, "measure_pace", measure_pace)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        describe_plan(study(["full"]), tmp_path / "out", timed=True)
