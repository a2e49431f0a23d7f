"""Other orders of rows, for balance."""

from benchmarks.studies.study import Bench, Gain, Study, rounded, saved_pct
from eie_sim.report import plots
from eie_sim.report.figures import DotPanel, DotPanels, DotRow
from eie_sim.studies.permutation import STRATEGIES, Permuted, order_by, permutations, split_units
from eie_sim.workload import Workload

_GATES = {"NT-LSTM": 4}
"""Layers whose rows are the gates of an LSTM, gate after gate."""

_PLAIN, *_OTHERS = STRATEGIES


def study(bench: Bench) -> Study:
    """Every layer in every order; the gate rows of an LSTM also with the gates of a unit in one PE."""

    def run(workload: Workload) -> list[Permuted]:
        return permutations(workload.layer, workload.acts, bench.arch)

    def run_gates(name: str) -> list[Permuted]:
        workload = bench.workloads[name]
        return permutations(workload.layer, workload.acts, bench.arch, n_gates=_GATES[name])

    found = bench.each(run)
    here = [name for name in _GATES if name in bench.workloads]
    found |= {f"{name}, units together": run_gates(name) for name in here}
    by_strategy = {layer: {one.strategy: one for one in of} for layer, of in found.items()}
    rows = tuple(
        rounded(
            *(layer, one.strategy, one.cycles, one.saved_pct, 100 * one.load_balance, one.entries, one.fillers),
            *(one.energy_nj, one.index_bits / 8, one.split_units),
        )
        for layer, of in found.items()
        for one in of
    )
    gains = []
    for strategy in _OTHERS:
        of = {layer: by_strategy[layer] for layer in bench.workloads}
        cycles = {layer: one[strategy].cycles / one[_PLAIN].cycles for layer, one in of.items()}
        energy = {layer: one[strategy].energy_nj / one[_PLAIN].energy_nj for layer, one in of.items()}
        index = max(one[strategy].index_bits for one in of.values()) / 8
        cost = f"an order for the next layer's columns, or an index of up to {index:,.0f} bytes a layer"
        gains.append(Gain(f"rows in another order: {strategy}", cycles, energy, cost))
    panel = DotPanel(
        f"Ordering rows by columns saves {saved_pct(gains[-1].cycles):.1f} % of the cycles, by weight alone "
        f"{saved_pct(gains[0].cycles):.1f} %",
        "cycles saved, %",
        tuple(DotRow(layer, {s: one[s].saved_pct for s in _OTHERS}, None) for layer, one in by_strategy.items()),
    )
    notes = [
        "greedy: rows by falling weight, each to the PE with the least work; by columns: to the PE whose rows share "
        "the fewest columns with it. The order depends on the weights alone, not on the inputs.",
        "The index that undoes the order is a number a row; where another layer follows, its columns are packed in "
        "the same order and nothing is left to undo.",
    ]
    for name in here:
        together = by_strategy[f"{name}, units together"]["by columns"]
        alone = by_strategy[name]["by columns"]
        n_pe, layer = bench.arch.n_pe, bench.workloads[name].layer
        split = split_units(order_by(layer, "by columns", n_pe), n_pe, _GATES[name])
        notes.append(
            f"{name}: with the gates of a unit in one PE (all but {together.split_units} units, since a PE's rows are "
            f"no multiple of {_GATES[name]}) the order by columns saves {together.saved_pct:.1f} %, with every row "
            f"alone {alone.saved_pct:.1f} % and {split} units split."
        )
    columns = (
        *("layer", "order", "cycles", "fewer cycles %", "load balance %", "entries", "fillers", "energy nJ"),
        *("index bytes", "split units"),
    )
    drawn = plots.dot_panels(DotPanels((panel,), bench.note))
    return Study("orders", "Rows in another order", columns, rows, drawn, tuple(gains), tuple(notes))
