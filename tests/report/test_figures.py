"""The data of figures: shares that sum, findings that say what the numbers say, sizes by hand."""

from pathlib import Path

import numpy as np
import pytest

from compressor import compress_layer, pack_codes, pack_sparse
from compressor.prune import cut_to_density, prune_mask
from eie_sim import ArchConfig, preset, simulate
from eie_sim.columns import digits
from eie_sim.report import figures
from eie_sim.report.tables import result_row
from eie_sim.workload import random_layer


@pytest.fixture(scope="module")
def crowded_result():
    workload = random_layer(300, 80, weight_density=0.05, act_density=0.7, n_pe=8)
    return simulate(workload.layer, workload.acts, ArchConfig(n_pe=8), schedule=True)


@pytest.fixture(scope="module")
def alex_8_row():
    """A layer of the name and the size of Alex-8 with a single weight: quickly made, also as plain Python."""
    indptr = np.ones(4097, np.int64)
    indptr[0] = 0
    layer = pack_sparse(indptr, [0], [1], (1000, 4096), np.arange(16.0), n_pe=64, name="Alex-8")
    acts = np.zeros(4096)
    acts[[0, 9]] = 1
    return result_row(simulate(layer, acts, preset("eie-64pe-45nm"), output=False))


# Times of layers ------------------------------------------------------------------------------------------------------


def test_the_shares_are_the_counters_over_all_pe_cycles(crowded_result):
    (layer,) = figures.layer_times([result_row(crowded_result)]).layers
    counts, pe_cycles = crowded_result.counts, 8 * crowded_result.cycles
    fillers = counts.fillers.sum()
    expected = [
        counts.busy_cycles.sum() - fillers, fillers, counts.bubble_cycles.sum(), counts.starved_cycles.sum(),
        counts.fill_cycles.sum() + counts.drain_cycles.sum(),
    ]  # fmt: skip
    assert layer.shares == tuple(part / pe_cycles for part in expected)
    assert fillers > 0
    assert sum(layer.shares) == pytest.approx(1)
    assert layer.busy == pytest.approx(crowded_result.load_balance)
    assert len(layer.shares) == len(figures.CYCLE_CLASSES)


def test_a_published_layer_on_the_papers_machine_stands_beside_table_iv(alex_8_row):
    data = figures.layer_times([alex_8_row])
    assert data.layers[0].paper_us == 9.9
    assert data.layers[0].deviation_pct == pytest.approx(100 * (alex_8_row["time_us"] / 9.9 - 1))
    assert data.times_finding.startswith("All times within ")


def test_a_finding_never_understates_the_deviation():
    def finding(*times_us):
        return figures.LayerTimes(
            tuple(figures.LayerTime("x", time_us, 10.0, (1, 0, 0, 0, 0)) for time_us in times_us)
        ).times_finding

    assert finding(10.111, 9.99) == "All times within 1.2 % of the paper's"
    assert finding(9.7) == "All times within 3.0 % of the paper's"
    assert finding(10.0) == "All times within 0.0 % of the paper's"


def test_a_finding_says_for_how_many_layers_the_paper_has_a_time(alex_8_row, crowded_result):
    data = figures.layer_times([alex_8_row, result_row(crowded_result)])
    assert data.layers[1].paper_us is None
    assert data.layers[1].deviation_pct is None
    assert data.times_finding.startswith("1 of 2 times within ")


def test_without_any_time_of_the_paper_a_finding_gives_the_range(crowded_result):
    data = figures.layer_times([result_row(crowded_result)])
    assert data.times_finding == f"One input vector takes {crowded_result.time_us:.3g} µs"
    assert data.shares_finding == f"PEs are busy {100 * crowded_result.load_balance:.0f} % of the time"


def test_numbers_are_written_with_three_digits_and_never_with_an_exponent_where_they_are_large():
    assert [digits(t) for t in (0.0125, 7.3837, 30.53, 99.95, 999.4, 999.5, 35022.8, 7926)] == [
        "0.0125", "7.38", "30.5", "100", "999", "1,000", "35,023", "7,926",
    ]  # fmt: skip
    assert [digits(t, 4) for t in (999.96, 9999.4, 9999.6, -12345.6, 0)] == ["1,000", "9,999", "10,000", "-12,346", "0"]


def test_input_vectors_of_a_layer_are_averaged(crowded_result):
    row = result_row(crowded_result)
    slower = {**row, "input": 1, "time_us": 3 * row["time_us"]}
    data = figures.layer_times([row, slower])
    assert [x.time_us for x in data.layers] == [2 * row["time_us"]]
    assert data.layers[0].shares == figures.layer_times([row]).layers[0].shares


def test_a_figure_without_a_layer_is_an_error():
    with pytest.raises(ValueError, match="rows: there is none"):
        figures.layer_times([])


# PEs over time --------------------------------------------------------------------------------------------------------


def test_the_map_of_utilisation_holds_every_busy_cycle(crowded_result):
    data = figures.utilisation_map(crowded_result, bins=7)
    width_us = np.diff(data.time_us)
    busy_us = crowded_result.counts.busy_cycles / crowded_result.arch.clock_hz * 1e6
    assert data.busy_share @ width_us == pytest.approx(busy_us)
    assert data.busy_share.shape == (8, 7)
    assert data.time_us[0] == 0
    assert data.time_us[-1] == pytest.approx(crowded_result.time_us)
    assert data.busy_share_of_bin == pytest.approx(data.busy_share.mean(axis=0))
    assert data.busy_share_of_pe == pytest.approx(crowded_result.counts.busy_cycles / crowded_result.cycles)
    assert f"busy {100 * crowded_result.load_balance:.1f} % of" in data.finding


def test_a_result_without_a_schedule_cannot_be_mapped():
    result = simulate(pack_codes([[1]], [0, 1], 1), [1], ArchConfig(n_pe=1, weight_bits=1))
    with pytest.raises(ValueError, match="schedule: the result of 'layer' has none"):
        figures.utilisation_map(result)


# What compression makes of a layer ------------------------------------------------------------------------------------


def test_every_weight_is_counted_as_kept_or_as_pruned():
    weights = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    mask = prune_mask(weights, cut_to_density(weights, 0.1))
    layer = compress_layer(weights, 0.1, n_pe=4)
    data = figures.weight_histogram(weights, mask, layer.codebook, bins=30)
    assert (data.kept.sum(), data.pruned.sum()) == (200, 1800)
    assert (data.edges[0], data.edges[-1]) == (weights.min(), weights.max())
    assert data.finding == "10.0 % of the weights are kept, and share 15 values"


def test_runs_are_counted_apart_for_fillers():
    # The column printed in section III-B of the paper: runs 2, 0, a filler of 15, and 2.
    layer = pack_codes([[0], [0], [1], [2], *[[0]] * 18, [3]], [0, 1, 2, 3], n_pe=1)
    data = figures.run_histogram(layer)
    assert data.real.tolist() == [1, 0, 2, *[0] * 13]
    assert data.fillers == 1
    assert data.finding == "layer: runs are at most 15 zeros, and 25.0 % of the entries are fillers"


def test_the_sizes_of_a_layer_by_hand():
    # 23 rows, 1 column and a bias; 3 weights, a filler, and 2 weights of the bias; 2 bits a code, 4 a run.
    column = [[0], [0], [1], [2], *[[0]] * 18, [3]]
    layer = pack_codes(column, [0, 1, 2, 3], n_pe=1, bias_codes=[1, 1] + [0] * 21)
    dense, pruned, shared, packed = figures.stored_sizes(layer).steps
    assert (dense.weights_bits, dense.indices_bits, dense.pointers_bits) == (32 * 23 * 2, 0, 0)
    assert (pruned.weights_bits, pruned.indices_bits, pruned.pointers_bits) == (32 * 5, 32 * 5, 32 * 3)
    assert (shared.weights_bits, shared.indices_bits, shared.pointers_bits) == (2 * 5 + 128, 32 * 5, 32 * 3)
    assert (packed.weights_bits, packed.indices_bits, packed.pointers_bits) == (2 * 6 + 128, 4 * 6, 16 * 3)
    assert dense.n_bytes == 184


def test_sizes_read_as_megabytes_or_kilobytes():
    assert figures.megabytes(figures.StoredSize("", 8 * 67_108_864, 0, 0)) == "67.1 MB"
    assert figures.megabytes(figures.StoredSize("", 0, 8 * 2_500, 0)) == "2.5 kB"
    steps = (figures.StoredSize("a", 8 * 10**6, 0, 0), figures.StoredSize("b", 0, 0, 8 * 5 * 10**5))
    assert figures.StoredSizes("fc", steps).finding == "fc: 1.0 MB become 0.5 MB, 2.0 times smaller"


def test_weights_are_counted_by_the_value_that_they_share_and_fillers_are_none():
    codes = [[1, 2, 0], [0, 3, 3], *([[0, 0, 0]] * 40), [3, 0, 1]]
    layer = pack_codes(codes, [0, 0.5, -2, 0.5], n_pe=1, index_bits=2)
    assert layer.n_fillers > 0
    data = figures.shared_weights(layer)
    assert data.values.tolist() == [-2, 0.5]  # 0.5 stands in the codebook twice
    assert data.weights.tolist() == [1, 5]
    assert data.finding == "layer: 6 weights share 2 values: 83.3 % of them are 0.5"
    assert figures.shared_weights(pack_codes([[0]], [0, 1], n_pe=1)).finding == "layer: no weight is left"


def test_the_drawing_of_each_figure_is_in_the_file_of_its_datas_name():
    report = Path(figures.__file__).parents[1]
    data, drawings = ({path.stem for path in (report / room).glob("*.py")} for room in ("figures", "plots"))
    assert drawings - data == {"styles"}
    assert data <= drawings
