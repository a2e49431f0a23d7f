"""What is said of the host: where the system tells, and where it does not."""

import builtins

import numpy as np
import pytest

from eie_sim.baselines import host
from eie_sim.baselines.host import (
    CACHE_BYTES,
    Cache,
    Host,
    cache_streamer,
    caches,
    cpu_model,
    describe_host,
    flush_bytes,
    loaded_blas,
)


def a_host(**changes):
    values = {
        "cpu": "x", "cores": 1, "caches": (), "memory_bytes": None, "system": "s", "python": "3", "versions": {},
        "load_1min": None,
    }  # fmt: skip
    return Host(**{**values, **changes})


def cache_folder(folder, *sizes):
    for at, size in enumerate(sizes):
        index = folder / f"index{at}"
        index.mkdir()
        (index / "level").write_text(f"{at + 1}\n")
        (index / "type").write_text("Unified\n")
        (index / "size").write_text(f"{size}\n")
    return folder


def test_this_host_is_described():
    found = describe_host()
    assert found.cpu
    assert found.cores >= 1
    assert found.versions["numpy"] == np.__version__
    assert Host.model_validate_json(found.model_dump_json()) == found


def test_the_processor_is_named_as_linux_does(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 3000\nmodel name\t: Abacus 3000\n")
    assert cpu_model(tmp_path / "cpuinfo") == "Abacus 3000"


def test_where_nothing_tells_the_processor_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(host.platform, "processor", lambda: "")
    assert cpu_model(tmp_path / "absent") == "unknown"
    assert host._memory_bytes(tmp_path / "absent") is None
    assert caches(tmp_path / "absent") == []


def test_caches_are_those_that_linux_lists(tmp_path):
    found = caches(cache_folder(tmp_path, "48K", "2M", "1G", "512"))
    assert [cache.size_bytes for cache in found] == [48 * 2**10, 2 * 2**20, 2**30, 512]
    assert found[0] == Cache(level=1, kind="Unified", size_bytes=48 * 2**10)


def test_a_cache_that_is_half_described_is_left_out(tmp_path):
    cache_folder(tmp_path, "48K", "many", "0K")
    (tmp_path / "index3").mkdir()
    assert [cache.level for cache in caches(tmp_path)] == [1]


def test_twice_the_largest_cache_empties_all_of_them():
    assert flush_bytes(a_host()) == CACHE_BYTES
    large = Cache(level=3, kind="Unified", size_bytes=CACHE_BYTES)
    assert flush_bytes(a_host(caches=(large, Cache(level=1, kind="Data", size_bytes=1)))) == 2 * CACHE_BYTES


def test_streaming_is_a_function_without_arguments():
    stream = cache_streamer(64)
    stream()
    stream()


@pytest.mark.parametrize("without", ["threadpoolctl"])
def test_without_threadpoolctl_numpys_own_account_stands(monkeypatch, without):
    real = builtins.__import__

    def refuse(name, *arguments, **more):
        if name == without:
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    (blas,) = loaded_blas()
    assert blas.library
    assert (blas.kernel, blas.threads) == ("unknown", None)


def test_the_blas_of_this_process_is_named():
    np.ones((2, 2)) @ np.ones((2, 2))
    assert loaded_blas()
