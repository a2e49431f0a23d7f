"""Samples through a network: batches, states, fixed sizes; nothing depends on how they are run."""

from copy import deepcopy

import numpy as np
import pytest
from onnx import TensorProto, helper

from compressor import compress_model
from compressor.importers import read_onnx
from eie_sim import plan_network, preset, run_network, simulate
from eie_sim.network import calibrate, joined
from tests.network.small_networks import (
    agree,
    answers,
    compressed,
    few,
    made,
    residual,
    same_result,
    with_state,
)

SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8)


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def network(tmp_path):
    """A residual network with a depthwise convolution, and its plan."""
    model = compressed(residual(), tmp_path)
    return model, plan_network(model, SMALL)


def test_a_batch_is_as_many_inferences_each_as_if_it_were_alone(network):
    model, plan = network
    x = drawn(0, 5, 2, 6, 5)
    together = run_network(plan, x)
    agree(together.outputs, answers(model, {"x": x}), 1e-4)
    alone = [run_network(plan, {"x": x[number : number + 1]}) for number in range(5)]
    assert together.latency_cycles.tolist() == [one.cycles for one in alone]
    assert np.allclose(together.energy_uj, [one.energy_uj[0] for one in alone])
    same_result(joined(alone), together)


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_no_number_depends_on_chunks_or_threads(arithmetic, tmp_path):
    model = compressed(residual(), tmp_path)
    arch = SMALL.replace(arithmetic=arithmetic)
    x = drawn(1, 40, 2, 6, 5)
    runs = [
        run_network(plan_network(model, arch), x, workers=workers, chunk=chunk)
        for workers, chunk in ((1, None), (2, 1), (3, 7), (1, 40))
    ]
    for other in runs[1:]:
        same_result(other, runs[0])


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_runs_of_some_samples_after_another_are_one_run_of_all(arithmetic, tmp_path):
    model, arch = compressed(residual(), tmp_path), SMALL.replace(arithmetic=arithmetic)
    x = drawn(16, 19, 2, 6, 5)
    whole = run_network(plan_network(model, arch), x)
    # Each may be a process of its own: fraction bits are those of the first samples of all.
    parts = [run_network(plan_network(model, arch), x, samples=slice(at, at + 7)) for at in (0, 7, 14)]
    assert [len(part) for part in parts] == [7, 7, 5]
    same_result(joined(parts), whole)


def test_a_node_counts_what_its_products_count_one_by_one(network):
    _, plan = network
    x = drawn(2, 1, 2, 6, 5)
    result = run_network(plan, x)
    node, layer = result.nodes["first"], plan.nodes["first"].matrices[0]
    (call,) = [next(plan.nodes["first"].lowering.run([x, None, None]))]
    each = [simulate(layer, vector, plan.arch) for vector in call.vectors.block()]
    assert node.products == len(each) == 30
    cycles = [one.cycles for one in each]
    assert (node.cycles, node.cycles_min, node.cycles_max) == (sum(cycles), min(cycles), max(cycles))
    assert node.cycles_median == np.median(cycles)
    for name in vars(node.counts):
        total = sum(getattr(one.counts, name) for one in each)
        assert np.array_equal(getattr(node.counts, name), total), name
    assert node.counts.bias_writes.sum() == 30 * 4
    assert node.macs_dense == 30 * 4 * 2 * 9


def test_the_share_of_a_block_diagonal_matrix_is_that_of_its_own_weights(network):
    _, plan = network
    result = run_network(plan, drawn(3, 1, 2, 6, 5))
    node = result.nodes["depthwise"]
    assert (node.n_weights, node.macs_dense) == (4 * 9, 30 * 4 * 9)
    assert plan.nodes["depthwise"].matrices[0].n_cols == 4 * 9
    assert node.density == np.count_nonzero(few(3, 4, 1, 3, 3)) / 36


def test_an_empty_batch_has_no_product(network):
    _, plan = network
    result = run_network(plan, np.zeros((0, 2, 6, 5), np.float32))
    assert (len(result), result.products, result.cycles) == (0, 0, 0)
    assert result.outputs["y"].shape == (0, 3)


def test_progress_is_reported_for_each_chunk(network):
    _, plan = network
    reported = []
    run_network(plan, drawn(4, 5, 2, 6, 5), chunk=2, progress=lambda done, total: reported.append((done, total)))
    assert reported == [(2, 5), (4, 5), (5, 5)]


def test_a_plan_travels_to_other_processes(network):
    _, plan = network
    x = drawn(5, 2, 2, 6, 5)
    same_result(run_network(deepcopy(plan), x), run_network(plan, x))


def test_a_state_is_fed_back_from_call_to_call(tmp_path):
    model = compressed(with_state(), tmp_path)
    plan = plan_network(model, SMALL)
    x = drawn(6, 4, 4)
    feedback = {"hn": "h", "cn": "c"}
    result = run_network(plan, {"x": x}, feedback=feedback)
    state = {"h": np.zeros((1, 1, 3), np.float32), "c": np.zeros((1, 1, 3), np.float32)}
    for number in range(4):
        wanted = answers(model, {"x": x[number : number + 1], **state})
        assert np.allclose(result.outputs["y"][number], wanted["y"][0], atol=1e-5)
        state = {"h": wanted["hn"], "c": wanted["cn"]}
    assert len(result) == 4
    begun = run_network(plan, {"x": x[:1], "h": np.ones((1, 1, 3)), "c": np.ones((1, 1, 3))}, feedback=feedback)
    assert not np.array_equal(begun.outputs["y"][0], result.outputs["y"][0])


def test_samples_are_along_the_axis_that_is_named_and_outputs_along_that_of_the_same_name(tmp_path):
    node = helper.make_node("RNN", ["x", "W", "R"], ["y", "h"], "rnn", hidden_size=2)
    model = made(
        [node],
        {"W": few(1, 1, 2, 3), "R": few(2, 1, 2, 2)},
        {"x": [4, "n", 3]},
        {"y": [4, 1, "n", 2], "h": [1, "n", 2]},
    )
    plan = plan_network(compressed(model, tmp_path), SMALL)
    x = drawn(7, 4, 5, 3)
    result = run_network(plan, x, batch_axis={"x": 1})
    assert len(result) == 5
    agree(result.outputs, answers(model, {"x": x}), 2e-5)


def test_a_graph_of_a_fixed_batch_runs_once_for_each_of_it(tmp_path):
    model = made(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")], {"w": few(1, 3, 2)}, {"x": [2, 3]}, {"y": [2, 2]}
    )
    plan = plan_network(compressed(model, tmp_path), SMALL)
    result = run_network(plan, drawn(8, 6, 3))
    assert (len(result), result.products, result.outputs["y"].shape) == (3, 6, (6, 2))
    with pytest.raises(ValueError, match=r"inputs: 'x' has shape \(5, 3\), but the network takes \(2, 3\)"):
        run_network(plan, drawn(8, 5, 3))


def test_values_that_graphs_within_nodes_capture_reach_their_segment(tmp_path):
    branches = {
        name: helper.make_graph(
            [helper.make_node(operator, ["m", "x"], [f"{name}_y"])], name, [],
            [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)],
        )
        for name, operator in (("then_branch", "Add"), ("else_branch", "Sub"))
    }  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "fc"),
        helper.make_node("ReduceSum", ["m"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], "choice", **branches),
        helper.make_node("MatMul", ["y", "w"], ["z"], "again"),
    ]
    model = made(nodes, {"w": few(1, 3, 3), "zero": np.float32(0)}, {"x": ["n", 3]}, {"z": ["n", 3]})
    plan = plan_network(compressed(model, tmp_path), SMALL)
    for seed in range(4):
        x = drawn(seed, 1, 3)
        agree(run_network(plan, x).outputs, answers(model, {"x": x}), 1e-5)
    # One weight, stored once, runs at each use.
    assert plan.nodes["fc"].matrices[0] is plan.nodes["again"].matrices[0]


def test_inputs_that_do_not_fit_are_refused_in_a_line(network, tmp_path):
    _, plan = network
    x = drawn(9, 1, 2, 6, 5)
    for inputs, more, message in (
        ({}, {}, "inputs: 'x' is missing; the network takes x"),
        ({"x": x, "z": x}, {}, "inputs: 'z' is not an input of the network, which takes x"),
        (x[0], {}, r"inputs: 'x' has shape \(2, 6, 5\), but the network takes \(n, 2, 6, 5\)"),
        (x, {"batch_axis": {"q": 0}}, "batch_axis: 'q', but the network has x, y"),
        (x, {"batch_axis": {"x": 7}}, "batch_axis: 7 of 'x', but it has 4 axes"),
        (x, {"feedback": {"q": "x"}}, "feedback: 'q', but it must be one of y"),
        (x, {"workers": 0}, "workers: 0, but it must be at least 1"),
        (x, {"samples": slice(0, 1, 2)}, "samples: .* must have no step"),
        (x, {"chunk": 0}, "chunk: 0, but it must be at least 1"),
        (x, {"engine": "slow"}, "engine: 'slow', but it must be one of fast, reference"),
    ):
        with pytest.raises(ValueError, match=message):
            run_network(plan, inputs, **more)
    state = plan_network(compressed(with_state(), tmp_path), SMALL)
    three = {"x": drawn(0, 3, 4), "h": np.zeros((1, 2, 3)), "c": np.zeros((1, 1, 3))}
    with pytest.raises(ValueError, match="different numbers of samples"):
        run_network(state, three, batch_axis={"h": 1})


def test_inputs_may_be_a_file_of_arrays(network, tmp_path):
    _, plan = network
    x = drawn(10, 2, 2, 6, 5)
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "x.npy", x)
    for name in ("x.npz", "x.npy"):
        same_result(run_network(plan, tmp_path / name), run_network(plan, {"x": x}))


@pytest.mark.parametrize("content", [b"", b"no arrays", b"PK\x03\x04 and no more"])
def test_another_file_is_one_line(content, network, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.npz: is not an .npz or .npy file of arrays$"):
        run_network(network[1], tmp_path / "x.npz")


def test_an_input_may_be_fixed_when_the_plan_is_made(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], "fc"), helper.make_node("Mul", ["m", "rate"], ["y"])]
    model = made(nodes, {"w": few(1, 3, 2)}, {"x": ["n", 3], "rate": [1]}, {"y": ["n", 2]})
    model = compressed(model, tmp_path)
    x = drawn(11, 2, 3)
    plan = plan_network(model, SMALL, fix={"rate": 2.0})
    result = run_network(plan, {"x": x, "rate": [2.0]})
    agree(result.outputs, answers(model, {"x": x, "rate": np.array([2], np.float32)}), 1e-5)
    same_result(result, run_network(plan, x))
    with pytest.raises(ValueError, match=r"inputs: 'rate' is .*3.0.*, but the plan fixes it at 2.0"):
        run_network(plan, {"x": x, "rate": [3.0]})


def test_fraction_bits_hold_more_than_was_seen_and_stay_those_of_the_first_run(tmp_path):
    model = compressed(residual(), tmp_path)
    arch = SMALL.replace(arithmetic="fixed16")
    x = drawn(12, 20, 2, 6, 5)
    plan = plan_network(model, arch)
    first = run_network(plan, x)
    bits = dict(plan.frac_bits)
    run_network(plan, 100 * x)
    assert plan.frac_bits == bits
    assert plan_network(model, arch, calibration=x[:16]).frac_bits == bits
    assert first.saturations == 0
    exact = run_network(plan_network(model, SMALL), x)
    for name, node in first.nodes.items():
        largest = 2.0 ** (15 - bits[name])
        assert node.frac_bits == bits[name]
        assert largest > 1.3 * np.abs(exact.outputs["y"]).max() or name != "fc"
    assert np.abs(first.outputs["y"] - exact.outputs["y"]).max() < 0.05
    with pytest.raises(ValueError, match="calibration: is for fixed point, but the machine computes in float32"):
        calibrate(plan_network(model, SMALL), x)


def test_sums_beyond_the_calibration_saturate_and_are_counted(tmp_path):
    model = compressed(residual(), tmp_path)
    plan = plan_network(model, SMALL.replace(arithmetic="fixed16"), calibration=1e-3 * drawn(13, 2, 2, 6, 5))
    assert run_network(plan, 100 * drawn(13, 2, 2, 6, 5)).saturations > 0


def test_what_a_result_is_written_as(network):
    import json

    _, plan = network
    result = run_network(plan, drawn(14, 3, 2, 6, 5))
    rows = result.rows()
    assert [row["node"] for row in rows] == ["first", "depthwise", "pointwise", "fc"]
    assert sum(row["cycles_pct"] for row in rows) == pytest.approx(100)
    document = json.loads(result.to_json())
    assert document["nodes"] == rows
    assert document["summary"]["cycles"] == result.cycles == sum(document["latency_cycles"])
    assert document["columns"].keys() == rows[0].keys()
    assert result.to_csv().splitlines()[0].split(",") == list(rows[0])
    assert "<td>depthwise</td>" in result._repr_html_()
    assert repr(result).startswith("NetworkResult(3 inferences")
    total = sum(node.energy_uj for node in result.nodes.values())
    assert result.energy_uj.sum() == pytest.approx(total)
    pandas = pytest.importorskip("pandas")
    assert isinstance(result.to_pandas(), pandas.DataFrame)


def test_a_network_of_fewer_bits_sets_those_of_the_machine_and_shares_weights(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(residual().SerializeToString())
    model = compress_model(read_onnx(path), 0.5, weight_bits=4)
    plan = plan_network(model)
    assert (plan.arch.weight_bits, plan.arch.bias) == (4, "preload")
    x = drawn(15, 2, 2, 6, 5)
    agree(run_network(plan, x).outputs, answers(model, {"x": x}), 1e-4)
    wide = plan_network(model, SMALL)
    agree(run_network(wide, x).outputs, answers(model, {"x": x}), 1e-4)
    with pytest.raises(ValueError, match="weight_bits: 'first' has codes of 4 bits, but the machine takes 3"):
        plan_network(model, SMALL.replace(weight_bits=3))
