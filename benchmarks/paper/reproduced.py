"""What a reproduced table or figure is: points beside the paper's, measures to judge it by, and the files of these."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reproduction.files import as_csv, as_markdown, write_texts
from eie_sim.paper import Published
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels, DotPanel, DotPanels, DotRow

COLUMNS = ("row", "column", "unit", "here", "paper", "error bar", "deviation", "deviation %", "made from", "remark")


@dataclass(frozen=True)
class Point:
    """One value beside the paper's.

    Attributes
    ----------
    row, column : str
        Of the published table or figure.
    here : float
    paper : float or None
        None: not given, or outside the axis.
    unit : str
    error : float
        Half width of the paper's error bar, in `unit`.
    made : str
        What the value was made from, such as the name of a fit.
    judged : bool
        Whether it counts for the measures; `remark` says why not.
    remark : str
    """

    row: str
    column: str
    here: float
    paper: float | None
    unit: str
    error: float = 0.0
    made: str = ""
    judged: bool = True
    remark: str = ""

    @property
    def deviation(self) -> float | None:
        """Ours less the paper's."""
        return None if self.paper is None else self.here - self.paper

    @property
    def deviation_pct(self) -> float | None:
        """The deviation as percent of the paper's value."""
        return None if not self.paper or self.deviation is None else 100 * self.deviation / self.paper

    @property
    def beyond_print_pct(self) -> float | None:
        """Percent by which ours lies outside what the printed digits leave open; 0 inside."""
        if not self.paper or self.deviation is None:
            return None
        return 100 * max(abs(self.deviation) - self.error, 0.0) / abs(self.paper)

    def cells(self) -> tuple[object, ...]:
        """The point as a row of `COLUMNS`."""
        signed = [None if value is None else f"{value:+.3g}" for value in (self.deviation, self.deviation_pct)]
        paper = None if self.paper is None else f"{self.paper:g}"
        return (
            *(self.row, self.column, self.unit, f"{self.here:.6g}", paper, f"{self.error:g}"),
            *(*signed, self.made, self.remark),
        )


@dataclass(frozen=True)
class Reproduced:
    """A table or figure that was made again.

    Attributes
    ----------
    name : str
        Of the item and its files, such as ``"fig8"``.
    published : Published
    points : tuple of Point
    measures : mapping of str to float
        What it is judged by; the file of tolerances has a limit for each.
    drawn : matplotlib.figure.Figure
    notes : tuple of str
        What was run, besides the notes of `published`.
    """

    name: str
    published: Published
    points: tuple[Point, ...]
    measures: Mapping[str, float]
    drawn: Any
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Source and subject."""
        return f"{self.published.source}: {self.published.what}"

    def write(self, folder: Path) -> list[Path]:
        """CSV, Markdown and picture."""
        rows = [point.cells() for point in self.points]
        page = [f"# {self.title}", "", f"![{self.title}]({self.name}.png)", ""]
        page += [f"- {note}" for note in (*self.notes, *self.published.notes)]
        page += ["", as_markdown(COLUMNS, rows), ""]
        texts = {f"{self.name}.csv": as_csv(COLUMNS, rows), f"{self.name}.md": "\n".join(page)}
        return [*write_texts(folder, texts), plots.save(self.drawn, folder / f"{self.name}.png")]


def beside(
    published: Published,
    here: Mapping[str, Sequence[float]],
    made: str,
    unit: str | None = None,
    apart: Callable[[str, object], str] = lambda _row, _column: "",
) -> tuple[Point, ...]:
    """Points for rows of `here`, whose values stand in the order of the published columns.

    Parameters
    ----------
    published : Published
    here : mapping of str to sequence of float
    made, unit : str
        Of every point; None: the published unit.
    apart : function of row and column
        Why a point is not judged; "" where it is.
    """
    points = []
    for row, values in here.items():
        for column, value in zip(published.columns, values, strict=True):
            why, error = apart(row, column), published.error_at(row, column)
            points.append(
                Point(
                    row=row,
                    column=str(column),
                    here=value,
                    paper=published.at(row, column),
                    unit=published.unit if unit is None else unit,
                    error=error or 0.0,
                    made=made,
                    judged=not why,
                    remark=why,
                )
            )
    return tuple(points)


def absolute(points: Iterable[Point]) -> list[float]:
    """Absolute deviations of the points that are judged and published."""
    return [abs(p.deviation) for p in points if p.judged and p.deviation is not None]


def point_measures(points: Sequence[Point], made: str) -> dict[str, float]:
    """Mean absolute deviation over all points, and of the worst row."""
    rows = {point.row: [p for p in points if p.row == point.row] for point in points}
    return {
        f"{made}: mean": statistics.fmean(absolute(points)),
        f"{made}: worst row's mean": max(statistics.fmean(absolute(of_row)) for of_row in rows.values()),
    }


def beyond_print(points: Iterable[Point]) -> float:
    """The largest `Point.beyond_print_pct` of the points that are judged."""
    return max(p.beyond_print_pct or 0.0 for p in points if p.judged)


def curves_beside(
    published: Published,
    points: Sequence[Point],
    x_label: str,
    y_label: str,
    note: str,
    percent: bool = False,
    log_y: bool = False,
) -> Any:
    """A panel for each row: the paper's points and ours, one line for each `made`.

    Deviations are in the unit of the points, or in percent of the paper's values.
    """
    rows = list(dict.fromkeys(point.row for point in points))
    panels = []
    for row in rows:
        curves = [_curve("paper", [(x, published.at(row, x)) for x in published.columns], dashed=True, colour=1)]
        for at, made in enumerate(dict.fromkeys(p.made for p in points if p.row == row)):
            ours = [(float(p.column), p.here) for p in points if p.row == row and p.made == made]
            curves.append(_curve(made, ours, dashed=False, colour=(0, 2, 3)[at % 3]))
        finding = f"{row}: {_off([p for p in points if p.row == row], percent)}"
        panels.append(CurvePanel(finding, x_label, y_label, tuple(curves), log_x=True, log_y=log_y))
    return plots.curve_panels(CurvePanels(tuple(panels), note, columns=3))


def dots_beside(
    points: Sequence[Point], note: str, columns: int = 1, by_row: bool = False, x_label: str | None = None
) -> Any:
    """A panel for each column of the published table, a line for each row, ours and the paper's; or by its rows.

    The axis is called by the unit of the points where `x_label` is None.
    """
    panels = []
    keyed = [((p.row, p.column) if by_row else (p.column, p.row), p) for p in points]
    for name in dict.fromkeys(panel for (panel, _), _ in keyed):
        of_panel = [(line, p) for (panel, line), p in keyed if panel == name]
        rows = [
            DotRow(
                line,
                {p.made: p.here for at, p in of_panel if at == line},
                next((p.paper for at, p in of_panel if at == line and p.paper is not None), None),
            )
            for line in dict.fromkeys(at for at, _ in of_panel)
        ]
        of_this = [p for _, p in of_panel]
        panels.append(DotPanel(f"{name}: {_off(of_this, percent=True)}", x_label or of_this[0].unit, tuple(rows)))
    return plots.dot_panels(DotPanels(tuple(panels), note, columns))


def _off(points: Sequence[Point], percent: bool) -> str:
    """Mean absolute deviation of the judged points, as a text."""
    judged = [p.deviation_pct if percent else p.deviation for p in points if p.judged]
    off = [abs(value) for value in judged if value is not None]
    if not off:
        return "not judged"
    mean = statistics.fmean(off)
    return f"{'under 0.1' if mean < 0.1 else f'{mean:.1f}'}{' %' if percent else ' points'} off"


def _curve(name: str, points: Iterable[tuple[Any, float | None]], dashed: bool, colour: int) -> Curve:
    kept = [(float(x), y) for x, y in points if y is not None]
    return Curve(name, tuple(x for x, _ in kept), tuple(y for _, y in kept), dashed, colour)
