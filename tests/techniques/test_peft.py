"""Any type of peft by its own names: what can be said is checked, what cannot work is refused with the reason."""

import dataclasses
import json
import warnings
from typing import get_args

import pytest
import torch
from peft import get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from pydantic import ValidationError
from safetensors.torch import save_file

from tests.techniques.of_peft import FITTING, complaints, study, technique
from tuneoff.errors import ModelError, StudyError
from tuneoff.techniques import get
from tuneoff.techniques.composition import StageSpec, compose
from tuneoff.techniques.peft_check import complaint
from tuneoff.techniques.peft_fields import NOT_MERGED, OURS, PROMPTS, REFUSED, fields_of
from tuneoff.techniques.peft_warnings import PeftWarning, warnings_as_errors
from tuneoff.training.build import Ancestor, apply_technique, build_classifier

EVERY = sorted(one.value for one in PEFT_TYPE_TO_CONFIG_MAPPING)
USABLE = [kind for kind in EVERY if kind not in {*PROMPTS, *REFUSED}]


def test_every_type_of_peft_is_usable_or_refused():
    """A type that a later version adds comes here first."""
    assert {*USABLE, *PROMPTS, *REFUSED} == set(EVERY)
    assert len(USABLE) > 30


def test_it_is_written_with_and_without_use():
    short, long = study({"name": "my-vera", "peft": {"type": "vera", "r": 64}}, {"name": "b", "use": "peft"}).techniques
    assert (short.name, short.use, short.settings) == ("my-vera", "peft", {"peft": {"type": "vera", "r": 64}})
    assert long.use == "peft"
    (composed, _) = compose(study({"name": "my-vera", "peft": {"type": "vera", "r": 64}}, "linear-probe+lora"))
    assert composed.stages[0].technique == "peft" and composed.stages[0].settings.peft == {"type": "VERA", "r": 64}


def test_it_can_be_a_part_of_a_chain():
    _, both = compose(study({"name": "v", "peft": {"type": "vera"}}, "linear-probe+v"))
    assert [stage.technique for stage in both.stages] == ["linear-probe", "peft"]


def test_what_cannot_be_merged_ends_a_chain():
    with pytest.raises(StudyError, match="nothing can follow peft, peft cannot fold its routed adapters"):
        compose(study({"name": "l", "peft": {"type": "lily"}}, "l+full"))
    compose(study({"name": "l", "peft": {"type": "lily"}}, "linear-probe+l"))
    compose(study({"name": "v", "peft": {"type": "vera"}}, "v+full"))


def test_all_of_it_is_in_the_key_and_the_case_of_the_type_is_not():
    of = lambda **peft: get("peft").settings_class(peft=peft).keyed_values()["peft"]  # noqa: E731
    assert of(type="vera", r=8) == of(type="VERA", r=8) != of(type="vera", r=16)
    assert of(type="ln-tuning") == {"type": "LN_TUNING"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"type": "vera", "rr": 3}, "`rr` is no field of peft's VeraConfig. Did you mean 'r'? peft says of r: "),
        ({"type": "vera", "zzz": 3}, "`zzz` is no field of peft's VeraConfig. Fields: bias, d_initial, "),
        ({"type": "vera", "r": "many"}, "`r`: expected a whole number of at least 1, found the text 'many'"),
        ({"type": "lora", "lora_alpha": 0}, "`lora_alpha`: expected a whole number above 0, found the number 0"),
        ({"type": "glora", "r": 0}, "`r`: expected a whole number of at least 1, found the number 0"),
        ({"type": "loha", "rank_dropout": 2.0}, "`rank_dropout`: expected a number of at least 0 and below 1, found"),
        (
            {"type": "lora", "rank_pattern": {"query": 0}},
            "`rank_pattern.query`: expected a whole number above 0, found",
        ),
        ({"type": "lora", "rank_pattern": 3}, "`rank_pattern`: expected keys with values, found the number 3."),
        ({"type": "lora", "bias": "al"}, "found the text 'al'. Did you mean 'all'?"),
        ({"type": "psoft", "cayley_neumann_eps": 0.3}, "peft's PSOFT would do something else than was asked: "),
        ({"type": "loha", "init_weights": 3}, "`init_weights`: expected true or false, found the number 3"),
        ({"type": "veera"}, "there is no type 'VEERA' in peft. Did you mean 'VERA'"),
        ({"r": 3}, "`type` says which of peft's adapters: BEFT, "),
        ({"type": "lora", "task_type": "SEQ_CLS"}, "`task_type` is not a study's to set: the head is tuneoff's own"),
        ({"type": "lora", "modules_to_save": ["x"]}, "`modules_to_save` is not a study's to set: the head is trained"),
        ({"type": "lora", "init_lora_weights": "pissa_niter_4"}, "`init_lora_weights`: expected one of true, false, "),
        ({"type": "lora", "init_lora_weights": "eva"}, "found the text 'eva'"),
        ({"type": "prefix-tuning"}, "type PREFIX_TUNING: it puts virtual tokens before a text"),
        ({"type": "adalora"}, "type ADALORA: its ranks change from step to step: use the technique adalora"),
        ({"type": "cpt"}, "type CPT: it puts virtual tokens"),
        ({"type": "adaption_prompt"}, "type ADAPTION_PROMPT: it puts prompts into the attention"),
        ({"type": "xlora"}, "type XLORA: it mixes adapters"),
        ({"type": "gralora", "r": 3}, "peft's GRALORA refuses it: r should be divisible by gralora_k"),
        ({"type": "lora", "layers_pattern": "layer"}, "peft's LORA refuses it: "),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(given, wanted):
    message = complaints(**given)
    assert wanted in message and "peft" in message and "Traceback" not in message
    assert not message.endswith("?.")


def test_all_that_is_wrong_is_told_at_once():
    message = complaints(type="vera", rr=3, vera_dropout="x", task_type="SEQ_CLS")
    assert all(part in message for part in ("`rr` is no field", "`vera_dropout`: expected a number", "`task_type`"))


def out_of_range():
    """Each field of each type that is a share of dropout, a rank or a scale, with values just outside its range."""
    for kind in USABLE:
        for name, field in fields_of(kind).items():
            if not {int, float} & {field.annotation, *get_args(field.annotation)}:
                continue
            if "dropout" in name:
                yield from ((kind, name, -0.1), (kind, name, 1.0))
            elif name == "r":
                yield kind, name, -1 if field.default == 0 else 0
            elif "alpha" in name:
                yield kind, name, 0


def test_no_type_takes_a_dropout_a_rank_or_a_scale_out_of_its_range():
    cases = list(out_of_range())
    assert {kind for kind, name, _ in cases if "dropout" in name} > {"LORA", "BOFT", "DELORA", "HIRA", "LOKR", "OFT"}
    assert len(cases) > 60
    taken = [
        case for case in cases if f"`{case[1]}`: expected " not in str(complaint({"type": case[0], case[1]: case[2]}))
    ]
    assert not taken


@pytest.mark.parametrize("kind", USABLE)
def test_what_peft_takes_by_itself_is_in_range_and_explained(kind):
    """The default of every field passes the checks of values, and peft's words for it are one line."""
    fields = fields_of(kind)
    given = {name: field.default for name, field in fields.items()}
    assert complaint({"type": kind, **given, **FITTING.get(kind, {})}) is None
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    assert fields.keys() == {one.name for one in dataclasses.fields(config) if one.init} - OURS.keys()
    assert all(field.meaning and "\n" not in field.meaning for field in fields.values())
    told = {one.name: one.metadata["help"] for one in dataclasses.fields(config) if one.name in fields}
    assert all("".join(told[name]).split() == field.meaning.split() for name, field in fields.items())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"type": "OFT", "oft_block_size": 5}, r"peft would put OFT .* otherwise than was asked: Invalid `oft_block_"),
        ({"type": "LORA", "rank_pattern": {"foo": 3}}, r"rank_pattern keys did not match .*\['foo'\]"),
        ({"type": "HRA", "r": 3}, "symmetric initialization can NOT be performed when r is odd"),
    ],
)
def test_what_peft_would_change_or_leave_out_is_refused(fields, why, load):
    one = get("peft")(get("peft").settings_class(peft=fields))
    with pytest.raises(ModelError, match=why) as caught:
        apply_technique(one, load("bert"), 1)
    assert "site-packages" not in str(caught.value)


def test_a_warning_of_what_python_will_change_is_given_on():
    with pytest.warns(FutureWarning, match="soon"), warnings_as_errors():
        warnings.warn("soon", FutureWarning, stacklevel=1)
    with warnings_as_errors():
        warnings.warn("Unsupported layer type 'x' encountered", UserWarning, stacklevel=1)
    with pytest.raises(PeftWarning, match=r"^Adjusted r to 3$"), warnings_as_errors():
        warnings.warn("Adjusted  r to 3. ", UserWarning, stacklevel=1)


def test_every_field_that_is_ours_is_one_of_pefts():
    theirs = {field.name for config in PEFT_TYPE_TO_CONFIG_MAPPING.values() for field in dataclasses.fields(config)}
    assert OURS.keys() <= theirs


def test_settings_from_a_record_are_the_settings():
    settings = get("peft").settings_class(peft={"type": "vera", "r": 8})
    again = get("peft").settings_class.model_validate(json.loads(settings.model_dump_json()))
    assert again == settings
    with pytest.raises(ValidationError):
        get("peft").settings_class(peft={"type": "vera", "r": []})


@pytest.mark.parametrize("kind", USABLE)
def test_every_type_trains_is_rebuilt_from_what_it_stores_and_merges(kind, load, resolve, batch, tmp_path):
    """On a meta model it trains the same; gradients reach all of it; under another chance the logits are the same."""
    from tuneoff.models.classifier import build_meta

    one, classifier, meta = technique(kind), load("bert"), build_meta(resolve("bert"), 3)
    trained = apply_technique(one, classifier, 1)
    assert trained.keys() == apply_technique(technique(kind), meta, 1).keys() > {"head.weight"}
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in trained.values():
            value += 0.05 * torch.randn(value.shape, generator=noise)
    one.train_mode(classifier)
    one.loss(classifier(*batch), torch.tensor([0, 1, 2])).sum().backward()
    assert {key for key, value in classifier.named_parameters() if value.grad is not None} == trained.keys()
    with torch.no_grad():
        before = classifier.eval()(*batch)
    save_file({key: value.detach().contiguous() for key, value in trained.items()}, tmp_path / "weights.safetensors")
    torch.manual_seed(1234)
    spec = StageSpec("mine", "peft", one.settings, None, 0)
    saved = Ancestor(spec, "", tmp_path / "weights.safetensors")
    if kind in NOT_MERGED:
        with pytest.raises(ModelError, match="cannot be folded in"):
            one.merge(classifier)
        return
    again = build_classifier(resolve("bert"), ["a", "b", "c"], [saved], torch.device("cpu"), head_seed=9)
    with torch.no_grad():
        assert (before - again(*batch)).abs().max() < 1e-5 * before.abs().max()
    assert not [module for module in again.modules() if "peft" in type(module).__module__]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("VERA", {"r": 16}),
        ("OFT", {"oft_block_size": 8}),
        ("LORA", {"r": 4, "use_dora": True}),
        ("LORA", {"r": 4, "init_lora_weights": "pissa"}),
        ("IA3", {"feedforward_modules": []}),
        ("LOKR", {"r": 4}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_the_hidden_states_are_those_of_pefts_own_wrapper(kind, fields, load, bare, batch):
    targets = ["query", "value"]
    classifier, one = load("bert"), technique(kind, target_modules=targets, **fields)
    trained = apply_technique(one, classifier, 1)
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind](target_modules=targets, **fields)
    theirs = get_peft_model(bare("bert"), config).eval()
    noise, places = torch.Generator().manual_seed(2), dict(theirs.named_parameters())
    ours = {key: value for key, value in trained.items() if key != "head.weight"}
    assert sum(value.numel() for value in ours.values()) == theirs.get_nb_trainable_parameters()[0]
    with torch.no_grad():
        for key, value in ours.items():
            value += 0.05 * torch.randn(value.shape, generator=noise)
            places["base_model.model." + key.removeprefix("backbone.")].copy_(value)
        ids, mask = batch
        inputs = classifier._inputs(ids, mask)
        found = classifier.eval().backbone(**inputs).last_hidden_state[mask.bool()]
        expected = theirs(**inputs).last_hidden_state[mask.bool()]
        plain = bare("bert").eval()(**inputs).last_hidden_state[mask.bool()]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - plain).abs().max() > 1e-3
