"""AdamW that shares out a budget of ranks over adapters after its steps, as AdaLoRA does."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from tuneoff.techniques.base import Optimization
from tuneoff.training.optimizer import adamw_settings

NOTES = {"importance": "exp_avg_ipt", "uncertainty": "exp_avg_unc"}  # ours in the state, and peft's allocator's
KEPT = "kept"


class AllocatingAdamW(torch.optim.AdamW):
    """AdamW, and peft's allocator of ranks after each step (Zhang et al. 2023, algorithm 1).

    What the allocator gathers is in the optimizer's state, so that a checkpoint has it. `now` gives the step being
    taken (from 1), the steps in all, and those before and after the pruning.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        optimization: Optimization,
        backbone: nn.Module,
        allocator: Any,
        now: Callable[[], tuple[int, int, int, int]],
    ) -> None:
        super().__init__(list(parameters), **adamw_settings(optimization))
        self._backbone, self._allocator, self._now = backbone, allocator, now

    def step(self, closure: Any = None) -> Any:
        """Take a step of AdamW, then set to zero the singular values that are not among those kept."""
        loss = super().step(closure)
        step, steps, warm, final = self._now()
        config = self._allocator.peft_config
        config.total_step, config.tinit, config.tfinal = steps, warm, final
        with torch.no_grad():
            if step <= steps - final:
                self._share_out(step, last=step == steps - final)
            else:
                self._keep_to_the_last()
        return loss

    def _share_out(self, step: int, last: bool) -> None:
        """Note how important each number was in this step; where it is time, keep the ranks that the budget allows."""
        adapted = {name: value for name, value in self._backbone.named_parameters() if ".lora_" in name}
        self._restore(adapted)
        if not last or not self._allocator.ipt:
            self._allocator.update_ipt(self._backbone)
        budget, due = self._allocator.budget_schedule(step)
        prunes = (due or last) and budget < self._allocator.init_bgt
        kept = self._allocator.mask_to_budget(self._backbone, budget) if prunes else {}
        for name, value in adapted.items():
            for note, theirs in NOTES.items():
                self.state[value][note] = getattr(self._allocator, theirs)[name]
            if last and name in kept:
                self.state[value][KEPT] = torch.tensor(kept[name], device=value.device).view(-1, 1).to(value.dtype)

    def _restore(self, adapted: dict[str, nn.Parameter]) -> None:
        """Give the allocator what the state has, which may have come from a checkpoint."""
        for name, value in adapted.items():
            if NOTES.keys() <= self.state[value].keys():
                self._allocator.ipt[name] = self.state[value]["importance"]
                for note, theirs in NOTES.items():
                    getattr(self._allocator, theirs)[name] = self.state[value][note]

    def _keep_to_the_last(self) -> None:
        """Set to zero again what was dropped for good, which AdamW's moments may have moved."""
        for value, state in self.state.items():
            if KEPT in state:
                value.mul_(state[KEPT])
