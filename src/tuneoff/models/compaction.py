"""Only the rows of an embedding table whose tokens occur in the task: nothing reads the others, or trains them."""

import tempfile
import weakref
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tuneoff.models.classifier import TextClassifier
from tuneoff.models.paging import page_out


class CompactVocabulary:
    """A classifier's embedding table, cut down to the rows in use while it is trained, and made whole afterwards.

    Every row whose token occurs nowhere has a gradient of zero, so AdamW changes it by weight decay alone: `restore`
    does that once, with the product over the steps. While cut down, the embedding module maps token ids to its rows
    itself, so inputs stay as they are; its parameter keeps its name and has fewer rows. The whole table waits in a file
    without a name, which the system removes however the process ends; a frozen one in the model's own file.
    """

    def __init__(self, classifier: TextClassifier, used: Iterable[NDArray[np.integer]]) -> None:
        """Cut the table down to the tokens in `used` (arrays of ids) and the padding; see `compactable` first."""
        module = input_embedding(classifier)
        assert module is not None
        self.module = module
        #: The table's name among the classifier's parameters.
        self.name = next(f"{name}.weight" for name, one in classifier.named_modules() if one is module)
        whole = module.weight.detach()
        self.padding = module.padding_idx
        rows = np.unique(np.concatenate([*used, [classifier.pad_id], [] if self.padding is None else [self.padding]]))
        self.rows = torch.from_numpy(rows.astype(np.int64)).to(whole.device)
        places = torch.full((len(whole),), -1, device=whole.device)
        places[self.rows] = torch.arange(len(self.rows), device=whole.device)
        self._hook = module.register_forward_pre_hook(lambda _, ids: (places[ids[0]], *ids[1:]))
        module.weight = nn.Parameter(whole[self.rows].clone(), module.weight.requires_grad)
        self._trained = module.weight.requires_grad
        self._waiting: Tensor | _Aside = _aside(whole) if self._trained else whole
        page_out(whole)  # the other weights keep its file mapped, and so the pages that were read
        module.num_embeddings = len(self.rows)
        if self.padding is not None:
            module.padding_idx = int(places[self.padding])

    def restore(self, decays: Iterable[float]) -> None:
        """Put the trained rows back into the whole table; the others decay by the product of `decays`.

        `decays` has, for each step taken, learning rate times weight decay. Each factor is rounded to float32, as
        the optimizer rounds it. A frozen table comes back as it was.
        """
        trained: Tensor = self.module.weight.detach()
        whole = self._waiting if isinstance(self._waiting, Tensor) else self._waiting.back().to(trained.device)
        if self._trained:
            factor = np.float64(1.0)
            for decay in decays:
                factor *= np.float64(np.float32(1.0 - decay))
            whole.mul_(float(factor))
            whole[self.rows] = trained
        self._hook.remove()
        self.module.weight = nn.Parameter(whole, self.module.weight.requires_grad)
        self.module.num_embeddings = len(whole)
        self.module.padding_idx = self.padding


class _Aside:
    """A tensor in a temporary file."""

    def __init__(self, values: Tensor) -> None:
        self.shape, self.dtype = values.shape, values.dtype
        self.file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (it is read when training is over)
        weakref.finalize(self, self.file.close)  # a stage that fails never asks for it
        self.file.write(values.cpu().contiguous().view(torch.uint8).numpy().data)

    def back(self) -> Tensor:
        """Return the tensor, read once, and remove the file."""
        content = bytearray(self.file.seek(0, 2))  # as long as the file
        self.file.seek(0)
        self.file.readinto(content)  # type: ignore[attr-defined]  # BinaryIO lacks it
        self.file.close()
        return torch.frombuffer(content, dtype=self.dtype).view(self.shape)


def _aside(values: Tensor) -> Tensor | _Aside:
    """Return a tensor put aside in a file; the tensor itself where there is no room for one."""
    try:
        return _Aside(values)
    except OSError:
        return values


def input_embedding(classifier: TextClassifier) -> nn.Embedding | None:
    """Return the module that looks token ids up, None where the backbone has no plain one."""
    backbone: Any = classifier.backbone
    module = backbone.get_input_embeddings()
    return module if isinstance(module, nn.Embedding) else None


def compactable(classifier: TextClassifier) -> bool:
    """Return whether nothing but the lookup of tokens reads the embedding table (no output layer tied to it)."""
    module = input_embedding(classifier)
    if module is None or module.max_norm is not None or module.sparse:
        return False
    owners: list[Tensor] = []
    for other in classifier.modules():
        owners += [value for value in other.parameters(recurse=False) if value is module.weight]
    return len(owners) == 1
