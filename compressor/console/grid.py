"""A table for the terminal: columns in titled groups, never wrapped; groups that do not fit are left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

_WITHIN = 1  # blanks between the columns of a group
_APART, _CLOSE = 3, 2  # between groups, and where that does not fit


@dataclass(frozen=True)
class Group:
    """Some columns under one title.

    Parameters
    ----------
    title : str
    headings : sequence of str
        One for each column; all empty: the title is the heading.
    rows : sequence of sequence of Text
        The cells of the group, one sequence a row of the table.
    rank : int
        0: always shown; of the others, the highest rank is left out first.
    left : bool
        Texts, which begin on the left; numbers end on the right.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Text]]
    rank: int = 0
    left: bool = False

    @property
    def widths(self) -> list[int]:
        """Width of each column; the first takes what a long title needs more."""
        cells = [[len(heading), *(row[at].cell_len for row in self.rows)] for at, heading in enumerate(self.headings)]
        widths = [max(column) for column in cells]
        widths[0] += max(0, len(self.title) - self._width(widths))
        return widths

    @property
    def width(self) -> int:
        """Width of the group."""
        return self._width(self.widths)

    @staticmethod
    def _width(widths: Sequence[int]) -> int:
        return sum(widths) + _WITHIN * (len(widths) - 1)

    def line(self, cells: Sequence[Text]) -> Text:
        """One line of the group, as wide as it."""
        padded = []
        for cell, width in zip(cells, self.widths, strict=True):
            blanks = " " * (width - cell.cell_len)
            padded.append(Text.assemble(cell, blanks) if self.left else Text.assemble(blanks, cell))
        return Text(" " * _WITHIN).join(padded)

    def heading_lines(self) -> tuple[Text, Text]:
        """Title and headings; a title without headings stands in the second line."""
        title = Text(self.title.ljust(self.width) if self.left else self.title.rjust(self.width), style="bold")
        if not any(self.headings):
            return Text(" " * self.width), title
        return Text(self.title.center(self.width), style="bold"), self.line([Text(h, "dim") for h in self.headings])


@dataclass(frozen=True)
class Grid:
    """A table laid out for some width.

    Attributes
    ----------
    lines : list of Text
    left_out : int
        Columns that did not fit.
    full_width : int
        Width at which every column fits.
    """

    lines: list[Text]
    left_out: int
    full_width: int

    def remark(self, elsewhere: str) -> str | None:
        """What to say of the columns that did not fit, and `elsewhere`, where they are; None where all did."""
        if not self.left_out:
            return None
        return (
            f"{self.left_out} more column{'s' if self.left_out > 1 else ''} in a terminal of {self.full_width} (or "
            f"with COLUMNS={self.full_width}); all in {elsewhere}."
        )


def column(title: str, texts: Iterable[Text | str], rank: int = 0, left: bool = False) -> Group:
    """One column as a group."""
    return Group(title, ("",), [[Text(text) if isinstance(text, str) else text] for text in texts], rank, left)


def grid(groups: Sequence[Group], width: int, console: Console) -> Grid:
    """Lay out a table in `width` columns of characters.

    Parameters
    ----------
    groups : sequence of Group
        All with the same number of rows; those of rank 0 are always there.
    width : int
    console : Console
        Says whether lines can be drawn.
    """
    kept = list(groups)
    while _total(kept, _CLOSE) > width and max(group.rank for group in kept) > 0:
        kept.remove(max(kept, key=lambda group: group.rank))
    blanks = _APART if _total(kept, _APART) <= width else _CLOSE
    gap = Text(" " * blanks)
    rule = ("-" if console.options.ascii_only else "─") * _total(kept, blanks)
    headings = [gap.join(parts) for parts in zip(*(group.heading_lines() for group in kept), strict=True)]
    body = [gap.join(group.line(group.rows[at]) for group in kept) for at in range(len(kept[0].rows))]
    lines = [line for line in headings if line.plain.strip()] + [Text(rule, "dim"), *body]
    for line in lines:
        line.rstrip()
    left_out = sum(len(group.headings) for group in groups if group not in kept)
    return Grid(lines, left_out, _total(groups, _CLOSE))


def _total(groups: Sequence[Group], blanks: int) -> int:
    return sum(group.width for group in groups) + blanks * (len(groups) - 1)
