"""Which types and fields of peft a study may name, and what each field takes: values, default, peft's explanation."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from annotated_types import Ge, Gt, Lt

if TYPE_CHECKING:
    from peft import PeftConfig

PROMPTS = ("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CARTRIDGE", "CPT")

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
#: Mappings from names of layers to whole numbers, and to numbers: another rank or scale for single layers.
_WHOLE_PATTERNS = ("rank_pattern", "n_frequency_pattern", "block_size_pattern")
_PATTERNS = ("alpha_pattern", "lambda_pattern")


@dataclass(frozen=True)
class PeftField:
    """A field of one of peft's configs.

    `annotation` is the Python type of its values, with the limits that peft leaves unsaid; `default` is what peft takes
    where it is left out; `meaning` is peft's own explanation on one line, empty where it has none.
    """

    annotation: Any
    default: Any
    meaning: str


def written_type(kind: str) -> str:
    """Return a type as peft writes it: letters of any case and hyphens are taken."""
    return kind.upper().replace("-", "_")


def config_class(kind: str) -> "type[PeftConfig]":
    """Return peft's class of a type's config."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from peft.utils import PeftType

    return PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(kind)]


def usable_types() -> list[str]:
    """Return the types of peft that can be used, as peft writes them."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return sorted(one.value for one in PEFT_TYPE_TO_CONFIG_MAPPING if one.value not in {*REFUSED, *PROMPTS})


def fields_of(kind: str) -> dict[str, PeftField]:
    """Return the fields of a type's config that are a study's to set, by name in alphabetical order."""
    config = config_class(kind)
    hints = get_type_hints(config)
    found = {one.name: one for one in dataclasses.fields(config) if one.init and one.name not in OURS}
    return {
        name: PeftField(
            _limited(name, hints[name], _default(found[name])), _default(found[name]), _meaning(found[name])
        )
        for name in sorted(found)
    }


def _limited(name: str, annotation: Any, default: Any) -> Any:
    """Return the type of a field with its limits: shares of dropout, ranks and scales are told by their names.

    peft takes a negative share, or a scale of 0 under which nothing is trained, without a word.
    """
    if name == "init_lora_weights":
        return Literal[FIRST_NUMBERS]
    if annotation in (dict, dict | None):
        if name in _WHOLE_PATTERNS:
            return dict[str, Annotated[int, Gt(0)]] | None
        if name in _PATTERNS:
            return dict[str, Annotated[float, Gt(0)]] | None
    if not _numbers(annotation):
        return annotation
    if "dropout" in name:
        return Annotated[annotation, Ge(0), Lt(1)]
    if name == "r" or name.endswith("_r"):  # 0 where peft has it so: no such part, or it follows from another field
        return Annotated[annotation, Ge(0 if default == 0 else 1)]
    return Annotated[annotation, Gt(0)] if "alpha" in name or name == "effective_rank" else annotation


def _numbers(annotation: Any) -> bool:
    """Return whether an annotation takes numbers alone, None aside."""
    return set(get_args(annotation) or (annotation,)) <= {int, float, type(None)}


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _meaning(field: "dataclasses.Field[Any]") -> str:
    help_: Any = field.metadata.get("help", "")
    return " ".join((help_ if isinstance(help_, str) else "".join(help_)).split())


def as_json_schema(field: PeftField) -> Mapping[str, Any]:
    """Return the JSON Schema of a field's values, with default and meaning."""
    from pydantic import TypeAdapter

    default = {} if field.default is dataclasses.MISSING else {"default": field.default}
    described = {"description": field.meaning} if field.meaning else {}
    return {**TypeAdapter(field.annotation).json_schema(), **default, **described}
