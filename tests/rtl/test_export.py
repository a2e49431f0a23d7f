"""`eie-sim rtl export`: the folder runs as it is in two simulators, finds a fault, and its waveforms are the simulator's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.cli.app import app
from eie_sim.rtl import build
from eie_sim.rtl.export import exported_files
from eie_sim.trace.vcd_signals import MACHINE_SIGNALS, PE_SIGNALS
from tests.command_line import call
from tests.extras import needs, needs_icarus, needs_verilator
from tests.rtl.machines import QUICK, machine, sampled
from tests.rtl.test_faults import FAULTS
from tests.trace.value_changes import read_vcd

SMALL = ("random:20x9", "--set", "n_pe=4", "--set", "arithmetic=fixed16")


def export(folder, case):
    """Writes what the command writes; small memories, which Icarus allocates for each PE."""
    result = simulate(case.layer, case.acts, case.arch)
    folder.mkdir(exist_ok=True)
    for name, text in exported_files(case.layer, case.acts, result, "sampled").items():
        (folder / name).write_text(text, encoding="utf-8")
    return result


def make(folder, target, **variables):
    """`make TARGET` as somebody with the tools of this environment runs it; quick to compile rather than to run."""
    more = {"OPT_FAST": "-O0", "OPT_GLOBAL": "-O0"}
    if target == "verilator":
        tools = build.tools()
        more |= {"VERILATOR": tools.verilator, "VERILATOR_ROOT": str(tools.root), "CXX": tools.cxx}
        more["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "-s", target, *words], cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, check=False
    )


def passes(done):
    return done.returncode == 0 and "PASS" in done.stdout and "FAIL" not in done.stdout


@pytest.mark.parametrize("number", range(len(QUICK)))
def test_the_exported_folder_passes_in_icarus_on_every_machine(number, tmp_path):
    needs_icarus()
    for seed in range(2):
        result = export(tmp_path, sampled(QUICK[number], seed))
        done = make(tmp_path, "icarus")
        assert passes(done), done.stdout + done.stderr
        assert f"{result.n_rows} sums, {result.cycles} cycles" in done.stdout


def test_the_exported_folder_passes_in_verilator(tmp_path):
    needs_verilator()
    export(tmp_path, sampled(QUICK[2], 2))
    done = make(tmp_path, "verilator")
    assert passes(done), done.stdout + done.stderr


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_exported_hardware_fails_in_icarus(name, tmp_path):
    needs_icarus()
    unit, right, wrong = FAULTS[name]
    for seed in range(30):
        export(tmp_path, sampled(QUICK[1], seed))
        path = tmp_path / f"{unit}.sv"
        text = path.read_text()
        assert text.count(right) == 1
        path.write_text(text.replace(right, wrong))
        done = make(tmp_path, "icarus")
        if not passes(done):
            assert done.returncode != 0
            assert re.search(r"^FAIL: .*, expected -?\d+", done.stdout, re.MULTILINE), done.stdout + done.stderr
            return
    pytest.fail("not found on 30 layers")
