"""Tables of the commands: those of `compressor.console.grid`, which both command lines draw."""

from compressor.console.grid import Grid, Group, column, grid

__all__ = ["Grid", "Group", "column", "grid"]
