"""What a figure of the reproduction comes to: numbers beside the paper's, rows, a picture and the files of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure
from benchmarks.reproduction.files import as_csv, as_markdown, write_texts
from eie_sim.report import plots


@dataclass(frozen=True)
class Compared:
    """A number beside the paper's.

    Attributes
    ----------
    what : str
    value : float or None
        None: there is no such point.
    unit : str
    paper : float or None
        None: the paper gives no number.
    source : str
        Where in which paper, and what else must be said.
    """

    what: str
    value: float | None
    unit: str
    paper: float | None
    source: str

    @property
    def deviation(self) -> float | None:
        """Ours less the paper's, in the unit."""
        return None if self.value is None or self.paper is None else self.value - self.paper


@dataclass(frozen=True)
class Found:
    """A figure that was reproduced.

    Attributes
    ----------
    stem : str
        Of the names of its files.
    title : str
    note : str
        Data and how they were used.
    columns : sequence of str
    rows : sequence of sequences
    compared : tuple of Compared
    drawn : matplotlib.figure.Figure
    """

    stem: str
    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    compared: tuple[Compared, ...]
    drawn: Any

    def figures(self) -> list[Figure]:
        """For the report; nothing here has a bar, for the papers' networks are others."""
        return [
            Figure(f"{self.stem}: {one.what}", one.value, one.unit, note=_beside(one))
            for one in self.compared
            if one.value is not None
        ]

    def write(self, folder: Path) -> list[Path]:
        """CSV, Markdown and picture."""
        compared = [
            (one.what, _number(one.value), one.unit, _number(one.paper), _signed(one.deviation), one.source)
            for one in self.compared
        ]
        columns = ("what", "here", "unit", "paper", "deviation", "source")
        page = [f"# {self.title}", "", f"Data: {self.note}.", "", f"![{self.title}]({self.stem}.png)", ""]
        page += [as_markdown(columns, compared), "", as_markdown(self.columns, self.rows), ""]
        texts = {f"{self.stem}.csv": as_csv(self.columns, self.rows), f"{self.stem}.md": "\n".join(page)}
        return [*write_texts(folder, texts), plots.save(self.drawn, folder / f"{self.stem}.png")]


def _beside(one: Compared) -> str:
    printed = "" if one.paper is None else f"paper {one.paper:g} ({_signed(one.deviation)}); "
    return printed + one.source


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3g}"


def pct(share: float) -> float:
    """0 .. 1 as percent, to four digits after the point."""
    return round(100 * share, 4)
