"""The host that a measurement was made on: processor, caches, memory, BLAS library and kernel, versions."""

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from compressor.jit import available_cores

UNKNOWN = "unknown"

LIBRARIES = ("numpy", "numba", "scipy", "torch", "onnxruntime", "threadpoolctl")
"""Packages whose version a measurement names."""

CACHE_BYTES = 256 * 2**20
"""Streamed through the caches before a cold sample where the caches are smaller or not known."""

_CPUINFO, _MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class HostRecord(BaseModel):
    """A part of a measurement on this host: frozen, without unknown keys, of finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cache(HostRecord):
    """One cache that the first core uses."""

    level: int = Field(ge=1)
    kind: str = Field(description="Data, Instruction or Unified.")
    size_bytes: int = Field(ge=1)


class Blas(HostRecord):
    """A library for linear algebra or threads that the process had loaded, as threadpoolctl names it."""

    library: str
    version: str = UNKNOWN
    kernel: str = UNKNOWN
    threads: int | None = None


class Host(HostRecord):
    """A machine and its software; what cannot be found out is "unknown", None or an empty list."""

    cpu: str
    cores: int = Field(ge=1, description="Cores that the process may run on.")
    caches: tuple[Cache, ...]
    memory_bytes: int | None
    system: str
    python: str
    versions: dict[str, str] = Field(description="Of the libraries that are installed.")
    load_1min: float | None = Field(description="Processes that wanted to run, mean of the minute before.")

    @property
    def largest_cache_bytes(self) -> int | None:
        """Size of the largest cache; None where no cache is known."""
        return max((cache.size_bytes for cache in self.caches), default=None)


def describe_host() -> Host:
    """The machine that this runs on, as far as the system tells."""
    return Host(
        cpu=cpu_model(),
        cores=available_cores(),
        caches=tuple(caches()),
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        versions={name: found for name in LIBRARIES if (found := version_of(name)) is not None},
        load_1min=load_1min(),
    )


def cpu_model(cpuinfo: Path = _CPUINFO) -> str:
    """Name of the processor; "unknown" where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or UNKNOWN


def caches(folder: Path = _CACHES) -> list[Cache]:
    """Caches of the first core, as Linux lists them; none elsewhere."""
    found = []
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((index / name).read_text("ascii").strip() for name in ("level", "type", "size"))
            number = size.rstrip("KMG")  # the kernel writes 32K, 8192K or, of a virtual machine, plain bytes
            found.append(Cache(level=int(level), kind=kind, size_bytes=int(number) * _UNITS[size[len(number) :]]))
        except (OSError, ValueError, KeyError):  # a virtual machine may leave some out
            continue
    return found


def _memory_bytes(meminfo: Path = _MEMINFO) -> int | None:
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")), None)


def load_1min() -> float | None:
    """Mean number of processes that wanted to run in the last minute; None where the system has no such number."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def version_of(package: str) -> str | None:
    """Version of an installed package, without importing it; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def loaded_blas() -> list[Blas]:
    """The BLAS and OpenMP libraries of this process, with their kernels where threadpoolctl is installed.

    Without it numpy's own account of what it was built with, which knows no kernel.
    """
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        config = cast("dict[str, Any]", np.show_config(mode="dicts"))
        blas = config.get("Build Dependencies", {}).get("blas", {})
        return [Blas(library=str(blas.get("name", UNKNOWN)), version=str(blas.get("version", UNKNOWN)))]
    return [
        Blas(
            library=str(pool.get("internal_api", UNKNOWN)),
            version=str(pool.get("version") or UNKNOWN),
            kernel=str(pool.get("architecture", UNKNOWN)),
            threads=pool.get("num_threads"),
        )
        for pool in threadpool_info()
    ]


def is_installed(module: str) -> bool:
    """Whether `module` could be imported; it is not."""
    from importlib.util import find_spec

    return module in sys.modules or find_spec(module) is not None  # a module in memory may have no spec


def flush_bytes(host: Host) -> int:
    """Bytes that, read and written, leave nothing of what was in the caches: twice the largest one."""
    return max(CACHE_BYTES, 2 * (host.largest_cache_bytes or 0))


def cache_streamer(n_bytes: int = CACHE_BYTES) -> Callable[[], object]:
    """A function that reads and writes `n_bytes`, so that what was in the cache before no longer is."""
    block = np.zeros(n_bytes // 8, np.int64)

    def stream() -> None:
        block[:] += 1

    return stream
