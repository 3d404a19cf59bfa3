"""The files of a model's folder: which hold weights, which the tokenizer, and what is in them."""

import functools
import hashlib
import json
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from tuneoff.errors import ModelError

TOKENIZER_PATTERNS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.tiktoken", "tekken.json")
_TOKENIZER_EXTRAS = ("tokenizer_config.json", "merges.txt", "special_tokens_map.json", "added_tokens.json")
GIT_LFS = b"version https://git-lfs.github.com/"
LONGEST_HEADER = 100_000_000  # bytes, of which safetensors itself takes no more
METADATA = "__metadata__"
_OTHER_WEIGHTS = ("pytorch_model*.bin", "tf_model.h5", "flax_model.msgpack", "*.gguf")


def read_json(folder: Path, file: str, name: str) -> dict[str, Any] | None:
    """Return the JSON object in a file of a model's folder, None if there is no such file; `name` is for messages.

    Raises ModelError for a file that holds anything else.
    """
    path = folder / file
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model '{name}': {file} is not JSON: {error}. Copy it again, or correct it.") from error
    if not isinstance(value, dict):
        raise ModelError(f"model '{name}': {file} holds no JSON object. Copy it again, or correct it.")
    return value


def weight_files(folder: Path, name: str) -> list[Path]:
    """Return the safetensors files of a folder, sorted by name; none if it has no weights.

    Raises ModelError if the index cannot be read or names a shard that is not there. `name` is for messages.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    listed = read_json(folder, index.name, name)
    if listed is None:
        return []
    shards_by_weight = listed.get("weight_map")
    if not isinstance(shards_by_weight, dict) or not shards_by_weight:
        raise ModelError(f"model '{name}': {index.name} has no `weight_map` from weights to files: copy it again.")
    for shard in shards_by_weight.values():
        if not isinstance(shard, str) or PurePosixPath(shard.replace("\\", "/")).name != shard:
            raise ModelError(f"model '{name}': {index.name} lists {shard!r}, which is no file of the folder.")
    shards = sorted(set(shards_by_weight.values()))
    absent = [shard for shard in shards if not (folder / shard).is_file()]
    if absent:
        raise ModelError(f"model '{name}': {index.name} lists {', '.join(absent)}, not in the folder: copy it whole.")
    return [folder / shard for shard in shards]


def explain_no_weights(folder: Path, name: str) -> ModelError:
    """Return the error for a folder without safetensors: what it holds instead, and what to do."""
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


def weight_headers(files: list[Path], name: str) -> list[dict[str, tuple[str, int]]]:
    """Return for each safetensors file its weights by name, each with its type and its number of bytes.

    Raises ModelError for a file that is cut off or is something else. `name` is for messages.
    """
    return [_header(file, name) for file in files]


def _header(file: Path, name: str) -> dict[str, tuple[str, int]]:
    """Read what stands before the numbers: eight bytes with its length, then a JSON object (safetensors' format)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if start and GIT_LFS.startswith(start):
            raise ModelError(
                f"model '{name}': {file.name} is a pointer of Git LFS, not the weights: fetch them with `git lfs pull`."
            )
        broken = len(start) < 8 or length > min(size - 8, LONGEST_HEADER)
        text = b"" if broken else stream.read(length)
    try:
        header = json.loads(text)
        entries = {key: (entry["dtype"], entry["data_offsets"]) for key, entry in header.items() if key != METADATA}
        found = {key: (str(dtype), int(last) - int(first)) for key, (dtype, (first, last)) in entries.items()}
        end = max((int(last) for _, (_, last) in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        broken, found, end = True, {}, 0
    if broken or 8 + length + end != size:
        raise ModelError(
            f"model '{name}': {file.name} ({size:,} bytes) is cut off or broken, or is no safetensors file: "
            "copy it again, whole."
        )
    return found


def stored_dtype(headers: list[dict[str, tuple[str, int]]]) -> str | None:
    """Return the type in which most of the weights are stored, as safetensors names it (F32, BF16, F16...)."""
    counts: Counter[str] = Counter()
    for header in headers:
        for dtype, size in header.values():
            counts[dtype] += size
    return counts.most_common(1)[0][0] if counts else None
