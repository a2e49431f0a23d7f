"""What a sweep survives: being killed, being interrupted, another one on its store, and a full disk."""

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from eie_sim.sweep import run
from eie_sim.sweep.plan import plan
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store, StoreError
from tests.sweep.tiny import a_file, a_process, complaints, exported, rows, toml

pytestmark = [
    pytest.mark.slow,
    pytest.mark.compiled_only,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of processes of POSIX"),
]

WAITS_FOR_A_LINE = """
import sys
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space

space = Space.from_toml(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
run_sweep(space, sys.argv[2], int(sys.argv[3]))
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> SimpleNamespace:
    """Forty tasks of 32 points in a file, what an undisturbed run of it exports, and how long that took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    a_file(folder / "a.eie")
    file = toml(
        folder / "tiny.toml", workload=["a.eie"], seed=list(range(40)), n_pe=[1, 2, 4, 8],
        act_queue_depth=[1, 8], spmat_width_bits=[7, 64], clock_hz=[8e8, 1e9],
    )  # fmt: skip
    store = folder / "undisturbed.sqlite"
    summary = run_sweep(Space.from_toml(file), store, jobs=1)
    assert (summary.done, summary.failed) == (640, 640)
    return SimpleNamespace(file=file, export=exported(store), seconds=summary.seconds, points=summary.points)


@contextmanager
def running(*command):
    """A process of a sweep, and at the end nothing of it and of its workers."""
    child = a_process(*map(str, command), stdin=subprocess.PIPE)
    try:
        yield child
    finally:
        with_workers_killed(child)


def with_workers_killed(child) -> None:
    """Kill the process and all of its group."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        pipe.close()


def started(child) -> None:
    """Wait until it is ready, and let it go."""
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    child.stdin.write("go\n")
    child.stdin.flush()


def first_rows(store: Path, at_least: int = 1, seconds: float = 60) -> int:
    """Wait until there are so many rows in a store that another process writes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if store.exists():
            reader = sqlite3.connect(f"file:{store}?mode=ro", uri=True)  # `Store` would take the lock for a moment
            try:
                if (found := reader.execute("SELECT count(*) FROM points").fetchone()[0]) >= at_least:
                    return found
            except sqlite3.OperationalError:
                pass  # not yet made
            finally:
                reader.close()
        time.sleep(0.01)
    raise AssertionError(f"not {at_least} rows in {seconds} s")


# Killed ---------------------------------------------------------------------------------------------------------------


MOSTLY = 0.8


def killed_and_resumed(sweep, folder: Path, kills: int, jobs: int, seed: int) -> int:
    """Kill sweeps at random moments, on as many stores as it takes; how often one was killed with some of its rows."""
    rng, killed, midway, number = random.Random(seed), 0, 0, 0
    while killed < kills:
        store, ended, found = folder / f"{number}.sqlite", False, 0
        number += 1
        while not ended:
            with running("-c", WAITS_FOR_A_LINE, sweep.file, store, jobs) as child:
                started(child)
                if killed < kills:
                    # Processes take seconds to begin, and nothing is stored before: most moments are after that.
                    if jobs > 1 and found < sweep.points and rng.random() < MOSTLY:
                        first_rows(store, found + 1)
                    time.sleep(rng.uniform(0, sweep.seconds / (2 if jobs == 1 else 1)))
                    child.kill()
                told = child.stdout.read()
                ended = told == "done\n"
                killed += not ended
            if store.exists():
                with Store(store, create=True) as opened:
                    assert opened.check() == "ok"
                    found = len(opened)
                # Points without a machine, then whole tasks: 16 points at first, and the fewer the less is left, but
                # never less than the two points of a simulation.
                assert found == 0 or (found - 640) % 2 == 0
                midway += 0 < found < sweep.points and not ended
        assert exported(store) == sweep.export
    return midway


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_twenty_five_random_moments_and_resumed_a_sweep_ends_as_if_nothing_had_been(sweep, tmp_path, jobs):
    assert killed_and_resumed(sweep, tmp_path, kills=25, jobs=jobs, seed=jobs) >= 10


def processes_of(session: int) -> set[int]:
    """Processes of a session that have not ended."""
    found = subprocess.run(["ps", "-o", "pid=,stat=", "--sid", str(session)], capture_output=True, text=True)
    return {int(line.split()[0]) for line in found.stdout.splitlines() if not line.split()[1].startswith("Z")}


def ended(session: int, seconds: float = 3) -> bool:
    """Whether all of its processes end soon; the one that tracks resources does so after the others."""
    end = time.monotonic() + seconds
    while processes_of(session):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_the_workers_of_a_sweep_that_is_killed_end_too(sweep, tmp_path):
    store = tmp_path / "s.sqlite"
    with running("-c", WAITS_FOR_A_LINE, sweep.file, store, 2) as child:
        started(child)
        first_rows(store, 641)
        child.kill()
        child.wait()
        assert ended(child.pid)


# Interrupted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_ends_a_sweep_with_130_and_says_how_it_goes_on(sweep, tmp_path, jobs):
    a_file(tmp_path / "a.eie")
    file = toml(tmp_path / "long.toml", workload=["a.eie"], seed=list(range(3000)), n_pe=[1, 2, 4, 8])
    store = tmp_path / "long.sqlite"
    with running("-m", "eie_sim", "sweep", "run", file, "--jobs", jobs) as child:
        first_rows(store, 40)
        began = time.monotonic()
        os.killpg(child.pid, signal.SIGINT)  # as a terminal: the workers too
        stdout, stderr = child.communicate(timeout=60)
        assert time.monotonic() - began < 10
        assert (child.returncode, stdout) == (130, "")
        lines = complaints(stderr)
        assert lines == [
            f"eie-sim: note: interrupted; what is done is in {store}, and the same command goes on from there"
        ]
        assert ended(child.pid)
    done = len(rows(store, "key"))
    assert 40 <= done < 12_000
    assert not list(tmp_path.glob("*-wal"))
    with Store(store) as opened:
        assert plan(Space.from_toml(file), opened).there == done


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, 4])
def test_an_impatient_ctrl_c_leaves_a_sound_store_too(sweep, tmp_path, times):
    store = tmp_path / "s.sqlite"
    with running("-m", "eie_sim", "sweep", "run", sweep.file, "--store", store, "--jobs", 2) as child:
        first_rows(store, 40)
        for _ in range(times):
            os.killpg(child.pid, signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode in (130, -signal.SIGINT)
        assert ended(child.pid)
    run_sweep(Space.from_toml(sweep.file), store, jobs=1)
    assert exported(store) == sweep.export


# Two at once ----------------------------------------------------------------------------------------------------------


def two_at_once(sweep, store: Path) -> None:
    with (
        running("-c", WAITS_FOR_A_LINE, sweep.file, store, 1) as one,
        running("-c", WAITS_FOR_A_LINE, sweep.file, store, 1) as two,
    ):
        for child in (one, two):
            assert child.stdout.readline() == "ready\n", child.stderr.read()
        for child in (one, two):
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in (one, two):
            assert child.communicate(timeout=120) == ("done\n", "")
    assert exported(store) == sweep.export


def test_two_sweeps_that_start_a_store_at_once_both_finish(sweep, tmp_path):
    two_at_once(sweep, tmp_path / "s.sqlite")


@pytest.mark.slow
def test_two_sweeps_at_once_both_finish_every_time(sweep, tmp_path):
    for at in range(3):
        two_at_once(sweep, tmp_path / f"{at}.sqlite")


def test_a_store_that_many_make_at_once_is_made_once(tmp_path):
    """Many times, since a moment decides."""
    failed = []

    def make(path, barrier):
        barrier.wait()
        try:
            Store(path, create=True).close()
        except Exception as error:
            failed.append(error)

    for at in range(400):
        barrier = threading.Barrier(4)
        together = [threading.Thread(target=make, args=(tmp_path / f"{at}.sqlite", barrier)) for _ in range(4)]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
    assert failed == []


def test_a_sweep_waits_for_another_that_is_writing_and_says_so_when_that_takes_too_long(sweep, tmp_path, monkeypatch):
    store = tmp_path / "s.sqlite"
    Store(store, create=True).close()
    monkeypatch.setattr("eie_sim.sweep.store.WAIT_S", 0.2)
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match=r"s\.sqlite: .*another process has been writing to it for 0\.2 s"):
            run_sweep(Space.from_toml(sweep.file), store, jobs=1)
    finally:
        other.execute("ROLLBACK")
        other.close()
    run_sweep(Space.from_toml(sweep.file), store, jobs=1)
    assert exported(store) == sweep.export


# A full disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_store_that_may_not_grow_is_a_clear_error_and_goes_on_with_more_room(sweep, tmp_path, monkeypatch, jobs):
    store = tmp_path / "s.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(run, "Store", partial(Store, max_pages=100))
        with pytest.raises(StoreError, match=r"s\.sqlite: database or disk is full: no room for more rows") as full:
            run_sweep(Space.from_toml(sweep.file), store, jobs=jobs)
    assert "\n" not in str(full.value)
    done = len(rows(store, "key"))
    assert 0 < done < sweep.points
    assert run_sweep(Space.from_toml(sweep.file), store, jobs=1).there == done
    assert exported(store) == sweep.export


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk whose size can be set in KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def size(kib: int, *options: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join([f"size={kib}k", *options]), "tmpfs", folder], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")

    size(64)
    try:
        yield SimpleNamespace(folder=folder, grow=lambda kib: size(kib, "remount"))
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("sizes", [(700,), pytest.param((64, 200, 500, 700, 900), marks=pytest.mark.slow)])
def test_a_full_disk_is_a_clear_error_and_the_sweep_goes_on_with_more_room(sweep, small_disk, sizes):
    store, done = small_disk.folder / "s.sqlite", 0
    for kib in sizes:
        small_disk.grow(kib)
        with running("-m", "eie_sim", "sweep", "run", sweep.file, "--store", store, "--jobs", 1) as child:
            stdout, stderr = child.communicate(timeout=120)
        assert (child.returncode, stdout) == (2, "")
        (line,) = complaints(stderr)
        assert re.search(rf"eie-sim: {re.escape(str(store))}: .*(full|disk)", line)
        small_disk.grow(kib + 400)  # room to look at it
        with Store(store, create=True) as opened:
            assert opened.check() == "ok"
            assert done <= len(opened) < sweep.points
            done = len(opened)
        (small_disk.folder / "s.csv").unlink(missing_ok=True)
    small_disk.grow(64 * 1024)
    summary = run_sweep(Space.from_toml(sweep.file), store, jobs=1)
    assert summary.there == done > 0
    assert exported(store) == sweep.export
