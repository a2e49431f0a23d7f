"""The engine `rtl` as an engine: what it keeps, what it refuses, and its place on the command line."""

import subprocess
import sys

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, simulate, simulate_batch
from eie_sim.result import differences
from eie_sim.rtl import build
from eie_sim.rtl.parameters import Parameters
from tests.extras import needs_verilator
from tests.rtl.machines import QUICK, machine, sampled

SMALL = QUICK[1]
"""A machine that the other tests build too."""


def refused(call, *words):
    with pytest.raises(ValueError) as raised:
        call()
    assert "\n" not in str(raised.value)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def layer(seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (20, 9)) * (rng.random((20, 9)) < 0.6)
    return pack_codes(codes, np.append(0, rng.normal(size=15)), 4, 3, bias_codes=codes[:, 0])


def test_float32_is_refused_in_one_line():
    arch = machine(SMALL).replace(arithmetic="float32")
    refused(lambda: simulate(layer(), np.ones(9), arch, "rtl"), "arithmetic: float32", "fixed16")
    refused(lambda: simulate_batch(layer(), np.ones((2, 9)), arch, "rtl"), "arithmetic: float32")


def test_a_memory_that_is_too_large_to_be_built_is_refused():
    arch = ArchConfig(arithmetic="fixed16", act_queue_depth=2**29)
    refused(lambda: Parameters.of(arch), "depth: 536870912 words", "268435456")


def test_the_parameters_are_those_of_the_machine():
    parameters = Parameters.of(ArchConfig(arithmetic="fixed16")).verilog
    assert (parameters["N_PE"], parameters["DEPTH"], parameters["SPMAT_WIDTH"], parameters["FANIN"]) == (64, 8, 64, 4)
    assert parameters["SPMAT_ROWS"] * 8 == 131072
    assert parameters["ACC_BITS"] == parameters["BITS"] == 16


def test_a_layer_beyond_the_memories_gets_larger_ones():
    arch = ArchConfig(n_pe=1, arithmetic="fixed16", act_regfile_entries=4, ptr_bytes=16, spmat_bytes=8)
    codes = np.ones((9, 20), np.uint8)
    parameters = Parameters.of(arch, pack_codes(codes, np.arange(16), 1))
    assert (parameters.act_rows, parameters.ptr_words, parameters.spmat_rows) == (32, 32, 32)


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    build.tools.cache_clear()
    try:
        refused(build.tools, "engine: 'rtl' needs a C++ compiler", "install g++")
    finally:
        build.tools.cache_clear()


def test_a_missing_verilator_is_named(monkeypatch):
    monkeypatch.setattr(build.util, "find_spec", lambda _: None)
    monkeypatch.setattr(build.shutil, "which", lambda name: None if name == "verilator" else name)
    build.tools.cache_clear()
    try:
        refused(build.tools, "engine: 'rtl' needs Verilator", "eie-sim[rtl]")
    finally:
        build.tools.cache_clear()


# What needs the tools -------------------------------------------------------------------------------------------------


@pytest.fixture
def verilator():
    needs_verilator()


def test_a_shift_that_the_hardware_has_not_is_refused(verilator):
    for bits in (-1, 64):
        arch = machine(SMALL).replace(weight_frac_bits=bits)
        refused(lambda a=arch: simulate(layer(), np.ones(9), a, "rtl"), f"weight_frac_bits: {bits}", "0 to 63 bits")


def test_an_input_that_is_not_finite_is_refused_by_its_place(verilator):
    acts = np.ones(9)
    acts[4] = np.inf
    refused(lambda: simulate(layer(), acts, machine(SMALL), "rtl"), "acts", "4")


def test_without_outputs_there_are_no_saturations_and_all_other_counts(verilator):
    case = sampled(SMALL, 3)
    bare = simulate(case.layer, case.acts, case.arch, "rtl", output=False)
    assert bare.output is None
    assert bare.schedule is None
    assert differences(bare, simulate(case.layer, case.acts, case.arch, output=False)) == []


@pytest.mark.parametrize("counts", ["each", "sum", "none"])
def test_a_batch_has_the_numbers_of_the_fast_engine(verilator, counts):
    acts = np.random.default_rng(0).normal(size=(4, 9)) * [[1], [0], [3], [1e-3]]
    hardware, fast = (simulate_batch(layer(), acts, machine(SMALL), e, counts=counts) for e in ("rtl", "fast"))
    assert hardware.cycles.tolist() == fast.cycles.tolist()
    assert hardware.output.tolist() == fast.output.tolist()
    assert repr(hardware.counts) == repr(fast.counts)


def test_the_command_line_runs_a_layer_on_the_hardware(verilator):
    command = [
        *(sys.executable, "-m", "eie_sim", "run", "random:20x9", "--engine", "rtl", "--json", "--set", "n_pe=4"),
        *("--set", "arithmetic=fixed16", "--set", "act_regfile_entries=1024", "--set", "index_bits=3"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fast = subprocess.run([w if w != "rtl" else "fast" for w in command], capture_output=True, text=True, check=True)
    assert done.stdout.count('"rtl"') > 0
    assert done.stdout.replace('"rtl"', '"fast"') == fast.stdout
