"""The pictures of a page: which are drawn for a run, and which for each of its layers."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from compressor.types.packed import PackedLayer
from eie_sim.report import figures
from eie_sim.report.comparison import RunReport
from eie_sim.report.figures import sweeps
from eie_sim.report.html.inline_svg import Pictures
from eie_sim.report.html.markup import Markup, element
from eie_sim.result import SimResult

DPI = 72
"""Pixels an inch of the few parts of a picture that are pixels."""


class Data(Protocol):
    """The data of a figure."""

    @property
    def finding(self) -> str:
        """What it shows, in a line."""
        ...


D = TypeVar("D", bound=Data)


class Album:
    """Draws the pictures of one page, which share what they can."""

    def __init__(self) -> None:
        self.shapes = Pictures()

    def times(self, data: figures.LayerTimes) -> Markup:
        """Times of layers beside the paper's."""
        from eie_sim.report import plots  # matplotlib takes its time to load

        return self._picture(data, plots.layer_times)

    def baselines(self, report: RunReport, batch: int) -> list[Markup]:
        """Time and energy against the baselines, and the roofline; nothing where no baseline stands beside a layer."""
        from eie_sim.report import plots

        if not report.tables["COMPARISON_REPORT"]:
            return []
        bars = self._picture(figures.baseline_bars(report, batch), plots.baseline_bars)
        return [bars, self._picture(figures.roofline(report, batch), plots.roofline)]

    def cycles(self, results: Sequence[SimResult]) -> Markup | None:
        """Where the cycles of each layer go."""
        from eie_sim.report import plots

        return self._picture(figures.layer_breakdown(results), plots.layer_breakdown) if results else None

    def energies(self, results: Sequence[SimResult], report: RunReport) -> Markup | None:
        """Where the energy of each layer goes."""
        from eie_sim.report import plots

        if not results:
            return None
        # A result is that of the first input vector of its layer.
        first = {one.layer: one for one in reversed(report.energies)}
        spent = [first[one.layer] for one in results]
        return self._picture(figures.energy_breakdown(spent), plots.energy_breakdown)

    def of_layer(self, layer: PackedLayer, result: SimResult) -> Markup:
        """The pictures of one layer."""
        from eie_sim.report import plots

        drawn = (
            self._picture(figures.stall_breakdown(result, layer), plots.stall_breakdown),
            self._picture(figures.load_balance(result), plots.load_balance),
            self._picture(figures.queue_map(result), plots.queue_map),
            self._picture(figures.broadcast_rate(result), plots.broadcast_rate),
            self._picture(figures.packed_histograms(layer), plots.packed_layer),
        )
        return element("div", *drawn, class_="pictures")

    def front(self, data: sweeps.ParetoFront) -> Markup:
        """The front of a sweep between two metrics."""
        from eie_sim.report import plots

        return self._picture(data, plots.pareto_front)

    def curve(self, data: sweeps.AxisCurve) -> Markup:
        """One metric of a sweep over one axis."""
        from eie_sim.report import plots

        return self._picture(data, plots.axis_curve)

    def _picture(self, data: D, draw: Callable[[D], Any]) -> Markup:
        from eie_sim.report import plots

        svg = plots.rendered(draw(data), "svg", DPI)
        # On a narrow screen it keeps a size that can be read and scrolls, also by keyboard.
        return element(
            "figure",
            self.shapes.inline(svg, data.finding),
            class_="picture",
            role="group",
            tabindex=0,
            aria_label="Picture",
        )
