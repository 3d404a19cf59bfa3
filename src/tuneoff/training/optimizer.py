"""AdamW, and the learning rate at each step."""

import math
from collections.abc import Mapping, Sequence

import torch

from tuneoff.techniques.base import Optimization

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def adamw(parameters: Mapping[float, Sequence[torch.nn.Parameter]], optimization: Optimization) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with one decay for all parameters.

    They are given by the share of the learning rate that they take; each share is a group.
    """
    return torch.optim.AdamW(
        [{"params": list(values), "rate_factor": factor} for factor, values in parameters.items()],
        lr=optimization.learning_rate,
        betas=BETAS,
        eps=EPSILON,
        weight_decay=optimization.weight_decay,
        fused=True,
    )


def allocate(optimizer: torch.optim.Optimizer) -> None:
    """Give AdamW the moments that it would make in its first step, so that memory runs out before it or not at all.

    A step of the optimizer cannot be repeated. Another optimizer is left alone.
    """
    if type(optimizer) is not torch.optim.AdamW:
        return
    for group in optimizer.param_groups:
        if not group["fused"] or group["amsgrad"]:
            continue
        for parameter in group["params"]:
            if parameter not in optimizer.state:
                moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                optimizer.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}


def learning_rate_at(optimization: Optimization, step: int, steps: int) -> float:
    """Return the learning rate of optimizer step `step` (0 .. steps - 1).

    The rate rises linearly from 0 over ceil(warmup * steps) steps, then stays (constant), falls linearly to 0
    (linear) or along half a cosine to 0 (cosine), as the schedules of the same names in transformers do.
    """
    warm = math.ceil(optimization.warmup * steps)
    if step < warm:
        return optimization.learning_rate * step / warm
    if optimization.schedule == "constant":
        return optimization.learning_rate
    done = (step - warm) / max(1, steps - warm)
    share = 1 - done if optimization.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return optimization.learning_rate * max(0.0, share)
