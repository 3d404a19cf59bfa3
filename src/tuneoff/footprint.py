"""What room a study's stages take: memory at their peak and bytes of disk, predicted before any is run."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from tuneoff.estimate import BYTES, Cost, estimate_cost, moved_numbers, peak_memory
from tuneoff.forecast import Texts, largest_part
from tuneoff.models.resolve import ResolvedModel
from tuneoff.models.text import Tokens
from tuneoff.plan import Plan, PlannedStage
from tuneoff.training.job import Execution

Kind = tuple[str, str, str]  # a model, a task and a chain: what stages of other seeds and folds share


def kind_of(stage: PlannedStage) -> Kind:
    """Return which stages a stage is like, in all but seed and fold."""
    return stage.address.model, stage.address.task, stage.address.chain


def costs_by_kind(plan: Plan, models: Mapping[str, ResolvedModel], n_classes: Mapping[str, int]) -> dict[Kind, Cost]:
    """Return the cost of the stages of each kind, from the shapes of the models alone.

    `n_classes` has the number of classes by task; stages of a task that it lacks are left out.
    """
    protocol = plan.study.protocol
    switches = protocol.reuse_activations, protocol.compact_vocabulary
    first = {kind_of(stage): stage for stage in reversed(plan.stages)}
    alike: dict[tuple[str, str, int], Cost] = {}
    found = {}
    for kind, stage in first.items():
        model, task, chain = kind
        if task in n_classes:
            shape = model, chain, n_classes[task]
            if shape not in alike:
                alike[shape] = estimate_cost(stage, models[model], n_classes[task], *switches)
            found[kind] = alike[shape]
    return found


def texts_of(tokens: Mapping[str, Tokens]) -> Texts:
    """Return what the tokens of a task's labelled splits say of its texts; reading them took no time."""
    lengths = {name: np.array([len(row) for row in one.ids], dtype=np.int64) for name, one in tokens.items()}
    used = len(np.unique(np.concatenate([row for one in tokens.values() for row in one.ids])))
    return Texts(lengths, used, 0.0)


def stage_peak(
    stage: PlannedStage,
    cost: Cost,
    texts: Texts | None,
    execution: Execution,
    device: torch.device,
    made: float | None = None,
) -> int:
    """Return the bytes of memory that a stage takes at its peak on a CPU.

    Without the texts it is as if the token budget and every row of the embedding table were used. `made` is as in
    `estimate.peak_memory`.
    """
    tokens, rows = execution.micro_tokens, cost.table.rows if cost.table else 0
    if texts is not None:
        rows, tokens = texts.used, largest_tokens(stage, cost, texts, execution, device)
    return peak_memory(cost, tokens, rows, made)


def fixed_on_gpu(cost: Cost, used: int) -> int:
    """Return the bytes that a stage takes on a GPU whatever the token budget, with so many rows of the table in use."""
    spared = cost.table.spared(used) if cost.table else 0
    # The whole table is there until the stage begins.
    return cost.weight_bytes + BYTES * max(0, cost.copies * moved_numbers(cost, used) - spared)


def largest_tokens(stage: PlannedStage, cost: Cost, texts: Texts, execution: Execution, device: torch.device) -> int:
    """Return the most tokens that a stage computes at once, virtual ones and padding among them."""
    if stage.budget is None:
        return execution.micro_tokens
    seed = stage.key_parts["seeds"]["order"] if stage.key_parts else stage.address.seed
    packed = execution.pack_texts and device.type == "cpu" and not cost.extra  # texts in one row would share them
    return largest_part(texts, stage.budget, execution.micro_tokens, seed, packed=packed, extra=cost.extra)


def kept_bytes(plan: Plan, costs: Mapping[Kind, Cost], stages: Iterable[PlannedStage]) -> int:
    """Return the bytes of weights that a run directory keeps of some stages of a plan."""
    keep, last = plan.study.protocol.keep_weights, plan.study.protocol.seed_list[-1]
    kept = [one for one in stages if keep == "all" or (keep == "last-seed" and one.address.seed == last)]
    return sum(costs[kind_of(stage)].disk for stage in kept)


def cache_bytes(
    costs: Mapping[Kind, Cost], texts: Mapping[tuple[str, str], Texts], stages: Iterable[PlannedStage]
) -> int:
    """Return the bytes of frozen layers' activations, once for all stages of a place that begin at the same layer.

    `texts` are by model and task.
    """
    kept = {}
    for stage in stages:
        cost, place = costs[kind_of(stage)], (stage.address.model, stage.address.task)
        kept[place, cost.layers_once] = cost.cached * texts[place].tokens
    return sum(kept.values())
