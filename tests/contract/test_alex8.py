"""The real AlexNet fc8 as the EIE authors published it, in every configuration their simulator was run in."""

import json

import numpy as np
import pytest

from compressor import importers
from eie_sim import ArchConfig, preset, simulate
from eie_sim.result import differences

pytestmark = pytest.mark.reference_data

N_ROWS, N_PE = 1000, 64
N_CONFIGURATIONS = 8

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def authors(alex8):
    """The layer as the authors packed it, their inputs, and the outputs of their simulator."""
    layer, acts = importers.read_eie_simulator(alex8, n_rows=N_ROWS, n_pe=N_PE)
    return layer, acts, np.fromfile(alex8 / "output.dat", np.float32)


@pytest.fixture(scope="module")
def expected(alex8):
    return json.loads((alex8 / "expected.json").read_text())


@pytest.fixture(scope="module")
def packed(authors):
    """The layer for a number of PEs, packed once."""
    layer, _, _ = authors
    made = {N_PE: layer}

    def for_pes(n_pe):
        if n_pe not in made:
            made[n_pe] = layer.repack(n_pe=n_pe)
        return made[n_pe]

    return for_pes


def machine_of(case):
    return ArchConfig(
        n_pe=case["n_pe"],
        index_bits=case["index_bits"],
        act_queue_depth=case["queue_slots"] + 1,
        spmat_width_bits=case["entries_per_spmat_row"] * (4 + case["index_bits"]),
    )


def test_the_import_is_the_layer_of_the_paper(authors):
    layer, acts, _ = authors
    assert (layer.n_rows, layer.n_cols, layer.n_pe, layer.has_bias) == (1000, 4096, 64, True)
    assert (layer.n_entries, layer.n_fillers) == (1_051_991, 0)
    assert np.count_nonzero(acts) == 1759


def test_every_configuration_that_was_published_is_tried(expected):
    assert len(expected) == N_CONFIGURATIONS


def test_repacking_back_is_the_identity_on_the_real_layer(packed):
    assert packed(256).repack(n_pe=64) == packed(64)


def assert_as_published(result, layer, case, output):
    assert layer.n_entries == case["entries_stored"]
    assert layer.n_fillers == case["fillers_stored"]
    assert result.cycles == case["cycles"]
    assert result.counts.broadcasts == case["broadcasts"]
    assert result.counts.broadcast_stalls == case["broadcast_stall_cycles"]
    assert result.counts.ptr_reads.sum() == case["ptr_reads"]
    assert result.counts.spmat_row_reads.sum() == case["spmat_row_reads"]
    assert result.counts.acc_writes.sum() == case["accumulator_writes"]
    assert result.counts.entries.sum() == case["entries_walked"]
    assert result.counts.fillers.sum() == case["fillers_walked"]
    assert result.output.dtype == output.dtype == np.float32
    np.testing.assert_array_equal(result.output.view(np.uint32), output.view(np.uint32))


@pytest.mark.parametrize("index", range(N_CONFIGURATIONS))
def test_the_fast_engine_counts_and_computes_as_the_authors_simulator(index, authors, expected, packed):
    case = expected[index]
    result = simulate(packed(case["n_pe"]), authors[1], machine_of(case), engine="fast")
    assert_as_published(result, packed(case["n_pe"]), case, authors[2])


@slow
@pytest.mark.parametrize("index", range(N_CONFIGURATIONS))
def test_every_simulator_counts_and_computes_as_the_authors_simulator(index, authors, expected, packed, simulator):
    case = expected[index]
    result = simulator(packed(case["n_pe"]), authors[1], machine_of(case))
    assert_as_published(result, packed(case["n_pe"]), case, authors[2])


@slow
@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_the_simulators_agree_in_every_field_on_the_real_layer(depth, arithmetic, authors, simulator):
    layer, acts, _ = authors
    arch = ArchConfig(act_queue_depth=depth, arithmetic=arithmetic)
    assert differences(simulator(layer, acts, arch), simulate(layer, acts, arch, schedule=True)) == []


def test_the_figures_of_table_iv_follow(authors):
    result = simulate(authors[0], authors[1], preset("eie-64pe-45nm"), output=False)
    assert result.cycles == 7926
    assert result.time_us == pytest.approx(9.9, abs=0.01)
    assert result.entries_walked == 453_748
    assert result.theoretical_us == pytest.approx(8.86, abs=0.005)
    assert result.load_balance == pytest.approx(0.8945, abs=0.00005)
    assert result.real_work == 1.0
