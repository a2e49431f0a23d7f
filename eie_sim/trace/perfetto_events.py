"""The events of a trace for Perfetto: what each unit's track and each counter shows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eie_sim.trace.cuts import ACT_RW, ARITHMETIC, SPMAT_READ, Cut, Entries, at_unit, entries, groups
from eie_sim.views import PUSH, SCAN_BUBBLE, STALL, broadcast_states, full_queues, waiting

Event = dict[str, Any]
Integers = NDArray[np.int64]

PE_UNITS = ("ptr_read", "spmat_read", "arithmetic", "act_rw")
"""Units of a PE that have a track; the queue is a counter."""

PID = 1
_CCU, _LNZD = 1, 2


def events(of: Cut) -> Iterator[Event]:
    """Every event of a trace, track after track; times of a track rise."""
    tracks = [(_CCU, "ccu"), (_LNZD, "lnzd")]
    tracks += [(_tid(k, unit), f"pe{k}.{unit}") for k in of.pes.tolist() for unit in PE_UNITS]
    yield _metadata("process_name", 0, {"name": f"{of.arch.name}: {of.layer.name}"})
    yield _metadata("process_sort_index", 0, {"sort_index": 0})
    for tid, name in tracks:
        yield _metadata("thread_name", tid, {"name": name})
        yield _metadata("thread_sort_index", tid, {"sort_index": tid})
    yield from _broadcast(of)
    # Both are sums over the PEs, which are looked at in groups.
    in_queues = np.zeros(of.n_cycles, np.int64)
    issuing = np.zeros(of.n_cycles, np.int64)
    for pes in groups(of):
        queues = waiting(of.schedule, of.window, pes.tolist())
        found = entries(of, pes=pes)
        issued = at_unit(found, 0, of.window)
        in_queues += queues.sum(axis=0)
        issuing += np.bincount(issued.cycle - of.window[0], minlength=of.n_cycles)
        for at, k in enumerate(pes.tolist()):
            yield from _pe(of, k, found.where(found.pe == at))
            yield from _counter(f"pe{k}.act_queue", "waiting", queues[at], of)
    yield from _counter("act_queue", "waiting", in_queues, of)
    yield from _counter("utilisation", "busy_pes", issuing, of)


# Tracks and their names -----------------------------------------------------------------------------------------------


def _tid(k: int, unit: str) -> int:
    return 10 * (k + 1) + PE_UNITS.index(unit)


def _metadata(name: str, tid: int, args: dict[str, Any]) -> Event:
    return {"ph": "M", "pid": PID, "tid": tid, "name": name, "args": args}


def _slice(tid: int, begin: int, end: int, name: str, category: str, args: dict[str, Any]) -> Event:
    return {
        "ph": "X", "pid": PID, "tid": tid, "ts": begin, "dur": end - begin, "name": name, "cat": category, "args": args,
    }  # fmt: skip


def _counter(name: str, series: str, values: NDArray[np.integer], of: Cut) -> Iterator[Event]:
    """The value in the first cycle, and wherever it changes."""
    changes = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    for cycle, value in zip((changes + of.window[0]).tolist(), values[changes].tolist(), strict=True):
        yield {"ph": "C", "pid": PID, "ts": cycle, "name": name, "args": {series: value}}


# The broadcast --------------------------------------------------------------------------------------------------------


def _broadcast(of: Cut) -> Iterator[Event]:
    begin = of.window[0]
    states = broadcast_states(of.schedule, of.window)
    full = full_queues(of.schedule, of.arch.act_queue_depth, of.window)
    pushed = np.searchsorted(of.schedule.push_cycle - 1, begin)
    # Cycles of one state are one slice, but every push and every scan bubble is an event of its own.
    new = (states[1:] != states[:-1]) | np.isin(states[1:], (PUSH, SCAN_BUBBLE))
    firsts = np.flatnonzero(np.concatenate([[True], new])).tolist()
    for first, last in zip(firsts, [*firsts[1:], len(states)], strict=True):
        at = begin + first, begin + last
        # `pushed` counts the pushes so far: the next one is what a stall holds.
        if states[first] == PUSH:
            yield _slice(_CCU, *at, of.names[pushed], "push", {})
            pushed += 1
        elif states[first] == STALL:
            who = full[:, first:last].sum(axis=1)
            cycles = {f"pe{k}": int(who[k]) for k in np.flatnonzero(who).tolist()}
            yield _slice(_CCU, *at, "stall", "stall", {"holds": of.names[pushed], "full_cycles": cycles})
        elif states[first] == SCAN_BUBBLE:
            yield _slice(_LNZD, *at, "scan bubble", "scan bubble", {})


# A PE -----------------------------------------------------------------------------------------------------------------


def _pe(of: Cut, k: int, found: Entries) -> Iterator[Event]:
    yield from _services(of, k, at_unit(found, 0, of.window))
    tid = _tid(k, "spmat_read")
    read = at_unit(found, SPMAT_READ, of.window)
    read = read.where(read.reads_row)
    for cycle, row in zip((read.cycle + SPMAT_READ).tolist(), read.sram_row.tolist(), strict=True):
        yield _slice(tid, cycle, cycle + 1, f"row {row}", "row read", {})
    for unit, delay in (("arithmetic", ARITHMETIC), ("act_rw", ACT_RW)):
        here = at_unit(found, delay, of.window)
        yield from _at_work(of, _tid(k, unit), delay, here.where(here.real), unit == "arithmetic")


def _at_work(of: Cut, tid: int, delay: int, real: Entries, multiplies: bool) -> Iterator[Event]:
    """A slice for each group of weights of one column that follow one another without a gap."""
    first, last = _unbroken(real)
    begins = (real.cycle[first] + delay).tolist()
    bypasses = np.concatenate([[0], np.cumsum(real.bypass)])
    saved = (bypasses[last] - bypasses[first]).tolist()
    names = (of.names[j] for j in real.served[first].tolist())
    for name, begin, weights, n_saved in zip(names, begins, (last - first).tolist(), saved, strict=True):
        if multiplies:
            yield _slice(tid, begin, begin + weights, name, "multiply", {"bypasses": n_saved})
        else:
            yield _slice(tid, begin, begin + weights, name, "write", {})


def _unbroken(found: Entries) -> tuple[Integers, Integers]:
    """Where groups of entries of one service, issued cycle after cycle, begin and end."""
    new = (np.diff(found.cycle) != 1) | (np.diff(found.served) != 0)
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(found.cycle)), np.bool_), new]))
    return first, np.concatenate([first[1:], np.full(min(1, len(first)), len(found.cycle))])


def _services(of: Cut, k: int, issued: Entries) -> Iterator[Event]:
    """Slices without a gap from the first cycle of the window to the last."""
    tid, (begin, end) = _tid(k, "ptr_read"), of.window
    pop, free = of.schedule.pop_cycle[k], of.free_cycle[k]
    served = np.flatnonzero((pop < end) & (free > begin))
    fillers = issued.where(~issued.real)
    inside: dict[int, list[Event]] = {}
    for first, last in zip(*_unbroken(fillers), strict=True):
        at = int(fillers.cycle[first])
        event = _slice(tid, at, at + int(last - first), "filler", "filler", {})
        inside.setdefault(int(fillers.served[first]), []).append(event)
    n_fillers = np.bincount(fillers.served, minlength=len(pop))[served].tolist()
    now = begin
    columns = (pop, free, of.schedule.entries[k], of.schedule.arrival_cycle)
    rows = zip(served.tolist(), *(values[served].tolist() for values in columns), n_fillers, strict=True)
    for j, popped, done, n_entries, pushed, n_filled in rows:
        if now < popped:
            yield _pause(of, k, now, popped)
        first, now = max(popped, begin), min(done, end)
        args = {"entries": now - first if n_entries else 0, "fillers": n_filled, "waited": popped - pushed}
        # A service that reaches out of the window is cut; what it was outside is kept, so that counts can be checked.
        if first != popped:
            args["began"] = popped
        if now != done:
            args["ends"] = done
        yield _slice(tid, first, now, of.names[j], "service" if n_entries else "bubble", args)
        yield from inside.get(j, ())
    if now < end:
        yield _pause(of, k, now, end)


def _pause(of: Cut, k: int, begin: int, end: int) -> Event:
    pop, free = of.schedule.pop_cycle[k], of.free_cycle[k]
    kind = "starved"  # between two services; before the first and after the last a PE cannot have had work
    if not len(pop) or begin >= free[-1]:
        kind = "drain"
    elif end <= pop[0]:
        kind = "fill"
    return _slice(_tid(k, "ptr_read"), begin, end, kind, kind, {})
