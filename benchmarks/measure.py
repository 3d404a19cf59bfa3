"""What a process measures of itself: phases, steps, evaluations, memory, and what large matrix products reach here."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PHASES = ("load", "tokenize", "features", "training", "evaluation")
STATUS = Path("/proc/self/status")


@dataclass
class Measurement:
    """What one process found out. `apart` seconds are the benchmark's own, and count for nobody.

    `steps` and `evaluations` are seconds each. `tokens` are real ones, `flops` useful ones, of `training`, `evaluation`
    and `features`. `further_seed` is what one more seed costs, in seconds, where it is measured. `stage_peak` is the
    peak memory in bytes that tuneoff itself recorded.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*PHASES, "apart"), 0.0))
    steps: list[float] = field(default_factory=list)
    evaluations: list[float] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("training", "evaluation", "features"), 0))
    flops: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("training", "evaluation", "features"), 0))
    trained_parameters: int = 0
    last_loss: float | None = None
    further_seed: float | None = None
    peak: int = 0
    stage_peak: int | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what happens inside to a phase's seconds."""
        begun = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - begun

    def add_step(self, seconds: float) -> None:
        """Note a training step."""
        self.steps.append(seconds)
        self.seconds["training"] += seconds

    def add_evaluation(self, seconds: float) -> None:
        """Note an evaluation."""
        self.evaluations.append(seconds)
        self.seconds["evaluation"] += seconds

    def see_memory(self, device: str) -> None:
        """Keep the peak memory so far: tuneoff resets the mark for each stage, so it is read around it."""
        self.peak = max(self.peak, high_water() if device == "cpu" else gpu_high_water())


def gpu_high_water() -> int:
    """Return the most that torch had allocated on the GPU, in bytes."""
    import torch

    return torch.cuda.max_memory_allocated()


def clock(device: str) -> float:
    """Return the time in seconds, once the device has done all that it was given."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def high_water() -> int:
    """Return the kernel's high-water mark of this process's resident memory, in bytes; Linux alone has it."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{STATUS} has no VmHWM line")


def matmul_rate(size: int, device: str = "cpu", precision: str = "fp32", repeats: int = 3) -> float:
    """Return the floating-point operations a second of a square matrix product, the median of some."""
    import torch

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    out = torch.empty_like(left)
    seconds = []
    for _ in range(repeats + 1):
        begun = clock(device)
        torch.mm(left, right, out=out)
        seconds.append(clock(device) - begun)
    return 2 * size**3 / statistics.median(seconds[1:])  # the first wakes threads and maps memory
