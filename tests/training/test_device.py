import pytest
import torch

from tuneoff.errors import StudyError
from tuneoff.study import Protocol
from tuneoff.training.device import autocast, choose_device, choose_precision, make_accelerator, usable_threads

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def there(monkeypatch):
    """Return a function that says which devices there are."""

    def say(*devices, bf16=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in devices)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in devices)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: bf16)

    return say


@pytest.mark.parametrize(
    ("devices", "chosen"), [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("cuda", "mps"), "cuda")]
)
def test_auto_is_the_best_there_is(there, devices, chosen):
    there(*devices)
    assert choose_device(Protocol()).type == chosen
    assert choose_device(Protocol(device="cpu")).type == "cpu"


@pytest.mark.parametrize("asked", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(there, asked):
    there()
    with pytest.raises(StudyError, match=rf"protocol\.device: torch finds no {asked} here; use auto or cpu"):
        choose_device(Protocol(device=asked))


def test_precision_is_bf16_on_a_gpu_that_has_it_unless_asked_otherwise(there):
    there("cuda")
    assert choose_precision(Protocol(), CUDA) == "bf16" and choose_precision(Protocol(), CPU) == "fp32"
    assert choose_precision(Protocol(precision="fp32"), CUDA) == "fp32"
    assert choose_precision(Protocol(precision="bf16"), CPU) == "bf16"
    there("cuda", bf16=False)
    assert choose_precision(Protocol(), CUDA) == "fp32"


def test_autocast_computes_in_bf16_or_leaves_everything_as_it_is():
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with autocast(CPU, "bf16")():
        assert layer(x).dtype == torch.bfloat16
    with autocast(CPU, "fp32")():
        assert layer(x).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_the_accelerator_is_on_the_device_and_leaves_precision_to_us():
    first, second = make_accelerator(CPU), make_accelerator(CPU)
    assert first.device.type == second.device.type == "cpu" and first.mixed_precision == "no"


@pytest.mark.parametrize(("asked", "physical", "allowed", "expected"), [("3", 8, 16, 3), ("", 8, 16, 8), ("", 8, 2, 2)])
def test_threads_are_those_asked_for_or_the_physical_cores_allowed(monkeypatch, asked, physical, allowed, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: physical)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    assert usable_threads() == expected
