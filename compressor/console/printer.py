"""What the commands print with: results on stdout, everything else on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from compressor.messages import printable

LINE_WIDTH = 110
"""Columns of running text, at most."""

PIPED_WIDTH = 100
"""Columns of characters where there is no terminal."""

LEAST_WIDTH = 20
"""Columns of a terminal that is believed: in fewer no table can be read."""

_LONGEST_NAME = 24

_SPEED_OVER_S = 600.0
"""What is left is estimated from this much of the past: a step of a long run takes minutes."""


def short(name: str) -> str:
    """`name` for a cell of a table."""
    line = printable(name)
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 3] + "..."


def plural(count: int, thing: str) -> str:
    """``"1 layer"``, ``"2 layers"``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


class Advance(Protocol):
    """Moves the progress bar on."""

    def __call__(self, doing: str, done: int = 0) -> None:
        """Show `doing`, and count `done` more."""
        ...


class _Out(Console):
    """Standard output; a closed pipe is a `BrokenPipeError`, as for any other writer."""

    def on_broken_pipe(self) -> None:
        """Leave it to `OneLineErrors`: rich itself would end the process with exit code 1."""
        raise BrokenPipeError


class Printer:
    """Stdout for results, stderr for notes, warnings and the progress bar.

    Parameters
    ----------
    program : str
        Stands before every note.

    Attributes
    ----------
    notes : list of str
        Everything said on stderr, for results files to keep.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        # None: the width of the terminal or of ``COLUMNS``, which a file or a pipe does not have.
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
        self.out = _Out(width=width, highlight=False, emoji=False, markup=False)
        self.err = Console(stderr=True, highlight=False, emoji=False, markup=False)
        for console in (self.out, self.err):
            if console.width < LEAST_WIDTH:  # some terminals, and ``COLUMNS=0``, say that they have no columns
                console.width = PIPED_WIDTH
        self.notes: list[str] = []

    def lines(self, lines: Sequence[Text | str]) -> None:
        """Print lines as they are, never wrapped."""
        for line in lines:
            self.out.print(line, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print a table that wraps inside its cells."""
        self.out.print(table)

    def json(self, document: object) -> None:
        """Print JSON, and nothing around it."""
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")

    def remark(self, text: str) -> None:
        """Print a remark below a table, dim, wrapped at the width of the terminal."""
        lines = wrap(text, min(self.out.width, LINE_WIDTH), break_on_hyphens=False)
        self.lines([Text(line, "dim") for line in lines])

    def note(self, text: str) -> None:
        """Say `text` on stderr, in one line, and keep it."""
        self._say("note", text, "")

    def warn(self, text: str) -> None:
        """Say `text` on stderr as a warning, in one line, and keep it."""
        self._say("warning", text, "yellow")

    def _say(self, kind: str, text: str, style: str) -> None:
        line = printable(text)
        self.notes.append(line)
        self.err.print(Text.assemble(f"{self.program}: ", (f"{kind}: ", style), line), soft_wrap=True)

    @contextmanager
    def progress(self, total: int) -> Iterator[Advance]:
        """A progress bar on stderr, only where that is a terminal; it leaves nothing behind."""
        with self.counting() as count:
            all_done = 0

            def advance(doing: str, done: int = 0) -> None:
                nonlocal all_done
                all_done += done
                count(all_done, total, doing)

            yield advance

    @contextmanager
    def counting(self) -> Iterator[Callable[[int, int, str], None]]:
        """As `progress`, for work that reports what is done, of how much (0: not known), and what is being done."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(
            *columns,
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
            speed_estimate_period=_SPEED_OVER_S,
        ) as bar:
            task = bar.add_task("", total=None)

            def count(done: int, total: int, doing: str) -> None:
                bar.update(task, completed=done, total=total or None, description=doing)

            yield count
