"""A file is written in any order of its blocks, read as safetensors reads it, and not read where it is damaged."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tuneoff.models.mapped_file import DamagedFile, file_size, read, write

SHAPES = {"train": (7, 3), "test": (2, 3)}


def values(dtype=torch.float32):
    return {name: torch.arange(rows * width).reshape(rows, width).to(dtype) for name, (rows, width) in SHAPES.items()}


def put_down(dtype, *, order=(4, 0, 2, 6)):
    """Return a function that puts `values` down two rows at a time, the last row of train by itself."""

    def fill(put):
        for row in order:
            put("train", row, values(dtype)["train"][row : row + 2])
        put("test", 0, values(dtype)["test"])
        return {"note": "kept"}

    return fill


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_what_was_put_down_is_read_bit_for_bit_by_us_and_by_safetensors(tmp_path, dtype):
    path = tmp_path / "a.safetensors"
    write(path, SHAPES, dtype, put_down(dtype))
    assert path.stat().st_size == file_size(SHAPES, dtype)
    mine = read(path)
    assert mine.metadata["note"] == "kept"
    for found in (mine.tensors, load_file(path)):
        assert found.keys() == SHAPES.keys()
        assert all(found[name].dtype == dtype and torch.equal(found[name], one) for name, one in values(dtype).items())


def test_a_row_left_out_or_written_twice_is_an_error(tmp_path):
    for order in [(0, 2, 4), (0, 2, 4, 4, 6)]:
        with pytest.raises(ValueError, match="rows left out or written twice"):
            write(tmp_path / "a", SHAPES, torch.float32, put_down(torch.float32, order=order))


def test_a_block_of_another_type_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="does not fit"):
        write(tmp_path / "a", SHAPES, torch.float32, put_down(torch.float64))


@pytest.mark.parametrize("place", ["number", "checksum", "header", "first", "last"])
def test_a_turned_bit_anywhere_is_noticed(tmp_path, place):
    path = tmp_path / "a.safetensors"
    write(path, SHAPES, torch.float32, put_down(torch.float32))
    content = bytearray(path.read_bytes())
    data = 8 + int.from_bytes(content[:8], "little")
    places = {"number": 0, "checksum": content.index(b"sha256") + 20, "header": content.index(b"shape") + 8}
    content[(places | {"first": data, "last": -1})[place]] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile):
        read(path)


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_a_file_cut_short_is_noticed(tmp_path, kept):
    path = tmp_path / "a.safetensors"
    write(path, SHAPES, torch.float32, put_down(torch.float32))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedFile):
        read(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux what is resident")
def test_neither_writing_nor_reading_takes_memory_for_the_file(tmp_path):
    """A file of 256 MB: what is resident grows by the rows touched, and shrinks when they are forgotten."""

    def resident():
        return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10

    mib, rows = 1 << 20, 1 << 16
    path, block = tmp_path / "a.safetensors", torch.ones(1 << 10, 1 << 10)
    before = resident()
    peak = 0

    def fill(put):
        nonlocal peak
        for row in range(0, rows, len(block)):
            put("train", row, block)
            peak = max(peak, resident())
        return {}

    write(path, {"train": (rows, 1 << 10)}, torch.float32, fill)
    assert path.stat().st_size > 256 * mib and peak - before < 32 * mib
    file = read(path)
    assert resident() - before < 32 * mib
    assert file.tensors["train"][::1024].sum() == 64 * 1024
    assert resident() - before < 32 * mib
    assert file.tensors["train"].sum() == 256 * mib / 4
    assert resident() - before > 200 * mib
    file.forget()
    assert resident() - before < 32 * mib and file.tensors["train"][-1, -1] == 1
