"""Backbones held in 4 bits (QLoRA, Dettmers et al. 2023, arXiv 2305.14314): nf4 with double quantisation.

Each linear layer of the backbone keeps its weight as 4-bit numbers in blocks of 64 with a scale each, the scales in 8
bits themselves, and computes with the weight unpacked to float32. All else (embeddings, norms, biases, the head) stays
as it is. bitsandbytes does the arithmetic; it is an optional extra.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.errors import ModelError
from tuneoff.study import ModelSpec

if TYPE_CHECKING:
    from torch import nn

BITS = 4
BLOCK, SCALES = 64, 256  # numbers that share a scale, and scales that share one of theirs (bitsandbytes' defaults)
BYTES_A_NUMBER = BITS / 8 + 1 / BLOCK + 4 / (BLOCK * SCALES)

# Where it is installed, peft imports it in any study, and it tells that it found no kernels for what is off here (see
# `settle`).
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def check_installed(spec: ModelSpec) -> None:
    """Raise ModelError where a model is to be loaded in 4 bits and bitsandbytes is not there."""
    if spec.load and importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"model '{spec.id}': load: {spec.load} needs bitsandbytes, which is not installed here; "
            "pip install 'tuneoff[4bit]'"
        )


def settings(skipped: Sequence[str]) -> dict[str, Any]:
    """Return what transformers' `quantization_config` says of a 4-bit load, as JSON values.

    `skipped` are modules that keep their numbers: a head. Named even where there are none, since transformers' own
    choice depends on the class. Products are in float32; under bf16 autocast torch makes them in bf16, as others.
    """
    return {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": "float32",
        "llm_int8_skip_modules": list(skipped),
    }


def to_quantise(backbone: nn.Module, skipped: Sequence[str]) -> dict[str, nn.Module]:
    """Return the layers of a plain backbone that a 4-bit load would quantise, by name."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.quantizers_utils import should_convert_module

    kept = _kept(backbone, skipped)
    return {
        name: module
        for name, module in backbone.named_modules()
        if (type(module) is nn.Linear or isinstance(module, Conv1D)) and should_convert_module(name, kept)
    }


def check_layers(layers: Mapping[str, nn.Module], source: str) -> None:
    """Raise ModelError for layers whose rows are no whole blocks: bitsandbytes unpacks those wrongly on some CPUs.

    0.50.2 does where a row is a multiple of 16 numbers and not of 64: the weights come back with four times the error.
    """
    from tuneoff.models.modules import sizes

    odd = [(name, sizes(layer)[0]) for name, layer in layers.items() if sizes(layer)[0] % BLOCK]
    if odd:
        raise ModelError(
            f"model '{source}': load: 4bit: its layer {odd[0][0]} takes {odd[0][1]} numbers, which is no multiple of "
            f"{BLOCK}; bitsandbytes unpacks such layers wrongly on a CPU: use another model, or leave `load` out."
        )
    if not layers:
        raise ModelError(f"model '{source}': load: 4bit: it has no linear layers to hold in 4 bits: leave `load` out.")


def _kept(backbone: nn.Module, skipped: Sequence[str]) -> list[str]:
    """Return patterns of the modules that keep their numbers; some architectures have some of their own."""
    own: Any = getattr(backbone, "_keep_in_fp32_modules", None)
    return [*skipped, *(own or ())]


def count_to_quantise(backbone: nn.Module, skipped: Sequence[str]) -> int:
    """Return how many numbers of a plain backbone a 4-bit load would quantise; it may be on the meta device."""
    weights: list[Any] = [layer.weight for layer in to_quantise(backbone, skipped).values()]
    return sum(weight.numel() for weight in weights)


def quantise(backbone: Any, skipped: Sequence[str]) -> None:
    """Quantise a plain backbone in place, on the CPU, as a 4-bit load does while it reads the files."""
    import bitsandbytes
    from transformers import BitsAndBytesConfig
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.pytorch_utils import Conv1D

    plain = to_quantise(backbone, skipped)
    how: Any = BitsAndBytesConfig
    how = how.from_dict(settings(skipped))
    replace_with_bnb_linear(backbone, _kept(backbone, skipped), how)
    for name, layer in plain.items():
        new = backbone.get_submodule(name)
        weight: Any = layer.weight
        values = weight.detach().T if isinstance(layer, Conv1D) else weight.detach()
        new.weight = bitsandbytes.nn.Params4bit(values.contiguous(), requires_grad=False, **vars(new.weight)).to("cpu")
        new.bias = layer.bias
    backbone.is_loaded_in_4bit = True  # by this mark peft knows it
    settle(backbone)


def settle(backbone: nn.Module) -> None:
    """Let 4-bit layers compute alike in all modes and on all processors.

    Where the processor multiplies in bf16, bitsandbytes packs the weights anew for layers in evaluation mode, and
    computes with 8 bits of precision, but not for the same layer when gradients pass through it.
    """
    for module in backbone.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]


def numel(value: Any) -> int:
    """Return how many numbers a parameter stands for: two of them are packed into each byte of a 4-bit one."""
    state = getattr(value, "quant_state", None)
    return int(value.numel()) if state is None else int(state.shape.numel())
