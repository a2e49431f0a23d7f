"""A command line in this process and in one of its own, for the tests of both."""

import os
import subprocess
import sys

from typer.testing import CliRunner


def call(app, *arguments):
    """Exit code, stdout and stderr of `app` with these arguments."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_line(result, program: str) -> str:
    """The one line of error; anything but notes, one line and exit code 2 fails the test."""
    assert result.exit_code == 2
    assert result.stdout == ""
    *notes, line = result.stderr.splitlines()
    assert all(note.startswith(f"{program}: note: ") for note in notes)
    assert line.startswith(f"{program}: ")
    return line.removeprefix(f"{program}: ")


def in_a_process(module: str, *arguments, **environment) -> subprocess.CompletedProcess[str]:
    """``python -m module`` as a user runs it."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NUMBA_DISABLE_JIT")}
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def on_a_terminal(command: list[str]) -> tuple[int, bytes, bytes]:
    """Exit code, stdout, and what a terminal was shown on stderr."""
    import pty

    terminal, child_side = pty.openpty()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child_side)
    os.close(child_side)
    shown = b""
    try:
        while piece := os.read(terminal, 65536):  # a terminal that nobody reads lets nobody write
            shown += piece
    except OSError:  # the end, on Linux
        pass
    os.close(terminal)
    stdout = child.communicate()[0]
    return child.returncode, stdout, shown


def cpu_seconds(module: str, *arguments) -> float:
    """Processor time of ``python -m module``, which must end well."""
    child = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime


def loaded_by_help(package: str, *arguments, heavy) -> list[str]:
    """Which of the modules `heavy` a command line has loaded when it has printed its help."""
    code = (
        f"import sys; sys.argv = ['x', *{arguments!r}, '--help']\n"
        f"from {package} import main\n"
        "try: main()\n"
        f"finally: print(*[m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.split()
