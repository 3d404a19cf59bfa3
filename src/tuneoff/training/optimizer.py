"""AdamW, and the learning rate at each step."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch

from tuneoff.techniques.base import Optimization

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def adamw(parameters: Iterable[torch.nn.Parameter], optimization: Optimization) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with one rate and one decay for all parameters."""
    return torch.optim.AdamW(
        list(parameters),
        lr=optimization.learning_rate,
        betas=BETAS,
        eps=EPSILON,
        weight_decay=optimization.weight_decay,
        fused=True,
    )


def adamw_by_rate(
    parameters: Mapping[str, torch.nn.Parameter], factor: Callable[[str], float], optimization: Optimization
) -> torch.optim.AdamW:
    """Return AdamW as `adamw` does, with the rate of each parameter times a factor that depends on its name."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(factor(name), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": some, "rate_factor": one} for one, some in groups.items()],
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
