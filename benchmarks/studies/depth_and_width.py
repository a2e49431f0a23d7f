"""Queue depth and SRAM width by energy-delay product."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.studies.study import Bench, Gain, Study, mean_ratio, rounded
from eie_sim.cost.technology import memory
from eie_sim.paper import FIG_9_IMPLIED_PJ, QUEUE_DEPTHS, SPMAT_WIDTHS_BITS
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.design import DesignPoint, depths_and_widths
from eie_sim.workload import Workload

_EIE = (8, 64)

Key = tuple[int, int]


@dataclass(frozen=True)
class _Point:
    """A design point, and its energy by both prices of a row read."""

    point: DesignPoint
    fig_9_nj: float

    def value(self, what: str) -> float:
        time_us = self.point.edp_nj_us / self.point.energy_nj
        return {
            "cycles": float(self.point.cycles),
            "energy by CACTI": self.point.energy_nj,
            "energy by Fig. 9": self.fig_9_nj,
            "EDP by CACTI": self.point.edp_nj_us,
            "EDP by Fig. 9": self.fig_9_nj * time_us,
        }[what]


def study(bench: Bench) -> Study:
    """Every layer at every depth of Fig. 8 but lock-step, and every width of Fig. 9."""
    depths = tuple(depth for depth in QUEUE_DEPTHS if depth > 1)
    prices = _fig_9_over_cacti(bench)

    def run(workload: Workload) -> dict[Key, _Point]:
        points = depths_and_widths(workload.layer, workload.acts, bench.arch, depths, SPMAT_WIDTHS_BITS)
        return {
            (p.act_queue_depth, p.spmat_width_bits): _Point(
                p, p.energy_nj + p.row_reads_nj * (prices[p.spmat_width_bits] - 1)
            )
            for p in points
        }

    found = bench.each(run)
    rows = tuple(
        rounded(layer, *key, *(one.value(what) for what in _SHOWN), one.point.area_mm2)
        for layer, of in found.items()
        for key, one in of.items()
    )

    def ratios(key: Key, what: str) -> dict[str, float]:
        return {layer: of[key].value(what) / of[_EIE].value(what) for layer, of in found.items()}

    keys = list(next(iter(found.values())))

    def least(what: str) -> Key:
        return min((mean_ratio(ratios(key, what)), key) for key in keys)[1]

    panels = tuple(
        CurvePanel(
            f"{what}: {_where(least(what), what)}",
            "queue depth",
            f"over that of {_EIE[0]} and {_EIE[1]} bits",
            tuple(
                Curve(f"{width} bits", depths, tuple(mean_ratio(ratios((depth, width), what)) for depth in depths))
                for width in SPMAT_WIDTHS_BITS
            ),
            log_x=True,
            level=1.0,
        )
        for what in ("cycles", "EDP by CACTI", "EDP by Fig. 9")
    )
    sources = ("CACTI", "Fig. 9")
    gains = tuple(_gain(found, least(f"EDP by {source}"), source) for source in sources)
    measures = [f"EDP by {source}" for source in sources]
    by_cacti, by_fig_9 = (100 - 100 * mean_ratio(ratios(least(what), what)) for what in measures)
    notes = (
        f"Means over the layers: the least energy-delay product (EDP) is {by_cacti:.1f} % below that of EIE's depth "
        f"{_EIE[0]} and {_EIE[1]} bits where a read of a row costs what CACTI says, {by_fig_9:.1f} % where it costs "
        "what Fig. 9 of the paper implies. The two disagree on wide rows, and with them the best width; by CACTI 512 "
        "bits are the end of the range, no optimum.",
        "A panel's title names where the least is: queue depth, and bits of a row.",
        "The register that holds a row, and what picks an entry out of it, have no price; they grow with the width.",
        "Cycles do not depend on the width: the five curves lie on each other. Area follows CACTI, which finds a "
        "memory of 512 bits smaller than one of 256.",
    )
    columns = ("layer", "queue depth", "row bits", *_SHOWN, "area mm2")
    drawn = plots.curve_panels(CurvePanels(panels, bench.note, columns=3))
    return Study("depth_and_width", "Queue depth and row width", columns, rows, drawn, gains, notes)


_SHOWN = ("cycles", "energy by CACTI", "energy by Fig. 9", "EDP by CACTI", "EDP by Fig. 9")
"""Energies in nJ, energy-delay products in nJ us."""


def _fig_9_over_cacti(bench: Bench) -> Mapping[int, float]:
    """Price of a row read by Fig. 9 over that by CACTI, each relative to its own at 64 bits."""
    implied = dict(zip(SPMAT_WIDTHS_BITS, FIG_9_IMPLIED_PJ, strict=True))
    cacti = {width: memory(bench.arch.spmat_bytes, width).read_pj for width in SPMAT_WIDTHS_BITS}
    usual = _EIE[1]
    return {w: implied[w] / implied[usual] / (cacti[w] / cacti[usual]) for w in SPMAT_WIDTHS_BITS}


def _where(key: Key, what: str) -> str:
    return str(key[0]) if what == "cycles" else f"{key[0]} x {key[1]}"


def _gain(found: Mapping[str, Mapping[Key, _Point]], best: Key, source: str) -> Gain:
    area = next(iter(found.values()))
    return Gain(
        f"queue of {best[0]}, rows of {best[1]} bits: least EDP, row reads by {source}",
        {layer: of[best].value("cycles") / of[_EIE].value("cycles") for layer, of in found.items()},
        {
            layer: of[best].value(f"energy by {source}") / of[_EIE].value(f"energy by {source}")
            for layer, of in found.items()
        },
        f"area {area[best].point.area_mm2:.1f} mm2 instead of {area[_EIE].point.area_mm2:.1f}",
    )
