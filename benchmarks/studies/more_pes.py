"""More PEs: where their cycles go."""

import statistics

from benchmarks.studies.study import Bench, Gain, Study, rounded
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.scaling import Scaled, more_pes
from eie_sim.workload import Workload

NUMBERS = (1, 4, 16, 64, 256, 512)
_EIE = 64
_SHARES = {
    "real_share": "real weights",
    "filler_share": "fillers",
    "empty_share": "empty columns",
    "starved_share": "empty queue",
    "ends_share": "fill and drain",
}


def study(bench: Bench) -> Study:
    """Every layer on every number of PEs."""

    def run(workload: Workload) -> dict[int, Scaled]:
        return {one.n_pe: one for one in more_pes(workload.layer, workload.acts, bench.arch, NUMBERS)}

    found = bench.each(run)
    rows = tuple(
        rounded(
            layer, one.n_pe, one.cycles, one.speedup, *(100 * getattr(one, share) for share in _SHARES), one.energy_nj
        )
        for layer, of_layer in found.items()
        for one in of_layer.values()
    )
    panels = []
    for layer, of_layer in found.items():
        curves = [
            Curve(name, NUMBERS, tuple(100 * getattr(of_layer[n], share) for n in NUMBERS))
            for share, name in _SHARES.items()
        ]
        finding = f"{layer}: 256 PEs {of_layer[_EIE].cycles / of_layer[256].cycles:.1f}x faster"
        panels.append(CurvePanel(finding, "PEs", "% of PE-cycles", tuple(curves), log_x=True))
    gains = tuple(
        Gain(
            f"{n} PEs instead of {_EIE}",
            {layer: of[n].cycles / of[_EIE].cycles for layer, of in found.items()},
            {layer: of[n].energy_nj / of[_EIE].energy_nj for layer, of in found.items()},
            f"{n // _EIE} times the area of the PEs",
        )
        for n in NUMBERS
        if n > _EIE
    )

    def mean(n: int, share: str) -> float:
        return 100 * statistics.fmean(getattr(of[n], share) for of in found.values())

    notes = (
        f"A panel's title tells how many times faster 256 PEs are than {_EIE}.",
        "Shares of all PE-cycles; they sum to 100 %. A column without an entry in a PE costs it a cycle.",
        f"Mean over the layers on {_EIE} PEs: {mean(_EIE, 'filler_share'):.1f} % fillers, "
        f"{mean(_EIE, 'empty_share'):.1f} % empty columns; on 512: {mean(512, 'filler_share'):.1f} % and "
        f"{mean(512, 'empty_share'):.1f} %.",
        "Energy has no price for the wires of a longer broadcast; on few PEs layers are run as if they fitted.",
    )
    drawn = plots.curve_panels(CurvePanels(tuple(panels), bench.note, columns=3))
    columns = (
        "layer",
        "PEs",
        "cycles",
        f"speed-up over {NUMBERS[0]} PE",
        *(f"{n} %" for n in _SHARES.values()),
        "energy nJ",
    )
    return Study("more_pes", "More PEs", columns, rows, drawn, gains, notes)
