"""The command line `eie-compress`; with `compressor.console`, the only place of the package that prints.

`app` declares the commands; a file a command declares its options; what computes is imported when a command runs, so
that ``--help`` loads neither numpy nor PyTorch.
"""

from compressor.console import start


def main() -> None:
    """Run the command line with the arguments of the process; does not return."""
    start("eie-compress", "compressor.cli.app")
