"""From texts to token ids, as the model was trained to read them, and from ids to padded batches."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuneoff.errors import ModelError
from tuneoff.files import digest
from tuneoff.models.resolve import DEFAULT_TEMPLATE, ResolvedModel
from tuneoff.words import shortened

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Tokens:
    """Token ids, one array a row, special tokens included; `cut` is how many rows had to be shortened."""

    ids: list[Ids]
    cut: int


def load_tokenizer(resolved: ResolvedModel) -> "PreTrainedTokenizerBase":
    """Return the model's tokenizer; the same object each time, so leave it as it is.

    Raises ModelError if its files are not there, cannot be read, or make no fast tokenizer.
    """
    if resolved.path is None or resolved.tokenizer_fingerprint is None:
        raise ModelError(f"model '{resolved.source}': the files of its tokenizer are not here.")
    return _load(resolved.path, resolved.tokenizer_fingerprint, resolved.trust_remote_code, resolved.source)


@functools.lru_cache(maxsize=4)
def _load(folder: Path, _fingerprint: str, trusted: bool, source: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, ImportError, AttributeError) as error:
        reason = shortened(" ".join(str(error).split()), 200)
        raise ModelError(
            f"model '{source}': its tokenizer cannot be loaded ({type(error).__name__}: {reason}): copy tokenizer.json "
            "and the files beside it again."
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(f"model '{source}' has no fast tokenizer: a folder with tokenizer.json is needed.")
    return tokenizer


@dataclass(frozen=True)
class Reading:
    """What a classifier needs of its tokenizer: `padding_id`, `segment_separator`, ids of a short and a longer text."""

    pad_id: int
    separator: int | None
    probes: list[Ids]


_readings: dict[str, Reading] = {}


def reading(resolved: ResolvedModel) -> Reading:
    """Return what a classifier needs of the tokenizer, which is loaded for it once."""
    key = digest(resolved.keyed())
    if key not in _readings:
        tokenizer = load_tokenizer(resolved)
        texts = ["a", "a b c d e f g"]
        pairs = "{1}" in (resolved.template or "") and resolved.template != DEFAULT_TEMPLATE
        probes = tokenize(resolved, tokenizer, (texts, texts) if pairs else (texts,)).ids
        separator = segment_separator(resolved, tokenizer)
        _readings[key] = Reading(padding_id(resolved, tokenizer), separator, list(probes))
    return _readings[key]


def forget_tokenizers() -> None:
    """Let go of loaded tokenizers: a multilingual one takes 300 MB beside a small model that is trained."""
    _load.cache_clear()


def tokenize(resolved: ResolvedModel, tokenizer: "PreTrainedTokenizerBase", texts: tuple[list[str], ...]) -> Tokens:
    """Return the ids of rows of one or two texts (`texts` has one list a field), each at most `max_length` long.

    Encoders read two texts by the tokenizer's own pair form. Decoders read one text, made by the template; the
    tokenizer adds its special tokens once. The prefix stands before each text. What is too long is cut at the end of
    the longer text, until it fits: special tokens, the template's own words and the shorter text are kept.
    Raises ModelError for a row without tokens, or that the model cannot read.
    """
    fields = tuple([resolved.prefix + text for text in column] for column in texts)
    if not fields[0]:
        return Tokens([], 0)
    tokens = (_templated if resolved.is_decoder else _paired)(resolved, tokenizer, fields)
    _check(resolved, tokenizer, tokens)
    return tokens


def collate(
    ids: Sequence[Ids], pad_id: int, side: Literal["right", "left"]
) -> tuple["torch.LongTensor", "torch.LongTensor"]:
    """Return input_ids and attention_mask [B, T], padded on one side to the longest of the rows."""
    import torch

    width = max(len(row) for row in ids)
    padded = np.full((len(ids), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(ids), width), dtype=np.int64)
    for number, row in enumerate(ids):
        place = slice(len(row)) if side == "right" else slice(width - len(row), width)
        padded[number, place] = row
        mask[number, place] = 1
    return torch.from_numpy(padded), torch.from_numpy(mask)  # type: ignore[return-value]  # typed as Tensor


def joined(resolved: ResolvedModel, fields: tuple[list[str], ...]) -> list[str]:
    """Return one text a row for a decoder, made of the row's texts by the template; no prefix is added.

    Raises ModelError where the template is for another number of texts.
    """
    join = _joiner(resolved, len(fields))
    return [join(row) for row in zip(*fields, strict=True)]


def segment_separator(resolved: ResolvedModel, tokenizer: "PreTrainedTokenizerBase") -> int | None:
    """Return the id after whose first occurrence a text's second segment begins; None where there are no segments.

    BERT and its like were trained with another segment embedding for the second text. It follows from the ids alone
    (see `segments`), so ids are all that is kept of a text. Raises ModelError where it does not.
    """
    takes_segments = getattr(resolved.config, "type_vocab_size", 0) > 1 and not resolved.is_decoder
    if not takes_segments or "token_type_ids" not in tokenizer.model_input_names:
        return None
    probe = tokenizer(["a"], ["b"], return_token_type_ids=True)
    row, types = np.array(probe["input_ids"][0]), np.array(probe["token_type_ids"][0])
    if not types.any():
        return None
    separator = tokenizer.sep_token_id
    if not isinstance(separator, int) or not np.array_equal(segments(row, separator), types):
        raise ModelError(f"model '{resolved.source}': its tokenizer numbers the segments of a pair in an unknown way.")
    return separator


def segments(ids: Any, separator: int) -> Any:
    """Return 1 for each token that stands after the first separator, else 0; `ids` is an array or tensor [..., T]."""
    seen = ids == separator
    return (seen.cumsum(-1) > seen * 1) * 1


def padding_id(resolved: ResolvedModel, tokenizer: "PreTrainedTokenizerBase") -> int:
    """Return the id to pad with; any will do where the attention mask decides.

    A decoder's own class (`head: native`) takes the last token that is not padding by its id, so there the id must be
    one that no text ends with: Qwen3-Embedding's own padding is also the end of each of its texts. Raises ModelError
    if there is none.
    """
    rows = resolved.config.vocab_size
    own = [tokenizer.pad_token_id, resolved.config.pad_token_id, tokenizer.eos_token_id]
    if not (resolved.head == "native" and resolved.is_decoder):
        return next((token for token in own if isinstance(token, int) and 0 <= token < rows), 0)
    ends = {encoded[-1] for encoded in tokenizer(["a", "b c"])["input_ids"] if encoded}
    special = set(tokenizer.all_special_ids) - ends - {tokenizer.unk_token_id}
    candidates = [token for token in own if token in special]
    candidates += [*range(len(tokenizer), rows), *sorted(special)]
    for token in candidates:
        if isinstance(token, int) and 0 <= token < rows:
            return token
    raise ModelError(
        f"model '{resolved.source}': `head: native` finds a text's last token by the padding id, and each special "
        "token of this tokenizer may end a text: use `head: linear`, which goes by the attention mask."
    )


def _paired(resolved: ResolvedModel, tokenizer: "PreTrainedTokenizerBase", fields: tuple[list[str], ...]) -> Tokens:
    def encode(columns: Sequence[list[str]], **settings: bool) -> list[Any]:
        encoded = tokenizer(
            *columns,
            truncation="longest_first",
            max_length=resolved.max_length,
            return_attention_mask=False,
            **settings,
        )
        return list(encoded.encodings or [])

    encodings = encode(fields)
    separator = segment_separator(resolved, tokenizer)
    if separator is not None:
        for number, encoding in enumerate(encodings):
            if not _segments_follow(encoding, separator):
                # The text itself spells the separator: read it as plain characters.
                plain = encode([[column[number]] for column in fields], split_special_tokens=True)[0]
                if not _segments_follow(plain, separator):
                    raise ModelError(f"row {number + 1}: a text holds the separator of model '{resolved.source}'.")
                encodings[number] = plain
    ids = [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
    return Tokens(ids, sum(1 for encoding in encodings if encoding.overflowing))


def _segments_follow(encoding: Any, separator: int) -> bool:
    return np.array_equal(segments(np.array(encoding.ids), separator), encoding.type_ids)


def _templated(resolved: ResolvedModel, tokenizer: "PreTrainedTokenizerBase", fields: tuple[list[str], ...]) -> Tokens:
    join = _joiner(resolved, len(fields))
    # Without a limit of its own a tokenizer would warn of texts longer than the model, which are cut below.
    encoded = tokenizer(joined(resolved, fields), return_attention_mask=False, verbose=False)["input_ids"]
    cut = 0
    ids: list[Ids] = []
    for row, tokens in zip(zip(*fields, strict=True), encoded, strict=True):
        if len(tokens) > resolved.max_length:
            tokens = _shortened(resolved, tokenizer, join, row, len(tokens))
            cut += 1
        ids.append(np.array(tokens, dtype=np.int32))
    return Tokens(ids, cut)


def _joiner(resolved: ResolvedModel, count: int) -> Callable[[Sequence[str]], str]:
    """Return the function that makes one text of a row; braces in the row's own texts mean nothing."""
    template = resolved.template or DEFAULT_TEMPLATE
    if count == 1 and template == DEFAULT_TEMPLATE:
        template = "{0}"
    if ("{1}" in template) != (count == 2):
        wants = "two texts" if "{1}" in template else "one text"
        raise ModelError(f"model '{resolved.source}': template {template!r} is for {wants}, the task has {count}.")
    pieces = re.split(r"(\{[01]\})", template)

    def join(row: Sequence[str]) -> str:
        return "".join(row[int(piece[1])] if piece in ("{0}", "{1}") else piece for piece in pieces)

    return join


def _shortened(
    resolved: ResolvedModel,
    tokenizer: "PreTrainedTokenizerBase",
    join: Callable[[Sequence[str]], str],
    row: Sequence[str],
    length: int,
) -> list[int]:
    """Return the ids of a row whose longer text was cut, between two tokens, until the whole fits.

    Tokens at a cut may join in another way than counted, so the whole is tokenized again, and cut again if need be.
    """
    encoded = tokenizer(list(row), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ends = [[end for _, end in offsets] for offsets in encoded["offset_mapping"]]
    keep = [len(offsets) for offsets in ends]
    tokens: list[int] = []
    while length > resolved.max_length:
        if not any(keep):
            raise ModelError(f"model '{resolved.source}': max_length {resolved.max_length} leaves no room for a text.")
        keep = _longest_first(keep, length - resolved.max_length)
        texts = [text[: end[kept - 1]] if kept else "" for text, end, kept in zip(row, ends, keep, strict=True)]
        tokens = tokenizer([join(texts)], verbose=False)["input_ids"][0]
        length = len(tokens)
    return tokens


def _longest_first(lengths: list[int], excess: int) -> list[int]:
    """Return the lengths less `excess` in all, taken from the longest at each time (the last of equals)."""
    lengths = list(lengths)
    for _ in range(min(excess, sum(lengths))):
        longest = max(range(len(lengths)), key=lambda place: (lengths[place], place))
        lengths[longest] -= 1
    return lengths


def _check(resolved: ResolvedModel, tokenizer: "PreTrainedTokenizerBase", tokens: Tokens) -> None:
    rows = resolved.config.vocab_size
    forbidden = padding_id(resolved, tokenizer) if resolved.head == "native" and resolved.is_decoder else None
    for number, ids in enumerate(tokens.ids, start=1):
        if not len(ids):
            raise ModelError(f"row {number}: model '{resolved.source}' reads no token in this text: it is empty.")
        if ids.max() >= rows:
            raise ModelError(
                f"row {number}: the tokenizer of model '{resolved.source}' gives id {ids.max()}, but the model has "
                f"{rows} embeddings: tokenizer and model do not belong together."
            )
        if ids[-1] == forbidden:
            raise ModelError(f"row {number} ends with the padding token, which `head: native` overlooks.")
