"""The columns that describe one run: name, unit and definition of each, once. Tables, sweeps, JSON and CSV use them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from eie_sim.result import BatchTotal, SimResult

Cell: TypeAlias = int | float | str | None
Row: TypeAlias = dict[str, Cell]


@dataclass(frozen=True)
class Column:
    """One column of a table of results.

    Attributes
    ----------
    name : str
        Key in JSON and heading in CSV; ends in the unit where it could be mistaken.
    unit : str
        "" for a name, "ratio" for 0 .. 1.
    definition : str
    value : function of a SimResult
    """

    name: str
    unit: str
    definition: str
    value: Callable[[SimResult | BatchTotal], Cell]


def _field(name: str) -> Callable[[SimResult | BatchTotal], Cell]:
    return lambda result: getattr(result, name)


def _total(name: str) -> Callable[[SimResult | BatchTotal], Cell]:
    return lambda result: int(getattr(result.counts, name).sum())


def _scalar(name: str) -> Callable[[SimResult | BatchTotal], Cell]:
    return lambda result: int(getattr(result.counts, name))


def _output_sha256(result: SimResult | BatchTotal) -> Cell:
    output = result.output
    if output is None:
        return None
    # One byte order on every host, so that digests can be compared across hosts.
    return hashlib.sha256(output.astype(output.dtype.newbyteorder("<")).tobytes()).hexdigest()


MEASURED = (
    Column("n_rows", "outputs", "Outputs of the layer.", _field("n_rows")),
    Column("n_cols", "inputs", "Inputs of the layer, the bias apart.", _field("n_cols")),
    Column("n_pe", "PEs", "Processing elements of the machine.", lambda r: r.arch.n_pe),
    Column("cycles", "cycles", "Number of the first cycle in which nothing is left to do.", _field("cycles")),
    Column("time_us", "us", "cycles / clock (EIE Table IV, actual).", _field("time_us")),
    Column(
        "theoretical_us",
        "us",
        "entries / n_pe / clock: the time if all PEs were always busy (EIE Table IV, theoretical).",
        _field("theoretical_us"),
    ),
    Column(
        "load_balance",
        "ratio",
        "entries / (n_pe x cycles), fillers counted as work (EIE Figs 8 and 13).",
        _field("load_balance"),
    ),
    Column("real_work", "ratio", "(entries - fillers) / entries (EIE Fig. 12).", _field("real_work")),
    Column("gops", "GOP/s", "2 x (entries - fillers) / time: operations on real weights.", _field("gops")),
    Column(
        "dense_gops",
        "GOP/s",
        "2 x n_rows x n_cols / time: what a dense machine would need for the same time.",
        _field("dense_gops"),
    ),
    Column("entries", "entries", "Entries walked by all PEs, fillers included.", _total("entries")),
    Column("fillers", "entries", "Filler zeros walked.", _total("fillers")),
    Column("broadcasts", "inputs", "Active inputs sent to all queues, a bias column included.", _scalar("broadcasts")),
    Column(
        "broadcast_stalls",
        "cycles",
        "Cycles in which an active input was found and some queue was full.",
        _scalar("broadcast_stalls"),
    ),
    Column(
        "scan_bubbles",
        "cycles",
        "Cycles in which the lane register had nothing left and the next row of inputs was loaded.",
        _scalar("scan_bubbles"),
    ),
    Column(
        "idle_cycles", "cycles", "The other cycles of the broadcast; the four sum to cycles.", _scalar("idle_cycles")
    ),
    Column("ptr_reads", "reads", "Pairs of pointers read; each touches both banks.", _total("ptr_reads")),
    Column("spmat_row_reads", "reads", "Rows of the sparse-matrix SRAMs read.", _total("spmat_row_reads")),
    Column("acc_reads", "reads", "Destination registers read.", _total("acc_reads")),
    Column("acc_writes", "writes", "Destination registers written: one for each real weight.", _total("acc_writes")),
    Column("bypasses", "reads", "Reads saved because the adder's output was at hand.", _total("bypasses")),
    Column("saturations", "sums", "Accumulations cut to the range of the fixed point.", _total("saturations")),
    Column("busy_cycles", "PE-cycles", "An entry is issued; summed over PEs as the next four.", _total("busy_cycles")),
    Column("bubble_cycles", "PE-cycles", "A column without an entry in the PE.", _total("bubble_cycles")),
    Column(
        "starved_cycles",
        "PE-cycles",
        "Nothing to serve yet: no activation, or one that came in this cycle.",
        _total("starved_cycles"),
    ),
    Column("fill_cycles", "PE-cycles", "Before the first activation.", _total("fill_cycles")),
    Column("drain_cycles", "PE-cycles", "After the last. The five sum to n_pe x cycles.", _total("drain_cycles")),
    Column(
        "bias_writes",
        "writes",
        "Destination registers written with a bias before the first cycle: one for each row where it is preloaded.",
        _total("bias_writes"),
    ),
)
"""The numbers a simulation measures."""

OUTPUT_DIGEST = Column(
    "output_sha256",
    "hexadecimal digits",
    "SHA-256 of the bytes of the output vector: sums before the activation function, rows in original order, "
    "little-endian float32 (float64 in fixed point); empty where outputs were not computed.",
    _output_sha256,
)
"""What two runs whose outputs agree in every bit agree in."""


ENERGY = {
    "energy_nj": {"unit": "nJ", "definition": "Energy of the input vector: events x prices, clock, leakage, scan."},
    "power_w": {"unit": "W", "definition": "energy_nj / time_us: mean power of the whole machine."},
    "pj_per_mac": {"unit": "pJ", "definition": "energy_nj over the multiplications of real weights."},
    "edp_nj_us": {"unit": "nJ us", "definition": "energy_nj x time_us: the energy-delay product."},
    "area_mm2": {"unit": "mm2", "definition": "Area of the machine (EIE Table II; memories by CACTI's ratios)."},
    "calibration": {"unit": "", "definition": "What the prices were made from; one of eie_sim.cost.CALIBRATIONS."},
}
"""Unit and definition of what a named calibration makes of a run."""


def digits(value: float, n: int = 3) -> str:
    """A number for a reader: `n` significant digits, more where they stand before the point; thousands apart."""
    # From here on the rounded number has more than n digits before the point, for which "g" takes an exponent.
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 10**n - 0.5 else f"{value:,.{n}g}"


def percent(value: float) -> str:
    """Percent for a reader: whole ones, and tenths where there are few."""
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"


def pes(n: int) -> str:
    """A number of PEs for a reader."""
    return f"{n:,} PE" if n == 1 else f"{n:,} PEs"


def plain(cell: Cell) -> Cell:
    """A number of Python's own: JSON writes no other, and not every engine is compiled."""
    return cell.item() if isinstance(cell, np.generic) else cell
