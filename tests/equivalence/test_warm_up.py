"""The kernel that is compiled beside the first run is the one that a large layer needs."""

import subprocess
import sys

import pytest

from eie_sim.engines import _kernels, warm_up

LARGE_LAYER = """
import numpy as np
from compressor import pack_codes
from eie_sim.engines.prepared import _gather
from eie_sim import simulate
from eie_sim.engines import _kernels, warm_up
warm_up.compile_wide()
kernels = (_kernels.run_counts, _kernels.accumulate_float32, _gather)
before = [len(kernel.signatures) for kernel in kernels]
codes = np.ones((4160, 1100), np.uint8)
layer = pack_codes(codes, np.arange(16, dtype=np.float32), 64)
assert layer.entries_of_fullest_pe > 2**16
simulate(layer, np.ones(1100, np.float32))
print(before, [len(kernel.signatures) for kernel in kernels])
"""


@pytest.mark.compiled_only
def test_a_layer_of_wide_addresses_compiles_nothing_after_it():
    run = subprocess.run([sys.executable, "-c", LARGE_LAYER], capture_output=True, text=True, check=True)
    assert run.stdout == "[1, 1, 1] [1, 1, 1]\n"


@pytest.mark.compiled_only
def test_it_starts_only_where_the_kernel_is_not_on_disk_and_a_core_is_free(monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    for cores, kept, starts in ((2, True, True), (2, False, False), (1, True, False)):
        monkeypatch.setattr(warm_up, "available_cores", lambda cores=cores: cores)
        monkeypatch.setattr(warm_up, "will_be_kept", lambda kernel, kept=kept: kept and kernel is _kernels.run_counts)
        assert warm_up.start() is starts
    assert len(started) == 1


@pytest.mark.compiled_only
def test_a_run_goes_on_where_no_process_can_be_started(monkeypatch):
    def refuse(command, **_):
        raise OSError("no processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(warm_up, "available_cores", lambda: 2)
    monkeypatch.setattr(warm_up, "will_be_kept", lambda _: True)
    assert not warm_up.start()


@pytest.mark.compiled_only
def test_its_process_keeps_the_kernel_for_others(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(warm_up, "available_cores", lambda: 2)
    monkeypatch.setattr(warm_up, "will_be_kept", lambda _: True)
    assert warm_up.start()
    assert warm_up._started.pop().wait() == 0
    assert [path for path in tmp_path.rglob("*.nbc") if "run_counts" in path.name]
