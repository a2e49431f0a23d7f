"""Running a sweep: the same rows whoever computes them, nothing computed twice, and nothing stopped by one point."""

import itertools
import os
import sqlite3
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie_sim import simulate
from eie_sim.executors import LostWorkers
from eie_sim.sweep import evaluate, run, tasks
from eie_sim.sweep.evaluate import compute
from eie_sim.sweep.plan import plan
from eie_sim.sweep.run import estimate, failures, run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store
from eie_sim.sweep.tasks import Sharing, cut, tasks_of
from eie_sim.sweep.workloads import WorkloadName
from tests.sweep.tiny import a_file, a_space, exported, rows


@pytest.fixture
def space(tmp_path) -> Space:
    return a_space(tmp_path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store.sqlite"


class LastFirst(ThreadPoolExecutor):
    """Computes a task only when it can hold no more of them, the one that was given last first."""

    def __init__(self, holds: int) -> None:
        super().__init__(1)
        self._max_workers = holds  # what the runner goes by: it gives out twice as many
        self._held: list = []

    def submit(self, function, task):
        future: Future = Future()
        self._held.append((future, task))
        if len(self._held) == 2 * self._max_workers:
            for one, held in reversed(self._held):
                one.set_result(function(held))
            self._held.clear()
        return future


def count_calls(monkeypatch) -> list:
    """The machines that are simulated from now on, in this process."""
    called = []

    def counting(layer, acts, arch, **more):
        called.append(arch)
        return simulate(layer, acts, arch, **more)

    monkeypatch.setattr(evaluate, "simulate", counting)
    return called


# Whoever computes -----------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_an_export_is_the_same_on_one_process_two_processes_and_threads(space, tmp_path):
    stores = [tmp_path / f"{name}.sqlite" for name in ("one", "two", "threads")]
    run_sweep(space, stores[0], jobs=1)
    run_sweep(space, stores[1], jobs=2)
    with ThreadPoolExecutor(3) as executor:
        run_sweep(space, stores[2], executor=executor)
    one, two, threads = map(exported, stores)
    assert one.count(b"\n") == 33
    assert one == two
    assert one == threads


def test_an_export_does_not_depend_on_which_task_ends_first(space, tmp_path):
    run_sweep(space, tmp_path / "one.sqlite", jobs=1)
    ended = []
    executor = LastFirst(2)
    run_sweep(space, tmp_path / "two.sqlite", executor=executor, progress=lambda *told: ended.append(told))
    assert ended == [(done, 32, 0) for done in range(0, 33, 2)]  # one simulation of two clocks a task
    assert exported(tmp_path / "one.sqlite") == exported(tmp_path / "two.sqlite")


def test_an_export_does_not_depend_on_the_order_of_the_axes_or_on_what_was_run_first(space, tmp_path):
    run_sweep(space, tmp_path / "one.sqlite", jobs=1)
    backwards = {name: values[::-1] for name, values in reversed(space.axes.items())}
    run_sweep(Space(axes={**backwards, "seed": [1]}), tmp_path / "two.sqlite", jobs=1)
    run_sweep(Space(axes=backwards), tmp_path / "two.sqlite", jobs=1)
    assert exported(tmp_path / "one.sqlite") == exported(tmp_path / "two.sqlite")


def test_a_row_says_what_a_simulation_of_its_machine_says(space, file):
    run_sweep(space, file, jobs=1)
    with Store(file) as store:
        row = next(r for r in store.rows() if (r["n_pe"], r["act_queue_depth"], r["clock_hz"]) == (2, 1, 1e9))
    work = WorkloadName(row["workload"], seed=row["seed"]).work()
    machine = space.machine.replace(n_pe=2, act_queue_depth=1, clock_hz=1e9)
    result = simulate(work.layers[0].repack(2), work.acts, machine)
    assert (row["cycles"], row["time_us"]) == (result.cycles, result.time_us)


# What is there is not computed again ----------------------------------------------------------------------------------


def test_a_sweep_that_is_run_again_computes_nothing(space, file, monkeypatch):
    run_sweep(space, file, jobs=1)
    before = exported(file)
    called = count_calls(monkeypatch)
    again = run_sweep(space, file, jobs=1)
    assert (again.points, again.there, again.done, again.failed, again.simulated) == (32, 32, 0, 0, 0)
    assert called == []
    assert exported(file) == before


def test_a_sweep_that_was_cut_short_computes_the_rest_alone(space, file, monkeypatch):
    class CutError(Exception):
        pass

    def cut(done, of, failed):
        if done == 16:
            raise CutError

    with pytest.raises(CutError):
        run_sweep(space, file, jobs=1, progress=cut)
    assert len(rows(file, "key")) == 16
    called = count_calls(monkeypatch)
    rest = run_sweep(space, file, jobs=1)
    assert (rest.points, rest.there, rest.done, rest.simulated) == (32, 16, 16, 8)
    assert len(called) == 8
    assert len(rows(file, "key")) == 32


def test_a_file_with_other_contents_is_a_new_point_and_one_with_another_name_is_not(tmp_path, file):
    name = a_file(tmp_path / "x.eie", 1)
    machine = {"n_pe": 4}
    assert run_sweep(Space(axes={"workload": name, **machine}), file, jobs=1).done == 1
    same = a_file(tmp_path / "y.eie", 1)
    assert run_sweep(Space(axes={"workload": same, **machine}), file, jobs=1).there == 1
    a_file(tmp_path / "x.eie", 2)
    changed = run_sweep(Space(axes={"workload": name, **machine}), file, jobs=1)
    assert (changed.there, changed.done) == (0, 1)
    (first, one), (second, other) = rows(file, "workload_sha256", "entries")
    assert first != second
    assert one != other


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 7}, {"clock_hz": 9e8}, {"act_queue_depth": 3}, {"spmat_bytes": 65536}, {"lnzd_fanin": 2},
        {"technology_nm": 28.0}, {"arithmetic": "fixed16"}, {"order": "greedy"}, {"calibration": "bottom-up"},
        {"baseline": "Titan X dense"}, {"act_density": 0.5},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_changed_input_is_a_new_point(tmp_path, file, change):
    axes = {"workload": a_file(tmp_path / "x.eie")}
    run_sweep(Space(axes=axes), file, jobs=1)
    more = {"act_density": change["act_density"]} if "act_density" in change else {}
    summary = run_sweep(Space(axes={**axes, **({} if more else change)}, **more), file, jobs=1)
    assert (summary.there, summary.done) == (0, 1)


def test_points_that_are_the_same_count_once(tmp_path, file):
    names = [a_file(tmp_path / "x.eie"), a_file(tmp_path / "same.eie")]
    space = Space(axes={"workload": names, "fit": ["all_points", "pe64"], "clock_hz": [800_000_000, 8e8, 9e8]})
    assert plan(space, None).distinct == 2
    told = []
    summary = run_sweep(space, file, jobs=1, progress=lambda *now: told.append(now))
    assert (summary.points, summary.there, summary.done) == (2, 0, 2)
    assert told[-1] == (2, 2, 0)
    assert len(rows(file, "key")) == 2


# What fails -----------------------------------------------------------------------------------------------------------


def test_a_failing_point_is_recorded_with_its_error_and_stops_nothing(tmp_path, file):
    space = a_space(
        tmp_path, seed=0, act_queue_depth=8, n_pe=4, clock_hz=8e8,
        weight_bits=[4, 5], spmat_width_bits=[7, 64], technology_nm=[22.0, 45.0],
    )  # fmt: skip
    summary = run_sweep(space, file, jobs=1)
    assert (summary.points, summary.done, summary.failed) == (16, 2, 14)
    found = {
        row[:3]: row[3:]
        for row in rows(file, "weight_bits", "spmat_width_bits", "technology_nm", "status", "error", "cycles")
    }
    assert len(found) == 8
    for (bits, width, node), (status, error, cycles) in found.items():
        if width == 7:  # no machine: an entry is wider
            assert "spmat_width_bits: 7" in error
        elif bits == 5:
            assert error == "weight_bits: layer 'fc' is packed for 4, but the machine has 5 (set weight_bits = 4)"
        elif node == 22:
            assert "22" in error
        assert (status, cycles is None) == (("failed", True) if error else ("done", False))
        assert (error is None) == ((bits, width, node) == (4, 64, 45.0))
    with Store(file) as store:
        told = list(failures(store))
    assert sum(count for _, count in told) == 14
    assert [count for _, count in told] == sorted((count for _, count in told), reverse=True)


def test_a_workload_that_cannot_be_read_any_more_fails_alone(space, file, tmp_path, monkeypatch):
    def vanish(done, of, failed):
        if done == 0:
            (tmp_path / "b.eie").unlink(missing_ok=True)

    summary = run_sweep(space, file, jobs=1, progress=vanish)
    assert (summary.done, summary.failed) == (16, 16)
    assert {(w.endswith("a.eie"), s) for w, s in rows(file, "workload", "status")} == {
        (True, "done"),
        (False, "failed"),
    }
    assert all("b.eie" in error for (error,) in rows(file, "error") if error is not None)


@pytest.mark.parametrize("threads", [False, True])
def test_an_error_nobody_thought_of_fails_its_points_alone(space, file, monkeypatch, threads):
    make = WorkloadName.make

    def broken(self, weight_bits=4):
        if self.name.endswith("a.eie") and self.seed == 1:
            raise KeyError("nobody thought of it")
        return make(self, weight_bits)

    monkeypatch.setattr(WorkloadName, "make", broken)
    with ThreadPoolExecutor(2) as executor:
        summary = run_sweep(space, file, jobs=1, executor=executor if threads else None)
    assert (summary.done, summary.failed) == (24, 8)
    assert {error for (error,) in rows(file, "error") if error} == {"KeyError: 'nobody thought of it'"}


def test_an_error_within_a_simulation_fails_its_point_alone(space, file, monkeypatch):
    def broken(layer, acts, arch, **more):
        if (arch.n_pe, arch.act_queue_depth) == (2, 1):
            raise ZeroDivisionError("by nothing")
        return simulate(layer, acts, arch, **more)

    monkeypatch.setattr(evaluate, "simulate", broken)
    summary = run_sweep(space, file, jobs=1)
    assert (summary.done, summary.failed) == (24, 8)
    assert {error for (error,) in rows(file, "error") if error} == {"ZeroDivisionError: by nothing"}


def test_failed_points_are_computed_again_only_when_asked_for(space, file, monkeypatch):
    def broken(layer, acts, arch, **more):
        raise ValueError("not today")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "simulate", broken)
        assert run_sweep(space, file, jobs=1).failed == 32
    again = run_sweep(space, file, jobs=1)
    assert (again.there, again.done, again.failed) == (32, 0, 32)
    retried = run_sweep(space, file, jobs=1, retry_failed=True)
    assert (retried.points, retried.there, retried.done, retried.failed) == (32, 0, 32, 0)
    assert set(rows(file, "status", "error")) == {("done", None)}
    run_sweep(space, file.with_name("other.sqlite"), jobs=1)
    assert exported(file) == exported(file.with_name("other.sqlite"))


# Workers that die -----------------------------------------------------------------------------------------------------

DEADLY = 6e8
"""A clock that kills the process that computes it."""


def deadly(task):
    """As `compute`, but points of one clock kill the process at once, and others take a while."""
    for point in task.points:
        if point.machine.clock_hz == DEADLY:
            os._exit(1)
    time.sleep(0.3)
    return compute(task)


class Renewed:
    """Processes that are replaced when one of them has died, as those of a cluster are: the others go on."""

    def __init__(self, workers: int) -> None:
        self._max_workers = workers
        self._pools: list[ProcessPoolExecutor] = []

    def submit(self, function, task):
        self._pools.append(ProcessPoolExecutor(1, get_context("spawn")))
        return self._pools[-1].submit(function, task)

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown()


@pytest.mark.compiled_only
def test_a_point_that_kills_its_worker_is_given_up_and_all_others_are_done(tmp_path, file, monkeypatch):
    monkeypatch.setattr(run, "compute", deadly)
    space = a_space(tmp_path, workload=a_file(tmp_path / "a.eie"), seed=0, act_queue_depth=8, n_pe=4)
    space = space.model_copy(update={"axes": {**space.axes, "clock_hz": [DEADLY, 8e8]}})
    executor = Renewed(2)
    try:
        summary = run_sweep(space, file, executor=executor)
    finally:
        executor.close()
    assert (summary.done, summary.failed) == (1, 1)
    assert rows(file, "clock_hz", "status", "error") == [
        (DEADLY, "failed", "its worker died 3 times"),
        (8e8, "done", None),
    ]
    assert len(executor._pools) == 1 + 1 + tasks.MOST_ATTEMPTS  # both together, the sound one, the deadly one


@pytest.mark.compiled_only
@pytest.mark.slow
@pytest.mark.parametrize("sound", [2, 16])
def test_points_that_run_beside_one_that_kills_are_not_blamed_for_it(tmp_path, file, monkeypatch, sound):
    monkeypatch.setattr(run, "compute", deadly)
    points = [{"clock_hz": 8e8 + at, "seed": at % 2} for at in range(sound)]
    points.append({"clock_hz": DEADLY, "seed": 0})
    space = Space(axes={"workload": a_file(tmp_path / "a.eie"), "n_pe": 4}, point=points)
    summary = run_sweep(space, file, jobs=2)
    assert [clock for clock, status in rows(file, "clock_hz", "status") if status == "failed"] == [DEADLY]
    assert (summary.done, summary.failed) == (sound, 1)


class Dying:
    """An executor whose workers are gone after some tasks."""

    _max_workers = 1

    def __init__(self, tasks: int, how: str) -> None:
        self._left, self._how = tasks, how

    def submit(self, function, task):
        self._left -= 1
        future: Future = Future()
        if self._left >= 0:
            future.set_result(function(task))
        elif self._how == "refuses":
            raise RuntimeError("cannot schedule new futures after shutdown")
        elif self._how == "cancels":
            future.cancel()
            future.set_running_or_notify_cancel()
        elif self._how == "worker after worker":
            future.set_exception(type("KilledWorker", (Exception,), {})("tcp://1.2.3.4:5"))
        else:
            future.set_exception(ConnectionResetError("the scheduler is gone"))
        return future


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("refuses", r"the executor takes no more tasks \(RuntimeError: cannot schedule"),
        ("cancels", r"the workers are lost \(CancelledError\)"),
        ("breaks", r"the workers are lost \(ConnectionResetError: the scheduler is gone\)"),
    ],
)
def test_when_all_workers_are_gone_the_sweep_says_so_and_the_store_goes_on(space, file, tmp_path, how, told):
    with pytest.raises(LostWorkers, match=told) as lost:
        run_sweep(space, file, executor=Dying(3, how))
    assert "\n" not in str(lost.value)
    done = len(rows(file, "key"))
    assert done in (8, 12)  # of three tasks, but the third may be in flight when the fourth is refused
    rest = run_sweep(space, file, jobs=1)
    assert (rest.there, rest.done) == (done, 32 - done)
    run_sweep(space, tmp_path / "other.sqlite", jobs=1)
    assert exported(file) == exported(tmp_path / "other.sqlite")


def test_workers_that_die_one_after_another_end_the_sweep_and_not_as_failed_points(tmp_path, file):
    space = a_space(tmp_path, clock_hz=[8e8 + at for at in range(64)])
    with pytest.raises(LostWorkers, match=r"workers died .* times, and nothing was done in between"):
        run_sweep(space, file, executor=Dying(1, "worker after worker"))
    done = rows(file, "status").count(("done",))
    assert done == 128  # of the first task
    rest = run_sweep(space, file, jobs=1, retry_failed=True)
    assert (rest.there, rest.done, rest.failed) == (done, 1024 - done, 0)


@pytest.mark.compiled_only
def test_a_pool_of_the_caller_that_breaks_is_told_and_the_store_goes_on(space, file, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run, "compute", deadly)
        broken = a_space(file.parent, clock_hz=DEADLY)
        with (
            ProcessPoolExecutor(1, get_context("spawn")) as executor,
            pytest.raises(LostWorkers, match="BrokenProcessPool"),
        ):
            run_sweep(broken, file, executor=executor)
    assert rows(file, "key") == []
    assert run_sweep(space, file, jobs=1).done == 32


# What is told ---------------------------------------------------------------------------------------------------------


def test_progress_is_told_from_nothing_to_all_of_the_missing_points(tmp_path, file):
    told = []
    run_sweep(a_space(tmp_path, seed=0), file, jobs=1)
    space = a_space(tmp_path, spmat_width_bits=[7, 64])
    run_sweep(space, file, jobs=1, progress=lambda *now: told.append(now))
    assert told[0] == (0, 48, 0)
    assert told[-1] == (48, 48, 32)
    assert told == sorted(told)


@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"clock_hz": [1e8, 2e8, 3e8], "technology_nm": [28.0, 45.0], "spmat_bytes": [1024, 131072]},
        {"spmat_width_bits": [32, 64], "index_bits": [3, 4]},
        {"order": ["as it is", "greedy", "by columns"], "calibration": ["table2-8cycle", "bottom-up"]},
        {"arithmetic": ["float32", "fixed16"], "rounding": ["half_even", "truncate"], "bias": ["column", "preload"]},
        {"spmat_width_bits": [7, 64]},
    ],
    ids=lambda axes: "-".join(axes) or "plain",
)
def test_the_simulations_of_a_plan_are_the_calls_of_simulate(tmp_path, file, monkeypatch, axes):
    space = a_space(tmp_path, **axes)
    expected = plan(space, None).simulations()
    called = count_calls(monkeypatch)
    summary = run_sweep(space, file, jobs=1)
    assert summary.failed < summary.points
    assert len(called) == expected == summary.simulated


def test_a_summary_adds_up(space, file):
    run_sweep(Space(axes={**space.axes, "seed": 0}), file, jobs=1)
    began = time.perf_counter()
    summary = run_sweep(Space(axes={**space.axes, "weight_bits": [4, 5]}), file, jobs=1)
    assert (summary.points, summary.there, summary.done, summary.failed) == (64, 16, 16, 32)
    assert 0 < summary.seconds <= time.perf_counter() - began
    with Store(file) as store:
        assert (store.count("done"), store.count("failed"), len(store)) == (32, 32, 64)


def test_an_estimate_tries_tasks_and_writes_nothing(space, file):
    planned = plan(space, None)
    seconds, tried = estimate(planned)
    assert tried == 32
    began = time.perf_counter()
    run_sweep(space, file, jobs=1)
    took = time.perf_counter() - began
    assert 0 < seconds < 10 * took
    with Store(file) as store:
        assert estimate(plan(space, store)) == (0.0, 0)


def test_an_estimate_ends_in_the_time_it_is_given(space):
    seconds, tried = estimate(plan(space, None), seconds=0)
    assert tried == 4  # of the first task
    assert seconds > 0


# What is no sweep -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"workload": "nowhere.eie"}, "nowhere.eie"),
        ({"workload": "a.txt"}, "workload: 'a.txt', but it must be one of"),
        ({"workload": "NT-We", "baseline": "Abacus dense"}, "Abacus"),
        ({"workload": "NT-We", "n_pe": [4, 0]}, "axes: n_pe: 0"),
    ],
)
def test_what_cannot_be_run_is_an_error_before_anything_runs(file, monkeypatch, axes, told):
    called = count_calls(monkeypatch)
    with pytest.raises((ValueError, OSError), match=told):
        run_sweep(Space(axes=axes), file, jobs=1)
    assert called == []
    assert not file.exists() or rows(file, "key") == []


# How a sweep is cut ---------------------------------------------------------------------------------------------------


@given(
    sorts=st.lists(
        st.builds(Sharing, st.integers(1, 3), st.integers(4, 5), st.sampled_from("abcdef")), min_size=1, max_size=80
    ),
    most=st.integers(1, 12),
)
def test_parts_hold_every_point_once_and_no_more_simulations_than_they_may(sorts, most):
    sorts = sorted(sorts)
    members = list(range(len(sorts)))
    parts = list(cut(sorts, members, most))
    assert [at for part in parts for at in part] == members
    kinds = [{sorts[at] for at in part} for part in parts]
    assert all(1 <= len(kind) <= most for kind in kinds)
    assert not any(one & other for one, other in itertools.combinations(kinds, 2))  # no simulation is run twice


def test_many_points_of_one_simulation_are_several_parts(monkeypatch):
    monkeypatch.setattr(tasks, "MOST_POINTS", 10)
    assert [len(part) for part in cut([Sharing(1, 4, "a")] * 25, range(25), 5)] == [10, 10, 5]


def test_a_sweep_of_one_workload_has_work_for_all_workers(tmp_path):
    space = a_space(tmp_path, workload=a_file(tmp_path / "a.eie"), seed=0, act_queue_depth=list(range(1, 65)))
    found = tasks_of(plan(space, None), workers=2)
    assert len(found) == 16
    assert {len(task.points) for task in found} == {16}


def test_a_sweep_of_one_workload_that_is_interrupted_keeps_what_was_done(tmp_path, file):
    space = a_space(tmp_path, workload=a_file(tmp_path / "a.eie"), seed=0, act_queue_depth=list(range(1, 65)))

    def stop(done, of, failed):
        if done >= of / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(space, file, jobs=1, progress=stop)
    assert len(rows(file, "key")) == 128
    assert run_sweep(space, file, jobs=1).there == 128


def test_a_store_whose_making_was_killed_is_made_by_the_next_sweep(space, file):
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert run_sweep(space, file, jobs=1).done == 32
