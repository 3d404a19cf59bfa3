"""What is in the key of a stage, and what is not."""

import importlib
import inspect
import pkgutil
import shutil

import pytest
from pydantic import ValidationError

import tuneoff
from tuneoff.files import digest
from tuneoff.models.resolve import resolve_model
from tuneoff.plan import Question, make_plan
from tuneoff.planned import training_parts
from tuneoff.reading import study_from_mapping
from tuneoff.running import compute_study, prepare
from tuneoff.section import Section, in_key
from tuneoff.store import Store
from tuneoff.study import DEFAULT_TECHNIQUES, ModelSpec, Protocol
from tuneoff.tasks import load_task
from tuneoff.techniques import get, names, settings_of

THREE = ["linear-probe", "linear-probe+lora", "linear-probe+lora+full"]


def keys(plan):
    return {(stage.address.chain, stage.address.seed): stage.key for stage in plan.stages}


def chains(plan):
    return [stage.address.chain for stage in plan.stages]


def changed(before, after):
    """Chains whose key differs between two plans of the same stages."""
    assert keys(before).keys() == keys(after).keys()
    return {chain for (chain, seed), key in keys(before).items() if keys(after)[chain, seed] != key}


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


def test_what_is_not_used_of_a_budget_is_in_no_key(plan):
    """Keys of studies that choose no weights are what they were before weights could be chosen."""
    for stage in plan(eval_on="dev", choose_by="loss").stages:
        assert stage.key_parts["budget"].keys() == {"steps", "batch_size", "eval_every", "eval_on"}
    by = [plan(eval_on="dev", checkpoint="best", choose_by=by) for by in ("accuracy", "loss")]
    assert changed(*by) == set(chains(by[0]))
