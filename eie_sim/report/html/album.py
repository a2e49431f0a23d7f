"""The pictures of a page: which are drawn for a run, and which for each of its layers."""

import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from importlib import import_module
from multiprocessing import current_process, get_context
from typing import Protocol

from compressor.jit import begin_worker
from compressor.types.packed import PackedLayer
from eie_sim.report import figures
from eie_sim.report.comparison import RunReport
from eie_sim.report.figures import sweeps
from eie_sim.report.html.inline_svg import Pictures
from eie_sim.report.html.markup import Markup, element
from eie_sim.result import SimResult

DPI = 72
"""Pixels an inch of the few parts of a picture that are pixels."""

OF_A_LAYER = 5
"""Pictures of a layer."""

ENOUGH = 15
"""Pictures for which a process is started: drawing them takes longer than it takes to start."""

_AHEAD = 2
"""Pictures given to each process at a time: one that it draws, one that waits."""


class Data(Protocol):
    """The data of a figure."""

    @property
    def finding(self) -> str:
        """What it shows, in a line."""
        ...


class Album:
    """The pictures of one page, which share what they can. Each gets a place on the page; `put_into` draws them all.

    Parameters
    ----------
    processes : int
        Most processes that draw, this one included; the pictures are the same bytes with any number. More than one are
        those of `multiprocessing`, begin at once, and need ``if __name__ == "__main__":`` in a script that gets here.
    pictures : int
        About how many there will be: few start no process.
    """

    def __init__(self, processes: int = 1, pictures: int = 0) -> None:
        self._pictures: list[tuple[str, Data]] = []
        self._others = min(processes, pictures // ENOUGH) - 1
        self._pool: ProcessPoolExecutor | None = None
        if self._others > 0 and not current_process().daemon:  # a daemon has no processes of its own
            with suppress(*_NO_PROCESSES):
                # Not forked: numba's threads and those of BLAS do not survive it.
                self._pool = ProcessPoolExecutor(self._others, get_context("spawn"), _begin)
                for _ in range(self._others):
                    self._pool.submit(int)  # without work, no process begins

    def times(self, data: figures.LayerTimes) -> Markup:
        """Times of layers beside the paper's."""
        return self._picture(data, "layer_times")

    def baselines(self, report: RunReport, batch: int) -> list[Markup]:
        """Time and energy against the baselines, and the roofline; nothing where no baseline stands beside a layer."""
        if not report.tables["COMPARISON_REPORT"]:
            return []
        bars = self._picture(figures.baseline_bars(report, batch), "baseline_bars")
        return [bars, self._picture(figures.roofline(report, batch), "roofline")]

    def cycles(self, results: Sequence[SimResult]) -> Markup | None:
        """Where the cycles of each layer go."""
        return self._picture(figures.layer_breakdown(results), "layer_breakdown") if results else None

    def energies(self, results: Sequence[SimResult], report: RunReport) -> Markup | None:
        """Where the energy of each layer goes."""
        if not results:
            return None
        # A result is that of the first input vector of its layer.
        first = {one.layer: one for one in reversed(report.energies)}
        spent = [first[one.layer] for one in results]
        return self._picture(figures.energy_breakdown(spent), "energy_breakdown")

    def of_layer(self, layer: PackedLayer, result: SimResult) -> Markup:
        """The pictures of one layer."""
        drawn = (
            self._picture(figures.stall_breakdown(result, layer), "stall_breakdown"),
            self._picture(figures.load_balance(result), "load_balance"),
            self._picture(figures.queue_map(result), "queue_map"),
            self._picture(figures.broadcast_rate(result), "broadcast_rate"),
            self._picture(figures.packed_histograms(layer), "packed_layer"),
        )
        return element("div", *drawn, class_="pictures")

    def path(self, data: figures.NetworkPath) -> Markup:
        """The way of inferences through a network."""
        return self._picture(data, "network_path")

    def front(self, data: sweeps.ParetoFront) -> Markup:
        """The front of a sweep between two metrics."""
        return self._picture(data, "pareto_front")

    def curve(self, data: sweeps.AxisCurve) -> Markup:
        """One metric of a sweep over one axis."""
        return self._picture(data, "axis_curve")

    def sheet(self) -> Markup:
        """Where the shapes go that the pictures share; once a page."""
        return _place("shapes")

    def put_into(self, page: str) -> str:
        """The page, with each picture in its place.

        Parameters
        ----------
        page : str
            With all places that this album gave.
        """
        shapes = Pictures()
        put = {}
        for number, (svg, (_, data)) in enumerate(zip(self._drawn(), self._pictures, strict=True)):
            # On a narrow screen it keeps a size that can be read and scrolls, also by keyboard.
            put[_place(str(number))] = element(
                "figure",
                shapes.inline(svg, data.finding),
                class_="picture",
                role="group",
                tabindex=0,
                aria_label="Picture",
            )
        put[_place("shapes")] = shapes.sheet()
        return _PLACE.sub(lambda found: put[Markup(found[0])], page)

    def _picture(self, data: Data, plot: str) -> Markup:
        self._pictures.append((plot, data))
        return _place(str(len(self._pictures) - 1))

    def _drawn(self) -> list[bytes]:
        """Each picture as an SVG file."""
        if self._pool is not None:
            with suppress(*_NO_PROCESSES):
                return self._drawn_beside(self._pool)
        return [draw(*one) for one in self._pictures]

    def _drawn_beside(self, pool: ProcessPoolExecutor) -> list[bytes]:
        """The same; other processes are given pictures from the front, while this one draws from the end."""
        found, left = [b""] * len(self._pictures), deque(range(len(self._pictures)))
        given: dict[int, Future[bytes]] = {}
        try:
            while left:
                # What is given is not taken back: of a future that was cancelled, a pool that breaks ends in an error.
                if sum(not one.done() for one in given.values()) < _AHEAD * self._others:
                    at = left.popleft()
                    given[at] = pool.submit(draw, *self._pictures[at])
                else:
                    at = left.pop()
                    found[at] = draw(*self._pictures[at])
            for at, one in given.items():
                found[at] = one.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # their end takes a moment, and nothing depends on it
        return found


def _begin() -> None:
    """Begin a process that draws, with what takes its time to load."""
    begin_worker()
    import_module("eie_sim.report.plots")


_NO_PROCESSES = (BrokenExecutor, OSError, NotImplementedError)
"""Where processes cannot be started, or one dies, all is drawn here."""


def draw(plot: str, data: Data) -> bytes:
    """A figure of `eie_sim.report.plots` as an SVG file, for the screen.

    Parameters
    ----------
    plot : str
        Name of the function that draws it.
    data : Data
        What that function takes.
    """
    from eie_sim.report import plots  # matplotlib takes its time to load

    with plots.style("screen"):
        return plots.rendered(getattr(plots, plot)(data), "svg", DPI)


_PLACE = re.compile("\x00[a-z0-9]+\x00")
"""No text of a user has such a character: `text` replaces it."""


def _place(name: str) -> Markup:
    return Markup(f"\x00{name}\x00")
