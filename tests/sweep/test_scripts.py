"""Scripts that cannot have workers: one error that says what to do, nothing stored, no worker that runs them again."""

import sys
import time

import pytest

from tests.sweep.tiny import a_file, a_process, rows, toml

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="groups of processes of POSIX")

SWEEP = """
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
print("begins", flush=True)
{guard}print(run_sweep(Space.from_toml("space.toml"), "s.sqlite", jobs={jobs}))
"""
SEARCH = """
from eie_sim.sweep.search import search
from eie_sim.sweep.space import Space
print("begins", flush=True)
search(Space.from_toml("space.toml"), "s.sqlite", ["time_us"], trials=4, jobs=2)
"""
GUARD = 'if __name__ == "__main__": '
CURE = 'put the call under `if __name__ == "__main__":` in a script that is saved as a file, or pass jobs=1'


@pytest.fixture
def folder(tmp_path):
    """A folder with a space of three tasks."""
    a_file(tmp_path / "a.eie")
    toml(tmp_path / "space.toml", workload=["a.eie"], seed=[0, 1, 2], n_pe=[2, 4])
    return tmp_path


def ran(folder, *arguments, script=""):
    """Exit code, stdout and stderr of Python with a script, in a file or from stdin, which must end within seconds."""
    (folder / "script.py").write_text(script)
    with (folder / "script.py").open() as stdin, a_process(*arguments, stdin=stdin, cwd=folder) as child:
        began = time.monotonic()
        stdout, stderr = child.communicate(timeout=60)
    assert time.monotonic() - began < 40
    return child.returncode, stdout, stderr


def test_a_script_without_a_guard_is_one_error_and_stores_nothing(folder):
    code, stdout, stderr = ran(folder, "script.py", script=SWEEP.format(guard="", jobs=2))
    assert code == 1
    assert CURE in stderr.splitlines()[-1]
    assert stderr.count("Traceback") == stderr.count(CURE) == 1
    assert stdout == "begins\nbegins\n"  # one worker came as far as the sweep, and left
    assert not list(folder.glob("s.sqlite*"))


def test_with_the_guard_the_same_script_runs_every_point(folder):
    code, stdout, _ = ran(folder, "script.py", script=SWEEP.format(guard=GUARD, jobs=2))
    assert code == 0
    assert "there=0, done=6, failed=0" in stdout


@pytest.mark.parametrize("guard", ["", GUARD])
def test_a_script_from_standard_input_is_refused_before_a_process_is_made(folder, guard):
    code, stdout, stderr = ran(folder, "-", script=SWEEP.format(guard=guard, jobs=2))
    assert (code, stdout) == (1, "begins\n")
    assert "<stdin> is not a file that worker processes can import" in stderr.splitlines()[-1]
    assert CURE in stderr.splitlines()[-1]
    assert not list(folder.glob("s.sqlite*"))


@pytest.mark.parametrize("how", ["script.py", "-"])
def test_one_job_needs_neither_guard_nor_file(folder, how):
    code, stdout, _ = ran(folder, how, script=SWEEP.format(guard="", jobs=1))
    assert code == 0
    assert "there=0, done=6, failed=0" in stdout


def test_a_single_task_needs_no_other_process(folder):
    toml(folder / "space.toml", workload=["a.eie"], n_pe=[2])
    code, stdout, _ = ran(folder, "-", script=SWEEP.format(guard="", jobs=2))
    assert code == 0
    assert "there=0, done=1, failed=0" in stdout


def test_a_command_has_no_script_to_import(folder):
    code, stdout, _ = ran(folder, "-c", SWEEP.format(guard="", jobs=2))
    assert code == 0
    assert "there=0, done=6, failed=0" in stdout


def test_a_script_that_fails_in_its_workers_stores_nothing(folder):
    script = "if __name__ != '__main__': raise SystemExit\n" + SWEEP.format(guard=GUARD, jobs=2)
    code, _, stderr = ran(folder, "script.py", script=script)
    assert code == 1
    assert "a worker process ended before it took a task" in stderr.splitlines()[-1]
    assert not list(folder.glob("s.sqlite*"))


def test_a_search_without_a_guard_stores_nothing(folder):
    pytest.importorskip("optuna")
    code, stdout, stderr = ran(folder, "script.py", script=SEARCH)
    assert (code, stdout) == (1, "begins\nbegins\n")
    assert CURE in stderr.splitlines()[-1]
    assert not list(folder.glob("s.sqlite*"))


def test_failures_that_are_there_are_counted_and_can_be_tried_again(folder):
    toml(folder / "space.toml", workload=["a.eie"], n_pe=[4], act_queue_depth=[8], spmat_width_bits=[7, 64])
    command = ("-m", "eie_sim", "sweep", "run", "space.toml")
    assert "2 points: 0 were there, 1 computed" in ran(folder, *command)[1]
    code, stdout, stderr = ran(folder, *command)
    assert code == 0
    assert "2 points: 2 were there (1 of them failed before), 0 computed" in stdout
    assert "; 1 failed." in stdout
    assert "--retry-failed computes points again that failed before" in stderr
    assert "2 points: 1 were there, 0 computed" in ran(folder, *command, "--retry-failed")[1]
    assert sorted(rows(folder / "space.sqlite", "status")) == [("done",), ("failed",)]


def test_the_command_line_in_such_a_script_ends_with_one_line(folder):
    arguments = ["eie-sim", "sweep", "run", "space.toml", "--jobs", "2"]
    script = f"import sys\nfrom eie_sim.cli import main\nsys.argv = {arguments}\nmain()\n"
    code, _, stderr = ran(folder, "-", script=script)
    assert code == 2
    assert stderr.splitlines()[-1].startswith("eie-sim: run_sweep: <stdin> is not a file that worker processes can")
    assert "Traceback" not in stderr
