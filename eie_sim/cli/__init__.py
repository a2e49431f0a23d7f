"""The command line `eie-sim`; the only place of the package that prints.

`app` declares the commands, and `compressor.console` turns every failure into one line; a file a command declares its
options; what computes (`inputs`, `machine`, `running`) is imported when a command runs, so that ``--help`` loads
neither numpy nor numba.
"""

from compressor.console import start


def main() -> None:
    """Run the command line with the arguments of the process; does not return."""
    start("eie-sim", "eie_sim.cli.app")
