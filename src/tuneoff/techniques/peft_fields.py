"""Checking what a study gives to peft: the type, its config's own fields, and which are not a study's to set."""

import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from tuneoff.complaints import expectation
from tuneoff.words import described, listed, near

if TYPE_CHECKING:
    from peft import PeftConfig

PROMPTS = ("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CARTRIDGE", "CPT")
_AS_TECHNIQUES = ("prefix", "prompt", "p-tuning")

# Types of peft that are no adapter of a classifier's layers, or that need more than their fields.
REFUSED = {
    "ADAPTION_PROMPT": "it puts prompts into the attention of a few causal language models",
    "ADAMSS": "how much it trains follows from the weights, so a plan cannot tell it",
    "FROD": "it takes the weights of all layers apart together, so a plan cannot tell what it trains",
    "ADALORA": "its ranks change from step to step: use the technique adalora, which does so",
    "XLORA": "it mixes adapters that were trained before",
    "POLY": "it needs the number of a task with each text",
    "SHADOW": "it runs a second model beside the first, and peft cannot put it into a model",
    "TRAINABLE_TOKENS": "it trains rows of the embedding table by token numbers: use full, which trains those in use",
}
# Types that train and cannot be folded into the weights.
NOT_MERGED = {"LILY": "peft cannot fold its routed adapters into the weights"}

# Fields that tuneoff sets, or that only make sense elsewhere.
OURS = {
    "task_type": "the head is tuneoff's own",
    "inference_mode": "the adapters are trained",
    "modules_to_save": "the head is trained in any case, and other modules stay as they are",
    "base_model_name_or_path": "the model is the study's",
    "revision": "the model is the study's",
    "auto_mapping": "peft writes it itself",
    "peft_type": "it is what `type` says",
    "peft_version": "peft writes it itself",
    "fan_in_fan_out": "it follows from the model's layers",
    "progressbar": "it changes nothing",
    "save_projection": "the projection is made again from its seed",
    "save_precomputed_indices": "the indices are found again in the base weights",
    "save_indices": "the indices are made again from their seed",
    "runtime_config": "it places parts on several devices",
    "runtime_offload_base_weight": "it places parts on several devices",
    "megatron_config": "models are transformers' own",
    "megatron_core": "models are transformers' own",
    "generator_seed": "its state would be lost where a stage is taken up again; noise follows the run's seed",
}
_ELSEWHERE = {
    "eva_config": "use the technique eva",
    "corda_config": "its data pass is not made here",
    "lora_ga_config": "its data pass is not made here",
    "loftq_config": "the base is not quantized",
    "use_qalora": "the base is not quantized",
    "qalora_group_size": "the base is not quantized",
    "alora_invocation_tokens": "it is for generated text",
    "arrow_config": "it mixes adapters that were trained before",
    "layer_replication": "it makes another model of the base",
    "trainable_token_indices": "use full, which trains the embedding rows in use",
    "target_parameters": "name layers by `target_modules`",
    "ensure_weight_tying": "a classifier has no output embeddings",
    "use_bdlora": "it splits adapters over several devices",
    "kasa_config": "its loss is not computed here",
    "monteclora_config": "its loss is not computed here",
    "velora_config": "its state would be lost where a stage is taken up again",
    "use_asa": "its masks change from step to step",
}
OURS |= _ELSEWHERE
# First numbers that follow from the base weights alone, or are all trained and so stored.
FIRST_NUMBERS = (True, False, "gaussian", "olora", "pissa", "orthogonal", "mica")


def complaint(given: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a study's `peft:`, all of it, or None. Needs peft, so it takes seconds at first."""
    kind = given.get("type")
    types = _types()
    if not isinstance(kind, str):
        return f"`type` says which of peft's adapters: {listed(types, at_most=60)}"
    if kind in PROMPTS:
        return f"type {kind}: it puts virtual tokens before a text: use {_prompt_techniques()}"
    if kind in REFUSED:
        return f"type {kind}: {REFUSED[kind]}"
    if kind not in types:
        return f"there is no type {kind!r} in peft.{near(kind, types)} There are: {listed(types, at_most=60)}"
    fields = {name: value for name, value in given.items() if name != "type"}
    return "; ".join(_wrong_fields(config_class(kind), fields)) or _refused_by_peft(kind, fields)


def config_class(kind: str) -> "type[PeftConfig]":
    """Return peft's class of a type's config."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from peft.utils import PeftType

    return PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(kind)]


def _names(config: "type[PeftConfig]") -> list[str]:
    return [name for name, field in config.__dataclass_fields__.items() if field.init]


def _types() -> list[str]:
    """Return the types of peft that can be used, as peft writes them."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return sorted(one.value for one in PEFT_TYPE_TO_CONFIG_MAPPING if one.value not in {*REFUSED, *PROMPTS})


def _prompt_techniques() -> str:
    from tuneoff.techniques import names

    return listed([name for name in _AS_TECHNIQUES if name in names()] or ["an adapter"])


def _wrong_fields(config: "type[PeftConfig]", fields: Mapping[str, Any]) -> list[str]:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.fields import FieldInfo

    hints, problems = get_type_hints(config), []
    usable = sorted(name for name in _names(config) if name not in OURS)
    for name, value in fields.items():
        if name not in _names(config):
            names = listed(usable, at_most=60)
            problems.append(f"`{name}` is no field of peft's {config.__name__}.{near(name, usable)} Fields: {names}")
        elif name in OURS:
            problems.append(f"`{name}` is not a study's to set: {OURS[name]}")
        elif name == "init_lora_weights":
            if value not in FIRST_NUMBERS:
                wanted = listed(str(one).lower() for one in FIRST_NUMBERS)
                problems.append(f"`{name}`: expected one of {wanted}, found {described(value)}")
        else:
            try:
                TypeAdapter(hints[name]).validate_python(value, strict=True)
            except ValidationError:
                problems.append(f"`{name}`: {expectation(FieldInfo(annotation=hints[name]), value).rstrip('.')}")
            else:
                problems += _bad_pattern(name, value)
    return problems


def _bad_pattern(name: str, value: Any) -> list[str]:
    """Return what is wrong with a text that peft takes for a regular expression of names."""
    if not name.endswith("_modules") or not isinstance(value, str):
        return []
    try:
        re.compile(value)
    except re.error as error:
        return [f"`{name}`: expected names, or a regular expression of them; {value!r} is none: {error}"]
    return []


def _refused_by_peft(kind: str, fields: Mapping[str, Any]) -> str | None:
    """Return what peft itself finds wrong with fields that fit one by one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of concerns saving, or is told when the adapters are put in
        try:
            config_class(kind)(**fields)
        except (ValueError, TypeError, ImportError) as error:
            return f"peft's {kind} refuses it: {error}".rstrip(".")
    return None
