"""What the commands of `eie-sim` print with: `compressor.console.printer`, under this program's name."""

from compressor.console import printer
from compressor.console.printer import short
from compressor.messages import printable

__all__ = ["Printer", "printable", "short"]


class Printer(printer.Printer):
    """The printer whose notes begin with ``eie-sim``."""

    def __init__(self) -> None:
        super().__init__("eie-sim")
