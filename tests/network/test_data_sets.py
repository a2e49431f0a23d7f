"""Data sets: many samples on several processes, kept part by part; killed and run again, the bytes are the same."""

import json
import os
import pickle
import signal
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing import active_children

import numpy as np
import pytest

from eie_sim import plan_network, preset, run_network
from eie_sim.executors import LostWorkers
from eie_sim.network.plan import NetworkPlan
from eie_sim.sweep.cluster import dask_executor
from tests.clusters import a_cluster
from tests.extras import needs
from tests.network.small_networks import compressed, made, residual, with_state
from tests.sweep.tiny import a_process

SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8)
N_SAMPLES = 19


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def model(tmp_path):
    """A residual network with a depthwise convolution."""
    return compressed(residual(), tmp_path)


@pytest.fixture
def inputs():
    return drawn(0, N_SAMPLES, 2, 6, 5)


def bytes_of(result):
    """All of a result but the times that were measured."""
    document = json.loads(result.to_json())
    for segment in document["host"]:
        del segment["seconds"]
    counts = [vars(node.counts) for node in result.nodes.values()]
    return pickle.dumps((document, result.outputs, counts))


class InThisProcess(Executor):
    """An executor that computes at once, and counts what was sent to it; its worker dies of the tasks in `dies_of`."""

    _max_workers = 1

    def __init__(self, dies_of=()):
        self.sent, self._dies_of = [], list(dies_of)

    def submit(self, function, task):
        self.sent.append(task.first)
        future = Future()
        if task.first in self._dies_of:
            future.set_exception(type("KilledWorker", (Exception,), {})("tcp://1.2.3.4:5"))
        else:
            future.set_result(function(task))
        return future


# The same bytes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_an_executor_gives_the_bytes_of_a_run_in_this_process(arithmetic, chunk, model, inputs, tmp_path):
    arch = SMALL.replace(arithmetic=arithmetic)
    wanted = bytes_of(run_network(plan_network(model, arch), inputs))
    plan = plan_network(model, arch)
    with ThreadPoolExecutor(2) as executor:
        assert bytes_of(run_network(plan, inputs, executor=executor, chunk=chunk)) == wanted
    kept = run_network(plan_network(model, arch), inputs, chunk=chunk, out=tmp_path / "run")
    assert bytes_of(kept) == wanted


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_one_two_and_eight_processes_give_the_same_bytes(arithmetic, model, inputs, tmp_path):
    arch = SMALL.replace(arithmetic=arithmetic)
    runs = [
        run_network(plan_network(model, arch), inputs, jobs=jobs, chunk=chunk, out=tmp_path / str(jobs))
        for jobs, chunk in ((1, None), (2, None), (8, 2))
    ]
    assert [bytes_of(run) for run in runs] == [bytes_of(run_network(plan_network(model, arch), inputs))] * 3


@pytest.mark.slow
@pytest.mark.compiled_only
def test_a_plan_travels_to_each_process_once(model, inputs, monkeypatch):
    travelled = []

    def state(plan):
        travelled.append(plan)
        return vars(plan)

    monkeypatch.setattr(NetworkPlan, "__getstate__", state, raising=False)
    run_network(plan_network(model, SMALL), inputs, jobs=2, chunk=1)
    assert len(travelled) == 2


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of processes of POSIX")
def test_processes_go_on_without_one_that_is_killed(model, inputs):
    plan, killed = plan_network(model, SMALL), []

    def kill_one(done, total):
        if not killed:
            killed.append(active_children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    result = run_network(plan, inputs, jobs=2, chunk=1, progress=kill_one)
    assert killed
    assert bytes_of(result) == bytes_of(run_network(plan, inputs))


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of processes of POSIX")
def test_a_dask_cluster_gives_the_same_bytes_also_where_it_loses_all_its_workers(model, inputs, tmp_path):
    distributed = needs("distributed", "distributed")
    plan, said = plan_network(model, SMALL), []
    wanted = bytes_of(run_network(plan, inputs))
    with a_cluster(2) as cluster:
        with distributed.Client(cluster.address) as client:
            assert bytes_of(run_network(plan, inputs, executor=client.get_executor(), chunk=2)) == wanted

        def kill_all(done, total):
            if done == 3:
                for worker in cluster.workers:
                    worker.kill()

        def come_back(text):
            said.append(text)
            cluster.add_worker()

        with dask_executor(cluster.address) as executor:
            options = {"executor": executor, "chunk": 1, "progress": kill_all, "warn": come_back}
            lamed = run_network(plan, inputs, out=tmp_path / "run", **options)
        assert bytes_of(lamed) == wanted
        assert said == [f"{cluster.address}: no worker is left; waiting for one"]


def test_samples_along_other_axes_and_inputs_that_all_share_reach_each_part(tmp_path):
    from onnx import helper

    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "fc"),
        helper.make_node("Add", ["m", "shift"], ["y"]),
        helper.make_node("Identity", ["w"], ["same"]),
    ]
    model = made(
        nodes,
        {"w": np.eye(3, dtype=np.float32)},
        {"x": [2, "n", 3], "shift": [1, 3]},
        {"y": [2, "n", 3], "same": [3, 3]},
    )
    plan = plan_network(compressed(model, tmp_path), SMALL)
    given = {"x": drawn(1, 2, 9, 3), "shift": drawn(2, 1, 3)}
    options = {"batch_axis": {"x": 1, "shift": None}, "samples": slice(1, 8)}
    whole = run_network(plan, given, **options)
    assert whole.outputs["y"].shape == (2, 7, 3)
    assert bytes_of(run_network(plan, given, chunk=3, out=tmp_path / "run", **options)) == bytes_of(whole)


def test_a_run_of_no_sample_is_kept_too(model, inputs, tmp_path):
    plan = plan_network(model, SMALL)
    result = run_network(plan, inputs[:0], out=tmp_path / "run")
    assert bytes_of(result) == bytes_of(run_network(plan, inputs[:0]))


# Interrupted ----------------------------------------------------------------------------------------------------------


def test_a_run_computes_only_what_is_not_there_whatever_its_chunks(model, inputs, tmp_path):
    plan, reported = plan_network(model, SMALL), []

    def stop(done, total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_network(plan, inputs, chunk=4, progress=stop, out=tmp_path / "run")
    executor = InThisProcess()
    again = run_network(
        plan, inputs, chunk=5, out=tmp_path / "run", executor=executor, progress=lambda *done: reported.append(done)
    )
    assert executor.sent == [8, 13, 18]
    assert reported == [(8, 19), (13, 19), (18, 19), (19, 19)]
    executor = InThisProcess()
    there = run_network(plan, inputs, out=tmp_path / "run", executor=executor)
    assert executor.sent == []
    assert bytes_of(again) == bytes_of(there) == bytes_of(run_network(plan, inputs))


def test_parts_of_two_runs_at_once_count_once(model, inputs, tmp_path):
    plan = plan_network(model, SMALL)
    run_network(plan, inputs, chunk=4, out=tmp_path / "run")
    run_network(plan, inputs, chunk=6, out=tmp_path / "other")
    for part in (tmp_path / "other").glob("*.npz"):
        part.rename(tmp_path / "run" / part.name)
    (tmp_path / "run" / "samples_00000004_to_00000007.npz").unlink()
    executor = InThisProcess()
    result = run_network(plan, inputs, out=tmp_path / "run", executor=executor, chunk=19)
    assert bytes_of(result) == bytes_of(run_network(plan, inputs))


KILLED = """
import sys
import numpy as np
from compressor import load_compressed
from eie_sim import plan_network, preset, run_network

model, inputs, folder, jobs = sys.argv[1:]
arch = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8, arithmetic="fixed16")
if __name__ == "__main__":
    run_network(
        plan_network(load_compressed(model), arch), inputs, chunk=1, jobs=int(jobs), out=folder,
        progress=lambda done, total: print(done, flush=True) or sys.stdin.readline(),
    )
"""


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of processes of POSIX")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_at_its_chunk_with_the_same_bytes(jobs, model, inputs, tmp_path):
    from subprocess import PIPE

    from compressor import save_compressed

    save_compressed(model, tmp_path / "model.dcz")
    np.savez(tmp_path / "x.npz", x=inputs)
    (tmp_path / "script.py").write_text(KILLED)
    command = [str(tmp_path / name) for name in ("script.py", "model.dcz", "x.npz", "run")]
    for _ in range(2):
        child = a_process(*command, str(jobs), stdin=PIPE)
        try:
            for _ in range(3):
                assert child.stdout.readline(), child.stderr.read()
                child.stdin.write("go on\n")
                child.stdin.flush()
            child.stdout.readline()
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    there = len(list((tmp_path / "run").glob("*.npz")))
    assert 6 <= there < N_SAMPLES
    arch = SMALL.replace(arithmetic="fixed16")
    executor = InThisProcess()
    result = run_network(plan_network(model, arch), inputs, chunk=1, out=tmp_path / "run", executor=executor)
    assert len(executor.sent) == N_SAMPLES - there
    assert bytes_of(result) == bytes_of(run_network(plan_network(model, arch), inputs))


# Refused --------------------------------------------------------------------------------------------------------------


def test_a_folder_of_another_run_is_refused_in_a_line(model, inputs, tmp_path):
    folder = tmp_path / "run"
    plan = plan_network(model, SMALL)
    run_network(plan, inputs, out=folder)
    wider = plan_network(model, SMALL.replace(act_queue_depth=4))
    for other, given, more, message in (
        (wider, inputs, {}, "holds a run of another network, machine or lowering; name another folder"),
        (plan, inputs[:5], {}, "holds a run of 19 samples, not 5; name another folder"),
        (plan, inputs + 1, {}, "holds a run of other inputs; name another folder"),
        (plan, inputs, {"engine": "reference"}, "holds a run of the engine 'fast', not 'reference'"),
    ):
        with pytest.raises(ValueError, match=message) as refused:
            run_network(other, given, out=folder, **more)
        assert "\n" not in str(refused.value)
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "version": "0.0"}))
    with pytest.raises(ValueError, match=r"holds a run of eie-sim 0\.0, not "):
        run_network(plan, inputs, out=folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is neither empty nor a run of this network; name another folder"):
        run_network(plan, inputs, out=tmp_path / "full")


def test_a_run_that_is_refused_leaves_its_folder_to_the_next(model, inputs, tmp_path):
    plan = plan_network(model, SMALL)
    with pytest.raises(ValueError, match="engine: 'slow', but it must be one of fast, reference"):
        run_network(plan, inputs, engine="slow", out=tmp_path / "run")
    run_network(plan, inputs, out=tmp_path / "run")


def test_fraction_bits_are_those_that_the_run_began_with(model, inputs, tmp_path):
    arch = SMALL.replace(arithmetic="fixed16")
    run_network(plan_network(model, arch), inputs, out=tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run with other fraction bits; name another folder"):
        run_network(plan_network(model, arch, calibration=100 * inputs), inputs, out=tmp_path / "run")


def test_a_damaged_part_is_refused_by_its_name(model, inputs, tmp_path):
    plan, folder = plan_network(model, SMALL), tmp_path / "run"
    run_network(plan, inputs, chunk=10, out=folder)
    first, second = sorted(folder.glob("*.npz"))
    whole = first.read_bytes()
    for damaged in (whole[:-30], b"", second.read_bytes()):
        first.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{first.name}: is damaged; remove it, and its samples will run again"):
            run_network(plan, inputs, out=folder)
    first.unlink()
    assert bytes_of(run_network(plan, inputs, out=folder)) == bytes_of(run_network(plan, inputs))


def test_samples_of_a_state_do_not_go_to_several_processes(tmp_path):
    plan = plan_network(compressed(with_state(), tmp_path), SMALL)
    options = {"feedback": {"hn": "h", "cn": "c"}}
    x = drawn(6, 4, 4)
    for more, name in (({"jobs": 2}, "jobs"), ({"executor": InThisProcess()}, "executor")):
        with pytest.raises(ValueError, match=f"{name}: with feedback each sample waits for the one before"):
            run_network(plan, {"x": x}, **options, **more)
    whole = run_network(plan, {"x": x}, **options)
    for _ in range(2):
        assert bytes_of(run_network(plan, {"x": x}, out=tmp_path / "run", **options)) == bytes_of(whole)
    with pytest.raises(ValueError, match="holds a run of other inputs"):
        run_network(plan, {"x": x, "h": np.zeros((1, 1, 3)), "c": np.zeros((1, 1, 3))}, out=tmp_path / "run")


@pytest.mark.slow
@pytest.mark.compiled_only
def test_a_script_without_a_guard_is_refused_in_a_line(tmp_path):
    # Its plan is larger than a pipe holds: the process that starts must not wait for a reader that has ended.
    (tmp_path / "script.py").write_text(
        "from compressor.models import packaged_digits, packaged_model\n"
        "from eie_sim import plan_network, run_network\n"
        "images = packaged_digits().inputs()[:8].reshape(-1, 1, 28, 28)\n"
        "run_network(plan_network(packaged_model('lenet-5')), images, jobs=2)\n"
    )
    with a_process(str(tmp_path / "script.py")) as child:
        try:
            _, stderr = child.communicate(timeout=60)
        finally:
            child.kill()
    last = stderr.splitlines()[-1]
    assert last.startswith("eie_sim.executors.WorkersCannotStart: run_network: a worker process ended before it took")
    assert last.count('put the call under `if __name__ == "__main__":`') == 1


def test_what_a_worker_refuses_is_refused_here_in_its_words(model, inputs, tmp_path):
    plan = plan_network(model, SMALL)
    inputs[11, 0, 0, 0] = np.nan
    with (
        ThreadPoolExecutor(2) as executor,
        pytest.raises(ValueError, match=r"node 'first': inputs: nan at .* every number must be finite"),
    ):
        run_network(plan, inputs, chunk=1, executor=executor, out=tmp_path / "run")


def test_a_part_that_ends_its_workers_is_named(model, inputs):
    with pytest.raises(LostWorkers, match="samples 8 to 11: their worker died 3 times; a smaller chunk takes less mem"):
        run_network(plan_network(model, SMALL), inputs, chunk=4, executor=InThisProcess([8]))
