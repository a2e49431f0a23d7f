"""How fast the hardware in SystemVerilog is simulated: ``python -m benchmarks.rtl_speed``.

A layer of the size and densities of AlexNet's last one (EIE Table III) on machines of several sizes, by the RTL.
A PE-cycle is one cycle of one PE; the EIE authors' own C++ simulator does 9 million of them a second. Times of runs are
processor times of the cycles, without loading the layer and reading it out; a build is timed in an empty cache.
"""

import argparse
import os
import sys
import tempfile
import time
from unittest import mock

import numpy as np

from benchmarks.harness import Figure, Report, Table, command, positive
from compressor import pack_codes
from eie_sim import ArchConfig
from eie_sim.rtl import engine
from eie_sim.rtl.build import SOURCES, UNITS, built, tools
from eie_sim.rtl.model import Model
from eie_sim.rtl.parameters import Parameters

LEAST_RATE = 9.0
"""Million PE-cycles a second at 64 PEs: as the authors' simulator."""

N_ROWS, N_COLS, WEIGHT_DENSITY, ACT_DENSITY = 1000, 4096, 0.25, 0.375


def measure(options: argparse.Namespace) -> Report:
    """Rates, build times and sizes of machines of several numbers of PEs."""
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 16, (N_ROWS, N_COLS)) * (rng.random((N_ROWS, N_COLS)) < WEIGHT_DENSITY)
    acts = rng.random(N_COLS) * (rng.random(N_COLS) < ACT_DENSITY)
    layer = pack_codes(codes, np.append(0, rng.normal(size=15)), 1)
    rows, rates = [], {}
    for n_pe in options.pes:
        arch = ArchConfig(n_pe=n_pe, arithmetic="fixed16", act_regfile_entries=4096 // n_pe)
        packed = layer.repack(n_pe=n_pe)
        parameters = Parameters.of(arch, packed)
        with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, {"XDG_CACHE_HOME": cache}):
            begin = time.perf_counter()
            library = built(parameters)
            seconds, size = time.perf_counter() - begin, library.stat().st_size
            hardware = Model(library, parameters)
        engine.load(hardware, packed, arch)
        work, _ = engine.work_of(packed, acts, arch)
        reports = [hardware.run(work) for _ in range(options.repeats)]
        cycles = reports[0].cycles
        rates[n_pe] = cycles * n_pe / min(report.seconds for report in reports) / 1e6
        rows.append((n_pe, cycles, rates[n_pe], seconds, size / 1e6))
    lines = sum(len((SOURCES / f"{unit}.sv").read_text().splitlines()) for unit in UNITS)
    largest = max(rates)
    return Report(
        (
            Figure(f"{largest} PEs", rates[largest], "M PE-cycles/s", LEAST_RATE, "at least"),
            Figure("lines of SystemVerilog", lines, "lines", 1000),
        ),
        (Table("Machines", ("PEs", "cycles", "M PE-cycles/s", "build s", "model MB"), tuple(rows)),),
        {"tools": tools().version},
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=positive, default=9, help="runs of each machine; the fastest counts (9)")
    parser.add_argument("--pes", type=positive, nargs="+", default=[4, 16, 64], help="machines (4 16 64)")


if __name__ == "__main__":
    sys.exit(command("rtl_speed", __doc__, measure, add_options=add_options))
