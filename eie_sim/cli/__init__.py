"""The command line `eie-sim`; the only place of the package that prints.

`app` declares the commands and turns every failure into one line; a file a command declares its options; what computes
(`inputs`, `machine`, `running`) is imported when a command runs, so that ``--help`` loads neither numpy nor numba.
"""

import sys


def main() -> None:
    """Run the command line with the arguments of the process; does not return."""
    try:
        from eie_sim.cli.app import app

        app(prog_name="eie-sim")
    except KeyboardInterrupt:  # before a command has begun, or after it has ended
        sys.exit(130)
