import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tuneoff.models.paging import page_out, page_out_files

ROWS = 1 << 13


def resident() -> int:
    """Bytes of this process's memory that are mapped from files."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("RssFile")) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped, and takes the advice")
def test_pages_that_were_read_are_given_back_and_read_again(tmp_path):
    save_file({"table": torch.arange(ROWS * 1024, dtype=torch.float32).view(ROWS, 1024)}, tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        table = file.get_tensor("table")
        total = table.double().sum()
        read = resident()
        page_out(table)
        assert read - resident() > table.nbytes // 2
        assert table.double().sum() == total


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped, and takes the advice")
def test_a_whole_file_is_given_back_while_a_part_of_it_stays_in_use(tmp_path):
    values = torch.arange(ROWS * 1024, dtype=torch.float32).view(ROWS, 1024)
    save_file({"small": values[:1].clone(), "table": values}, tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        small, table = file.get_tensor("small"), file.get_tensor("table")
    small += 1
    total = table.double().sum()
    size = table.nbytes
    del table
    read = resident()
    page_out_files([tmp_path / "other.safetensors"])
    assert read - resident() < size // 2
    page_out_files([tmp_path / "x.safetensors"])
    assert read - resident() > size // 2
    assert torch.equal(small, values[:1] + 1) and total == values.double().sum()


def test_what_was_changed_is_kept():
    values = torch.randn(1 << 16)
    values[3] = 7.0
    before = values.clone()
    page_out(values)
    page_out(values[:3])
    assert torch.equal(values, before)
