"""What the command lines of both packages have in common: commands that fail in one line, results on stdout, tables.

`app` makes a command line of functions and declares their options, `printer` and `grid` are what they print with,
`targets` checks that a result can be written before it is computed. Only command lines import this package, and
importing it loads neither numpy nor numba.
"""

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell has it."""


def start(program: str, module: str) -> None:
    """Run the command line ``app`` of `module` with the arguments of the process; does not return."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the process
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (open as long as the process)
        # A name that the terminal's encoding lacks must not end a run that is done.
        if isinstance(stream := getattr(sys, name), TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        import_module(module).app(prog_name=program)
    except KeyboardInterrupt:  # before a command has begun, or after it has ended
        sys.exit(INTERRUPTED)
