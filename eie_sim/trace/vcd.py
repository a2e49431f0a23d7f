"""Traces as value change dumps (VCD), for GTKWave and other viewers of waveforms (pyvcd, extra ``vcd``).

The scopes are those of the block diagram: ``eie.ccu``, ``eie.lnzd`` and for each PE ``eie.pe3`` with its units. **One
nanosecond of the file is one clock cycle**, and a time is the number of the cycle; the clock stands in the comment. A
value is that of the unit during the cycle: what `eie_sim.machine` holds between two edges. ``x`` says that there is
none: no column in service, no entry at the unit.
"""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor._version import __version__
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.result import Schedule
from eie_sim.trace.counts import TraceCounts, trace_counts
from eie_sim.trace.cuts import Cut, cut
from eie_sim.trace.files import new_text
from eie_sim.trace.vcd_signals import MACHINE_SIGNALS, NOTHING, PE_SIGNALS, Signal, blocks, largest_values
from eie_sim.views import BROADCAST_STATES, PE_STATES, Window

if TYPE_CHECKING:
    from vcd import VCDWriter


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
        written = _registered(of, writer)
        before = np.full(len(written), NOTHING - 1, np.int64)
        for first, values in blocks(of, len(written)):
            # Only changes are written, in the order of time.
            shifted = np.concatenate([before[:, None], values[:, :-1]], axis=1)
            cycle, variable = np.nonzero((values != shifted).T)
            found = values[variable, cycle]
            for at, which, value in zip((cycle + first).tolist(), variable.tolist(), found.tolist(), strict=True):
                of_file, states = written[which]
                if states is not None:
                    writer.change(of_file, at, states[value])
                else:
                    writer.change(of_file, at, value if value >= 0 else "x")
            before = values[:, -1]
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


_Written = tuple[Any, Sequence[str] | None]
"""A variable of the file, and the strings of its values where it is one of states."""


def _registered(of: Cut, writer: "VCDWriter") -> list[_Written]:
    """The variables of the file, in the order of the rows of `blocks`."""
    largest = largest_values(of)
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
