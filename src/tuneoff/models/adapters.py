"""A model that is one of peft's adapters: its base is found, and the adapter merged into it, before anything starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.errors import ModelError
from tuneoff.files import digest
from tuneoff.models import weights
from tuneoff.models.locate import Location, locate
from tuneoff.study import ModelSpec
from tuneoff.words import shortened

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
OF_PEFT = "base_model.model."  # what peft puts before the names of the model that an adapter belongs to
# What an adapter's settings hold that changes no hidden state of the merged model: places, versions, uses.
_NOT_KEYED = {
    *("base_model_name_or_path", "revision", "auto_mapping", "peft_version", "inference_mode", "task_type"),
    *("lora_dropout", "modules_to_save"),
}
# By the task that an adapter was trained for, transformers' class that it was put on.
CLASSES = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}
_ERRORS = (OSError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, where its base is, and its settings as adapter_config.json has them."""

    folder: Path
    base: Location
    settings: Mapping[str, Any]

    def fingerprint(self, base_files: Sequence[Path]) -> str | None:
        """Return a sha256 over the base's weights, the adapter's, and its settings; None while files are not there."""
        own = self.folder / WEIGHTS
        base, adapter = weights.fingerprint(list(base_files)), weights.fingerprint([own] if own.is_file() else [])
        if base is None or adapter is None:
            return None
        settings = {name: value for name, value in self.settings.items() if name not in _NOT_KEYED}
        return digest({"base": base, "adapter": adapter, "settings": settings})


def find_adapter(place: Location, spec: ModelSpec, *, need_weights: bool) -> Adapter | None:
    """Return the adapter that a model's folder holds, with its base located; None where it holds a model of its own.

    Raises ModelError for an adapter that cannot be merged, or whose base is not to be found.
    """
    settings = weights.read_json(place.folder, CONFIG, place.source)
    if settings is None:
        return None
    if weights.weight_files(place.folder, place.source):
        raise ModelError(
            f"model '{place.source}' holds a model and an adapter, {CONFIG}: keep one of them in the folder."
        )
    _check_merges(place, settings)
    if need_weights and not (place.folder / WEIGHTS).is_file():
        raise ModelError(f"model '{place.source}' is an adapter without weights: {WEIGHTS} is not in the folder.")
    if (place.folder / WEIGHTS).is_file():
        weights.weight_headers([place.folder / WEIGHTS], place.source)  # raises for a file that is cut off
    return Adapter(place.folder, _locate_base(place, spec, settings, need_weights=need_weights), settings)


def _check_merges(place: Location, settings: Mapping[str, Any]) -> None:
    import peft

    try:
        if not isinstance(settings.get("peft_type"), str):
            raise ValueError("it has no peft_type")
        config = peft.PeftConfig.from_pretrained(str(place.folder))
    except _ERRORS as error:
        reason = shortened(" ".join(str(error).split()), 200)
        raise ModelError(
            f"model '{place.source}': {CONFIG} is not as peft writes it ({reason}): copy it again."
        ) from error
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise ModelError(
            f"model '{place.source}' is an adapter of the type {settings.get('peft_type')}, which adds to what the "
            "model reads and cannot be merged into it: start from its base, or from an adapter that can."
        )


def _locate_base(place: Location, spec: ModelSpec, settings: Mapping[str, Any], *, need_weights: bool) -> Location:
    name, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if not isinstance(name, str) or not name:
        raise ModelError(f"model '{place.source}' is an adapter, and {CONFIG} names no base_model_name_or_path.")
    if not Path(name).is_dir() and (place.folder / name).is_dir():
        name = str(place.folder / name)
    asked = ModelSpec(
        id=name,
        revision=None if Path(name).is_dir() or not isinstance(revision, str) else revision,
        trust_remote_code=spec.trust_remote_code,
    )
    try:
        base = locate(asked, need_weights=need_weights)
    except ModelError as error:
        raise ModelError(
            f"model '{place.source}' is an adapter, and its base is not found: {error} It is named by "
            f"base_model_name_or_path in {CONFIG}."
        ) from error
    if (base.folder / CONFIG).is_file():
        raise ModelError(f"model '{place.source}' is an adapter of an adapter, '{base.source}': merge that one first.")
    return base


def merged_weights(
    adapter: Adapter, source: str, classes: Sequence[str], dtype: "torch.dtype"
) -> tuple[dict[str, "torch.Tensor"], dict[str, "torch.Tensor"]]:
    """Return the weights of base and adapter, merged by peft itself: the base model's by their names in it, the head's.

    The head is that of the class that the adapter was put on, as far as the adapter brought it in the shape that
    `classes` need. Raises ModelError where peft cannot load or merge it.
    """
    import peft
    import transformers

    auto = getattr(transformers, CLASSES.get(str(adapter.settings.get("task_type")), "AutoModel"))
    sized = {"num_labels": len(classes)} if "Classification" in auto.__name__ else {}
    try:
        plain = auto.from_pretrained(
            adapter.base.folder,
            use_safetensors=True,
            local_files_only=True,
            dtype=dtype,
            ignore_mismatched_sizes=True,
            **sized,
        )
        own = peft.PeftModel.from_pretrained(
            plain, str(adapter.folder), ignore_mismatched_sizes=True, use_safetensors=True
        )
        model: Any = own.merge_and_unload()
    except _ERRORS as error:
        reason = shortened(" ".join(str(error).split()), 300)
        raise ModelError(f"model '{source}' is an adapter that peft cannot merge into its base: {reason}") from error
    base = getattr(model, model.base_model_prefix, model)
    state = {name: value.detach() for name, value in base.state_dict().items()}
    prefix = f"{model.base_model_prefix}."
    head = {} if base is model else {n: v.detach() for n, v in model.state_dict().items() if not n.startswith(prefix)}
    return state, {name: value for name, value in head.items() if brought_shape(adapter, name) == tuple(value.shape)}


def brought_shape(adapter: Adapter, name: str) -> tuple[int, ...] | None:
    """Return the shape of a weight of the head that the adapter brings with it; None if it does not."""
    from safetensors import safe_open

    with safe_open(adapter.folder / WEIGHTS, framework="pt") as file:
        key = OF_PEFT + name
        return tuple(file.get_slice(key).get_shape()) if key in file.keys() else None  # noqa: SIM118  # no mapping
