"""Studies beyond the paper: each stands on the exact model, and changes nothing of what a layer computes."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from compressor import pack_codes
from eie_sim import ArchConfig, plan_network, run_network, simulate
from eie_sim.cost import area, energy
from eie_sim.studies.design import depths_and_widths
from eie_sim.studies.empty_columns import skip_empty_columns
from eie_sim.studies.index_width import index_widths
from eie_sim.studies.partitioning import partitionings
from eie_sim.studies.permutation import (
    STRATEGIES,
    by_columns,
    greedy,
    order_by,
    permutations,
    row_weights,
    split_units,
)
from eie_sim.studies.recurrence import cycles_with
from eie_sim.studies.scaling import more_pes
from eie_sim.studies.sram import sram_sizes
from tests.examples import examples
from tests.network.small_networks import compressed, made
from tests.network.small_networks import few as weights
from tests.strategies import cases

some = settings(max_examples=examples(40), deadline=None)
few = settings(max_examples=examples(15), deadline=None)

BOOK = np.arange(16, dtype=np.float32)


def a_layer(n_rows=90, n_cols=60, density=0.3, n_pe=8, seed=0, uneven=0.0):
    """Rows at the beginning are denser by `uneven`."""
    rng = np.random.default_rng(seed)
    wanted = density * (1 + uneven * np.linspace(1, -1, n_rows))[:, None]
    codes = rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < wanted)
    return pack_codes(codes.astype(np.uint8), BOOK, n_pe=n_pe), (rng.random(n_cols) < 0.6).astype(np.float32)


# SRAM -----------------------------------------------------------------------------------------------------------------


def test_more_sram_loads_less_until_everything_stays(tmp_path):
    nodes = [helper.make_node("Gemm", [f"v{at}", f"w{at}"], [f"v{at + 1}"], f"fc{at}", transB=1) for at in range(2)]
    model = made(nodes, {"w0": weights(0, 24, 32), "w1": weights(1, 20, 24)}, {"v0": ["n", 32]}, {"v2": ["n", 20]})
    plan = plan_network(compressed(model, tmp_path), ArchConfig(n_pe=4, weight_bits=8, dram_bytes_per_s=1e9))
    x = weights(2, 3, 32)
    points = sram_sizes(plan, x, (64, 128, 256, 1024))
    assert [point.spmat_bytes for point in points] == [64, 128, 256, 1024]
    assert {point.ptr_bytes for point in points} == {2 * (33 + 25)}
    loaded = [point.load_bytes for point in points]
    assert loaded == sorted(loaded, reverse=True)
    assert loaded[0] > 0 == loaded[-1]
    assert points[0].blocks > points[-1].blocks == 2
    for point in points:
        assert point.dram_uj == pytest.approx(point.load_bytes * 8 * 20e-6)
        machine = plan.arch.replace(spmat_bytes=point.spmat_bytes, ptr_bytes=point.ptr_bytes)
        alone = run_network(dataclasses.replace(plan, arch=machine), x)
        assert point.latency_us == pytest.approx(alone.latency_us.mean())
        assert point.energy_uj == pytest.approx(alone.energy_uj.mean())
    assert points[-1].wait_us == 0


def test_without_a_dram_there_is_nothing_to_study(tmp_path):
    model = made(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights(0, 3, 4)}, {"x": ["n", 3]}, {"y": ["n", 4]}
    )
    plan = plan_network(compressed(model, tmp_path), ArchConfig(n_pe=4, weight_bits=8))
    with pytest.raises(ValueError, match="dram_bytes_per_s: None, but the study is of what is loaded"):
        sram_sizes(plan, weights(1, 1, 3), [1024])


# The recurrence -------------------------------------------------------------------------------------------------------


@some
@given(case=cases())
def test_with_the_cost_of_eie_the_recurrence_gives_the_cycles_of_the_engines(case):
    arch = case.arch.replace(act_queue_depth=max(case.arch.act_queue_depth, 2))
    result = simulate(case.layer, case.acts, arch, output=False, schedule=True)
    cost = np.maximum(result.schedule.entries, 1)
    assert cycles_with(result.schedule, cost, arch.act_queue_depth) == result.cycles


@some
@given(case=cases())
def test_skipping_empty_columns_never_costs_cycles(case):
    arch = case.arch.replace(act_queue_depth=max(case.arch.act_queue_depth, 2))
    found = skip_empty_columns(case.layer, case.acts, arch)
    assert found.skipping_cycles <= found.cycles
    assert found.saved_pct >= 0


def test_skipping_saves_what_empty_columns_cost():
    codes = np.zeros((2, 100), np.uint8)
    codes[0] = 1  # PE 0 has an entry in every column, PE 1 in none
    layer = pack_codes(codes, BOOK, n_pe=2)
    found = skip_empty_columns(layer, np.ones(100), ArchConfig(n_pe=2))
    assert found.cycles == found.skipping_cycles  # PE 0 decides
    assert found.bubble_share == pytest.approx(100 / (2 * found.cycles))
    assert found.index_bytes == 25  # 100 columns, 2 PEs, a bit each
    alone = pack_codes(np.vstack([codes[1:], codes[1:]]), BOOK, n_pe=2)
    assert skip_empty_columns(alone, np.ones(100), ArchConfig(n_pe=2)).skipping_cycles < 110


def test_the_recurrence_refuses_what_it_cannot_answer():
    layer, acts = a_layer()
    schedule = simulate(layer, acts, ArchConfig(n_pe=8), schedule=True).schedule
    with pytest.raises(ValueError, match=r"cost: shape \(1, 2\), but the schedule has "):
        cycles_with(schedule, np.zeros((1, 2), np.int64), 8)
    with pytest.raises(ValueError, match="depth: 1, but it must be at least 2"):
        cycles_with(schedule, schedule.entries, 1)


# Orders of rows -------------------------------------------------------------------------------------------------------


@few
@given(seed=st.integers(0, 1000), n_pe=st.integers(1, 9), n_rows=st.integers(1, 60))
def test_greedy_names_every_row_once_and_no_swap_of_its_pes_is_needed(seed, n_pe, n_rows):
    layer, _ = a_layer(n_rows=n_rows, n_cols=30, n_pe=n_pe, seed=seed, uneven=0.8)
    weights, order = row_weights(layer), greedy(layer, n_pe)
    assert sorted(order) == list(range(n_rows))
    totals = [sum(weights[row] for row in order[pe::n_pe]) for pe in range(n_pe)]
    assert max(totals) - min(totals) <= max(weights) * (1 if n_rows % n_pe == 0 else 2)


@few
@given(seed=st.integers(0, 1000), n_pe=st.sampled_from([1, 3, 8]))
def test_an_order_by_columns_names_every_row_once(seed, n_pe):
    layer, _ = a_layer(n_rows=31, n_cols=12, n_pe=n_pe, seed=seed)
    assert sorted(by_columns(layer, n_pe)) == list(range(31))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_order_changes_no_output(strategy):
    layer, acts = a_layer(uneven=0.9)
    arch = ArchConfig(n_pe=8)
    moved = layer.repack(row_permutation=order_by(layer, strategy, 8))
    a, b = (simulate(one, acts, arch).output for one in (layer, moved))
    assert np.array_equal(a, b)


def test_uneven_rows_gain_from_another_order():
    layer, acts = a_layer(n_rows=240, n_cols=200, uneven=0.9)
    plain, even, columns = permutations(layer, acts, ArchConfig(n_pe=8))
    assert (plain.strategy, plain.saved_pct, plain.index_bits, plain.split_units) == ("as it is", 0, 0, 0)
    assert columns.cycles < plain.cycles
    assert even.index_bits == columns.index_bits == 240 * 8
    assert columns.saved_pct == pytest.approx(100 * (1 - columns.cycles / plain.cycles))


def test_a_layer_that_is_in_another_order_already_keeps_it():
    layer, acts = a_layer(n_rows=96)
    moved = layer.repack(row_permutation=by_columns(layer, 8, 4))
    (plain,) = permutations(moved, acts, ArchConfig(n_pe=8), "as it is", n_gates=4)
    assert (plain.split_units, plain.index_bits, plain.saved_pct) == (0, 96 * 7, 0)
    with pytest.raises(ValueError, match="n_gates: 5, but the 96 rows"):
        permutations(layer, acts, ArchConfig(n_pe=8), n_gates=5)
    with pytest.raises(ValueError, match="n_pe: 0"):
        greedy(layer, 0)


def test_the_bias_is_one_more_active_column():
    codes = np.ones((16, 4), np.uint8)
    layer = pack_codes(codes, BOOK, n_pe=2, bias_codes=np.ones(16, np.uint8))
    rows, *_ = partitionings(layer, [1, 0, 1, 1], ArchConfig(n_pe=2))
    assert (rows.work_cycles, rows.broadcast_cycles) == (8 * 4, 4)


def test_an_unknown_strategy_is_an_error():
    layer, acts = a_layer()
    with pytest.raises(ValueError, match="strategy: 'luck', but it must be one of as it is, greedy, by columns"):
        permutations(layer, acts, ArchConfig(n_pe=8), ("luck",))


@pytest.mark.parametrize("place", [greedy, by_columns])
def test_the_gates_of_a_unit_stay_in_one_pe(place):
    layer, _ = a_layer(n_rows=4 * 24)
    order = place(layer, 8, n_gates=4)
    home = np.empty(96, np.int64)
    home[order] = np.arange(96) % 8
    assert all(len(set(home[unit::24])) == 1 for unit in range(24))
    assert split_units(order, 8, 4) == 0
    assert split_units(np.arange(96), 8, 4) == 0  # 24 units are a multiple of 8 PEs


@few
@given(units=st.integers(1, 40), n_pe=st.integers(1, 9), n_gates=st.integers(1, 4))
def test_only_units_are_split_for_which_no_pe_has_places_for_all_gates(units, n_pe, n_gates):
    layer, _ = a_layer(n_rows=units * n_gates, n_cols=20)
    fit = sum(len(range(pe, units * n_gates, n_pe)) // n_gates for pe in range(n_pe))
    for place in (greedy, by_columns):
        order = place(layer, n_pe, n_gates)
        assert sorted(order) == list(range(units * n_gates))
        assert split_units(order, n_pe, n_gates) <= units - fit


def test_rows_that_are_no_multiple_of_the_gates_are_refused():
    layer, acts = a_layer()
    with pytest.raises(ValueError, match="n_gates: 4, but the 90 rows must be a multiple of it"):
        permutations(layer, acts, ArchConfig(n_pe=8), ("greedy",), n_gates=4)


def test_weights_of_rows_are_those_that_are_not_zero():
    layer, _ = a_layer()
    assert row_weights(layer).tolist() == np.count_nonzero(layer.decode(), axis=1).tolist()


# Other studies --------------------------------------------------------------------------------------------------------


def test_shares_of_all_pe_cycles_sum_to_one():
    layer, acts = a_layer(n_rows=300, n_cols=100, density=0.05)
    rows = more_pes(layer, acts, ArchConfig(), (1, 4, 16, 64))
    assert [row.n_pe for row in rows] == [1, 4, 16, 64]
    for row in rows:
        shares = (row.real_share, row.filler_share, row.empty_share, row.starved_share, row.ends_share)
        assert sum(shares) == pytest.approx(1)
        assert row.efficiency == row.real_share
        counts = simulate(layer.repack(n_pe=row.n_pe), acts, ArchConfig(n_pe=row.n_pe)).counts
        all_cycles = row.n_pe * row.cycles
        assert row.empty_share == counts.bubble_cycles.sum() / all_cycles
        assert row.starved_share == counts.starved_cycles.sum() / all_cycles
    assert rows[0].speedup == 1
    assert rows[0].filler_share > rows[-1].filler_share
    assert rows[0].empty_share < rows[-1].empty_share


def test_narrow_indices_need_fillers_and_wide_ones_bits():
    layer, acts = a_layer(n_rows=900, n_cols=60, density=0.03)
    rows = index_widths(layer, acts, ArchConfig(n_pe=8))
    assert [row.index_bits for row in rows] == list(range(2, 9))
    fillers = [row.fillers for row in rows]
    assert fillers == sorted(fillers, reverse=True)
    assert fillers[0] > fillers[-1] == 0
    assert all(row.entries - row.fillers == rows[0].entries - rows[0].fillers for row in rows)
    assert rows[-1].spmat_bytes == -(-rows[-1].entries * 12 // 8)
    assert min(row.spmat_bytes for row in rows) < min(rows[0].spmat_bytes, rows[-1].spmat_bytes)


def test_every_depth_stands_with_every_width():
    layer, acts = a_layer()
    arch = ArchConfig(n_pe=8)
    points = depths_and_widths(layer, acts, arch, (2, 8), (32, 64, 128))
    assert [(p.act_queue_depth, p.spmat_width_bits) for p in points] == [(d, w) for d in (2, 8) for w in (32, 64, 128)]
    machine = arch.replace(act_queue_depth=2, spmat_width_bits=128)
    result = simulate(layer, acts, machine, output=False)
    point = points[2]
    assert (point.cycles, point.area_mm2) == (result.cycles, area(machine).total_mm2)
    assert point.energy_nj == energy(result).total_nj
    assert point.edp_nj_us == pytest.approx(point.energy_nj * result.time_us)


@few
@given(seed=st.integers(0, 1000), power=st.integers(0, 4))
def test_every_way_to_divide_does_all_the_work(seed, power):
    layer, acts = a_layer(n_rows=37, n_cols=23, n_pe=4, seed=seed)
    n_pe = 1 << power
    found = partitionings(layer, acts, ArchConfig(n_pe=n_pe))
    walked = np.count_nonzero(layer.decode()[:, acts != 0])
    assert [p.pe_rows * p.pe_columns for p in found] == [n_pe] * (power + 1)
    for one in found:
        assert one.work_cycles * n_pe >= walked
        assert one.balance == pytest.approx(walked / n_pe / one.work_cycles)
    assert found[0].reduction_cycles == 0
    for one in found:
        groups = [np.count_nonzero(acts[first :: one.pe_columns]) for first in range(one.pe_columns)]
        assert one.broadcast_cycles == max(groups)


def test_columns_need_a_reduction_over_all_pes():
    layer, acts = a_layer()
    *_, columns = partitionings(layer, acts, ArchConfig(n_pe=8))
    assert columns.name == "columns"
    assert columns.reduction_cycles == 90 + 2  # a tree of three stages
    assert columns.cycles == max(columns.work_cycles, columns.broadcast_cycles) + 92


def test_a_division_among_no_power_of_two_is_refused():
    layer, acts = a_layer()
    with pytest.raises(ValueError, match="n_pe: 6, but it must be a power of two"):
        partitionings(layer, acts, ArchConfig(n_pe=6))
    with pytest.raises(ValueError, match=r"acts: shape \(3,\), but layer 'layer' takes \(60,\)"):
        partitionings(layer, [1, 2, 3], ArchConfig(n_pe=8))
