"""Whole networks compressed on calibration inputs."""

import numpy as np
import pytest

import compressor
from compressor import compress_calibrated, compress_model
from compressor.calibration import judge, samples_of, split
from compressor.importers import read_npz
from tests.compressor.calibration.small_graphs import convolutions, matrices, recurrent

NETWORKS = {
    "matrices": matrices,
    "convolutions": convolutions,
    "groups": lambda folder, rng: convolutions(folder, rng, groups=2),
    "depthwise": lambda folder, rng: convolutions(folder, rng, groups=4),
    "LSTM": lambda folder, rng: recurrent(folder, rng, "LSTM"),
    "GRU": lambda folder, rng: recurrent(folder, rng, "GRU"),
    "GRU that resets after": lambda folder, rng: recurrent(folder, rng, "GRU", linear_before_reset=1),
    "RNN": lambda folder, rng: recurrent(folder, rng, "RNN"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_on_other_inputs_are_nearer_than_those_of_pruning_by_magnitude(name, tmp_path):
    network, inputs = NETWORKS[name](tmp_path, np.random.default_rng(1))
    half = len(inputs) // 2
    found = compress_calibrated(network, inputs[:half], 0.4)
    others = samples_of(network, inputs[half:])
    before, after = (judge(network, one, others) for one in (compress_model(network, 0.4), found.model))
    assert after.outputs[0].error < 0.9 * before.outputs[0].error
    for tensor in found.model.tensors:
        assert np.count_nonzero(tensor.codes) == round(0.4 * tensor.codes.size)
    assert found.errors.keys() == {tensor.name for tensor in network.tensors}


def test_the_same_inputs_give_the_same_model(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(2))
    first, second = (compress_calibrated(network, inputs, 0.3) for _ in range(2))
    assert first.model == second.model


def test_a_network_that_loses_nothing_is_judged_the_same(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(3))
    found = judge(network, compress_calibrated(network, inputs, 1.0, weight_bits=8).model, samples_of(network, inputs))
    assert found.n == len(inputs)
    assert found.is_good
    assert found.outputs[0].agreeing >= 0.97 * found.n
    assert max(found.layers.values()) < 0.05


def test_accuracy_is_that_of_labels(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(4))
    samples = samples_of(network, inputs)
    model = compress_calibrated(network, inputs, 0.5).model
    labels = np.zeros(len(inputs), np.int64)
    (found,) = judge(network, model, samples, labels).outputs
    assert found.correct is not None
    assert found.correct_before is not None
    assert abs(found.correct - found.correct_before) <= found.error * len(inputs)


def test_a_bias_makes_up_for_the_mean_error(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(5))
    tensor = compress_calibrated(network, inputs, 0.2).model.tensors[0]
    dense = network.tensors[0]
    errors = inputs @ (tensor.dense() - dense.weights).T + (tensor.bias - dense.bias)
    np.testing.assert_allclose(errors.mean(axis=0), 0, atol=1e-4)


def test_the_provenance_says_on_what_it_was_calibrated(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(6))
    model = compress_calibrated(network, inputs, {"first": 0.5, "second": 0.25}, damping=0.05).model
    assert model.provenance["pruning"] == "calibrated, density first 0.5, second 0.25"
    assert model.provenance["calibration"].startswith("200 samples, SHA-256 ")
    assert model.provenance["calibration"].endswith(", damping 0.05")
    assert model.provenance["compressor"] == compressor.__version__


def test_fewer_vectors_than_columns_are_made_up_for_by_damping(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(7))
    model = compress_calibrated(network, inputs[:8], 0.3).model
    assert all(np.isfinite(tensor.dense()).all() for tensor in model.tensors)


def test_states_that_are_fed_back_are_those_of_each_network(tmp_path):
    from onnx import helper

    from tests.compressor.calibration.small_graphs import a_network

    rng = np.random.default_rng(8)
    arrays = {"w": rng.normal(scale=0.3, size=(6, 10)).astype(np.float32)}
    nodes = [
        helper.make_node("Concat", ["x", "h"], ["both"], axis=1),
        helper.make_node("Gemm", ["both", "w"], ["sums"], "cell", transB=1),
        helper.make_node("Tanh", ["sums"], ["y"]),
    ]
    network = a_network(tmp_path, nodes, [1, 4], arrays, more_inputs=[helper.make_tensor_value_info("h", 1, [1, 6])])
    inputs = {"x": rng.normal(size=(60, 4)).astype(np.float32)}
    feedback = {"y": "h"}
    found = compress_calibrated(network, inputs, 0.5, feedback=feedback)
    others = samples_of(network, inputs, feedback=feedback)
    before, after = (
        judge(network, one, others, feedback=feedback) for one in (compress_model(network, 0.5), found.model)
    )
    assert after.outputs[0].error < before.outputs[0].error


def test_one_sample_of_five_is_held_out_or_the_last_ones_of_a_sequence():
    assert split(11) == ([0, 1, 2, 3, 5, 6, 7, 8, 10], [4, 9])
    assert split(10, 5, is_sequence=True) == ([0, 1, 2, 3, 4, 5, 6, 7], [8, 9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:7], "inputs: 7 samples to calibrate on, but there must be at least 8"),
        (lambda x: np.where(x == x[3, 3], np.nan, x), "inputs: 'x' has a number that is not finite in sample 3"),
        (lambda x: {"z": x}, "inputs: 'z' is not an input of the network, which takes x"),
        (lambda _: {}, "inputs: 'x' is missing; the network takes x"),
        (lambda x: x[:, :5], r"inputs: 'x' has shape \(200, 5\), but the network takes \(n, 30\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_reason(change, message, tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(9))
    with pytest.raises(ValueError, match=f"^{message}$"):
        compress_calibrated(network, change(inputs), 0.5)


def test_a_setting_for_another_tensor_is_refused(tmp_path):
    network, inputs = matrices(tmp_path, np.random.default_rng(10))
    with pytest.raises(ValueError, match=r"^density: there is no tensor 'third'$"):
        compress_calibrated(network, inputs, {"first": 0.5, "second": 0.5, "third": 1.0})
    with pytest.raises(ValueError, match=r"^density: there is none for tensor 'second'$"):
        compress_calibrated(network, inputs, {"first": 0.5})


def test_weights_without_a_graph_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", **{"fc.weight": np.ones((3, 4), np.float32)})
    with pytest.raises(ValueError, match=r"^model: has no graph, .*; calibrate an ONNX model$"):
        compress_calibrated(read_npz(tmp_path / "w.npz"), np.ones((9, 4), np.float32), 0.5)
