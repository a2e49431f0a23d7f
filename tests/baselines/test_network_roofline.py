"""The rooflines of a network: what each node is for a library, by hand, and their sum."""

import json
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper

from compressor.importers.onnx import decoded_onnx
from eie_sim import plan_network, preset, run_network
from eie_sim.baselines.devices import devices
from eie_sim.baselines.network_roofline import network_roofline
from eie_sim.baselines.roofline import dense_time_us, dense_work, frame_time, sparse_time_us
from tests.baselines.test_roofline import a_device
from tests.examples import examples
from tests.network.small_networks import answers, any_convolution, any_recurrent, compressed, few, made, residual

SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8)
DEVICE = a_device()


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def roofline_of(model, inputs, folder, device=DEVICE, lowering="im2col", **more):
    """The rows of a network by node and kind."""
    plan = plan_network(compressed(model, folder), SMALL, lowering=lowering)
    found = network_roofline(plan, run_network(plan, inputs, **more), [device])
    return {(row.node, row.kind): row for row in found.nodes}


def one_node(operator, weights, inputs, outputs, **attributes):
    node = helper.make_node(operator, ["x", "w"], ["y"], "node", **attributes)
    return made([node], {"w": weights}, {"x": inputs}, {"y": outputs})


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The residual network: 3 x 3 kernels of 2 and of 1 channel over 6 x 5 positions, and a matrix at the end."""
    return roofline_of(residual(), drawn(0, 2, 2, 6, 5), tmp_path_factory.mktemp("residual"))


def test_a_convolution_is_one_matrix_product_with_a_column_for_each_output_position(rows):
    row = rows["first", "dense"]
    assert (row.calls, row.columns) == (1, 30)
    frame = frame_time(DEVICE, dense_work(2 * 9, 4, 30), DEVICE.efficiency("dense", 8))
    assert row.time_us == pytest.approx(30 * frame.time_us)
    assert row.launch_us == pytest.approx(DEVICE.launch_us)


def test_the_groups_of_a_convolution_are_one_batched_call_of_small_products(rows):
    row = rows["depthwise", "dense"]
    frame = frame_time(DEVICE, dense_work(9, 1, 30), DEVICE.efficiency("dense", 8))
    assert row.launch_us == pytest.approx(DEVICE.launch_us)
    assert row.memory_us == pytest.approx(4 * 30 * frame.memory_us)
    assert row.arithmetic_us == pytest.approx(4 * 30 * frame.arithmetic_us)


def test_a_matrix_at_batch_1_is_matrix_times_vector(rows):
    assert rows["fc", "dense"].columns == 1
    assert rows["fc", "dense"].time_us == pytest.approx(dense_time_us(DEVICE, 4, 3))
    kept = np.count_nonzero(few(5, 3, 4)) / 12
    assert rows["fc", "sparse"].time_us == pytest.approx(sparse_time_us(DEVICE, 4, 3, kept))


def test_several_vectors_of_an_inference_are_the_columns_of_one_call(tmp_path):
    model = one_node("MatMul", few(1, 5, 7), [1, 8, 5], [1, 8, 7])
    row = roofline_of(model, drawn(1, 3, 8, 5), tmp_path)["node", "dense"]
    assert row.columns == 8
    assert row.time_us == pytest.approx(8 * dense_time_us(DEVICE, 5, 7, batch=8))


def test_a_transposed_convolution_has_a_column_for_each_input_position(tmp_path):
    model = one_node("ConvTranspose", few(1, 4, 3, 2, 2), [1, 4, 5, 6], [1, 3, 10, 12], strides=[2, 2])
    row = roofline_of(model, drawn(1, 1, 4, 5, 6), tmp_path)["node", "dense"]
    frame = frame_time(DEVICE, dense_work(4, 3 * 4, 30), DEVICE.efficiency("dense", 8))
    assert (row.columns, row.memory_us) == (30, pytest.approx(30 * frame.memory_us))


def test_the_elements_of_winograd_are_one_batched_call(tmp_path):
    model = one_node("Conv", few(1, 4, 2, 3, 3), [1, 2, 8, 8], [1, 4, 6, 6])
    row = roofline_of(model, drawn(1, 1, 2, 8, 8), tmp_path, lowering="winograd")["node", "dense"]
    frame = frame_time(DEVICE, dense_work(2, 4, 9), DEVICE.efficiency("dense", 8))
    assert (row.calls, row.columns, row.launch_us) == (1, 9, pytest.approx(DEVICE.launch_us))
    assert row.arithmetic_us == pytest.approx(16 * 9 * frame.arithmetic_us)


def recurrent(operator, gates, **attributes):
    constants = {"W": few(1, 1, gates * 3, 4), "R": few(2, 1, gates * 3, 3)}
    node = helper.make_node(operator, ["x", "W", "R"], ["y"], "rnn", hidden_size=3, **attributes)
    return made([node], constants, {"x": ["steps", 1, 4]}, {"y": ["steps", 1, 1, 3]})


def test_a_recurrent_layer_is_matrix_times_vector_at_each_step(tmp_path):
    device = a_device(cache_gain=4.0, cache_bytes=10**6)
    inputs, axis = drawn(1, 6, 2, 4), {"batch_axis": {"x": 1}}
    row = roofline_of(recurrent("LSTM", 4), inputs[:, :1], tmp_path, device, **axis)["rnn", "dense"]
    assert (row.calls, row.columns) == (6, 1)
    # The matrix is used again at once, so that the cache has it, as in the published times.
    assert row.time_us == pytest.approx(6 * dense_time_us(device, 4 + 3, 4 * 3))
    first = roofline_of(recurrent("LSTM", 4), inputs[:1, :1], tmp_path, device, **axis)["rnn", "dense"]
    assert first.time_us == pytest.approx(dense_time_us(a_device(), 4 + 3, 4 * 3))


def test_every_matrix_of_a_step_is_a_call(tmp_path):
    row = roofline_of(recurrent("GRU", 3), drawn(1, 5, 1, 4), tmp_path, batch_axis={"x": 1})["rnn", "dense"]
    assert (row.calls, row.launch_us) == (10, pytest.approx(10 * DEVICE.launch_us))
    assert row.time_us == pytest.approx(5 * (dense_time_us(DEVICE, 7, 6) + dense_time_us(DEVICE, 7, 3)))


def test_an_inference_takes_the_same_whatever_others_run_beside_it(rows, tmp_path):
    assert roofline_of(residual(), drawn(3, 5, 2, 6, 5), tmp_path) == rows


@settings(max_examples=examples(40), deadline=None)
@given(seed=st.integers(0, 10**6), is_recurrent=st.booleans())
def test_operations_are_two_for_each_multiply_accumulate_of_the_operator(seed, is_recurrent, tmp_path_factory):
    model, feeds = any_recurrent(seed) if is_recurrent else any_convolution(seed)
    coded = compressed(model, tmp_path_factory.mktemp("random"))
    try:
        answers(coded, feeds)
    except Exception:  # ONNX Runtime's errors share no class but this one
        assume(False)
    plan = plan_network(coded, SMALL)
    axes = dict.fromkeys(feeds)
    result = run_network(plan, feeds, batch_axis=axes)
    assume(all(node.macs_dense for node in result.nodes.values()))
    for row in network_roofline(plan, result, [DEVICE]).nodes:
        node = result.nodes[row.node]
        macs = node.macs_dense if row.kind == "dense" else node.macs_pruned
        if node.n_kept:
            assert row.arithmetic_us == pytest.approx(2 * macs / DEVICE.peak_flops_per_s * 1e6)


def test_a_node_without_products_takes_no_time(tmp_path):
    row = roofline_of(recurrent("RNN", 1), np.zeros((0, 1, 4), np.float32), tmp_path, batch_axis={"x": 1})
    assert [(one.calls, one.time_us) for one in row.values()] == [(0, 0), (0, 0)]


def test_a_matrix_without_a_weight_is_a_call_all_the_same(tmp_path):
    model = one_node("MatMul", np.zeros((5, 7), np.float32), ["n", 5], ["n", 7])
    row = roofline_of(model, drawn(1, 1, 5), tmp_path)["node", "sparse"]
    assert row.time_us == pytest.approx(sparse_time_us(DEVICE, 5, 7, 1 / 35))


# The network ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    model = compressed(residual(), tmp_path_factory.mktemp("network"), density=0.5)
    plan = plan_network(model, SMALL)
    return model, plan, run_network(plan, drawn(1, 2, 2, 6, 5))


def test_a_network_is_the_sum_of_its_nodes_on_each_of_the_papers_devices(network):
    _, plan, result = network
    found = network_roofline(plan, result)
    assert [(total.device, total.kind) for total in found.totals()] == [
        (name, kind) for name in devices() for kind in ("dense", "sparse")
    ]
    for total in found.totals():
        own = [row for row in found.nodes if (row.device, row.kind) == (total.device, total.kind)]
        assert [row.node for row in own] == list(plan.nodes)
        assert total.time_us == found.time_us(total.device, total.kind) == sum(row.time_us for row in own)
        assert total.energy_uj == pytest.approx(devices()[total.device].power_w * total.time_us)


def test_what_the_host_computes_is_named_and_outside(network):
    model, plan, result = network
    machine = {use.node for use in model.network.uses}
    assert network_roofline(plan, result).host == tuple(
        node.name or node.op_type for node in decoded_onnx(model).graph.node if node.name not in machine
    )


def test_rows_are_written_as_csv_and_json(network):
    _, plan, result = network
    found = network_roofline(plan, result)
    document = json.loads(found.to_json())
    assert document["format"] == "eie-sim-network-roofline"
    assert document["nodes"] == found.rows()
    assert document["totals"][0]["time_us"] == found.totals()[0].time_us
    head, *lines = found.to_csv().splitlines()
    assert head.split(",") == list(found.rows()[0])
    assert len(lines) == len(found.nodes) == prod((len(plan.nodes), len(devices()), 2))


def test_what_is_not_modelled_is_one_line(network):
    _, plan, result = network
    only_8 = DEVICE.model_copy(update={"efficiencies": [case for case in DEVICE.efficiencies if case.batch == 8]})
    with pytest.raises(ValueError, match="test: no efficiency for dense batch 1; there are: dense batch 8, sparse b"):
        network_roofline(plan, result, [only_8])
    with pytest.raises(ValueError, match="roofline: Titan Y dense, but there are: i7-5930K dense, i7-5930K sparse"):
        network_roofline(plan, result).time_us("Titan Y", "dense")
    with pytest.raises(ValueError, match="result: has no inference"):
        network_roofline(plan, run_network(plan, np.zeros((0, 2, 6, 5), np.float32)))


def test_a_run_of_another_plan_is_refused(network, tmp_path):
    _, _, result = network
    other = plan_network(compressed(one_node("MatMul", few(1, 5, 7), ["n", 5], ["n", 7]), tmp_path), SMALL)
    with pytest.raises(ValueError, match="result: has other nodes than the plan"):
        network_roofline(other, result)
