"""Indices of other widths, layer by layer."""

from benchmarks.studies.study import Bench, Gain, Study, rounded
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.index_width import IndexWidth, index_widths
from eie_sim.workload import Workload

_EIE = 4


def study(bench: Bench) -> Study:
    """Every layer with every width."""

    def run(workload: Workload) -> dict[int, IndexWidth]:
        return {one.index_bits: one for one in index_widths(workload.layer, workload.acts, bench.arch)}

    found = bench.each(run)
    rows = tuple(
        rounded(layer, w.index_bits, w.entries, w.fillers, w.spmat_bytes, w.cycles, w.row_reads, w.energy_nj)
        for layer, of in found.items()
        for w in of.values()
    )
    panels = []
    for layer, of in found.items():
        least = min(of.values(), key=lambda w: w.energy_nj)
        curves = [
            _relative(of, name, what)
            for name, what in (("cycles", "cycles"), ("energy", "energy_nj"), ("bytes", "spmat_bytes"))
        ]
        finding = f"{layer}: best with {least.index_bits}"
        panels.append(CurvePanel(finding, "bits of an index", f"over that of {_EIE} bits", tuple(curves), level=1.0))
    best = {layer: min(of.values(), key=lambda w: w.energy_nj) for layer, of in found.items()}
    smallest = {layer: min(of.values(), key=lambda w: w.spmat_bytes) for layer, of in found.items()}
    gain = _gain("index width of the least energy, layer by layer", found, best)
    chosen = ", ".join(f"{layer} {w.index_bits}" for layer, w in best.items())
    notes = (
        f"Bits of the least energy (best in the titles): {chosen}.",
        f"Those of the fewest bytes are {'the same' if best == smallest else 'others (see the table)'}.",
        "An entry is one real weight or filler of 4 bits and its index; entries do not straddle SRAM rows.",
    )
    columns = ("layer", "index bits", "entries", "fillers", "bytes", "cycles", "row reads", "energy nJ")
    drawn = plots.curve_panels(CurvePanels(tuple(panels), bench.note, columns=3))
    return Study("index_width", "Index width by layer", columns, rows, drawn, (gain,), notes)


def _relative(of: dict[int, IndexWidth], name: str, what: str) -> Curve:
    return Curve(name, tuple(map(float, of)), tuple(getattr(w, what) / getattr(of[_EIE], what) for w in of.values()))


def _gain(change: str, found: dict[str, dict[int, IndexWidth]], chosen: dict[str, IndexWidth]) -> Gain:
    cycles = {layer: chosen[layer].cycles / of[_EIE].cycles for layer, of in found.items()}
    energy = {layer: chosen[layer].energy_nj / of[_EIE].energy_nj for layer, of in found.items()}
    size = sum(w.spmat_bytes for w in chosen.values()) / sum(of[_EIE].spmat_bytes for of in found.values())
    cost = f"a decoder of rows for several widths; {100 * (1 - size):+.1f} % fewer bytes in all"
    return Gain(change, cycles, energy, cost)
