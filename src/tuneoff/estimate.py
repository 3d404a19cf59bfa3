"""What a stage will cost, before it runs: parameters, tokens, memory and disk."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuneoff.models.classifier import TextClassifier
from tuneoff.models.compaction import compactable, input_embedding
from tuneoff.models.quantised import BYTES_A_NUMBER
from tuneoff.models.resolve import ResolvedModel
from tuneoff.plan import PlannedStage
from tuneoff.tasks.data_set import ALSO
from tuneoff.training.build import count_parameters, count_quantised, fitting, make_technique, sketch, trains_head_alone
from tuneoff.training.reuse import fixed_layers

FORWARD_AND_BACKWARD = 3  # a backward pass costs two forward passes
BYTES = 4  # of a number in fp32
ADAM_NUMBERS = 3  # gradient and two moments, beside the weight itself
WITHOUT_MODEL = 482 << 20  # bytes of a process that has all libraries, a task and its tokens, as measured
HEAP = 1.15  # bytes of the C library's heap for a byte of activations, as measured
HIDDEN_KEPT = 16  # numbers of hidden size that a transformer layer keeps a token for its backward pass
INNER_KEPT = 3  # and of the inner size of its feed-forward part


@dataclass(frozen=True)
class Work:
    """Tokens that a stage passes through the model, counted as forward passes: an estimate to divide time by.

    `beside_evaluation` is what is computed before each evaluation on the way, to fit the head.
    """

    before: float
    per_step: float
    per_evaluation: Mapping[str, float]
    beside_evaluation: float = 0.0

    def total(self, stage: PlannedStage) -> float:
        """Return the work of a whole stage; its budget must be known."""
        assert stage.budget is not None
        budget = stage.budget
        evaluations = len({*range(0, budget.steps, budget.eval_every), budget.steps})
        watched = (self.per_evaluation.get(budget.eval_on, 0.0) + self.beside_evaluation) * evaluations
        at_end = [split for split in self.per_evaluation if split == "test" or split.startswith(ALSO)]
        last = sum(self.per_evaluation[split] for split in at_end if split != budget.eval_on and budget.opens_test)
        return self.before + self.per_step * budget.steps + watched + last


@dataclass(frozen=True)
class EmbeddingTable:
    """The table that tokens are looked up in: its rows, their width, and whether a stage trains it.

    `by_rows` says that only the rows in use have to be there (see `models.compaction`).
    """

    rows: int
    width: int
    trained: bool
    by_rows: bool

    def spared(self, used: int) -> int:
        """Return how many numbers need not be there where `used` of the rows are."""
        return max(0, self.rows - used) * self.width if self.by_rows else 0


@dataclass(frozen=True)
class Cost:
    """What a stage takes: parameters (trained, total, perhaps total_peft), bytes of memory and of disk.

    Of the memory, `fixed` is for weights, gradients and moments, `per_token` for each token computed at once.
    `copies` are the numbers kept beside each trained one. `layers_once` of the `depth` layers are computed once, and
    `cached` bytes a token are kept of that on disk. With `head_alone` all are, and a vector a text is kept.
    With `pairs` each row of a step is read with another one, and train is read before each evaluation. `quantised` of
    the parameters are held in 4 bits. Each text is computed with `extra` tokens beside its own.
    """

    parameters: Mapping[str, int]
    head_alone: bool
    table: EmbeddingTable | None
    copies: int
    disk: int
    fixed: int
    per_token: int
    layers_once: int
    depth: int
    cached: int
    pairs: bool = False
    quantised: int = 0
    extra: int = 0

    @property
    def weight_bytes(self) -> int:
        """The bytes of all weights, the whole embedding table included."""
        return BYTES * (self.parameters["total"] - self.quantised) + round(BYTES_A_NUMBER * self.quantised)


def estimate_cost(
    stage: PlannedStage, model: ResolvedModel, n_classes: int, reuse: bool = True, compact: bool = True
) -> Cost:
    """Return a stage's cost from the model's shapes alone, built on the meta device.

    `reuse` is whether what frozen layers give is computed once, `compact` whether the embedding table is cut down.
    In `fixed` the whole table is counted.
    """
    technique = make_technique(stage.spec)
    with fitting(stage.spec, model):
        meta = sketch(technique, model, n_classes)
    alone = trains_head_alone(meta) and (reuse or technique.gradient_free)
    layers_once = fixed_layers(technique, meta) if reuse and not alone else 0
    config = _text_config(meta)
    counts = count_parameters(meta)
    module = input_embedding(meta)
    table = None
    if module is not None:
        by_rows = compact and not layers_once and compactable(meta)
        table = EmbeddingTable(module.num_embeddings, module.embedding_dim, module.weight.requires_grad, by_rows)
    copies = ADAM_NUMBERS + (stage.budget is not None and stage.budget.chosen_by is not None)  # the best weights so far
    packed = count_quantised(model, n_classes)
    per_token = 0 if alone else BYTES * _kept_per_token(meta)
    cached = BYTES * int(getattr(config, "hidden_size", 0)) if layers_once else 0
    disk = BYTES * counts["trained"]
    pairs = technique.fits_head
    depth, fixed = _depth(config), BYTES * copies * counts["trained"]
    extra = technique.virtual_tokens
    cost = Cost(counts, alone, table, copies, disk, fixed, per_token, layers_once, depth, cached, pairs, packed, extra)
    return replace(cost, fixed=cost.weight_bytes + fixed)


def peak_memory(cost: Cost, tokens: int, used_rows: int, made: float | None = None) -> int:
    """Return the bytes that a stage's process takes on a CPU at its peak, the interpreter and its libraries included.

    `tokens` are those of the largest micro-batch, `used_rows` of the embedding table occur in the task, and `made` are
    the bytes a token that a backward pass would need if everything were trained, as measured, in place of the estimate
    from the model's shape.

    The weights are mapped from their file and all read at the start, also those that are then kept in 4 bits. While a
    stage trains, what is spared of the table is given back; at its end the whole table is there again, and the moments
    are not.
    """
    total = cost.parameters["total"]
    loading = WITHOUT_MODEL + BYTES * total
    spared = cost.table.spared(used_rows) if cost.table else 0
    moved = moved_numbers(cost, used_rows)
    activations = HEAP * tokens * (cost.per_token if made is None or cost.head_alone else made)
    weights = cost.weight_bytes - BYTES * spared
    training = WITHOUT_MODEL + weights + BYTES * cost.copies * moved + round(activations)
    return max(loading, training)


def moved_numbers(cost: Cost, used_rows: int) -> int:
    """Return how many numbers have a gradient and moments: those trained, of the embedding table the rows in use."""
    table = cost.table
    return cost.parameters["trained"] - (table.spared(used_rows) if table and table.trained else 0)


def _kept_per_token(meta: TextClassifier) -> int:
    """Return how many numbers a backward pass needs of each token, from the shapes of the layers."""
    config = _text_config(meta)
    hidden = int(getattr(config, "hidden_size", 0))
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    return _depth(config) * (HIDDEN_KEPT * hidden + INNER_KEPT * inner)


def _depth(config: Any) -> int:
    return int(getattr(config, "num_hidden_layers", 1))


def _text_config(meta: TextClassifier) -> Any:
    """Return the config of the part that reads text."""
    backbone: Any = meta.backbone
    return backbone.config.get_text_config()


def estimate_work(
    head_alone: bool,
    lengths: Mapping[str, float],
    rows: Mapping[str, int],
    batch_size: int,
    below: float = 0.0,
    *,
    pairs: bool = False,
) -> Work:
    """Return a stage's work from the mean length (tokens) and the number of rows of each split.

    `below` is the share of the layers that is computed once, before the first step; `pairs` as in `Cost`.
    """
    tokens = {split: lengths[split] * rows[split] for split in rows}
    if head_alone:
        return Work(sum(tokens.values()), 0.0, {})
    above = 1.0 - below
    per_step = above * FORWARD_AND_BACKWARD * min(batch_size, rows["train"]) * lengths["train"] * (1 + pairs)
    evaluations = {split: above * count for split, count in tokens.items() if split != "train"}
    return Work(below * sum(tokens.values()), per_step, evaluations, tokens["train"] if pairs else 0.0)
