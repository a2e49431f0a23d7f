"""The command line `eie-sim`; the only place of the package that prints.

`app` declares the commands and turns every failure into one line; a file a command declares its options; what computes
(`inputs`, `machine`, `running`) is imported when a command runs, so that ``--help`` loads neither numpy nor numba.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command line with the arguments of the process; does not return."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the process
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (open as long as the process)
    try:
        from eie_sim.cli.app import app

        app(prog_name="eie-sim")
    except KeyboardInterrupt:  # before a command has begun, or after it has ended
        sys.exit(130)
