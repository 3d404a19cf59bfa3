"""What a study ran on: versions, hardware, and the git state of the study's folder."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "safetensors", "numpy", "pandas")


def describe_environment(folder: Path) -> dict[str, Any]:
    """Return the environment as JSON values; no user or host names, no paths, no environment variables."""
    import psutil
    import torch

    gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return {
        "tuneoff": version("tuneoff"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "threads": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in gpus],
        "packages": package_versions(),
        "git": _git_state(folder),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on, tuneoff's own first."""
    return {name: found for name in ("tuneoff", *PACKAGES) if (found := _version(name))}


@cache
def _version(package: str) -> str | None:
    """Return a package's version, read once: to parse its metadata takes milliseconds, and each stage asks."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    """Return the processor's model name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether the work tree differs from it; None outside a repository or without git."""
    command = ["git", "-C", str(folder)]
    try:
        commit = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, timeout=10, check=True)
        status = subprocess.run([*command, "status", "--porcelain"], capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    # Names of files are in whatever encoding they were made: only whether there are some is asked.
    return {"commit": commit.stdout.decode("ascii").strip(), "dirty": bool(status.stdout.strip())}
