"""What a user meets first: help, version, speed of the start, exit codes."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from compressor import __version__
from eie_sim.cli import main
from tests.cli.conftest import in_a_process
from tests.command_line import cpu_seconds, loaded_by_help

MOST_CPU_SECONDS = 0.6
HEAVY = ("numpy", "numba", "simpy", "matplotlib", "torch", "dask", "safetensors", "scipy")


def test_help_names_every_command(cli):
    result = cli("--help")
    assert result.exit_code == 0
    for command in ("run", "info", "compare", "measure", "plot", "trace", "presets"):
        assert command in result.stdout


def test_no_argument_is_a_call_for_help(cli):
    result = cli()
    assert result.exit_code == 0
    assert result.stdout.split() == cli("--help").stdout.split()


@pytest.mark.parametrize("command", ["run", "info", "compare", "measure", "trace", "presets"])
def test_every_command_has_help_and_json(cli, command):
    result = cli(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_the_version_is_that_of_the_package(cli):
    assert cli("--version").stdout == f"eie-sim {__version__}\n"


def test_python_m_is_the_same_command():
    result = in_a_process("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"eie-sim {__version__}\n", "")


def test_help_loads_nothing_heavy():
    assert loaded_by_help("eie_sim.cli", "run", heavy=HEAVY) == []


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="no CPU time of a child on this system")
def test_help_takes_little_time():
    assert min(cpu_seconds("eie_sim", "--help") for _ in range(3)) <= MOST_CPU_SECONDS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "No such command 'runn'"),
        (["run", "--sed", "3"], "No such option: --sed"),
        (["run", "--seed", "many"], "Invalid value for '--seed'"),
        (["run", "--seed", "-1"], "Invalid value for '--seed'"),
        (["info"], "Missing argument 'FILE'"),
        (["presets", "all"], "unexpected extra argument"),
    ],
)
def test_a_mistyped_command_line_is_one_line(fails, arguments, message):
    line = fails(*arguments)
    assert message in line
    assert "--help" in line


def test_a_failure_of_a_process_is_one_line_and_exit_2(tmp_path):
    result = in_a_process("run", tmp_path / "absent.eie")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == f"eie-sim: {tmp_path / 'absent.eie'}: No such file or directory\n"


def test_a_name_cannot_send_commands_to_the_terminal(fails):
    assert "\x1b" not in fails("run", "evil\x1b[2J.eie")


def test_the_entry_point_takes_the_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["eie-sim", "--version"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert capsys.readouterr().out == f"eie-sim {__version__}\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream_is_no_failure(monkeypatch, stream):
    monkeypatch.setattr(sys, "argv", ["eie-sim", "presets", "--json"])
    monkeypatch.setattr(sys, stream, None)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    getattr(sys, stream).close()


def test_an_interrupt_anywhere_leaves_with_130(monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("eie_sim.cli.app.app", interrupted)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130


def test_a_defect_of_the_program_is_not_taken_for_bad_input(cli, monkeypatch):
    monkeypatch.setattr("eie_sim.cli.machine.chosen_machine", lambda *_: 1 / 0)
    assert isinstance(cli("run").exception, ZeroDivisionError)


def test_exhausted_memory_is_one_line(fails, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("eie_sim.cli.machine.chosen_machine", exhausted)
    assert fails("run") == "out of memory"


@pytest.mark.parametrize("options", [["--json"], []])
def test_a_reader_that_has_enough_ends_it_quietly(options):
    command = [sys.executable, "-m", "eie_sim", "presets", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    stderr = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 0
    assert stderr == b""


# A signal that comes while Python itself starts ends it before anybody can catch it, however long that takes.
READY_THEN_MAIN = "from eie_sim.cli import main; print('ready', flush=True); main()"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child on this system")
def test_ctrl_c_ends_it_quietly_with_130():
    child = subprocess.Popen(
        [sys.executable, "-c", READY_THEN_MAIN, "run", "--engine", "reference", "--layers", "Alex-6"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a script ignores the signal, and its children with it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout, stderr) == (130, "", "")
