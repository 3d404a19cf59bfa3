"""Gradient checkpointing: a layer keeps its input alone and is computed again in the backward pass."""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer


def checkpoint_layers(backbone: nn.Module) -> bool:
    """Let each of transformers' layers be computed twice wherever gradients are asked for; results stay the same.

    The second computation draws the same dropout masks. transformers' own switch works on layers in training mode
    alone, and what a technique freezes is in evaluation mode. Returns whether anything changed: False where it was
    done before, or where no layer is known to allow it.
    """
    layers = [module for module in outermost_layers(backbone) if "forward" not in vars(module)]
    for layer in layers:
        layer.forward = partial(_twice, layer.forward)  # of this layer alone
    return bool(layers)


def outermost_layers(module: nn.Module) -> list[nn.Module]:
    """Return the layers that transformers lets be checkpointed, without those inside another one."""
    if isinstance(module, GradientCheckpointingLayer):
        return [module]
    found = [layer for child in module.children() for layer in outermost_layers(child)]
    return list(dict.fromkeys(found))  # a layer may be used several times


def _twice(forward: Any, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=True, **kwargs)
