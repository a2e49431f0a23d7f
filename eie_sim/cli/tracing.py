"""What ``eie-sim trace`` does: reads its options, runs the one layer, and finds who writes the file."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.cli.console import Printer
from eie_sim.cli.running import each_layer, one_vector
from eie_sim.result import Schedule
from eie_sim.sources import Job
from eie_sim.trace import TraceCounts, write_perfetto, write_vcd
from eie_sim.trace.vcd import pyvcd
from eie_sim.views import Window

_LONGEST_NUMBER = 18  # digits


def writer_for(out: Path) -> Callable[..., TraceCounts]:
    """Who writes a file of that name.

    Raises
    ------
    ValueError
        When its name ends otherwise.
    ImportError
        When it needs an extra that is not installed.
    """
    name = out.name.lower().removesuffix(".gz")
    if name.endswith(".json"):
        return write_perfetto
    if name.endswith(".vcd"):
        pyvcd()
        return write_vcd
    raise ValueError(f"--out: {out}: its name must end in .json, .json.gz, .vcd or .vcd.gz")


# Cycles and PEs -------------------------------------------------------------------------------------------------------


def chosen_window(text: str | None, cycles: int) -> Window | None:
    """The window ``FIRST:END`` of a run; a side that is left out is that of the run. None: not asked for.

    Raises
    ------
    ValueError
        When it is written otherwise.
    """
    if text is None:
        return None
    found = re.fullmatch(rf"(\d{{0,{_LONGEST_NUMBER}}}):(\d{{0,{_LONGEST_NUMBER}}})", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(f"--window: {text!r}, but it must be FIRST:END, such as 1:1001 for cycles 1 to 1000")
    first, end = found.groups()
    return int(first or 1), int(end or cycles + 1)


def chosen_pes(text: str, n_pe: int) -> list[int]:
    """The PEs of a list such as ``0,5-8``.

    Raises
    ------
    ValueError
        When it is written otherwise, or the machine has no such PE.
    """
    chosen: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(rf"(\d{{1,{_LONGEST_NUMBER}}})(?:-(\d{{1,{_LONGEST_NUMBER}}}))?", part.strip(), re.ASCII)
        if found is None:
            raise ValueError(f"--pes: {text!r}, but it must be a list of PEs such as 0,5-8")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < n_pe:
            raise ValueError(f"--pes: {part.strip()}, but the machine has PEs 0 to {n_pe - 1}")
        chosen.update(range(first, last + 1))
    return sorted(chosen)


# The run --------------------------------------------------------------------------------------------------------------


def part_of(job: Job, name: str | None) -> Job:
    """A job that ends with one of its layers; in a chain, the layers before it are part of it.

    Parameters
    ----------
    job : Job
    name : str or None
        None: the only layer.

    Raises
    ------
    ValueError
        If there are several layers and none is named, or there is no such layer.
    """
    if name is None and len(job.names) > 1:
        raise ValueError(f"--layer: a trace is of one layer; give one of {', '.join(job.names)}")
    if name is not None and name not in job.names:
        raise ValueError(f"--layer: {name!r}, but the layers are {', '.join(job.names)}")
    at = 0 if name is None else job.names.index(name)
    if job.chain is None:
        return replace(job, names=(job.names[at],), makers=(job.makers[at],))
    chain = replace(job.chain, layers=job.chain.layers[: at + 1], activations=job.chain.activations[: at + 1])
    return replace(job, names=job.names[: at + 1], chain=chain)


def run_last_layer(
    job: Job, number: int | None, arch: ArchConfig, engine: str, printer: Printer
) -> tuple[PackedLayer, Schedule]:
    """Simulate a job; its last layer as it ran, and its schedule.

    Parameters
    ----------
    job : Job
    number : int or None
        Which input vector, counted from 0; None: the first.
    arch : ArchConfig
    engine : str
    printer : Printer
        Shows what a user should know.

    Raises
    ------
    ValueError
        If there is no such input vector, or as for `simulate`.
    """
    if len(job.names) > 1:
        printer.note(f"layer {job.names[-1]!r} gets the outputs of {job.names[-2]!r}; the layers before it run first")
    # One layer at a time: the schedules of the layers before are not kept.
    for ran in each_layer(job, arch, engine, printer, one_vector(number, printer), schedules=True):
        last = ran
    schedule = last.runs.first.schedule
    assert schedule is not None
    return last.layer, schedule
