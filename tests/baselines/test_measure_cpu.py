"""`measure_cpu` on layers so small that they take no time: what comes back, and what happens when a process fails."""

import json
import subprocess
import sys

import numpy as np
import pytest

from compressor.jit import available_cores
from eie_sim.baselines import measure_cpu as module
from eie_sim.baselines.cpu_worker import MeasuringTask, energy_of_calls
from eie_sim.baselines.cpu_worker import measure as measure_here
from eie_sim.baselines.energy_sources import Rapl, energy_source, tdp_power
from eie_sim.baselines.measure_cpu import check_conditions, measure_cpu
from eie_sim.workload import random_layer
from tests.baselines.test_energy_sources import zone

SMALL = {"libraries": ["numpy", "numba"], "samples": 2, "streamed_bytes": 1024, "limit_s": 0.2}


def a_layer(name="a", **more):
    return random_layer(40, 30, 0.2, 0.5, n_pe=4, name=name, **more)


@pytest.fixture(scope="module")
def measured():
    """Two layers, batch 1 and 3, one process; and what the progress was told."""
    told = []
    layers = [a_layer("a"), a_layer("b", n_vectors=5)]
    measurement = measure_cpu(
        layers, batches=(3, 1), threads=(1,), energy=tdp_power(10), progress=lambda *x: told.append(x), **SMALL
    )
    return measurement, told


def test_there_is_a_cell_for_every_condition(measured):
    measurement, _ = measured
    assert len(measurement.cells) == 2 * 2 * 2 * 1 * 2
    assert (measurement.batches, measurement.threads, measurement.caches) == ((1, 3), (1,), ("cold", "hot"))
    assert [method.name for method in measurement.methods] == ["numpy-dense", "numba-csc"]
    assert measurement.methods[0].version == np.__version__
    assert [(x.n_rows, x.n_cols, x.act_density) for x in measurement.layers] == [(40, 30, 0.5)] * 2


def test_quiet_samples_are_kept_and_counted(measured):
    for cell in measured[0].cells:
        assert len(cell.samples_us) <= 2
        assert len(cell.samples_us) + cell.thrown_away >= 1


def test_energy_at_a_constant_power_is_power_times_time(measured):
    for cell in measured[0].cells:
        assert cell.energy_uj == (None if cell.median_us is None else pytest.approx(10 * cell.median_us))


def test_the_process_says_what_threads_it_had(measured):
    (process,) = measured[0].processes
    assert process.threads == 1
    assert all(blas.threads in (1, None) for blas in process.blas)


def test_progress_counts_to_the_end(measured):
    told = measured[1]
    counts = [done for done, _, _ in told]
    assert counts == sorted(counts)
    assert told[0][:2] == (0, 16)
    assert told[-1][:2] == (16, 16)
    assert any("checking results" in doing for _, _, doing in told)


def test_every_number_of_threads_has_a_process_of_its_own():
    measurement = measure_cpu([a_layer()], batches=(1,), caches=("hot",), **SMALL)
    numbers = sorted({1, available_cores()})  # all threads are one where there is one core
    assert [process.threads for process in measurement.processes] == numbers
    assert {cell.threads for cell in measurement.cells} == set(numbers)


def test_the_environment_of_a_process_is_that_of_its_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = module._environment(2)
    assert "OPENBLAS_CORETYPE" not in found
    assert {found[name] for name in module._THREADS_VARIABLES} == {"2"}


def test_without_a_source_there_is_no_energy():
    measurement = measure_cpu([a_layer()], batches=(1,), threads=(1,), caches=("hot",), **SMALL)
    assert measurement.energy is None
    assert all(cell.energy_uj is None for cell in measurement.cells)


# The measuring process, in this one -----------------------------------------------------------------------------------


def test_the_process_checks_and_times_every_method(tmp_path):
    module._write_layers([a_layer()], 3, tmp_path)
    zone(tmp_path, "intel-rapl:0", "package-0")
    task = MeasuringTask(["a"], ["numpy-dense", "numba-csc"], [1, 3], 1, ["cold", "hot"], 2, 0.2, 1024, str(tmp_path))
    (tmp_path / "task.json").write_text(json.dumps(task.__dict__))
    said = []
    measure_here(tmp_path, said.append)
    cells = [message["cell"] for message in said if "cell" in message]
    assert [(x["method"], x["batch"], x["cache"]) for x in cells] == [
        (method, batch, cache) for batch in (1, 3) for cache in ("cold", "hot") for method in task.methods
    ]
    # The counter of the made-up folder stands still; a cold call cannot be told from the flush before it.
    assert {(x["cache"], x["energy_uj"]) for x in cells} == {("cold", None), ("hot", 0)}
    assert "blas" in said[-1]


def test_energy_of_a_call_is_that_of_many_over_their_number(tmp_path):
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 1000)
    used = iter(range(1100, 2000, 100))
    clock = iter(range(100))

    def call():
        (folder / "energy_uj").write_text(str(next(used)))

    assert energy_of_calls(Rapl(tmp_path), call, seconds=4, clock=lambda: next(clock)) == 100


def test_counters_measure_the_process(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0")
    measurement = measure_cpu(
        [a_layer()], batches=(1,), threads=(1,), powercap=tmp_path, energy=energy_source("rapl", powercap=tmp_path),
        **{**SMALL, "libraries": ["numpy"]},
    )  # fmt: skip
    assert {cell.cache: cell.energy_uj for cell in measurement.cells} == {"cold": None, "hot": 0}


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", r"\(cpu, 1 thread\) ended with signal 9 and said nothing"),
        ("raise RuntimeError('wrong\\nresult')", r"ended with exit code 1: result"),
        ("print('{\"doing\": \"x\"}'); print('half {')", "ended with exit code 0 and said nothing"),
        ("print('{\"cell\": ')", "ended with exit code 0"),
    ],
)
def test_a_process_that_dies_is_an_error_that_says_how(monkeypatch, start, message):
    monkeypatch.setattr(module, "_START", start)
    with pytest.raises(ChildProcessError, match=message):
        measure_cpu([a_layer()], batches=(1,), threads=(1,), **SMALL)


def test_a_wrong_result_ends_the_measurement(monkeypatch):
    spoilt = (
        "import sys; sys.path[:] = sys.argv[2:]\n"
        "from eie_sim.baselines import cpu_methods, cpu_worker\n"
        "cpu_methods.add_active_columns = lambda *arguments: arguments[-1].fill(3)\n"
        "cpu_worker.main(sys.argv[1])"
    )
    monkeypatch.setattr(module, "_START", spoilt)
    with pytest.raises(ChildProcessError, match=r"numba-csc: output \(0,\) of 'a' is 3, but numpy has"):
        measure_cpu([a_layer()], batches=(1,), threads=(1,), **SMALL)


def test_an_interrupt_ends_the_process_and_leaves_nothing_behind(monkeypatch, tmp_path):
    started = []
    popen = subprocess.Popen

    def remember(*arguments, **more):
        started.append(popen(*arguments, **more))
        return started[-1]

    def interrupt(_done, _total, doing):
        if "checking" in doing:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.subprocess, "Popen", remember)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        measure_cpu([a_layer()], batches=(1,), threads=(1,), progress=interrupt, **SMALL)
    assert started[0].poll() is not None
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_prints_is_no_message(monkeypatch):
    loud = module._START.replace("main(sys.argv[1])", "import os; main(sys.argv[1])").replace(
        "from eie_sim.baselines.cpu_worker import main",
        "import eie_sim.baselines.cpu_worker as w; main = w.main; load = w.load_model; "
        "w.load_model = lambda path: (print('{\"cell\": 1}', flush=True), load(path))[1]",
    )
    monkeypatch.setattr(module, "_START", loud)
    assert measure_cpu([a_layer()], batches=(1,), threads=(1,), **SMALL).cells


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batches": ()}, "batches: there is none"),
        ({"batches": (0,)}, "batches: 0, but it must be 1 to 4096"),
        ({"batches": (1.5,)}, "batches: 1.5 is not an integer"),
        ({"threads": (10**6,)}, "threads: 1000000, but it must be 1 to"),
        ({"caches": ()}, "caches: '', but they must be of cold, hot"),
        ({"caches": ("warm", "hot")}, "caches: 'warm, hot', but"),
        ({"samples": 0}, "samples: 0, but it must be"),
        ({"limit_s": 0}, "limit_s: 0, but it must be above 0"),
        ({"limit_s": float("nan")}, "limit_s: nan"),
        ({"libraries": ["blas"]}, "libraries: 'blas'"),
    ],
)
def test_a_condition_that_cannot_be_is_one_line(change, message):
    with pytest.raises(ValueError, match=message):
        check_conditions(**change)


def test_layers_are_needed_and_have_names_of_their_own():
    with pytest.raises(ValueError, match="workloads: there is none"):
        measure_cpu([])
    with pytest.raises(ValueError, match="workloads: two layers are called 'a'"):
        measure_cpu([a_layer(), a_layer()])


def test_the_module_is_loaded_without_torch_or_sparse_scipy():
    code = "import eie_sim.baselines.measure_cpu, sys; assert not {'torch', 'scipy.sparse'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
