"""What stands on pooled vectors and no class of transformers has: its file, the lines that compute it, its logits."""

from typing import TYPE_CHECKING

from tuneoff.report.formats import count
from tuneoff.trained import TrainedClassifier

if TYPE_CHECKING:
    from torch import Tensor

    from tuneoff.models.neighbours import Neighbours

HEAD = "head.safetensors"
LOAD = f'load_file(f"{{folder}}/{HEAD}")'


def head_tensors(trained: TrainedClassifier) -> dict[str, "Tensor"]:
    """Return what HEAD holds: `weight` [classes, H] of a linear head, or rows of train that vote.

    These are `vectors` [rows, H] of length 1, by which a cosine is a product, and `labels` [rows], class numbers.
    """
    from torch.nn import Linear
    from torch.nn.functional import normalize

    head = trained.classifier.head
    assert head is not None
    if isinstance(head, Linear):
        return {"weight": head.weight.detach().contiguous()}
    return {"vectors": normalize(head.vectors.detach(), dim=1), "labels": head.labels.detach().long()}


def head_words(trained: TrainedClassifier) -> str:
    """Return the sentence on what HEAD holds, in Markdown."""
    from torch.nn import Linear

    head = trained.classifier.head
    assert head is not None
    if isinstance(head, Linear):
        return f"`{HEAD}` holds the head's `weight` [classes, {head.in_features}]."
    return (
        f"`{HEAD}` holds the {count(len(head.vectors))} rows of train: `vectors` of length 1 [rows, "
        f"{head.in_features}] and `labels`, the classes' numbers. The {_voters(head)} with the greatest cosines vote, "
        f"those that tie for the last places share them, and each class has {head.smoothing:g} beside. A logit is the "
        "log of a class's share. Whoever has the file has the vectors of the rows trained on."
    )


def _voters(head: "Neighbours") -> int:
    return min(head.neighbours, len(head.vectors))


def head_lines(trained: TrainedClassifier) -> list[str]:
    """Return the lines of Python that make `logits` [B, C] of `vectors` [B, H], with `labels` the classes' names."""
    from torch.nn import Linear

    from tuneoff.models.neighbours import ALIKE

    head = trained.classifier.head
    assert head is not None
    if isinstance(head, Linear):
        return [f'logits = vectors @ {LOAD}["weight"].T']
    voters = _voters(head)
    whole = voters + head.smoothing * head.classes
    return [
        f"head = {LOAD}",
        'cosines = torch.nn.functional.normalize(vectors) @ head["vectors"].T',
        f"last = cosines.topk({voters}).values[:, -1:]",
        f"nearer, tied = cosines > last + {ALIKE:g}, (cosines - last).abs() <= {ALIKE:g}",
        f"votes = nearer + tied * ({voters} - nearer.sum(1, True)) / tied.sum(1, True)",
        f'logits = ((votes @ torch.eye({head.classes})[head["labels"]] + {head.smoothing}) / {whole}).log()',
    ]


def head_logits(trained: TrainedClassifier, tensors: dict[str, "Tensor"], vectors: "Tensor") -> "Tensor":
    """Return the logits [B, C] of vectors [B, H] by what was read from HEAD."""
    from torch import nn

    from tuneoff.models.neighbours import Neighbours

    head = trained.classifier.head
    assert head is not None
    if isinstance(head, nn.Linear):
        return vectors @ tensors["weight"].T
    plain = nn.Linear(head.in_features, head.classes, bias=False)
    read = Neighbours(plain, neighbours=head.neighbours, smoothing=head.smoothing)
    read.keep(tensors["vectors"], tensors["labels"])
    voted: Tensor = read(vectors)
    return voted
