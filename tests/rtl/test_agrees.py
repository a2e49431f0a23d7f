"""The hardware in SystemVerilog agrees with the simulator in every cycle, counter, output and place of the schedule."""

import numpy as np
import pytest

from compressor import importers
from eie_sim import ArchConfig, simulate
from eie_sim.result import differences
from tests.contract.test_golden import EXTRA, GOLDEN, by_name, layer_of, machine_of
from tests.extras import needs_verilator
from tests.rtl.machines import MORE, QUICK, sampled

needs_verilator()

IN_THE_GATE = 30
"""Sampled layers on each machine."""

PUBLISHED = [*EXTRA, *GOLDEN]
SMALL = [case for case in PUBLISHED if case["n_pe"] < 64]
LARGE = [case for case in PUBLISHED if case["n_pe"] >= 64]
"""Each published case is another machine, and a build takes the longer the more PEs there are."""


def disagreements(layer, acts, arch):
    hardware = simulate(layer, acts, arch, "rtl", schedule=True)
    return differences(hardware, simulate(layer, acts, arch, schedule=True)), hardware.counts


def assert_every_layer_agrees(settings, seeds):
    wrong, seen = {}, dict.fromkeys(("saturations", "bypasses", "broadcast_stalls", "fillers"), 0)
    for seed in seeds:
        case = sampled(settings, seed)
        names, counts = disagreements(case.layer, case.acts, case.arch)
        if names:
            wrong[seed] = names
        for name in seen:
            seen[name] += int(np.sum(getattr(counts, name)))
    assert wrong == {}
    assert all(seen.values()), f"the layers do not try everything: {seen}"


@pytest.mark.parametrize("settings", QUICK, ids=range(len(QUICK)))
def test_sampled_layers_of_eight_machines_agree(settings):
    assert_every_layer_agrees(settings, range(IN_THE_GATE))


@pytest.mark.slow
@pytest.mark.parametrize("settings", MORE, ids=range(len(MORE)))
def test_sampled_layers_of_four_more_machines_agree(settings):
    assert_every_layer_agrees(settings, range(IN_THE_GATE, 2 * IN_THE_GATE))


def in_fixed_point(case):
    return disagreements(layer_of(case), case["act"], machine_of(case).replace(arithmetic="fixed16"))


def assert_published(case, counts):
    assert counts.entries.sum() == np.sum(case.get("entries", case.get("entries_walked")))
    assert counts.spmat_row_reads.sum() == np.sum(case["spmat_row_reads"])


@pytest.mark.parametrize("case", SMALL[::9], ids=by_name)
def test_the_fixed_point_twins_of_published_layers_agree(case):
    names, counts = in_fixed_point(case)
    assert names == []
    assert_published(case, counts)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*SMALL[1::4], *LARGE[::12]], ids=by_name)
def test_the_fixed_point_twins_of_more_published_layers_agree(case):
    names, counts = in_fixed_point(case)
    assert names == []
    assert_published(case, counts)


@pytest.mark.slow
@pytest.mark.reference_data
def test_the_real_alexnet_fc8_takes_the_published_cycles(alex8):
    layer, acts = importers.read_eie_simulator(alex8, n_rows=1000, n_pe=64)
    arch = ArchConfig(arithmetic="fixed16")
    names, _ = disagreements(layer, acts, arch)
    assert names == []
    assert simulate(layer, acts, arch, "rtl").cycles == 7926
