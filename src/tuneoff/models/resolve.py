"""From a model as a study names it to the model as it is: files, fingerprints, and every default filled in."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.errors import ModelError
from tuneoff.models import families, quantised, weights
from tuneoff.models.adapters import Adapter, find_adapter
from tuneoff.models.card import card_name
from tuneoff.models.locate import Location, locate
from tuneoff.naming import LONGEST_NAME, NAME, folder_name
from tuneoff.study import ModelSpec, Pooling
from tuneoff.words import shortened

if TYPE_CHECKING:
    from transformers import PretrainedConfig

DEFAULT_TEMPLATE = "{0}\n{1}"
DEFAULT_LENGTH = 512
# Tokenizers without a limit of their own say so by a very large number.
_NO_LIMIT = 10**6
# What every model has at least one of, by the names that transformers has for them in all architectures.
SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
# What a config holds that changes no hidden state: who wrote it with what, names, and settings of training or caching.
_NOT_KEYED = {
    "_name_or_path",
    "_attn_implementation",
    "_commit_hash",
    "transformers_version",
    "architectures",
    "dtype",
    "torch_dtype",
    "tokenizer_class",
    "use_cache",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
}


@dataclass(frozen=True, eq=False)
class ResolvedModel:
    """A model with every default filled in.

    `name` is for folders, `label` for readers, `source` the hub id or the folder's last name (never a machine's path).
    `path` is the folder with the files, `revision` the hub's commit. `prefix` stands before each text, `template` makes
    one text of two (None for encoders, which have their tokenizer's pair form). `max_length` counts tokens, special
    ones included. `fingerprint` is a sha256 over the weight files, `tokenizer_fingerprint` over the tokenizer's; each
    is None while the files are not there. With an `adapter` the model starts from that adapter merged into its base:
    `path` is the base's, and the fingerprint is over both. `load` says that the backbone is held in fewer bits.
    """

    name: str
    label: str
    source: str
    path: Path | None
    revision: str | None
    config: "PretrainedConfig" = field(repr=False)
    pooling: Pooling
    head: Literal["linear", "native"]
    prefix: str
    template: str | None
    max_length: int
    fingerprint: str | None
    tokenizer_fingerprint: str | None
    trust_remote_code: bool
    adapter: Adapter | None = None
    load: Literal["4bit"] | None = None

    @property
    def is_decoder(self) -> bool:
        """Whether the model reads from left to right (Qwen3, Llama); an encoder (BERT, e5) reads both ways."""
        return families.is_decoder(self.config)

    @property
    def folder(self) -> Path | None:
        """The folder by which the same model is found again."""
        return self.path if self.adapter is None else self.adapter.folder

    def keyed(self) -> dict[str, Any]:
        """Return all that determines the function from texts to vectors, as JSON values, for content keys.

        It names no place: a model from the hub and a copy of its files are equal. While the weights are not there,
        source and revision stand for them, so that the key equals that of no finished work.
        """
        unknown = {"source": self.source, "revision": self.revision}
        code = sorted(self.path.glob("*.py")) if self.path and self.trust_remote_code else []
        return {
            "weights": self.fingerprint or unknown,
            "tokenizer": self.tokenizer_fingerprint or unknown,
            "config": _without_history(json.loads(self.config.to_json_string(use_diff=True))),
            "code": weights.fingerprint(code),
            "pooling": self.pooling,
            "head": self.head,
            "prefix": self.prefix,
            "template": self.template,
            "max_length": self.max_length,
            **({"load": self.load} if self.load else {}),  # left out elsewhere, so that older keys stay valid
        }


def resolve_model(spec: ModelSpec, *, need_weights: bool) -> ResolvedModel:
    """Find a model's files and fill in what the study leaves to the architecture.

    Without `need_weights` a config.json is enough (and all that the hub is asked for, but for other small files);
    with it, safetensors and a tokenizer are required. Raises ModelError with what is wrong and what to do.
    """
    if need_weights:
        quantised.check_installed(spec)
    asked = locate(spec, need_weights=need_weights)
    adapter = find_adapter(asked, spec, need_weights=need_weights)
    if adapter is not None and spec.load:
        raise ModelError(
            f"model '{asked.source}' is an adapter, which is merged into its base, and in 4 bits that rounds it away: "
            "merge it into a folder of its own first, or leave `load` out."
        )
    place = asked if adapter is None else replace(adapter.base, source=asked.source)
    config = _read_config(place, spec)
    files = weights.weight_files(place.folder, place.source)
    weights.weight_headers(files, place.source)  # raises for a file that is cut off
    vocabulary = weights.tokenizer_files(place.folder)
    if need_weights and not files:
        raise weights.explain_no_weights(place.folder, place.source)
    if need_weights and not vocabulary:
        raise ModelError(f"model '{place.source}' has no tokenizer in its folder (tokenizer.json, or a vocabulary).")
    decoder = families.is_decoder(config)
    card = card_name(asked.folder)
    name = spec.named(_slug(place.source))
    known_by = [place.source, card or "", *([adapter.base.source] if adapter else [])]
    prefix = families.default_prefix(known_by) if spec.prefix is None else spec.prefix
    return ResolvedModel(
        name=name,
        label=spec.label or (f"{card} (4-bit)" if card and spec.load else card) or name,
        source=place.source,
        path=place.folder,
        revision=asked.revision,
        config=config,
        pooling=_pooling(spec, decoder, place),
        head=spec.head,
        prefix=prefix,
        template=_template(spec, decoder, place.source),
        max_length=_max_length(spec, config, place),
        fingerprint=weights.fingerprint(files) if adapter is None else adapter.fingerprint(files),
        tokenizer_fingerprint=weights.fingerprint(vocabulary),
        trust_remote_code=spec.trust_remote_code,
        adapter=adapter,
        load=spec.load,
    )


def describe(resolved: ResolvedModel) -> dict[str, Any]:
    """Return what a report's table of models shows, as JSON values; None for what the config does not say."""
    config = resolved.config
    files = weights.weight_files(resolved.path, resolved.source) if resolved.path else []
    adapter = resolved.adapter

    def setting(name: str) -> Any:
        return getattr(config, name, None)

    heads, hidden = setting("num_attention_heads"), setting("hidden_size")
    return {
        "label": resolved.label,
        "source": resolved.source if adapter is None else f"{resolved.source} (adapter of {adapter.base.source})",
        "revision": resolved.revision,
        "fingerprint": resolved.fingerprint,
        "architecture": next(iter(config.architectures or []), None),
        "model_type": config.model_type,
        "layers": setting("num_hidden_layers"),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": setting("num_key_value_heads") or heads,
        "head_dim": setting("head_dim") or (hidden // heads if heads and hidden else None),
        "intermediate": setting("intermediate_size") or setting("hidden_dim") or setting("n_inner") or setting("d_ff"),
        "vocabulary": setting("vocab_size"),
        "max_positions": families.most_tokens(config),
        "tied_embeddings": setting("tie_word_embeddings"),
        "dtype": weights.stored_dtype(weights.weight_headers(files, resolved.source)),
        "weight_bytes": sum(file.stat().st_size for file in files) or None,
        "pooling": resolved.pooling,
        "head": resolved.head,
        "prefix": resolved.prefix,
        "template": resolved.template,
        "max_length": resolved.max_length,
        **({"load": resolved.load} if resolved.load else {}),
    }


def _read_config(place: Location, spec: ModelSpec) -> "PretrainedConfig":
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, AutoConfig

    raw = weights.read_json(place.folder, "config.json", place.source)
    if raw is None:
        raise ModelError(f"model '{place.source}' has no config.json: give the folder that `save_pretrained` wrote.")
    model_type, own_code = raw.get("model_type"), raw.get("auto_map")
    if not isinstance(model_type, str | None):
        raise ModelError(f"model '{place.source}': config.json: model_type {model_type!r} is unknown: it is one text.")
    if model_type not in CONFIG_MAPPING and own_code and not spec.trust_remote_code:
        raise ModelError(
            f"model '{place.source}' comes with code of its own, which is run only if the model says "
            "`trust_remote_code: true`. Read the code first."
        )
    if model_type not in CONFIG_MAPPING and not own_code:
        from transformers import __version__

        raise ModelError(
            f"model '{place.source}': config.json: model_type {model_type!r} is unknown to transformers {__version__}: "
            "use another model, or a transformers that has it."
        )
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            place.folder, trust_remote_code=spec.trust_remote_code, local_files_only=True
        )
    except (OSError, ValueError, TypeError, KeyError, ImportError, StrictDataclassError) as error:
        reason = shortened(" ".join(str(error).split()), 300)
        raise ModelError(f"model '{place.source}': config.json cannot be used: {reason}") from error
    _check_config(config, place.source)
    return config


def _check_config(config: "PretrainedConfig", source: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES

    kind = config.model_type
    if config.is_encoder_decoder and kind not in MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES:
        raise ModelError(
            f"model '{source}' is an encoder-decoder ({kind}) whose encoder transformers cannot load alone: use an "
            "encoder or a decoder."
        )
    if not config.is_encoder_decoder and config.get_text_config() is not config:
        raise ModelError(
            f"model '{source}' ({kind}) reads more than text: save its text model as a folder of its own and use that."
        )
    if getattr(config, "vocab_size", None) is None:
        raise ModelError(f"model '{source}' ({kind}) reads no text: its config.json has no vocabulary.")
    for size in SIZES:
        value = getattr(config, size, None)
        if isinstance(value, int) and value < 1:
            raise ModelError(f"model '{source}': config.json: {size} {value} makes no model: copy the file again.")
    if getattr(config, "quantization_config", None):
        raise ModelError(f"model '{source}' has quantized weights, which are not trained here: use the original model.")


def _slug(source: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", source.rpartition("/")[2].lower()).strip("-")[:LONGEST_NAME].strip("-")
    return folder_name(slug, "model") if NAME.fullmatch(slug) else "model"


def _pooling(spec: ModelSpec, decoder: bool, place: Location) -> Pooling:
    if spec.pooling != "auto" and spec.head == "native":
        raise ModelError(
            f"model '{place.source}': `head: native` pools by the class's own rule: leave `pooling` out, or use "
            "`head: linear`."
        )
    if spec.head == "native":
        return "last" if decoder else "first"
    return families.default_pooling(decoder, place.folder, place.source) if spec.pooling == "auto" else spec.pooling


def _template(spec: ModelSpec, decoder: bool, source: str) -> str | None:
    if not decoder:
        if spec.template is not None:
            raise ModelError(
                f"model '{source}' is an encoder: two texts go in by its own pair form; leave `template` out."
            )
        return None
    template = DEFAULT_TEMPLATE if spec.template is None else spec.template
    if template.count("{0}") != 1 or template.count("{1}") > 1:
        raise ModelError(f"model '{source}': template {template!r} must hold {{0}} once, and {{1}} once for two texts.")
    return template


def _max_length(spec: ModelSpec, config: "PretrainedConfig", place: Location) -> int:
    positions = families.most_tokens(config)
    if spec.max_length is None:
        trained = (weights.read_json(place.folder, "tokenizer_config.json", place.source) or {}).get("model_max_length")
        if trained is not None and (not isinstance(trained, int | float) or trained < 1):
            raise ModelError(
                f"model '{place.source}': tokenizer_config.json: model_max_length {trained!r} is no number of tokens: "
                "set `max_length`, and correct the file."
            )
        limits = [DEFAULT_LENGTH, positions, int(trained) if trained and trained < _NO_LIMIT else None]
        return min(limit for limit in limits if limit)
    if positions is not None and spec.max_length > positions:
        raise ModelError(
            f"model '{place.source}' takes {positions} tokens at most: max_length {spec.max_length} is more."
        )
    return spec.max_length


def _without_history(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _NOT_KEYED}
