"""A sweep on a real Dask cluster: a scheduler and two workers, processes that speak TCP."""

import gc
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from eie_sim.executors import LostWorkers
from eie_sim.sweep.cluster import dask_executor
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from tests.clusters import a_cluster
from tests.extras import needs
from tests.sweep.tiny import a_file, a_process, complaints, exported, rows

distributed = needs("distributed", "distributed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.compiled_only,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of processes of POSIX"),
]


@pytest.fixture(autouse=True)
def _no_client_is_left():
    """A client that never connected closes when it is collected; that may block the next one for 10 s."""
    yield
    gc.collect()


@pytest.fixture
def cluster():
    with a_cluster(2) as made:
        yield made


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> SimpleNamespace:
    """A space of 40 tasks and what it gives on this computer."""
    folder = tmp_path_factory.mktemp("local")
    a_file(folder / "a.eie")
    axes = {"workload": str(folder / "a.eie"), "seed": list(range(40)), "n_pe": [1, 2, 4, 8]}
    space = Space(axes={**axes, "act_queue_depth": [1, 2, 4, 8], "weight_bits": [4, 5], "clock_hz": [8e8, 9e8]})
    store = folder / "local.sqlite"
    summary = run_sweep(space, store, jobs=1)
    assert (summary.done, summary.failed) == (1280, 1280)
    return SimpleNamespace(space=space, export=exported(store), points=summary.points)


def test_a_cluster_gives_what_this_computer_gives_and_loses_nothing_with_a_worker(work, cluster, tmp_path):
    calm, disturbed = tmp_path / "calm.sqlite", tmp_path / "disturbed.sqlite"
    with dask_executor(cluster.address) as executor:
        assert executor._max_workers == 2
        summary = run_sweep(work.space, calm, executor=executor)
    assert (summary.done, summary.failed) == (1280, 1280)
    assert exported(calm) == work.export

    told = []

    def kill_one(done, of, failed):
        told.append(done)
        if len(told) == 6:
            cluster.workers[0].kill()

    with dask_executor(cluster.address) as executor:
        summary = run_sweep(work.space, disturbed, executor=executor, progress=kill_one)
    assert cluster.workers[0].child.returncode == -signal.SIGKILL
    assert told[5] < work.points == told[-1]
    assert (summary.done, summary.failed) == (1280, 1280)  # each counted once
    assert exported(disturbed) == work.export


def test_a_killed_scheduler_is_a_clear_error_soon_and_the_store_goes_on(work, cluster, tmp_path):
    store, told = tmp_path / "s.sqlite", []

    def kill_it(done, of, failed):
        told.append(done)
        if len(told) == 6:
            cluster.scheduler.kill()

    def sweep():
        with dask_executor(cluster.address) as executor:
            run_sweep(work.space, store, executor=executor, progress=kill_it)

    began = time.monotonic()
    # In a thread, so that one that waits for ever is a failure too.
    with ThreadPoolExecutor(1) as beside:
        error = beside.submit(sweep).exception(timeout=90)
    assert isinstance(error, LostWorkers | ConnectionError)
    assert "\n" not in str(error)
    assert time.monotonic() - began < 60
    done = len(rows(store, "key"))
    assert told[-1] == done < work.points
    assert run_sweep(work.space, store, jobs=1).there == done
    assert exported(store) == work.export


def test_without_a_scheduler_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("eie_sim.sweep.cluster.CONNECT_S", 1)
    with (
        pytest.raises(ConnectionError, match=r"^tcp://127\.0\.0\.1:9: no Dask scheduler answers \(.*\)$"),
        dask_executor("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1:99999999", ""])
def test_what_is_no_address_is_an_error_of_one_line(address, monkeypatch):
    monkeypatch.setattr("eie_sim.sweep.cluster.CONNECT_S", 1)
    with pytest.raises((ConnectionError, ValueError)) as error, dask_executor(address):
        pass
    assert "\n" not in str(error.value)


def test_a_scheduler_without_workers_is_told():
    with (
        a_cluster(0) as alone,
        pytest.raises(LostWorkers, match="the scheduler has no worker"),
        dask_executor(alone.address),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_that_loses_all_its_workers_goes_on_with_new_ones(work, cluster, tmp_path):
    store, told, said = tmp_path / "s.sqlite", [], []

    def kill_all(done, of, failed):
        told.append(done)
        if len(told) == 6:
            for worker in cluster.workers:
                worker.kill()

    def come_back(text):
        said.append(text)
        cluster.add_worker()

    with dask_executor(cluster.address) as executor:
        summary = run_sweep(work.space, store, executor=executor, progress=kill_all, warn=come_back)
    assert said == [f"{cluster.address}: no worker is left; waiting for one"]
    assert (summary.done, summary.failed) == (1280, 1280)
    assert exported(store) == work.export


@pytest.mark.slow
def test_the_command_line_runs_on_a_cluster(cluster, tmp_path):
    a_file(tmp_path / "a.eie")
    file: Path = tmp_path / "s.toml"
    file.write_text(f'[axes]\nworkload = "{tmp_path / "a.eie"}"\nseed = [0, 1, 2]\n')
    child = a_process("-m", "eie_sim", "sweep", "run", str(file), "--dask", cluster.address)
    stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, complaints(stderr)) == (0, [])
    assert "3 points: 0 were there, 3 computed" in stdout
    run_sweep(Space.from_toml(file), tmp_path / "local.sqlite", jobs=1)
    assert exported(tmp_path / "s.sqlite") == exported(tmp_path / "local.sqlite")
