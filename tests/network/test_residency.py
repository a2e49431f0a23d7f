"""Networks of which not all fits, and on several chips: loads, waits, energy, and outputs that none of it changes."""

import dataclasses
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from eie_sim import CapacityError, CapacityWarning, plan_network, preset, run_network, simulate
from eie_sim.arch import NETWORK_LEVEL
from eie_sim.network import joined
from eie_sim.network.result import NODE_COLUMNS
from eie_sim.sweep.columns import MACHINE
from tests.examples import examples
from tests.network.small_matrices import bytes_of, chain
from tests.network.small_networks import compressed, few, made, same_result
from tests.random_graphs import RandomGraph, random_recurrent

seeds = st.integers(0, 2**32)
SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8)
SLOW = SMALL.replace(dram_bytes_per_s=1e8)

pytestmark = pytest.mark.filterwarnings("ignore::eie_sim.capacity.CapacityWarning")


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three layers of equal matrices, compressed, and inputs of five samples."""
    model = compressed(chain(16, 16, 16, 16), tmp_path_factory.mktemp("three"))
    return model, np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)


def roomy_for(plan, n, arch):
    """The machine with room for so many matrices of the plan, not one row more."""
    sizes = [
        chip.size.spmat_rows for node in plan.residency.chips[0].blocks.values() for blocks in node for chip in blocks
    ]
    rows = max(sum(sorted(sizes)[-n:]), max(sizes))
    return arch.replace(spmat_bytes=rows * arch.spmat_width_bits // 8)


def test_where_all_fit_nothing_is_loaded_and_no_number_changes(three):
    model, x = three
    resident, slow = (run_network(plan_network(model, arch), x) for arch in (SMALL, SLOW))
    assert slow.energy_uj.tobytes() == resident.energy_uj.tobytes()
    assert slow.latency_cycles.tolist() == resident.latency_cycles.tolist()
    assert slow.summary()["load_bytes"] == slow.summary()["wait_cycles"] == 0
    assert [{c.name: row[c.name] for c in NODE_COLUMNS} for row in slow.rows()] == resident.rows()
    assert "load_bytes" not in resident.summary() | resident.rows()[0]


def test_with_room_for_two_of_three_the_first_stays_and_the_others_take_turns(three):
    model, x = three
    plan = plan_network(model, SLOW)
    arch = roomy_for(plan, 2, SLOW)
    result = run_network(dataclasses.replace(plan, arch=arch.replace(bias="preload")), x)
    sizes = [bytes_of(node.matrices[0], plan.arch) for node in plan.nodes.values()]
    for node, n_bytes in zip(result.nodes.values(), [0, *sizes[1:]], strict=True):
        assert node.load_bytes_each.tolist() == [n_bytes] * len(x)
    # The second is loaded during the products of the first, which needs no room beside it; the third is not.
    first, second, third = result.nodes.values()
    cycles = [8 * n_bytes for n_bytes in sizes]  # 800 MHz over 100 MB/s: 8 cycles a byte
    assert second.load_wait_each.tolist() == np.maximum(cycles[1] - first.cycles_each, 0).tolist()
    assert third.load_wait_each.tolist() == [cycles[2]] * len(x)
    waits = second.load_wait_each + third.load_wait_each
    assert result.latency_cycles.tolist() == (sum(n.cycles_each for n in result.nodes.values()) + waits).tolist()
    # 20 pJ a bit.
    assert result.summary()["dram_uj"] == pytest.approx(len(x) * sum(sizes[1:]) * 8 * 20e-6)
    whole = run_network(plan, x)
    assert result.energy_uj.sum() > whole.energy_uj.sum() + result.summary()["dram_uj"]
    assert result.energy_uj.sum() == pytest.approx(sum(node.energy_uj for node in result.nodes.values()))
    assert {name: y.tobytes() for name, y in result.outputs.items()} == {
        n: y.tobytes() for n, y in whole.outputs.items()
    }


def test_a_load_overlaps_the_node_before_where_both_fit_at_once(tmp_path):
    model = compressed(chain(16, 16, 8, 8, 16), tmp_path)
    plan = plan_network(model, SLOW)
    sizes = [blocks[0][0].size.spmat_rows for blocks in plan.residency.chips[0].blocks.values()]
    # Room for the largest and no more: nothing stays; the two small ones fit beside each other.
    arch = plan.arch.replace(spmat_bytes=max(sizes[0], sizes[1] + sizes[2], sizes[3]) * 8)
    small = dataclasses.replace(plan, arch=arch)
    assert not small.residency.chips[0].kept
    overlaps = [load.overlaps for load in small.residency.chips[0].loads.values()]
    assert overlaps[0] is False
    assert overlaps == [False, *(a + b <= arch.spmat_bytes // 8 for a, b in pairwise(sizes))]
    assert overlaps[2] is True


def test_a_matrix_in_blocks_is_loaded_once_for_all_vectors_and_at_each_step_of_a_recurrence(tmp_path):
    convolution = made(
        [helper.make_node("Conv", ["x", "k"], ["y"], "conv")], {"k": few(1, 16, 3, 3, 3)},
        {"x": ["n", 3, 8, 8]}, {"y": ["n", 16, 6, 6]},
    )  # fmt: skip
    lstm = made(
        [helper.make_node("LSTM", ["x", "W", "R"], ["y"], "lstm", hidden_size=8)],
        {"W": few(1, 1, 32, 8), "R": few(2, 1, 32, 8)}, {"x": [6, 1, 8]}, {"y": [6, 1, 1, 8]},
    )  # fmt: skip
    for model, shape, times in ((convolution, (1, 3, 8, 8), 1), (lstm, (6, 1, 8), 6)):
        plan = plan_network(compressed(model, tmp_path), SLOW.replace(spmat_bytes=96))
        (node,), (of_node,) = plan.nodes.values(), plan.residency.chips[0].blocks.values()
        blocks = of_node[0]
        assert len(blocks) > 1
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        result = run_network(plan, x, batch_axis={"x": None}).nodes[node.name]
        assert result.load_bytes == times * sum(bytes_of(block.layer, plan.arch) for block in blocks)
        assert result.products == len(blocks) * (36 if times == 1 else 6)


def test_only_what_cannot_be_cut_to_fit_is_warned_of(three):
    model, _ = three
    small = SMALL.replace(spmat_bytes=64)
    with pytest.warns(CapacityWarning, match=r"layer 'fc0' does not fit the SRAM: spmat_bytes"):
        plan_network(model, small)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan_network(model, small.replace(dram_bytes_per_s=1e9))
        plan_network(model, small.replace(dram_bytes_per_s=1e9, strict_capacity=True))
    short = small.replace(dram_bytes_per_s=1e9, ptr_bytes=32)  # 17 pointers, where there are 16
    with pytest.warns(
        CapacityWarning, match=r"layer 'fc0, rows 0 to .*' does not fit the SRAM: ptr_bytes: 17 pointers"
    ):
        plan_network(model, short)
    with pytest.raises(CapacityError, match=r"fc0, rows 0 to .* ptr_bytes"):
        plan_network(model, short.replace(strict_capacity=True))


# Chips ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_chips", [2, 3, 16, 20])
def test_chips_share_the_rows_and_gather_the_outputs_over_the_link(three, n_chips):
    model, x = three
    arch = SMALL.replace(n_chips=n_chips, link_bytes_per_s=1e8)
    plan, alone = plan_network(model, arch), plan_network(model, SMALL)
    result, usual = run_network(plan, x), run_network(alone, x)
    assert {n: y.tobytes() for n, y in result.outputs.items()} == {n: y.tobytes() for n, y in usual.outputs.items()}
    others = 16 - 16 // n_chips
    values = x
    for at, (name, node) in enumerate(result.nodes.items()):
        slowest = [
            max(
                simulate(block.layer, row, SMALL.replace(bias="preload")).cycles
                for blocks in plan.residency.blocks(name, 0)
                for block in blocks
            )
            for row in values
        ]
        assert node.cycles_each.tolist() == slowest
        assert node.products == len(x) * min(n_chips, 16)
        assert node.link_bytes_each.tolist() == [2 * others] * len(x)  # 16 bits each
        assert node.link_wait_each.tolist() == [2 * others * 8] * len(x)
        assert 0 < node.load_balance <= 1
        assert node.macs_performed == usual.nodes[name].macs_performed
        dense = alone.nodes[name].matrices[0].dense()
        values = np.maximum(values @ dense.T, 0) if at < 2 else values
    assert result.summary()["link_uj"] == pytest.approx(3 * len(x) * 2 * others * 8 * 10e-6)
    assert (
        run_network(plan_network(model, arch.replace(link_bytes_per_s=None)), x).nodes["fc0"].link_wait_each.sum() == 0
    )


def test_chips_load_at_the_same_time_and_wait_for_the_one_that_loads_most(three):
    model, x = three
    plan = plan_network(model, SLOW.replace(n_chips=3, spmat_bytes=24))
    first = next(iter(plan.nodes))
    loads = [chip.loads[first] for chip in plan.residency.chips]
    each = [load.ahead + sum(load.in_turn) for load in loads]
    assert len(set(each)) > 1
    node = run_network(plan, x).nodes[first]
    assert node.load_bytes_each.tolist() == [sum(each)] * len(x)
    assert node.load_wait_each.tolist() == [8 * max(each)] * len(x)


def test_the_products_of_one_call_do_not_wait_for_the_slowest_chip_one_by_one(tmp_path):
    model = made(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")],
        {"w": few(1, 12, 9)},
        {"x": ["n", 7, 12]},
        {"y": ["n", 7, 9]},
    )
    arch = SMALL.replace(n_chips=2)
    plan = plan_network(compressed(model, tmp_path), arch)
    x = np.random.default_rng(0).normal(size=(1, 7, 12)).astype(np.float32)
    result = run_network(plan, x).nodes["fc"]
    of_chips = [
        sum(simulate(block.layer, row, plan.arch).cycles for row in x[0])
        for blocks in plan.residency.blocks("fc", 0)
        for block in blocks
    ]
    assert result.cycles == max(of_chips)
    assert result.spread.total == sum(of_chips)


# Whole networks -------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(10))
@given(
    seed=seeds,
    n_chips=st.integers(1, 3),
    spmat_bytes=st.integers(8, 400),
    arithmetic=st.sampled_from(["float32", "fixed16"]),
)
def test_any_network_answers_the_same_in_blocks_on_chips_and_by_both_engines(
    seed, n_chips, spmat_bytes, arithmetic, tmp_path_factory
):
    graph = RandomGraph(seed)
    model, feeds = graph.model, {"x": graph.x}
    if seed % 2:
        model, feeds = random_recurrent(seed)
    usual = SMALL.replace(arithmetic=arithmetic)
    arch = usual.replace(spmat_bytes=spmat_bytes, n_chips=n_chips, dram_bytes_per_s=1e9, link_bytes_per_s=1e9)
    coded = compressed(model, tmp_path_factory.mktemp("blocks"))
    whole = run_network(plan_network(coded, usual), feeds, batch_axis={"x": None})
    results = [
        run_network(plan_network(coded, arch), feeds, batch_axis={"x": None}, engine=engine)
        for engine in ("fast", "reference")
    ]
    same_result(*results)
    for name, y in whole.outputs.items():
        assert results[0].outputs[name].tobytes() == y.tobytes()
    for name, node in results[0].nodes.items():
        assert node.macs_performed == whole.nodes[name].macs_performed
        assert node.saturations == whole.nodes[name].saturations
    assert results[0].energy_uj.sum() == pytest.approx(sum(node.energy_uj for node in results[0].nodes.values()))


@settings(deadline=None, max_examples=examples(20))
@given(seed=seeds, chunk=st.integers(1, 3), spmat_bytes=st.integers(8, 200))
def test_loads_do_not_depend_on_chunks_or_on_how_samples_are_cut(seed, chunk, spmat_bytes, tmp_path_factory):
    model = compressed(chain(12, 9, 12, 5), tmp_path_factory.mktemp("chunks"))
    x = np.random.default_rng(seed).normal(size=(5, 12)).astype(np.float32)
    plan = plan_network(model, SMALL.replace(spmat_bytes=spmat_bytes, dram_bytes_per_s=2e9, n_chips=2))
    whole = run_network(plan, x)
    parts = [run_network(plan, x, chunk=chunk, samples=slice(*ends)) for ends in ((0, 2), (2, 5))]
    same_result(joined(parts), whole)
    for name, node in joined(parts).nodes.items():
        for each in ("load_bytes_each", "load_wait_each", "link_bytes_each", "link_wait_each"):
            assert getattr(node, each).tolist() == getattr(whole.nodes[name], each).tolist()


def test_sweeps_have_no_column_of_what_is_around_a_machine():
    assert not set(MACHINE) & set(NETWORK_LEVEL)
