"""Connecting to a Ray cluster, or starting one on this machine."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tuneoff.errors import ExecutorError
from tuneoff.training.device import usable_cores

CONNECTS_WITHIN = 10.0  # seconds
FORWARDED = ("GLIBC_TUNABLES", "TUNEOFF_CACHE", "TUNEOFF_CACHE_LIMIT", "HF_HUB_OFFLINE")
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}
# Ray binds to every interface, also where it is given the address 127.0.0.1, unless it thinks that no other machine can
# ever join, as on Windows and macOS. Processes that it starts read this; this one's constant is set in `_connect`.
ON_THIS_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Give Ray, connected to the cluster at an address, or with None to one started here, and leave it at the end.

    Raises ExecutorError where Ray is not installed, is in use already, or has no cluster at the address.
    """
    with _set(SETTINGS):
        ray = _import_ray()
        with _set({} if address else ON_THIS_MACHINE):
            _connect(ray, address)
            try:
                yield ray
            finally:
                ray.shutdown()


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while inside, those that the user has not set: a notebook goes on after it."""
    missing = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def _import_ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise ExecutorError("Ray is not installed here: pip install 'tuneoff[ray]'") from None
    if ray.is_initialized():
        raise ExecutorError("this process is connected to a Ray cluster already: call ray.shutdown() first")
    found: ModuleType = ray
    return found


def _connect(ray: ModuleType, address: str | None) -> None:
    variables = {name: value for name in FORWARDED if (value := os.environ.get(name)) is not None}
    options: dict[str, Any] = {"runtime_env": {"env_vars": variables}, "log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {"address": "local", "num_cpus": usable_cores(), "include_dashboard": False}
        options |= {"_node_ip_address": "127.0.0.1"}
    else:
        _try_to_reach(address)
        options |= {"address": address}
    constants = ray._private.ray_constants
    joined_by_others = constants.ENABLE_RAY_CLUSTER
    try:
        constants.ENABLE_RAY_CLUSTER = joined_by_others and address is not None
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise _no_cluster(address, line) from error
    finally:
        constants.ENABLE_RAY_CLUSTER = joined_by_others


def _try_to_reach(address: str) -> None:
    """Raise ExecutorError at once where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():  # "auto": Ray looks for one on this machine
        return
    try:
        socket.create_connection((host, int(port)), CONNECTS_WITHIN).close()
    except (OSError, OverflowError, ValueError) as error:  # the last two: a port or a name that there cannot be
        raise _no_cluster(address, getattr(error, "strerror", None) or str(error)) from error


def _no_cluster(address: str | None, why: str) -> ExecutorError:
    what = f"no Ray cluster answers at the address {address}" if address else "Ray cannot be started here"
    return ExecutorError(f"{what} ({why})")
