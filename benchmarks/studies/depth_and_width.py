"""Queue depth and SRAM width by energy-delay product."""

import statistics

from benchmarks.studies.study import Bench, Gain, Study, rounded
from eie_sim.paper import QUEUE_DEPTHS, SPMAT_WIDTHS_BITS
from eie_sim.report import plots
from eie_sim.report.compression_figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.design import DesignPoint, depths_and_widths
from eie_sim.workload import Workload

_EIE = (8, 64)


def study(bench: Bench) -> Study:
    """Every layer at every depth of Fig. 8 but lock-step, and every width of Fig. 9."""
    depths = tuple(depth for depth in QUEUE_DEPTHS if depth > 1)

    def run(workload: Workload) -> dict[tuple[int, int], DesignPoint]:
        points = depths_and_widths(workload.layer, workload.acts, bench.arch, depths, SPMAT_WIDTHS_BITS)
        return {(p.act_queue_depth, p.spmat_width_bits): p for p in points}

    found = bench.each(run)
    rows = tuple(
        rounded(layer, *key, p.cycles, p.energy_nj, p.edp_nj_us, p.area_mm2)
        for layer, of in found.items()
        for key, p in of.items()
    )

    def mean(key: tuple[int, int], what: str) -> float:
        return statistics.geometric_mean(getattr(of[key], what) / getattr(of[_EIE], what) for of in found.values())

    keys = list(next(iter(found.values())))

    def least(what: str) -> tuple[int, int]:
        return min((mean(key, what), key) for key in keys)[1]

    best = least("edp_nj_us")
    area = next(iter(found.values()))
    shown = (
        ("cycles", f"Cycles: fewest at {least('cycles')[0]}"),
        ("energy_nj", "Energy: least at {}, {} bits".format(*least("energy_nj"))),
        ("edp_nj_us", "EDP: least at {}, {} bits".format(*best)),
    )
    panels = tuple(
        CurvePanel(
            finding,
            "queue depth",
            f"over that of {_EIE[0]} and {_EIE[1]} bits",
            tuple(
                Curve(f"{width} bits", depths, tuple(mean((depth, width), what) for depth in depths))
                for width in SPMAT_WIDTHS_BITS
            ),
            log_x=True,
            level=1.0,
        )
        for what, finding in shown
    )
    gain = Gain(
        f"queue of {best[0]}, rows of {best[1]} bits (least energy-delay product)",
        {layer: of[best].cycles / of[_EIE].cycles for layer, of in found.items()},
        {layer: of[best].energy_nj / of[_EIE].energy_nj for layer, of in found.items()},
        f"area {area[best].area_mm2:.1f} mm2 instead of {area[_EIE].area_mm2:.1f}",
    )
    own = {layer: min((p.edp_nj_us, key) for key, p in of.items())[1] for layer, of in found.items()}
    notes = (
        "Geometric mean over the layers: the least energy-delay product (EDP) is "
        f"{100 - 100 * mean(best, 'edp_nj_us'):.1f} % below that of EIE's depth {_EIE[0]} and {_EIE[1]} bits.",
        "By layer: " + ", ".join(f"{layer} {depth} and {width} bits" for layer, (depth, width) in own.items()) + ".",
        "Energy and area of queues and memories of other sizes follow the ratios that CACTI gives. The register that "
        "holds a row, and what picks an entry out of it, have no price: they grow with the width, so that the true "
        "optimum is narrower than the model says wherever it names the widest row.",
    )
    columns = ("layer", "queue depth", "row bits", "cycles", "energy nJ", "energy-delay nJ us", "area mm2")
    drawn = plots.curve_panels(CurvePanels(panels, bench.note, columns=3))
    return Study("depth_and_width", "Queue depth and row width", columns, rows, drawn, (gain,), notes)
