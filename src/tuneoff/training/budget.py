"""The token budget of a stage that starts: the study's, or what a GPU's free memory takes."""

from dataclasses import replace

import torch

from tuneoff.estimate import estimate_cost
from tuneoff.footprint import fixed_on_gpu, texts_of
from tuneoff.forecast import longest
from tuneoff.plan import PlannedStage
from tuneoff.training.job import Execution
from tuneoff.training.workplace import Workplace

SHARE_OF_FREE = 0.8  # the rest is for fragments, the kernels' workspace and what the estimate leaves out
MOST_TOKENS = 65_536  # a GPU is busy with far fewer; more would only cost memory


def execution_now(stage: PlannedStage, place: Workplace, shards: int = 1) -> Execution:
    """Return how a stage that starts now is computed: as the study says, its budget chosen if that is left to us.

    Its weights, gradients and moments are split among so many `shards`.
    """
    if not place.automatic_budget:
        return place.execution
    how = place.execution
    cost = estimate_cost(stage, place.model, len(place.data.classes), compact=how.compact_vocabulary)
    if cost.head_alone:
        return place.execution
    texts = texts_of(place.tokens())
    free = free_bytes(place.accelerator.device, place.limit)
    fixed = fixed_on_gpu(cost, texts.used)
    if shards > 1:  # what is brought together at a time is less than all weights
        fixed = fixed // shards + cost.weight_bytes
    chosen = choose_micro_tokens(free, fixed, cost.per_token, longest(texts.lengths) + cost.extra)
    return replace(how, micro_tokens=chosen)


def free_bytes(device: torch.device, limit: int | None) -> int:
    """Return the bytes of a GPU that can be allocated: by the driver, and under the limit if there is one."""
    free, _ = torch.cuda.mem_get_info(device)
    return free if limit is None else max(0, min(free, limit - torch.cuda.memory_reserved(device)))


def choose_micro_tokens(free_bytes: int, fixed_bytes: int, bytes_per_token: int, fewest: int) -> int:
    """Return how many tokens to compute at once: those that a share of the free memory takes beside what is fixed.

    At least the `fewest`, those of the longest example, which is computed in one piece however small the budget, and at
    most MOST_TOKENS.

    >>> choose_micro_tokens(16 * 10**9, 2 * 10**9, 10**6, 512)
    10800
    """
    room = SHARE_OF_FREE * free_bytes - fixed_bytes
    return max(fewest, min(int(room // bytes_per_token), MOST_TOKENS))
