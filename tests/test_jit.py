"""How kernels are compiled, cached and run on several cores."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from compressor import jit

ROOT = Path(__file__).parents[1]
CODE = "from compressor import pack_codes; print(pack_codes([[1, 2]], [0, 1, 2, 3], 1).n_entries)"


def run_with(cache: Path, code: str = CODE) -> str:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=cache.parent, capture_output=True, text=True, check=True
    ).stdout


def test_results_come_in_the_order_of_the_items_on_any_number_of_threads():
    for workers in (None, 1, 2, 7):
        assert jit.in_threads(lambda item: item * item, range(20), workers) == [i * i for i in range(20)]


def test_an_error_in_a_thread_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        jit.in_threads(lambda item: 1 // item, [1, 0, 2], 2)


def test_of_several_errors_the_first_in_order_is_raised():
    def fail(item):
        raise ValueError(item)

    for _ in range(20):
        with pytest.raises(ValueError, match=r"^0$"):
            jit.in_threads(fail, range(50), 4)


def test_threads_that_use_threads_do_not_wait_for_each_other():
    def inner(item):
        return sum(jit.in_threads(lambda other: item * other, range(10), 4))

    assert jit.in_threads(inner, range(50), 8) == [45 * item for item in range(50)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_starts_threads_of_its_own(tmp_path):
    code = """
import os
from compressor.jit import in_threads
in_threads(abs, range(4), 2)
child = os.fork()
if not child:
    os._exit(in_threads(abs, range(4), 2) != [0, 1, 2, 3])
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_with(tmp_path / "cache", code).strip() == "0"


@pytest.mark.compiled_only
def test_a_kernel_is_cached_under_the_stamp_of_all_sources(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    assert run_with(cache) == "2\n"
    compiled = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
    assert compiled
    assert run_with(cache) == "2\n"
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")} == compiled
    other_stamp = f"from compressor import jit; jit._source_stamp = lambda: ('another version',); {CODE}"
    assert run_with(cache, other_stamp) == "2\n"
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")} != compiled


@pytest.mark.compiled_only
def test_compiled_kernels_are_kept_in_the_users_cache_folder_and_not_beside_the_sources(tmp_path):
    sources = tmp_path / "sources"
    for package in ("compressor", "eie_sim"):
        shutil.copytree(ROOT / package, sources / package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(sources)}
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", CODE], env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert list((tmp_path / "home" / ".cache" / "eie-sim").rglob("*.nbc"))
    assert list(sources.rglob("*.nbi")) == []


@pytest.mark.compiled_only
def test_kernels_work_where_no_folder_can_hold_their_cache(tmp_path):
    hide = (
        "import numba.core.caching as caching\n"
        "for locator in caching.CacheImpl._locator_classes:\n"
        "    locator.from_function = classmethod(lambda cls, function, path: None)\n"
    )
    cache = tmp_path / "unused"
    cache.mkdir()
    assert run_with(cache, hide + CODE) == "2\n"
    assert list(cache.rglob("*")) == []


@pytest.mark.compiled_only
def test_two_processes_that_keep_kernels_at_once_do_not_mix_them_up(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    first, second = jit.kernel(_twice), jit.kernel(_twice)
    with monkeypatch.context() as both_at_once:  # neither sees what the other has written
        both_at_once.setattr(jit._cache_file(first), "_load_index", dict)
        both_at_once.setattr(jit._cache_file(second), "_load_index", dict)
        assert (first(2), second(2.5)) == (4, 5.0)
    later = jit.kernel(_twice)
    assert (later(2), later(2.5)) == (4, 5.0)
    assert sum(later.stats.cache_hits.values()) == 1  # the one whose line of the index was lost is compiled again


@pytest.mark.compiled_only
def test_a_kernel_will_be_kept_until_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled = jit.kernel(_twice)
    assert jit.will_be_kept(compiled)
    compiled(2)
    assert not jit.will_be_kept(compiled)
    assert not jit.will_be_kept(_twice)


def _twice(number):
    return number + number
