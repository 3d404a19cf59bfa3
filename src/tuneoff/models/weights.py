"""The files of a model's folder: which hold weights, which the tokenizer, and what is in them."""

import functools
import hashlib
import json
from collections import Counter
from pathlib import Path

from tuneoff.errors import ModelError

TOKENIZER_PATTERNS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.tiktoken", "tekken.json")
_TOKENIZER_EXTRAS = ("tokenizer_config.json", "merges.txt", "special_tokens_map.json", "added_tokens.json")
_OTHER_WEIGHTS = ("pytorch_model*.bin", "tf_model.h5", "flax_model.msgpack", "*.gguf")


def weight_files(folder: Path, name: str) -> list[Path]:
    """Return the safetensors files of a folder, sorted by name; none if it has no weights.

    Raises ModelError if the index names a shard that is not there. `name` is for messages.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        return []
    shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    absent = [shard for shard in shards if not (folder / shard).is_file()]
    if absent:
        raise ModelError(f"model '{name}': {index.name} lists {', '.join(absent)}, not in the folder: copy it whole.")
    return [folder / shard for shard in shards]


def explain_no_weights(folder: Path, name: str) -> ModelError:
    """Return the error for a folder without safetensors: what it holds instead, and what to do."""
    if (folder / "adapter_config.json").is_file():
        return ModelError(
            f"model '{name}' is an adapter alone: merge it into its base (peft: `merge_and_unload`) first."
        )
    others = sorted(file.name for pattern in _OTHER_WEIGHTS for file in folder.glob(pattern))
    if not others:
        return ModelError(f"model '{name}' has no weights: model.safetensors (or its index) is not in the folder.")
    return ModelError(
        f"model '{name}' has its weights in {', '.join(others)} only, which is not read: convert them to safetensors, "
        "where you trust them: `AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)`."
    )


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files that define the tokenizer, sorted by name; none if there is no vocabulary."""
    vocabulary = {file for pattern in TOKENIZER_PATTERNS for file in folder.glob(pattern)}
    extras = {folder / extra for extra in _TOKENIZER_EXTRAS if (folder / extra).is_file()}
    return sorted(vocabulary | extras) if vocabulary else []


def fingerprint(files: list[Path]) -> str | None:
    """Return a sha256 over names and contents of files in the order given; None for no files."""
    if not files:
        return None
    total = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest = _digest(file, status.st_size, status.st_mtime_ns)
        total.update(f"{file.name}\0{digest}\n".encode())
    return total.hexdigest()


@functools.cache
def _digest(file: Path, _size: int, _modified: int) -> str:
    """Hash a file once a process; size and time of change are arguments so that a changed file is read again."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stored_dtype(files: list[Path]) -> str | None:
    """Return the type in which most of the weights are stored, as safetensors names it (F32, BF16, F16...)."""
    counts: Counter[str] = Counter()
    for file in files:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        for key, entry in header.items():
            if key != "__metadata__":
                start, end = entry["data_offsets"]
                counts[entry["dtype"]] += end - start
    return counts.most_common(1)[0][0] if counts else None
