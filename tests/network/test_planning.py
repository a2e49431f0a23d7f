"""What a plan is made of: packed models, trained ones, biases in a column, Winograd; and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from compressor import CompressedModel, PackedModel, compress_model
from compressor.importers import read_onnx
from compressor.importers.graphs import with_graph
from compressor.lowering import StoredTensor, side_by_side
from eie_sim import plan_network, preset, run_network
from eie_sim.network import joined
from tests.network.small_networks import agree, answers, compressed, few, made, same_result

SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8)


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def perceptron():
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "fc1", transB=1),
        helper.make_node("Softsign", ["h"], ["a"]),
        helper.make_node("MatMul", ["a", "w2"], ["m"], "fc2"),
        helper.make_node("Add", ["m", "b2"], ["y"]),
    ]
    constants = {"w1": few(1, 6, 5), "b1": few(2, 6), "w2": few(3, 6, 3), "b2": few(4, 3)}
    return made(nodes, constants, {"x": ["n", 5]}, {"y": ["n", 3]})


def trained_lstm(weight_bits=4, seed=0):
    """A model as training writes it: W and R apart, gates in PyTorch's order."""
    gates = ("i", "f", "g", "o")
    weights = {"lstm.weight_ih_l0": drawn(seed, 12, 5), "lstm.weight_hh_l0": drawn(seed + 1, 12, 3)}
    model = compress_model({**weights, "fc": drawn(seed + 2, 2, 3)}, density=0.7, weight_bits=weight_bits)
    tensors = [
        replace(tensor, kind="lstm", gates=gates, bias=drawn(seed + 3, 12)) if tensor.name != "fc" else tensor
        for tensor in model.tensors
    ]
    return with_graph("lstm-classifier", CompressedModel(tuple(tensors), model.activations, model.provenance))


def test_a_packed_model_is_the_same_network(tmp_path):
    model = compressed(perceptron(), tmp_path)
    x = drawn(0, 4, 5)
    wanted = run_network(plan_network(model, SMALL), x)
    same_result(run_network(plan_network(model.pack(8), SMALL), x), wanted)
    agree(wanted.outputs, answers(model, {"x": x}), 1e-5)


def test_the_order_of_rows_of_a_packed_layer_is_kept(tmp_path):
    packed = compressed(perceptron(), tmp_path).pack(4)
    moved = packed.layers[0].repack(row_permutation=[5, 4, 3, 2, 1, 0])
    model = PackedModel(
        (moved, packed.layers[1]), packed.activations, packed.provenance, packed.network, packed.others, False
    )
    plan = plan_network(model, SMALL)
    assert np.array_equal(plan.nodes["fc1"].matrices[0].row_permutation, moved.row_permutation)
    x = drawn(1, 2, 5)
    found, wanted = (run_network(one, x).outputs["y"] for one in (plan, plan_network(packed, SMALL)))
    assert found.tobytes() == wanted.tobytes()


def test_a_bias_may_be_a_column_of_codes(tmp_path):
    model = compressed(perceptron(), tmp_path)
    plan = plan_network(model, SMALL.replace(bias="column"))
    result = run_network(plan, drawn(2, 1, 5))
    assert plan.nodes["fc1"].matrices[0].has_bias
    assert result.nodes["fc1"].counts.broadcasts == 6
    assert not result.nodes["fc1"].counts.bias_writes.any()


def test_fraction_bits_hold_the_1_that_a_column_of_bias_codes_is_multiplied_by(tmp_path):
    constants = {"w": 1e-3 * few(1, 6, 5), "b": 1e-3 * few(2, 6)}
    small = made(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc", transB=1)], constants, {"x": [2, 5]}, {"y": [2, 6]}
    )
    model, x = compressed(small, tmp_path), 1e-3 * drawn(3, 2, 5)
    plan = plan_network(model, SMALL.replace(bias="column", arithmetic="fixed16"))
    found = run_network(plan, x).outputs["y"]
    assert plan.frac_bits == {"fc": 14}
    assert np.abs(found - x @ constants["w"].T - constants["b"]).max() < 2**-14


def test_w_and_r_of_a_trained_network_are_one_matrix_with_the_values_of_both():
    model = trained_lstm()
    plan = plan_network(model)
    assert plan.arch.weight_bits == 5
    (layer,) = plan.nodes["lstm"].matrices
    assert (layer.n_rows, layer.n_cols) == (12, 8)
    images = drawn(3, 2, 4, 5)
    result = run_network(plan, images)
    assert result.nodes["lstm"].products == 2 * 4
    agree(result.outputs, answers(model, {"images": images}), 1e-5)


def test_w_and_r_with_more_values_than_codes_are_refused():
    def stored(name, first):
        codebook = np.append(0, np.arange(first, first + 255)).astype(np.float32)
        return StoredTensor(name, np.arange(1, 201, dtype=np.uint8).reshape(20, 10), codebook)

    with pytest.raises(
        ValueError, match="'W' and 'R' are one matrix and have 400 different weights, but 8 bits hold 255"
    ):
        side_by_side(stored("W", 1), stored("R", 1000), "lstm")


def test_a_packed_recurrent_network_whose_gates_are_not_known_is_refused():
    packed = trained_lstm(weight_bits=4).pack(4)
    with pytest.raises(ValueError, match="a packed file does not keep the order of the gates of 'lstm'"):
        plan_network(packed)


def test_a_model_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="model: has no graph"):
        plan_network(compress_model({"fc": drawn(0, 2, 3)}))
    with pytest.raises(ValueError, match="model: a str, but it must be a CompressedModel or a PackedModel"):
        plan_network("model.dcz")


def test_an_unknown_input_cannot_be_fixed(tmp_path):
    with pytest.raises(ValueError, match=r"fix: .*'z'"):
        plan_network(compressed(perceptron(), tmp_path), SMALL, fix={"z": 1})


def test_winograd_lowers_the_convolutions_it_fits_and_no_other(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "k1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c1", "k2"], ["y"], "second", strides=[2, 2]),
    ]
    constants = {"k1": few(1, 4, 2, 3, 3), "b1": few(2, 4), "k2": few(3, 3, 4, 3, 3)}
    model = compressed(made(nodes, constants, {"x": ["n", 2, 7, 6]}, {"y": ["n", 3, 3, 2]}), tmp_path)
    plan = plan_network(model, SMALL, lowering="winograd")
    assert [len(node.matrices) for node in plan.nodes.values()] == [16, 1]
    x = drawn(4, 2, 2, 7, 6)
    result = run_network(plan, x)
    assert result.nodes["first"].products == 2 * 4 * 3 * 16
    agree(result.outputs, answers(model, {"x": x}), 1e-4)  # 255 values hold the few transformed weights
    assert 0 < result.nodes["first"].winograd_error < 1e-6
    assert result.nodes["second"].winograd_error is None
    assert run_network(plan_network(model, SMALL), x).nodes["first"].winograd_error is None
    pruned = plan_network(model, SMALL, lowering="winograd", winograd_density=0.25, winograd_codebooks=1)
    books = {layer.codebook.tobytes() for layer in pruned.nodes["first"].matrices}
    assert len(books) == 1
    assert sum(pruned.nodes["first"].n_kept) == 16 * 8 // 4
    with pytest.raises(ValueError, match="winograd_codebooks: 2, but it must be 1 or 16"):
        plan_network(model, SMALL, lowering="winograd", winograd_codebooks=2)
    with pytest.raises(ValueError, match="lowering: 'fft', but it must be one of im2col, winograd"):
        plan_network(model, SMALL, lowering="fft")


def test_the_error_of_winograd_is_that_of_the_worst_inference_whatever_runs_beside_it(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "k", "b"], ["y"], "conv", auto_pad="SAME_UPPER")]
    constants = {"k": drawn(1, 4, 2, 3, 3), "b": few(2, 4)}
    model = made(nodes, constants, {"x": ["n", 2, 7, 6]}, {"y": ["n", 4, 7, 6]})
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    model = compress_model(read_onnx(path), 0.6, weight_bits=4)
    x = drawn(5, 6, 2, 7, 6)
    plan = plan_network(model, SMALL, lowering="winograd", winograd_density=0.6)
    result = run_network(plan, x)
    exact = answers(model, {"x": x})["y"]
    each = [
        np.abs(found - one).max() / np.abs(one).max() for found, one in zip(result.outputs["y"], exact, strict=True)
    ]
    error = result.nodes["conv"].winograd_error
    assert error == pytest.approx(max(each), rel=1e-5)
    assert error > 0.01
    assert result.rows()[0]["winograd_error"] == error
    assert run_network(plan, x, chunk=1).nodes["conv"].winograd_error == error
    parts = [run_network(plan, x, samples=slice(at, at + 2)) for at in (0, 2, 4)]
    assert joined(parts).nodes["conv"].winograd_error == error
    assert run_network(plan, x, chunk=2, out=tmp_path / "run").nodes["conv"].winograd_error == error
    assert run_network(plan, x, out=tmp_path / "run").nodes["conv"].winograd_error == error
