"""AdamW, and the learning rate at each step."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from tuneoff.techniques.base import Optimization

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def adamw_settings(optimization: Optimization) -> dict[str, Any]:
    """Return the arguments that AdamW and its subclasses are made with, beside the parameters."""
    return {
        "lr": optimization.learning_rate,
        "betas": BETAS,
        "eps": EPSILON,
        "weight_decay": optimization.weight_decay,
        "fused": True,
    }


def adamw(
    parameters: Mapping[str, torch.nn.Parameter],
    optimization: Optimization,
    rate_factor: Callable[[str], float] = lambda _: 1.0,
) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with one decay for all parameters.

    The rate of each is the optimization's, times a factor that depends on its name.
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(rate_factor(name), []).append(parameter)
    parts = [{"params": some, "rate_factor": one} for one, some in groups.items()]
    return torch.optim.AdamW(parts, **adamw_settings(optimization))


class ProjectedAdamW(torch.optim.AdamW):
    """AdamW as `adamw` gives it, on gradients [N, r] of some parameters times a fixed matrix [r, r] for each."""

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        optimization: Optimization,
        factors: Mapping[torch.nn.Parameter, torch.Tensor],
    ) -> None:
        super().__init__(list(parameters), **adamw_settings(optimization))
        self._factors = factors

    def step(self, closure: Any = None) -> Any:
        """Take a step of AdamW; where a parameter has a factor, its gradient is multiplied by it first."""
        for parameter, factor in self._factors.items():
            if parameter.grad is not None:
                parameter.grad = parameter.grad @ factor
        return super().step(closure)


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
