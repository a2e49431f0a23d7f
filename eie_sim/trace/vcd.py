"""Traces as value change dumps (VCD), for GTKWave and other viewers of waveforms (pyvcd, extra ``vcd``).

The scopes are those of the block diagram: ``eie.ccu``, ``eie.lnzd`` and for each PE ``eie.pe3`` with its units. **One
nanosecond of the file is one clock cycle**, and a time is the number of the cycle; the clock stands in the comment. A
value is that of the unit during the cycle: what `eie_sim.machine` holds between two edges. ``x`` says that there is
none: no column in service, no entry at the unit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.result import Schedule
from eie_sim.trace.counts import TraceCounts, trace_counts
from eie_sim.trace.cuts import ACT_RW, ARITHMETIC, SPMAT_READ, Cut, at_unit, cut, entries
from eie_sim.trace.files import new_text
from eie_sim.views import (
    BROADCAST_STATES,
    BUBBLE,
    PE_STATES,
    PUSH,
    SCAN_BUBBLE,
    STALL,
    Window,
    broadcast_states,
    pe_states,
    waiting,
)

if TYPE_CHECKING:
    from vcd import VCDWriter

Integers = NDArray[np.int64]

NOTHING = -1
"""In values: ``x`` in the file."""

_AT_ONCE = 2**20  # values that are held at a time


@dataclass(frozen=True)
class Signal:
    """One variable of the file.

    Attributes
    ----------
    unit : str
        The file of `eie_sim.machine` it belongs to; "" for the PE itself.
    name : str
    largest : str
        What its largest value is, for the width: a key of `_largest`; "flag" is one bit, "state" a text.
    means : str
    """

    unit: str
    name: str
    largest: str
    means: str


MACHINE_SIGNALS = (
    Signal("ccu", "state", "state", "push, stall, scan_bubble or idle"),
    Signal("ccu", "push", "flag", "value valid: an activation is sent, and in every queue from the next cycle on"),
    Signal("ccu", "column", "column", "its column; inputs rounded up to whole rows of lanes for the bias"),
    Signal("ccu", "stall", "flag", "an activation is ready and some queue is full"),
    Signal("lnzd", "found", "flag", "an active input was found in the lane register"),
    Signal("lnzd", "column", "column", "its column"),
    Signal("lnzd", "scan_bubble", "flag", "nothing left in the lane register: the next row is loaded"),
)

PE_SIGNALS = (
    Signal("", "state", "state", "entry, filler, bubble, starved, fill or drain"),
    Signal("act_queue", "waiting", "waiting", "activations in the queue, without the one in service"),
    Signal("act_queue", "full", "flag", "nothing more may be sent to this PE"),
    Signal("ptr_read", "column", "column", "the column in service"),
    Signal("ptr_read", "issue", "flag", "an entry is issued"),
    Signal("ptr_read", "address", "address", "its address in the sparse-matrix SRAM of the PE"),
    Signal("spmat_read", "row", "sram_row", "row of that SRAM that holds the entry issued a cycle before"),
    Signal("spmat_read", "row_read", "flag", "that row is read: it was not in the row buffer"),
    Signal("arithmetic", "multiply", "flag", "a weight is multiplied"),
    Signal("arithmetic", "filler", "flag", "a filler passes the multiplier"),
    Signal("arithmetic", "bypass", "flag", "the adder's output is taken in place of the destination register"),
    Signal("arithmetic", "row", "row", "destination register of the weight that is multiplied"),
    Signal("act_rw", "write", "flag", "a sum is written"),
    Signal("act_rw", "row", "row", "into this destination register"),
)


def write_vcd(
    path: str | PathLike[str],
    schedule: Schedule,
    layer: PackedLayer,
    arch: ArchConfig,
    window: Window | None = None,
    pes: Sequence[int] | None = None,
) -> TraceCounts:
    """Write a run as a value change dump; gzipped where `path` ends in ``.gz``.

    Parameters
    ----------
    path, schedule, layer, arch, window, pes
        As for `eie_sim.trace.write_perfetto`.

    Returns
    -------
    TraceCounts
        Of what was traced.

    Raises
    ------
    ValueError, OSError
        As for `eie_sim.trace.write_perfetto`.
    ImportError
        Without the extra ``vcd``.
    """
    of = cut(schedule, layer, arch, window, pes)
    vcd = pyvcd()
    with new_text(path) as file:
        writer = vcd.VCDWriter(
            file,
            timescale="1 ns",
            date="",  # the same run, the same bytes
            version=f"eie-sim {__version__}",
            comment=_comment(of),
            check_values=False,
            init_timestamp=of.window[0],
        )
        _write_changes(of, writer, _registered(of, writer))
        writer.close(of.window[1])
    return trace_counts(of)


def pyvcd() -> Any:
    """The library that writes the file.

    Raises
    ------
    ImportError
        Without the extra ``vcd``.
    """
    try:
        import vcd
    except ImportError:
        raise ImportError("a .vcd file needs pip install 'eie-sim[vcd]'") from None
    return vcd


def _comment(of: Cut) -> str:
    begin, end = of.window
    lines = [
        f"layer {of.layer.name}, machine {of.arch.name}, clock {of.arch.clock_hz:.0f} Hz",
        f"cycles {begin} to {end - 1} of {of.schedule.cycles}, {len(of.pes)} of {of.schedule.n_pe} PEs",
        "1 ns is 1 clock cycle; a time is the number of the cycle, counted from 1",
    ]
    # A keyword of the format would end the comment.
    return "\n".join("".join(c if c.isascii() and c.isprintable() and c != "$" else "?" for c in one) for one in lines)


def _largest(of: Cut) -> dict[str, int]:
    schedule = of.schedule
    address = max(0, int(of.layer.entries_per_pe.max()) - 1)
    return {
        "flag": 1,
        "column": schedule.n_rows_of_inputs * schedule.n_pe,
        "waiting": max(1, of.arch.act_queue_depth - 1),
        "address": address,
        "sram_row": address // of.arch.entries_per_spmat_row,
        "row": (of.layer.n_rows - 1) // of.layer.n_pe,
    }


_Written = tuple[Any, Sequence[str] | None]
"""A variable of the file, and the texts of its values where it is one of states."""


def _registered(of: Cut, writer: "VCDWriter") -> list[_Written]:
    largest = _largest(of)
    scopes: list[tuple[str, Signal, Sequence[str]]] = [("eie", signal, BROADCAST_STATES) for signal in MACHINE_SIGNALS]
    scopes += [(f"eie.pe{k}", signal, PE_STATES) for k in of.pes.tolist() for signal in PE_SIGNALS]
    written: list[_Written] = []
    for scope, signal, states in scopes:
        place = f"{scope}.{signal.unit}" if signal.unit else scope
        if signal.largest == "state":
            texts = [state.replace(" ", "_") for state in states]
            written.append((writer.register_var(place, signal.name, "string", init=texts[0]), texts))
        else:
            bits = max(1, largest[signal.largest].bit_length())
            written.append((writer.register_var(place, signal.name, "wire", size=bits), None))
    return written


def _write_changes(of: Cut, writer: "VCDWriter", written: Sequence[_Written]) -> None:
    before = np.full(len(written), NOTHING - 1, np.int64)
    for first, values in _blocks(of, len(written)):
        shifted = np.concatenate([before[:, None], values[:, :-1]], axis=1)
        cycle, variable = np.nonzero((values != shifted).T)  # in the order of time
        found = values[variable, cycle]
        for at, which, value in zip((cycle + first).tolist(), variable.tolist(), found.tolist(), strict=True):
            of_file, texts = written[which]
            if texts is not None:
                writer.change(of_file, at, texts[value])
            else:
                writer.change(of_file, at, value if value >= 0 else "x")
        before = values[:, -1]


def _blocks(of: Cut, n_variables: int) -> Iterator[tuple[int, Integers]]:
    """Stretches of cycles, each with the values of every variable: its first cycle, and int64 (variables, cycles)."""
    begin, end = of.window
    length = max(1, _AT_ONCE // n_variables)
    for first in range(begin, end, length):
        window = first, min(first + length, end)
        yield first, np.concatenate([_of_machine(of, window), _of_pes(of, window)])


def _of_machine(of: Cut, window: Window) -> Integers:
    """Values of `MACHINE_SIGNALS`; shape (signals, cycles)."""
    states = broadcast_states(of.schedule, window).astype(np.int64)
    push, stall, scan_bubble = (states == state for state in (PUSH, STALL, SCAN_BUBBLE))
    found = push | stall
    column = np.full(len(states), NOTHING, np.int64)
    next_one = np.searchsorted(of.schedule.push_cycle - 1, np.arange(*window)[found])
    column[found] = of.schedule.column[next_one]
    return np.stack([states, push, np.where(push, column, NOTHING), stall, found, column, scan_bubble])


def _of_pes(of: Cut, window: Window) -> Integers:
    """Values of `PE_SIGNALS` of each PE, PE after PE; shape (PEs x signals, cycles)."""
    pes = of.pes.tolist()
    states = pe_states(of.schedule, of.layer, window, pes).astype(np.int64)
    queued = waiting(of.schedule, window, pes).astype(np.int64)
    in_order = [states, queued, _full(of, window, queued), _column(of, window, states), *_of_entries(of, window)]
    return np.stack(in_order, axis=1).reshape(-1, states.shape[1])


def _full(of: Cut, window: Window, queued: Integers) -> Integers:
    """Whether nothing more may be sent to a PE, wanted or not; shape (PEs, cycles)."""
    depth = of.arch.act_queue_depth
    if depth > 1:
        return np.asarray(queued >= depth - 1, np.int64)
    # Lock-step: more than one cycle of work is left after this one.
    cycles = np.arange(*window)
    latest = np.searchsorted(of.schedule.push_cycle, cycles, side="right") - 1
    if not len(of.schedule.push_cycle):
        return np.zeros_like(queued)
    work = of.free_cycle[of.pes][:, latest] - 2 > cycles
    return np.asarray(work & (latest >= 0), np.int64)


def _column(of: Cut, window: Window, states: Integers) -> Integers:
    """Column that each PE serves; shape (PEs, cycles)."""
    column = np.full(states.shape, NOTHING, np.int64)
    cycles = np.arange(*window)
    for at, k in enumerate(of.pes.tolist()):
        served = states[at] <= BUBBLE  # an entry, a filler, or an empty column
        latest = np.searchsorted(of.schedule.pop_cycle[k], cycles[served], side="right") - 1
        column[at, served] = of.schedule.column[latest]
    return column


def _of_entries(of: Cut, window: Window) -> list[Integers]:
    """What each unit holds of the entries on their way, in the order of `PE_SIGNALS`; shape (PEs, cycles) each."""
    found = entries(of, window)
    shape = (len(of.pes), window[1] - window[0])

    def spread(delay: int, values: str, only: str | None = None, nothing: int = 0) -> Integers:
        here = at_unit(found, delay, window)
        chosen = slice(None) if only is None else getattr(here, only)
        out = np.full(shape, nothing, np.int64)
        out[here.pe[chosen], here.cycle[chosen] + delay - window[0]] = getattr(here, values)[chosen]
        return out

    there = spread(0, "address", nothing=NOTHING)
    multiplied, passed = spread(ARITHMETIC, "real"), spread(ARITHMETIC, "address", nothing=NOTHING) >= 0
    return [
        (there >= 0).astype(np.int64),
        there,
        spread(SPMAT_READ, "sram_row", nothing=NOTHING),
        spread(SPMAT_READ, "reads_row"),
        multiplied,
        (passed & (multiplied == 0)).astype(np.int64),
        spread(ARITHMETIC, "bypass"),
        spread(ARITHMETIC, "row", "real", NOTHING),
        spread(ACT_RW, "real"),
        spread(ACT_RW, "row", "real", NOTHING),
    ]
