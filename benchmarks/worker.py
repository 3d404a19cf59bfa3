"""One process of the benchmark: one work by one peer. `python -m benchmarks.worker SETTING WORK PEER OUT`."""

import gc
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import get_args

from benchmarks.flops import Work
from benchmarks.measure import Measurement, matmul_rate
from benchmarks.setting import Setting

MODULES = {
    "notebook": "benchmarks.notebook",
    "trainer": "benchmarks.trainer",
    "trainer-grouped": "benchmarks.trainer_grouped",
    "tuneoff": "benchmarks.ours",
}


def work_alone(setting: Setting, work: Work, peer: str) -> dict[str, object]:
    """Measure a work by a peer in this process, between two looks at what large matrix products reach here."""
    import torch

    torch.set_num_threads(setting.threads)
    looking = Measurement()
    with looking.phase("apart"):
        before = matmul_rate(setting.matmul_size, setting.device, setting.precision)
    if setting.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    found: Measurement = import_module(MODULES[peer]).measure(setting, work)
    found.see_memory(setting.device)  # before the matrices of the second look
    gc.collect()
    torch.set_num_threads(setting.threads)
    with looking.phase("apart"):
        after = matmul_rate(setting.matmul_size, setting.device, setting.precision)
    found.seconds["apart"] += looking.seconds["apart"]
    return {**asdict(found), "matmul_flops_per_second": [before, after]}


def main(arguments: list[str]) -> None:
    """Measure and write the part's JSON, whole or not at all."""
    setting, work, peer, out = arguments
    chosen = next(one for one in get_args(Work) if one == work)
    found = work_alone(Setting.load(Path(setting)), chosen, peer)
    temporary = Path(f"{out}.tmp")
    temporary.write_text(json.dumps(found), encoding="utf-8")
    temporary.replace(out)


if __name__ == "__main__":
    main(sys.argv[1:])
