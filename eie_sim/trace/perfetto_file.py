"""Reads a trace for Perfetto again, and counts what its events say."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from compressor.storage.files import errors_name
from eie_sim.result import Counts
from eie_sim.trace.counts import COUNTED, TraceCounts
from eie_sim.trace.files import read_trace_text
from eie_sim.trace.perfetto import FORMAT, FORMAT_VERSION
from eie_sim.trace.perfetto_events import PE_UNITS, Event


@dataclass(frozen=True, eq=False)
class Trace:
    """What a trace file holds.

    Attributes
    ----------
    about : mapping
        What it says of itself: layer, machine, ``clock_hz``, ``cycles``, ``window``, ``pes`` ...
    counts : TraceCounts
        Counted from its events.
    """

    about: Mapping[str, Any]
    counts: TraceCounts


def read_perfetto(path: str | PathLike[str]) -> Trace:
    """Count the events of a trace that `write_perfetto` has written, gzipped or not.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        If it is something else, or its events are not as many as it says.
    OSError
        If it cannot be read.
    """
    with errors_name(Path(path)):
        tally = _Tally()
        try:
            document = json.loads(read_trace_text(path), object_hook=tally.take, parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("no trace: it is nested too deeply") from None
        except json.JSONDecodeError as error:
            raise ValueError(f"no trace: it is no JSON: {error}") from None
        about = _about(document)
        # What is neither push, stall nor scan bubble is idle: the trace has no slice for it.
        (begin, end), ccu, lnzd = about["window"][:2], _track(tally, "ccu"), _track(tally, "lnzd")
        pushes, stalls = tally.slices[ccu, "push"], tally.cycles[ccu, "stall"]
        bubbles = tally.cycles[lnzd, "scan bubble"]
        broadcast = (pushes, stalls, bubbles, end - begin - pushes - stalls - bubbles)
        each = [_of_pe(tally, k) for k in about["pes"]]
        counts = TraceCounts(
            tuple(about["pes"]),
            (begin, end),
            dict(zip(Counts.SCALARS, broadcast, strict=True)),
            {name: np.array([one[name] for one in each], np.int64) for name in COUNTED},
        )
        for name, found in counts.plain().items():
            if found != about["counters"].get(name):
                raise ValueError(f"counters: its events make other {name} than it says: some are missing or changed")
    return Trace(about, counts)


@dataclass
class _Tally:
    """Events by track and category, counted while the file is parsed, so that they need not be kept.

    Attributes
    ----------
    tracks : dict of str to int
        Thread of each name.
    slices, cycles, began_before, entries, bypasses : Counter
        By thread and category: how many slices; what they last; how many began before the window; what their arguments
        sum to.
    """

    tracks: dict[str, int] = field(default_factory=dict)
    slices: Counter[tuple[int, str]] = field(default_factory=Counter)
    cycles: Counter[tuple[int, str]] = field(default_factory=Counter)
    began_before: Counter[tuple[int, str]] = field(default_factory=Counter)
    entries: Counter[tuple[int, str]] = field(default_factory=Counter)
    bypasses: Counter[tuple[int, str]] = field(default_factory=Counter)

    def take(self, found: dict[str, Any]) -> dict[str, Any] | None:
        """Count `found` if it is an event; anything else is kept as it is."""
        kind = found.get("ph")
        if kind == "X":
            key, args = (_whole(found, "tid"), str(found.get("cat"))), _args(found)
            _whole(found, "ts")
            self.slices[key] += 1
            self.cycles[key] += _whole(found, "dur")
            self.began_before[key] += "began" in args
            if "entries" in args:
                self.entries[key] += _whole(args, "entries")
            if "bypasses" in args:
                self.bypasses[key] += _whole(args, "bypasses")
        elif kind == "M":
            if found.get("name") == "thread_name":
                self.tracks[_args(found).get("name", "")] = _whole(found, "tid")
        elif kind != "C":
            return found
        return None


def _whole(of: Mapping[str, Any], key: str) -> int:
    value = of.get(key)
    if type(value) is not int or value < 0:
        raise ValueError(f"{key}: {value!r}, but in an event it must be a whole number of at least 0")
    return value


def _args(event: Event) -> dict[str, Any]:
    args = event.get("args")
    if not isinstance(args, dict):
        raise ValueError(f"args: {args!r}, but in an event it must be an object")
    return args


def _no_constant(name: str) -> NoReturn:
    # Python's reader takes NaN and Infinity, which are not JSON and break other viewers.
    raise ValueError(f"no trace: {name} is no number of JSON")


def _about(document: Any) -> dict[str, Any]:
    about = document.get("otherData") if isinstance(document, dict) else None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"no trace of eie-sim: its otherData must have format {FORMAT!r}")
    if about.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"format_version: {about.get('format_version')!r}, but this version reads {FORMAT_VERSION}")
    for name, at_least in (("window", 2), ("pes", 1)):
        numbers = about.get(name)
        if not isinstance(numbers, list) or len(numbers) < at_least or any(type(n) is not int for n in numbers):
            raise ValueError(f"{name}: {numbers!r}, but it must be a list of whole numbers")
    if not isinstance(about.get("counters"), dict):
        raise ValueError("counters: must be an object")
    return about


def _of_pe(tally: _Tally, k: int) -> dict[str, int]:
    ptr, spmat, arithmetic, act_rw = (_track(tally, f"pe{k}.{unit}") for unit in PE_UNITS)
    # A slice covers several cycles, in each of which one weight is multiplied.
    multiplied, bypasses = tally.cycles[arithmetic, "multiply"], tally.bypasses[arithmetic, "multiply"]
    services = [(ptr, "service"), (ptr, "bubble")]
    classes = {f"{name}_cycles": tally.cycles[ptr, name] for name in ("bubble", "starved", "fill", "drain")}
    return {
        **classes,
        "busy_cycles": tally.cycles[ptr, "service"],
        "entries": tally.entries[ptr, "service"],
        "fillers": tally.cycles[ptr, "filler"],
        "ptr_reads": sum(tally.slices[key] - tally.began_before[key] for key in services),
        "spmat_row_reads": tally.slices[spmat, "row read"],
        "bypasses": bypasses,
        "acc_reads": multiplied - bypasses,
        "acc_writes": tally.cycles[act_rw, "write"],
    }


def _track(tally: _Tally, name: str) -> int:
    if name not in tally.tracks:
        raise ValueError(f"{name}: no track of that name")
    return tally.tracks[name]
