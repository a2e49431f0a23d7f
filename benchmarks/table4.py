"""The nine calibrated layers against EIE Table IV: entries walked and cycles on the 64-PE machine, mean of some seeds.

Table IV's "theoretical" time is entries walked over 64 PEs and 800 MHz, its "actual" time cycles over 800 MHz. The
authors' layers are not public; these are drawn with the statistics fitted to the paper's figures, and one seed's cycles
vary by 0.2 to 2 %, as another training of the same network would.
"""

import argparse
import statistics
import sys
import time

from benchmarks.harness import Figure, Report, Table, as_if_it_fitted, command, positive
from benchmarks.paper.judge import tolerances
from compressor.jit import in_threads
from eie_sim import preset, simulate
from eie_sim.networks import DEFAULT_FIT, FITS
from eie_sim.paper import LAYERS, MACHINE, TABLE_IV, published_cycles, published_entries
from eie_sim.workload import calibrated_layer

ENTRIES_BAR_PCT, CYCLES_BAR_PCT = (
    tolerances()["table4"][f"{DEFAULT_FIT}: worst layer's {what} %"].at_most for what in ("entries", "cycles")
)
"""Deviation of a layer's mean that is still a reproduction of Table IV, from the file of tolerances."""

COLUMNS = (
    "layer",
    "entries",
    "paper entries",
    "entries off %",
    "cycles",
    "paper cycles",
    "cycles off %",
    "seed sd %",
)


def simulated(layer: str, seed: int, fit: str) -> tuple[int, int]:
    """Entries walked and cycles of one draw of a layer."""
    workload = calibrated_layer(layer, seed, fit=fit)
    result = simulate(workload.layer, workload.acts, preset(MACHINE), output=False)
    return result.entries_walked, result.cycles


def layer_against_table_iv(layer: str, fit: str, seeds: int) -> tuple[tuple[object, ...], list[Figure]]:
    """The row of one layer, and the figures of its entries and its cycles."""
    runs = in_threads(lambda seed: simulated(layer, seed, fit), range(seeds))
    entries, cycles = (statistics.fmean(column) for column in zip(*runs, strict=True))
    spread = statistics.stdev(one for _, one in runs) if seeds > 1 else 0.0
    paper_entries, paper_cycles = published_entries(layer), published_cycles(layer)
    entries_off, cycles_off = 100 * (entries / paper_entries - 1), 100 * (cycles / paper_cycles - 1)
    ours, theirs = (round(entries), round(cycles)), (paper_entries, paper_cycles)
    row = (layer, ours[0], theirs[0], round(entries_off, 2), ours[1], theirs[1], round(cycles_off, 2))
    machine = preset(MACHINE)
    ideal_us, actual_us = entries / machine.n_pe / machine.clock_hz * 1e6, cycles / machine.clock_hz * 1e6
    printed_ideal, printed = TABLE_IV.at("eie theoretical", layer), TABLE_IV.at("eie actual", layer)
    return (*row, round(100 * spread / cycles, 2)), [
        Figure(
            f"{layer} entries, off by",
            abs(entries_off),
            "%",
            ENTRIES_BAR_PCT,
            note=f"{ideal_us:.2f} us ({printed_ideal})",
        ),
        Figure(f"{layer} cycles, off by", abs(cycles_off), "%", CYCLES_BAR_PCT, note=f"{actual_us:.2f} us ({printed})"),
    ]


def table_iv(fit: str, seeds: int) -> Report:
    """All layers; two figures with their bars for each. The notes give the time, and in brackets the printed one."""
    began = time.perf_counter()
    rows, figures = zip(*(layer_against_table_iv(layer, fit, seeds) for layer in LAYERS), strict=True)
    facts = {"machine": MACHINE, "fit": fit, "seeds": seeds, "seconds": round(time.perf_counter() - began, 2)}
    table = Table("Entries walked and cycles, mean of the seeds", COLUMNS, rows)
    return Report(tuple(figure for pair in figures for figure in pair), (table,), facts)


def measure(options: argparse.Namespace) -> Report:
    with as_if_it_fitted():
        return table_iv(options.fit, options.seeds)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=positive, default=8, help="draws of each layer (default 8)")
    parser.add_argument("--fit", choices=FITS, default=DEFAULT_FIT, help=f"parameters (default {DEFAULT_FIT})")


if __name__ == "__main__":
    sys.exit(command("table4", __doc__, measure, add_options=add_options))
