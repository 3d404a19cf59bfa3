"""Each stage once, its budget, its key, and why it would run."""

import importlib
import inspect
import math
import pkgutil
import shutil
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

import tuneoff
from tuneoff.files import digest
from tuneoff.models.resolve import resolve_model
from tuneoff.plan import Question, make_plan, resolve_budget, resolve_optimization
from tuneoff.planned import training_parts
from tuneoff.reading import study_from_mapping
from tuneoff.running import compute_study, prepare
from tuneoff.section import Section, in_key
from tuneoff.store import StageRecord, Store
from tuneoff.study import DEFAULT_TECHNIQUES, ModelSpec, Protocol
from tuneoff.tasks import load_task, task_name
from tuneoff.techniques import get, names, settings_of
from tuneoff.techniques.composition import StageSpec
from tuneoff.training.device import choose_precision
from tuneoff.training.job import Budget

THREE = ["linear-probe", "linear-probe+lora", "linear-probe+lora+full"]


@pytest.fixture
def plan(study, tmp_path):
    """Return a function that plans a study of a tiny model (see `study`), against a store if one is given."""

    def planned(techniques=("linear-probe",), family="bert", store=None, task=None, **changes):
        read = study(techniques, family, **changes)
        asked = read.study.task.model_copy(update=task or {})
        data = load_task(asked, need_dev=read.study.protocol.eval_on == "dev", base=tmp_path)
        precision = choose_precision(read.study.protocol, torch.device("cpu"))
        models = [resolve_model(spec, need_weights=True) for spec in read.study.models]
        questions = [Question(model, task_name(asked), data, precision) for model in models]
        return make_plan(read.study, questions, store)

    return planned


def keys(plan):
    return {(stage.address.chain, stage.address.seed): stage.key for stage in plan.stages}


def chains(plan):
    return [stage.address.chain for stage in plan.stages]


def changed(before, after):
    """Chains whose key differs between two plans of the same stages."""
    assert keys(before).keys() == keys(after).keys()
    return {chain for (chain, seed), key in keys(before).items() if keys(after)[chain, seed] != key}


# Stages


def test_each_stage_is_there_once_and_parents_come_first(plan):
    stages = plan([*reversed(DEFAULT_TECHNIQUES), "linear-probe+lora+full"], seeds=2).stages
    addresses = [stage.address for stage in stages]
    assert len(set(addresses)) == len(addresses) == 2 * 6
    for number, stage in enumerate(stages):
        assert stage.parent is None or stage.parent in addresses[:number]
        expected = stage.address.chain.rpartition("+")[0] or None
        assert (stage.parent.chain if stage.parent else None) == expected
        assert stage.parent is None or stage.parent.seed == stage.address.seed


def test_a_stage_says_which_techniques_need_it(plan):
    needed = {stage.address.chain: stage.needed_by for stage in plan(DEFAULT_TECHNIQUES).stages}
    assert needed["linear-probe"] == ("linear-probe", "linear-probe+full", "linear-probe+lora")
    assert needed["full"] == ("full",) and needed["linear-probe+lora"] == ("linear-probe+lora",)


def test_a_stage_that_no_technique_names_is_planned_for_those_that_need_it(plan):
    assert chains(plan(["linear-probe+lora"])) == ["linear-probe", "linear-probe+lora"]


def test_the_first_seed_is_finished_before_the_second_begins(plan):
    assert [stage.address.seed for stage in plan(THREE, seeds=[4, 1]).stages] == [4, 4, 4, 1, 1, 1]


def test_steps_are_counted_over_the_stages(plan):
    stages = plan([{"name": "linear-probe", "steps": 5}, *THREE[1:]], steps=7).stages
    assert [stage.first_step for stage in stages] == [0, 5, 12]


# Budget and optimization


def spec(technique="full", **settings):
    return StageSpec(technique, technique, settings_of(technique)(**settings), None, 0)


def evaluations(budget):
    job = Budget(budget.steps, budget.batch_size, budget.eval_every, budget.eval_on)
    return [step for step in range(budget.steps + 1) if job.splits_at(step)]


@pytest.mark.parametrize(
    ("protocol", "settings", "rows", "steps"),
    [
        ({"steps": 437}, {}, 2616, 437),
        ({}, {}, 2616, 4 * 109),
        ({}, {}, 2617, 4 * 110),  # the last, smaller batch is a step
        ({"epochs": 1}, {}, 25, 2),
        ({"epochs": 0.5}, {}, 2616, 54),
        ({"epochs": 0.001}, {}, 100, 1),
        ({"epochs": 2, "batch_size": 10}, {}, 101, 22),
        ({"steps": 437}, {"epochs": 2}, 240, 20),
        ({"epochs": 3}, {"steps": 7}, 240, 7),
        ({"steps": 5}, {}, None, 5),
        ({"epochs": 5}, {"steps": 6}, None, 6),
    ],
)
def test_steps_are_the_stages_own_else_the_protocols(protocol, settings, rows, steps):
    assert resolve_budget(Protocol(**protocol), spec(**settings), rows).steps == steps


def test_epochs_of_unknown_data_are_no_budget():
    assert resolve_budget(Protocol(), spec(), None) is None
    assert resolve_budget(Protocol(steps=5), spec(epochs=1), None) is None


def test_the_papers_evaluations():
    given = resolve_budget(Protocol(steps=437, eval_every=23), spec(), 2616)
    by_default = resolve_budget(Protocol(steps=437), spec(), 2616)
    assert given == by_default and evaluations(given) == [*range(0, 437, 23), 437] and len(evaluations(given)) == 20


@pytest.mark.parametrize("steps", [1, 2, 18, 19, 20, 38, 57, 110, 437, 1000, 4360])
def test_there_are_at_most_twenty_evaluations_unless_asked_otherwise(steps):
    budget = resolve_budget(Protocol(steps=steps), spec(), None)
    assert len(evaluations(budget)) <= 20 and evaluations(budget)[-1] == steps
    finer = replace(budget, eval_every=budget.eval_every - 1)
    assert budget.eval_every == 1 or len(evaluations(finer)) > 20
    assert resolve_budget(Protocol(steps=steps, eval_every=3), spec(), None).eval_every == 3


def test_optimization_is_the_stages_own_else_the_protocols():
    protocol = Protocol(schedule="cosine", warmup=0.2, weight_decay=0.3, max_grad_norm=4.0)
    theirs = resolve_optimization(protocol, spec(learning_rate=0.5))
    assert vars(theirs) == {"learning_rate": 0.5} | protocol.model_dump(
        include={"schedule", "warmup", "weight_decay", "max_grad_norm"}
    )
    own = {"learning_rate": 0.5, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0, "max_grad_norm": "off"}
    assert vars(resolve_optimization(protocol, spec(**own))) == own


@pytest.mark.parametrize("norm", [0, 0.0, -1.0])
def test_a_gradient_is_not_clipped_to_nothing(norm):
    """0 would fall through to the protocol's, and a negative norm would turn the gradient round."""
    with pytest.raises(ValidationError, match="positive number, or off"):
        settings_of("lora")(max_grad_norm=norm)


# Keys: what is in them


def sections(kind=Section):
    for child in kind.__subclasses__():
        if child.__module__.startswith("tuneoff."):
            yield child
        yield from sections(child)


def test_every_field_of_every_section_is_declared_in_or_out_of_the_key():
    for module in pkgutil.walk_packages(tuneoff.__path__, "tuneoff."):
        importlib.import_module(module.name)
    found = set(sections())
    assert {Protocol, ModelSpec, *(settings_of(name) for name in names())} <= found
    for kind in found:
        for name, field in kind.model_fields.items():
            assert isinstance(in_key(field), bool), f"{kind.__name__}.{name}: make it with keyed(...) or unkeyed(...)"


OTHERS = [None, "cosine", "off", 0.3, 5, ["query"], ["key"], True, False, "first", "pair", 8, "road_2"]
OTHERS += [{"type": "VERA"}]


def another(kind, name):
    """Return a value of a setting that is neither its default nor, where that is None, the protocol's."""
    default = kind.model_fields[name].default
    numbers = [default * 2, default + 1] if isinstance(default, int | float) and not isinstance(default, bool) else []
    for value in [*numbers, *OTHERS]:
        try:
            made = kind.model_validate({name: value}, strict=True)
        except ValidationError:
            continue
        if getattr(made, name) != default:
            return value
    raise AssertionError(f"add a value of {kind.__name__}.{name} to OTHERS")


def declarations():
    """Return each setting once, as (technique, field): with one of the techniques that have it from the same class."""
    found = {}
    for name in names():
        kind = settings_of(name)
        for field in kind.model_fields:
            owner = next(one for one in kind.__mro__ if field in inspect.get_annotations(one))
            found.setdefault((owner, field), (name, field))
    return list(found.values())


EVERY_SETTING = declarations()


@pytest.mark.parametrize(("technique", "field"), EVERY_SETTING)
def test_each_setting_changes_the_keys_of_its_stage_and_of_those_after_it_alone(plan, technique, field):
    first, last = [name for name in names() if name != technique and get(name).ends_a_chain is None][:2]
    rest = [first, last, f"{first}+{last}", f"{first}+{technique}"]
    value = another(settings_of(technique), field)
    if get(technique)(settings_of(technique).model_validate({field: value})).ends_a_chain is None:
        rest.append(f"{first}+{technique}+{last}")
    entry = {"name": technique, field: value}
    before, after = plan([technique, *rest]), plan([entry, *rest])
    concerned = {chain for chain in chains(before) if technique in chain.split("+")}
    # What is fitted has one step, whatever its budget says.
    fitted = get(technique).gradient_free and field in ("steps", "epochs")
    assert changed(before, after) == (set() if fitted else concerned)


def test_a_setting_of_a_chain_is_its_last_stages(plan):
    before = plan(["lora", *THREE])
    after = plan(["lora", THREE[0], {"name": THREE[1], "rank": 4}, THREE[2]])
    assert changed(before, after) == {"linear-probe+lora", "linear-probe+lora+full"}


PROTOCOL = {
    "steps": {"steps": 7},
    "epochs": {"steps": None, "epochs": 2},
    "batch_size": {"batch_size": 9},
    "eval_every": {"eval_every": 2},
    "eval_on": {"eval_on": "dev"},
    "checkpoint": {"eval_on": "dev", "checkpoint": "best"},
    "tune": {"eval_on": "dev", "tune": {"trials": 2}},  # its outcome is not known yet, so no key is
    "choose_by": {"eval_on": "dev", "checkpoint": "best", "choose_by": "loss"},
    "schedule": {"schedule": "cosine"},
    "warmup": {"warmup": 0.5},
    "weight_decay": {"weight_decay": 0.5},
    "max_grad_norm": {"max_grad_norm": "off"},
    "seeds": {"seeds": [0]},
    "margin": {"margin": 2.0},
    "until_clear": {"until_clear": {"seeds": 8}},
    "folds": {},  # stages of folds have other addresses; see test_folds
    "precision": {"precision": "bf16"},
    "keep_weights": {"keep_weights": "none"},
    "keep_texts": {"keep_texts": 0},
    "micro_tokens": {"micro_tokens": 64},
    "memory_limit": {"memory_limit": "64 GB"},
    "threads": {"threads": 2},
    "compact_vocabulary": {"compact_vocabulary": False},
    "reuse_activations": {"reuse_activations": False},
    "pack_texts": {"pack_texts": False},
    "light_dropout": {"light_dropout": False},
    "device": {"device": "cpu"},
}
NO_RESULT = {
    "seeds",
    "margin",
    "until_clear",
    "folds",
    "keep_weights",
    "keep_texts",
    "micro_tokens",
    "memory_limit",
    "threads",
    "compact_vocabulary",
    "device",
}
NO_RESULT |= {"pack_texts", "light_dropout", "reuse_activations"}


def test_each_field_of_the_protocol_is_tried_below():
    assert PROTOCOL.keys() == Protocol.model_fields.keys(), "say in PROTOCOL and NO_RESULT what the new field changes"


@pytest.mark.parametrize("field", PROTOCOL)
def test_the_protocol_changes_all_keys_or_none(plan, field):
    before = plan(["full", "linear-probe+lora"])
    after = plan(["full", "linear-probe+lora"], **PROTOCOL[field])
    assert changed(before, after) == (set() if field in NO_RESULT else set(chains(before)))


def test_a_further_test_set_changes_what_is_evaluated_and_not_what_is_trained(plan, write_rows):
    before = plan(["full", "linear-probe+lora"])
    after = plan(["full", "linear-probe+lora"], task={"also_test": {"far": str(write_rows("far.jsonl", 5, seed=3))}})
    assert changed(before, after) == set(chains(before))
    for old, new in zip(before.stages, after.stages, strict=True):
        assert list(new.key_parts["also_test"]) == ["far"] and "also_test" not in old.key_parts
        assert {**new.key_parts, "also_test": None} == {**old.key_parts, "also_test": None}
        assert digest(training_parts(new.key_parts)) == old.key
    parent, child = before.stages[-2:]
    assert child.key_parts["parent"] == parent.key


MODEL = {
    "pooling": {"pooling": "first"},
    "head": {"head": "native"},
    "prefix": {"prefix": "query: "},
    "max_length": {"max_length": 9},
    "template": {"template": "{1} : {0}"},
    "name": {"name": "other"},
    "label": {"label": "Another name"},
    "trust_remote_code": {"trust_remote_code": True},  # there is no code in the folder
    "load": {"load": "4bit"},
}
PLACES = {"id", "revision"}


def test_each_field_of_a_model_is_tried_below():
    assert MODEL.keys() | PLACES == ModelSpec.model_fields.keys(), "say in MODEL what the new field changes"


@pytest.mark.parametrize("field", MODEL)
def test_what_makes_vectors_of_texts_changes_all_keys_and_names_change_none(plan, field):
    family = "qwen3" if field == "template" else "bert"
    first = "full"
    if field == "load":
        pytest.importorskip("bitsandbytes")
        first, family = "linear-probe", "wide-bert"  # what would change the weights is refused
    before, after = (plan([first, "linear-probe+lora"], family, model=model) for model in ({}, MODEL[field]))
    none = field in ("name", "label", "trust_remote_code")
    assert changed(before, after) == (set() if none else set(chains(before)))


def test_a_model_is_its_content_and_not_its_place(plan, model_folder, tmp_path):
    before = plan(["full"])
    copy = tmp_path / "elsewhere" / "model"
    shutil.copytree(model_folder("bert"), copy)
    assert not changed(before, plan(["full"], model={"id": str(copy)}))
    (copy / "modeling_own.py").write_text("print('code of the model')\n")
    assert not changed(before, plan(["full"], model={"id": str(copy)}))
    assert changed(before, plan(["full"], model={"id": str(copy), "trust_remote_code": True}))
    (copy / "modeling_own.py").unlink()
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert changed(before, plan(["full"], model={"id": str(copy)}))


@pytest.mark.parametrize(
    ("old", "new"), [('"feline"', '"canine"'), ("cat", "dog"), ('"premise": "', '"premise": "old ')]
)
def test_a_label_or_a_text_in_the_data_changes_all_keys(study, tmp_path, old, new):
    read = study(["full", "linear-probe+lora"])
    model = resolve_model(read.study.models[0], need_weights=True)

    def planned():
        data = load_task(read.study.task, need_dev=False, base=tmp_path)
        return make_plan(read.study, [Question(model, "train", data, "fp32")], None)

    before = planned()
    lines = (tmp_path / "test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    lines[2] = lines[2].replace(old, new, 1)
    (tmp_path / "test.jsonl").write_text("".join(lines), encoding="utf-8")
    assert changed(before, planned()) == set(chains(before))


def test_the_tasks_name_and_place_change_no_key_and_its_rows_do(plan, tmp_path):
    before = plan(["full"])
    assert not changed(before, plan(["full"], task={"name": "pets"}))
    shutil.copy(tmp_path / "train.jsonl", tmp_path / "renamed.jsonl")
    assert not changed(before, plan(["full"], task={"train": str(tmp_path / "renamed.jsonl")}))
    assert changed(before, plan(["full"], task={"limit": 12}))
    assert changed(before, plan(["full"], task={"text": ["hypothesis", "premise"]}))


def test_seeds_have_keys_of_their_own_and_more_of_them_keep_those_there(plan):
    two, three = keys(plan(DEFAULT_TECHNIQUES, seeds=2)), keys(plan(DEFAULT_TECHNIQUES, seeds=3))
    assert len(set(three.values())) == 15 and two.items() <= three.items()


def test_one_technique_under_two_names_has_one_key(plan):
    found = keys(plan(["lora", {"name": "again", "use": "lora"}, {"name": "wide", "use": "lora", "rank": 16}]))
    assert found["lora", 0] == found["again", 0] != found["wide", 0]


def test_the_same_technique_after_another_has_another_key(plan):
    found = keys(plan(["lora", "linear-probe+lora"]))
    assert len(set(found.values())) == 3


def test_without_weights_there_is_no_key(plan, model_folder, tmp_path):
    study = study_from_mapping({"model": str(model_folder("bert")), "task": "mini_rte", "techniques": THREE})
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(model_folder("bert") / "config.json", bare)
    model = resolve_model(ModelSpec(id=str(bare)), need_weights=False)
    data = load_task(study.task, need_dev=True, base=tmp_path)
    for question in (Question(model, "rte", data, "fp32"), Question(model, "rte", None, "fp32")):
        stages = make_plan(study, [question], Store(tmp_path / "out")).stages
        assert {stage.key for stage in stages} == {None}
        assert {stage.reason.state for stage in stages} == {"unknown"} and all(stage.reason.runs for stage in stages)


def test_the_plans_key_is_the_digest_of_what_the_record_says(study, listener, tmp_path):
    read = study(["linear-probe+lora"], steps=2, eval_every=2)
    store = compute_study(read, tmp_path / "out", listener())
    again = make_plan(read.study, prepare(read, listener()).questions, Store(tmp_path / "out"))
    planned = {stage.address: stage for stage in again.stages}
    assert len(store.records()) == 2
    for record in store.records():
        assert digest(record.key_parts) == record.key == planned[record.address].key
        assert record.key_parts == planned[record.address].key_parts
    assert {stage.reason.state for stage in again.stages} == {"done"} and again.to_run == []


# Reasons


def ended(store, stage, *, weights=True, **changes):
    """Put a stage into the store as if it had been computed."""
    record = StageRecord(
        address=stage.address,
        status="done",
        parent=stage.parent.chain if stage.parent else None,
        technique=stage.spec.technique,
        key=stage.key,
        key_parts=stage.key_parts,
        settings={},
        budget={},
        parameters={},
        seconds={},
        seconds_alone={},
        tokens={},
        peak_memory={},
        machine={},
        started="",
        ended="",
    )
    store.finish(replace(record, **changes), [], None, {"head.weight": torch.zeros(1)} if weights else None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


def states(plan):
    return {stage.address.chain: stage.reason.state for stage in plan.stages}


def test_nothing_there_is_missing_and_a_begun_folder_is_incomplete(plan, store):
    (stage,) = plan(store=store).stages
    assert str(stage.reason) == "missing" and stage.reason.runs
    store.folder(stage.address).mkdir(parents=True)
    (stage,) = plan(store=store).stages
    assert str(stage.reason) == "incomplete: begun, not finished" and stage.reason.runs


def test_a_record_without_its_mark_is_incomplete(plan, store):
    (stage,) = plan(store=store).stages
    ended(store, stage)
    (store.folder(stage.address) / "DONE").unlink()
    assert states(plan(store=store)) == {"linear-probe": "incomplete"}


def test_a_failed_stage_says_why_and_runs_again(plan, store):
    (stage,) = plan(store=store).stages
    ended(store, stage, weights=False, status="failed", failure={"reason": "out of memory: 3 GB", "step": 2})
    (stage,) = plan(store=store).stages
    assert str(stage.reason) == "failed: out of memory: 3 GB" and stage.reason.runs


def test_a_changed_stage_says_what_changed_from_what_to_what(plan, store):
    for stage in plan(["linear-probe", "linear-probe+lora"], store=store).stages:
        ended(store, stage)
    assert set(states(plan(["linear-probe", "linear-probe+lora"], store=store)).values()) == {"done"}
    after = plan(
        [{"name": "linear-probe", "learning_rate": 0.5}, {"name": "linear-probe+lora", "rank": 4}],
        store=store,
        steps=7,
        model={"prefix": "query: "},
    )
    probe, lora = after.stages
    assert probe.reason.state == lora.reason.state == "changed"
    told = set(str(probe.reason).removeprefix("changed: ").split(", "))
    assert told == {
        "model.prefix  -> query: ",
        "settings.learning_rate 0.001 -> 0.5",
        "optimization.learning_rate 0.001 -> 0.5",
        "budget.steps 6 -> 7",
    }
    assert "settings.rank 8 -> 4" in str(lora.reason) and str(lora.reason).endswith(", parent")


def test_a_stage_changed_and_failed_is_told_as_changed(plan, store):
    (stage,) = plan(store=store).stages
    parts = dict(stage.key_parts) | {"precision": "bf16"}
    ended(store, stage, key=digest(parts), key_parts=parts, status="failed", failure={"reason": "x"}, weights=False)
    assert str(plan(store=store).stages[0].reason) == "changed: precision bf16 -> fp32"


def test_done_stages_whose_weights_are_needed_run_again(plan, store):
    for stage in plan(THREE, store=store).stages[:2]:
        ended(store, stage, weights=False)
    assert states(plan(THREE[:2], store=store)) == {"linear-probe": "done", "linear-probe+lora": "done"}
    after = plan(THREE, store=store)
    assert states(after) == {
        "linear-probe": "needed",
        "linear-probe+lora": "needed",
        "linear-probe+lora+full": "missing",
    }
    assert "weights were not kept" in str(after.stages[0].reason) and chains(after) == THREE
    assert len(after.to_run) == 3


def test_every_stage_before_one_that_runs_has_to_have_its_weights(plan, store):
    """The third stage is built from the weights of the first and of the second."""
    first, second, _ = plan(THREE, store=store).stages
    ended(store, first, weights=False)
    ended(store, second)
    assert list(states(plan(THREE, store=store)).values()) == ["needed", "done", "missing"]


def test_another_seeds_weights_are_left_alone(plan, store):
    for stage in plan(THREE[:2], store=store, seeds=2).stages:
        ended(store, stage, weights=False)
    assert {stage.reason.state for stage in plan(THREE[:2], store=store, seeds=2).stages} == {"done"}
    after = plan(THREE[:2], store=store, seeds=3)
    assert [stage.reason.state for stage in after.stages] == ["done"] * 4 + ["missing"] * 2


def test_a_plan_without_a_store_computes_all(plan):
    assert math.prod(stage.reason.state == "missing" for stage in plan(THREE).stages) == 1


def test_what_is_not_used_of_a_budget_is_in_no_key(plan):
    """Keys of studies that choose no weights are what they were before weights could be chosen."""
    for stage in plan(eval_on="dev", choose_by="loss").stages:
        assert stage.key_parts["budget"].keys() == {"steps", "batch_size", "eval_every", "eval_on"}
    by = [plan(eval_on="dev", checkpoint="best", choose_by=by) for by in ("accuracy", "loss")]
    assert changed(*by) == set(chains(by[0]))
