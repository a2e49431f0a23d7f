"""ONNX models in and out: what is read is what the graph computes with, and what is written computes with the rest."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_models import N_INPUTS, N_UNITS, drawn, lenet_5, model_of, recurrent

from benchmarks.onnx_layers import layer_errors
from compressor import CompressedModel, compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.storage.files import FormatError
from tests.examples import examples

BIASES = ("conv1.bias", "conv2.bias", "fc1.bias", "fc2.bias", "B", "fcb", "b")


def saved(model, tmp_path, name="model.onnx"):
    path = tmp_path / name
    path.write_bytes(model.SerializeToString())
    return path


def read(model, tmp_path):
    return read_onnx(saved(model, tmp_path))


def one(model, tmp_path):
    """The only tensor of a model, its activation function and the names of the other parameters."""
    found = read(model, tmp_path)
    assert len(found.tensors) == 1
    return found.tensors[0], found.activations[0], list(found.others)


def gemm(initialisers, inputs=("x", "w", "b"), x=(1, 3), y=(1, 2), **attributes):
    return model_of([helper.make_node("Gemm", list(inputs), ["y"], "fc", **attributes)], initialisers, x, y)


def array_of(model, name):
    return numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))


def outputs(model, x):
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


def refused(path, match):
    with pytest.raises(FormatError, match=match) as caught:
        read_onnx(path)
    assert str(caught.value).startswith(f"{path}: ")


# Reading --------------------------------------------------------------------------------------------------------------


def test_lenet_5_is_read_layer_by_layer(tmp_path):
    source = lenet_5()
    model = read(source, tmp_path)
    assert [(t.name, t.kind, t.shape) for t in model.tensors] == [
        ("/conv1/Conv", "conv", (6, 1, 5, 5)),
        ("/conv2/Conv", "conv", (8, 6, 5, 5)),
        ("/fc1/Gemm", "linear", (20, 128)),
        ("onnx::MatMul_12", "linear", (10, 20)),
    ]
    assert model.activations == ("none", "relu", "tanh", "none")
    assert dict(model.others) == {}
    assert dict(model.provenance) == {"source": "ONNX model.onnx", "producer": "the tests"}
    arrays = {t.name: numpy_helper.to_array(t) for t in source.graph.initializer}
    assert np.array_equal(model.tensors[0].weights, arrays["conv1.weight"])
    assert np.array_equal(model.tensors[1].bias, arrays["conv2.bias"].ravel())
    assert np.array_equal(model.tensors[2].weights, arrays["fc1.weight"])
    assert np.array_equal(model.tensors[3].weights, arrays["onnx::MatMul_12"].T)
    assert np.array_equal(model.tensors[3].bias, arrays["fc2.bias"])


def test_what_is_read_of_lenet_5_computes_what_the_graph_does(tmp_path):
    source = lenet_5()
    _, _, fc1, fc2 = read(source, tmp_path).tensors
    source.graph.output.add(name="f")
    x = drawn(9, 1, 1, 28, 28)
    _, features = ReferenceEvaluator(source).run(None, {"x": x})
    hidden = np.tanh(fc1.weights @ features[0] + fc1.bias)
    assert np.allclose(fc2.weights @ hidden + fc2.bias, outputs(source, x)[0], rtol=1e-5)


@pytest.mark.parametrize(("trans_b", "shape"), [(0, (3, 2)), (1, (2, 3))])
@pytest.mark.parametrize("bias_shape", [(2,), (1, 2)])
def test_a_gemm_is_read_as_outputs_by_inputs(trans_b, shape, bias_shape, tmp_path):
    model = gemm({"w": drawn(1, *shape), "b": drawn(2, *bias_shape)}, transB=trans_b)
    tensor, activation, others = one(model, tmp_path)
    x = drawn(3, 1, 3)
    assert (tensor.name, tensor.shape, activation, others) == ("fc", (2, 3), "none", [])
    assert np.allclose(tensor.weights @ x[0] + tensor.bias, outputs(model, x)[0], rtol=1e-5)


@pytest.mark.parametrize("trans_a", [0, 1])
def test_a_gemm_with_the_weights_first_is_read_too(trans_a, tmp_path):
    shape = (3, 2) if trans_a else (2, 3)
    model = gemm({"w": drawn(1, *shape), "b": drawn(2, 2, 1)}, ("w", "x", "b"), (3, 1), (2, 1), transA=trans_a)
    tensor, _, _ = one(model, tmp_path)
    x = drawn(3, 3, 1)
    assert np.allclose(tensor.weights @ x[:, 0] + tensor.bias, outputs(model, x)[:, 0], rtol=1e-5)


def test_alpha_and_beta_are_folded_into_weights_and_bias(tmp_path):
    model = gemm({"w": drawn(1, 3, 2), "b": drawn(2, 2)}, alpha=0.5, beta=-2.0)
    tensor, _, _ = one(model, tmp_path)
    assert np.array_equal(tensor.weights, drawn(1, 3, 2).T * np.float32(0.5))
    assert np.array_equal(tensor.bias, drawn(2, 2) * np.float32(-2))


def test_weights_that_two_nodes_scale_differently_become_a_matrix_for_each(tmp_path):
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], "first", alpha=2.0),
        helper.make_node("Gemm", ["a", "w"], ["b"], "second", alpha=3.0),
        helper.make_node("Gemm", ["b", "v"], ["y"], "third"),
    ]
    model = read(model_of(nodes, {"w": drawn(1, 3, 3), "v": drawn(2, 3, 2)}, (1, 3), (1, 2)), tmp_path)
    assert [t.name for t in model.tensors] == ["first", "second", "third"]
    assert np.array_equal(model.tensors[0].weights, drawn(1, 3, 3).T * np.float32(2))
    assert np.array_equal(model.tensors[1].weights, drawn(1, 3, 3).T * np.float32(3))
    assert list(model.others) == []


def test_a_beta_of_zero_means_no_bias(tmp_path):
    tensor, _, others = one(gemm({"w": drawn(1, 3, 2), "b": drawn(2, 2)}, beta=0.0), tmp_path)
    assert tensor.bias is None
    assert others == ["b"]


@pytest.mark.parametrize("shape", [(4, 1), (4, 2)])
def test_what_is_added_but_is_not_one_number_for_each_output_is_no_bias(shape, tmp_path):
    tensor, _, others = one(gemm({"w": drawn(1, 3, 2), "b": drawn(2, *shape)}, x=(4, 3), y=(4, 2)), tmp_path)
    assert tensor.bias is None
    assert others == ["b"]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2,), (1, 2)])
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_what_is_added_to_each_output_is_its_bias_however_it_is_broadcast(shape, beta, tmp_path):
    model = gemm({"w": drawn(1, 3, 2), "b": drawn(2, *shape)}, x=(4, 3), y=(4, 2), beta=beta)
    tensor, _, others = one(model, tmp_path)
    assert tensor.bias.tolist() == (np.broadcast_to(drawn(2, *shape), (1, 2))[0] * np.float32(beta)).tolist()
    assert others == []


@pytest.mark.parametrize(
    ("inputs", "shape", "x", "y"), [("xw", (3, 2), (1, 3), (1, 2)), ("wx", (2, 3), (3, 1), (2, 1))]
)
def test_a_matmul_has_its_weights_on_either_side(inputs, shape, x, y, tmp_path):
    model = model_of([helper.make_node("MatMul", list(inputs), ["y"])], {"w": drawn(1, *shape)}, x, y)
    tensor, _, _ = one(model, tmp_path)
    assert (tensor.name, tensor.shape) == ("w", (2, 3))
    values = drawn(3, *x)
    assert np.allclose(tensor.weights @ values.ravel(), outputs(model, values).ravel(), rtol=1e-5)


def test_a_matmul_of_two_computed_values_is_no_layer_and_one_of_a_stack_is_a_layer_for_each_matrix(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "x"], ["a"], "square"),
        helper.make_node("MatMul", ["a", "stack"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"], "fc"),
    ]
    source = model_of(nodes, {"stack": drawn(1, 2, 3, 3), "w": drawn(2, 3, 3)}, (3, 3), (2, 3, 3))
    model = read(source, tmp_path)
    assert [t.name for t in model.tensors] == ["stack.0", "stack.1", "fc"]
    for at in (0, 1):
        assert np.array_equal(model.tensors[at].weights, drawn(1, 2, 3, 3)[at].T)
    assert [use.tensors for use in model.network.uses] == [("stack.0", "stack.1"), ("fc",)]
    assert [(kept.name, kept.reason) for kept in model.network.kept] == [
        ("square", "both operands are computed (attention)")
    ]


@pytest.mark.parametrize(("op", "name"), [("Relu", "relu"), ("Sigmoid", "sigmoid"), ("Tanh", "tanh"), ("Abs", "host")])
def test_the_activation_function_is_that_of_the_next_node(op, name, tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Dropout", ["c"], ["d"]),
        helper.make_node(op, ["d"], ["y"]),
    ]
    tensor, activation, _ = one(model_of(nodes, {"w": drawn(1, 3, 2), "b": drawn(2, 2)}, (1, 3), (1, 2)), tmp_path)
    assert activation == name
    assert np.array_equal(tensor.bias, drawn(2, 2))


def test_a_result_that_two_nodes_take_has_neither_bias_nor_activation_function(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["a"], ["d"]),
        helper.make_node("Mul", ["c", "d"], ["y"]),
    ]
    tensor, activation, others = one(model_of(nodes, {"w": drawn(1, 3, 2), "b": drawn(2, 2)}, (1, 3), (1, 2)), tmp_path)
    assert (tensor.bias, activation, others) == (None, "host", ["b"])


@pytest.mark.parametrize(("second", "kept"), [("b", True), ("c", False)])
def test_weights_that_two_nodes_share_are_read_once_and_a_bias_only_where_it_is_the_same(second, kept, tmp_path):
    nodes = [
        helper.make_node("Identity", ["w"], ["same"]),
        helper.make_node("Gemm", ["x", "w", "b"], ["a"], "first"),
        helper.make_node("Gemm", ["a", "same", second], ["y"], "second"),
    ]
    source = model_of(nodes, {"w": drawn(1, 3, 3), "b": drawn(2, 3), "c": drawn(3, 3)}, (1, 3), (1, 3))
    model = read(source, tmp_path)
    (tensor,) = model.tensors
    assert tensor.name == "first"
    assert [(use.node, use.tensors) for use in model.network.uses] == [("first", ("first",)), ("second", ("first",))]
    assert (tensor.bias is not None) == kept
    assert model.network.between == "'first' is used twice, by 'first' and 'second'"
    assert set(model.others) == ({"c"} if kept else {"b", "c"})  # what is no bias stays beside the weights


def test_weights_that_a_node_takes_transposed_are_another_matrix(tmp_path):
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], "first"),
        helper.make_node("Gemm", ["a", "w"], ["y"], "second", transB=1),
    ]
    model = read(model_of(nodes, {"w": drawn(1, 3, 3)}, (1, 3), (1, 3)), tmp_path)
    assert [use.tensors for use in model.network.uses] == [("first",), ("second",)]
    assert np.array_equal(model.tensors[0].weights, model.tensors[1].weights.T)


def test_weights_of_a_constant_node_behind_a_transpose_are_read(tmp_path):
    constant = numpy_helper.from_array(drawn(1, 2, 3))
    nodes = [
        helper.make_node("Constant", [], ["k"], value=constant),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "kt"], ["y"]),
    ]
    tensor, _, others = one(model_of(nodes, {}, (1, 3), (1, 2)), tmp_path)
    assert np.array_equal(tensor.weights, drawn(1, 2, 3))
    assert (tensor.name, others) == ("k", [])


def test_names_are_unique_and_no_other_parameter_has_one(tmp_path):
    nodes = [helper.make_node("Gemm", [f"h{i}" if i else "x", f"w{i}"], [f"h{i + 1}"], "fc") for i in range(3)]
    nodes.append(helper.make_node("Div", ["h3", "fc_2"], ["y"]))
    model = read(
        model_of(nodes, {**{f"w{i}": drawn(i, 3, 3) for i in range(3)}, "fc_2": drawn(4, 3)}, (1, 3), (1, 3)), tmp_path
    )
    assert [t.name for t in model.tensors] == ["fc", "fc_3", "fc_4"]
    assert list(model.others) == ["fc_2"]


def test_other_parameters_are_the_finite_float_initialisers_that_are_no_weights(tmp_path):
    names = ["scale", "shift", "mean", "variance"]
    nodes = [
        helper.make_node("ConvTranspose", ["x", "up"], ["u"]),
        helper.make_node("Conv", ["u", "w"], ["a"], "conv"),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("BatchNormalization", ["r", *names], ["b"]),
        helper.make_node("Max", ["b", "lowest"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["y"]),
    ]
    others = {name: np.abs(drawn(i, 4)) for i, name in enumerate(names)}
    more = {
        "w": drawn(5, 4, 3, 1, 1),
        "up": drawn(6, 2, 3, 1, 1),
        "shape": np.array([-1]),
        "lowest": np.float32([-np.inf]),
    }
    model = read(model_of(nodes, others | more, (1, 2, 2, 2), (16,)), tmp_path)
    assert [t.name for t in model.tensors] == ["up", "conv"]
    assert {name: array.tolist() for name, array in model.others.items()} == {n: a.tolist() for n, a in others.items()}


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_become_float32(dtype, tmp_path):
    model = read(lenet_5(dtype), tmp_path)
    assert np.array_equal(model.tensors[0].weights, drawn(1, 6, 1, 5, 5).astype(dtype).astype(np.float32))
    assert model.tensors[0].weights.dtype == np.float32


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"])
def test_numbers_are_read_as_bytes_and_as_numbers(kind, raw, tmp_path):
    values = np.float32([[0.5, -1.25, 3], [2**-20, 0, -7]])
    number = getattr(onnx.TensorProto, kind)
    stored = values.astype(helper.tensor_dtype_to_np_dtype(number))
    tensor = helper.make_tensor("w", number, (2, 3), stored.tobytes() if raw else stored.ravel(), raw=raw)
    model = gemm({}, ("x", "w"), transB=1)
    model.graph.initializer.append(tensor)
    assert np.array_equal(one(model, tmp_path)[0].weights, stored.astype(np.float32))


# Recurrent layers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_gates_directions_and_biases_are_those_the_graph_computes_with(op, direction, tmp_path):
    path = saved(recurrent(op, direction), tmp_path)
    model, errors = layer_errors(path, {"x": drawn(9, 4, 1, N_INPUTS)})
    reverse = ["rnn_reverse"] if direction == "bidirectional" else []
    assert [t.name for t in model.tensors] == ["rnn", *reverse, "out"]
    assert [(error.node, error.error < 1e-6) for error in errors] == [("rnn", True), ("out", True)]


def test_a_recurrent_layer_knows_its_kind_gates_and_activation_function(tmp_path):
    for op, gates in (("LSTM", ("i", "o", "f", "c")), ("GRU", ("z", "r", "h")), ("RNN", ())):
        model = read(recurrent(op, "reverse"), tmp_path)
        assert [(t.kind, t.gates) for t in model.tensors] == [(op.lower(), gates), ("linear", ())]
        assert model.activations == ("none", "none")


def test_the_matrix_of_a_direction_is_w_beside_r(tmp_path):
    model = read(recurrent(), tmp_path)
    for at in (0, 1):
        found = model.tensors[at].weights
        assert np.array_equal(found[:, :N_INPUTS], drawn(1, 2, 4 * N_UNITS, N_INPUTS)[at])
        assert np.array_equal(found[:, N_INPUTS:], drawn(2, 2, 4 * N_UNITS, N_UNITS)[at])


def test_the_bias_of_a_direction_is_the_sum_of_its_two(tmp_path):
    model = read(recurrent(), tmp_path)
    b = drawn(3, 2, 8 * N_UNITS).astype(np.float64).reshape(2, 2, -1)
    assert np.array_equal([t.bias for t in model.tensors[:2]], b.sum(axis=1).astype(np.float32))


def test_the_biases_of_a_gru_that_resets_after_its_product_stay_in_the_graph(tmp_path):
    source = recurrent("GRU", "forward")
    source.graph.node[0].attribute.add(name="linear_before_reset", type=2, i=1)
    path = saved(source, tmp_path)
    model, errors = layer_errors(path, {"x": drawn(9, 4, 1, N_INPUTS)})
    assert model.tensors[0].bias is None
    assert np.array_equal(model.others["B"], drawn(3, 1, 6 * N_UNITS))
    assert max(error.error for error in errors) < 1e-6


# Writing --------------------------------------------------------------------------------------------------------------


def compressed(path, density=0.5, weight_bits=3) -> CompressedModel:
    return compress_model(read_onnx(path), density, weight_bits=weight_bits)


def weights_of(model):
    return {t.name: t.dense() if isinstance(model, CompressedModel) else t.weights for t in model.tensors}


MODELS = {
    "lenet": lenet_5,
    "lenet in float64": lambda: lenet_5(np.float64),
    "lstm": recurrent,
    "gru": lambda: recurrent("GRU", "forward"),
    "alpha": lambda: gemm({"w": drawn(1, 3, 2), "b": drawn(2, 2)}, alpha=0.3, beta=0.7),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_weights_that_were_written_are_read_back_exactly(make, tmp_path):
    path = saved(make(), tmp_path)
    model = compressed(path)
    write_onnx(model, path, tmp_path / "new.onnx")
    again = read_onnx(tmp_path / "new.onnx")
    wanted = weights_of(model)
    assert weights_of(again).keys() == wanted.keys()
    for tensor in again.tensors:
        assert np.array_equal(tensor.weights, wanted[tensor.name])
    for old, new in zip(model.tensors, again.tensors, strict=True):
        assert np.array_equal(old.bias, new.bias)


def with_arrays(source, arrays):
    for tensor in source.graph.initializer:
        if tensor.name in arrays:
            tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
    return source


def test_the_written_graph_computes_with_the_decoded_weights(tmp_path):
    path = saved(lenet_5(), tmp_path)
    model = compressed(path)
    write_onnx(model, path, tmp_path / "new.onnx")
    names = ("conv1.weight", "conv2.weight", "fc1.weight", "onnx::MatMul_12")
    conv1, conv2, fc1, fc2 = (t.dense() for t in model.tensors)
    by_hand = with_arrays(lenet_5(), dict(zip(names, (conv1, conv2, fc1, fc2.T), strict=True)))
    x = drawn(9, 1, 1, 28, 28)
    found = outputs(onnx.load(tmp_path / "new.onnx"), x)
    assert np.array_equal(found, outputs(by_hand, x))
    assert not np.array_equal(found, outputs(lenet_5(), x))


def test_the_written_recurrent_graph_computes_with_the_decoded_weights(tmp_path):
    path = saved(recurrent(), tmp_path)
    model = compressed(path)
    write_onnx(model, path, tmp_path / "new.onnx")
    forward, reverse, fc = (t.dense() for t in model.tensors)
    both = np.stack([forward, reverse])
    arrays = {"W": both[..., :N_INPUTS], "R": both[..., N_INPUTS:], "fc": fc}
    x = drawn(9, 4, 1, N_INPUTS)
    found = outputs(onnx.load(tmp_path / "new.onnx"), x)
    assert np.array_equal(found, outputs(with_arrays(recurrent(), arrays), x))
    assert not np.array_equal(found, outputs(recurrent(), x))


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_all_but_the_weights_stays_byte_for_byte(make, tmp_path):
    path = saved(make(), tmp_path)
    write_onnx(compressed(path), path, tmp_path / "new.onnx")
    old, new = onnx.load(path), onnx.load(tmp_path / "new.onnx")
    changed = set()
    for before, after in zip(old.graph.initializer, new.graph.initializer, strict=True):
        changed |= {before.name} if before.raw_data != after.raw_data else set()
        after.raw_data = before.raw_data
    folded = "alpha" in {attribute.name for attribute in old.graph.node[0].attribute}
    assert changed == {t.name for t in old.graph.initializer if folded or t.name not in BIASES}
    for node in new.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("alpha", "beta"):  # folded into weights and bias
                attribute.f = next(a.f for a in old.graph.node[0].attribute if a.name == attribute.name)
    assert new.SerializeToString() == path.read_bytes()


def test_a_model_that_changes_nothing_is_written_as_the_same_bytes(tmp_path):
    signs = np.sign(drawn(1, 3, 2))
    path = saved(gemm({"w": signs, "b": drawn(2, 2)}), tmp_path)
    model = compress_model(read_onnx(path), 1.0, weight_bits=4)
    assert np.array_equal(model.tensors[0].dense(), signs.T)
    write_onnx(model, path, path)
    assert path.read_bytes() == gemm({"w": signs, "b": drawn(2, 2)}).SerializeToString()


def test_float16_weights_are_written_as_float16(tmp_path):
    path = saved(lenet_5(np.float16), tmp_path)
    model = compressed(path)
    write_onnx(model, path, tmp_path / "new.onnx")
    again = onnx.load(tmp_path / "new.onnx")
    assert {t.data_type for t in again.graph.initializer} == {onnx.TensorProto.FLOAT16}
    found = array_of(again, "fc1.weight")
    assert np.array_equal(found, model.tensors[2].dense().astype(np.float16))


def test_bfloat16_is_rounded_to_nearest(tmp_path):
    tensor = helper.make_tensor("w", onnx.TensorProto.BFLOAT16, (1, 2), [1.0, -3.0])
    source = gemm({}, ("x", "w"), (1, 2), (1, 1), transB=1)
    source.graph.initializer.append(tensor)
    path = saved(source, tmp_path)
    values = np.float32([[1.00390625, 1.01171875]])  # both midway: down to 1 and up to 1.015625, the even ones
    write_onnx(coded(read_onnx(path), {"fc": values}), path, path)
    assert read_onnx(path).tensors[0].weights.tolist() == [[1.0, 1.015625]]


def coded(model, weights, biases=None, others=None):
    """The model with other weights, exactly."""
    new = compress_model({n: (w, (biases or {}).get(n)) for n, w in weights.items()}, 1.0, weight_bits=8)
    return CompressedModel(new.tensors, new.activations, {}, model.others if others is None else others)


def test_biases_and_other_parameters_that_have_changed_are_written(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["a"], "fc"), helper.make_node("Div", ["a", "s"], ["y"])]
    source = model_of(nodes, {"w": drawn(1, 3, 2), "b": drawn(2, 2), "s": drawn(3, 2)}, (1, 3), (1, 2))
    path = saved(source, tmp_path)
    new = coded(read_onnx(path), {"fc": drawn(4, 2, 3)}, {"fc": drawn(5, 2)}, {"s": drawn(6, 2)})
    write_onnx(new, path, path)
    again = onnx.load(path)
    assert np.array_equal(array_of(again, "w"), drawn(4, 2, 3).T)
    assert np.array_equal(array_of(again, "b"), drawn(5, 2))
    assert np.array_equal(array_of(again, "s"), drawn(6, 2))


def test_layers_that_share_a_bias_must_agree_on_it(tmp_path):
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"], "f"),
        helper.make_node("Gemm", ["a", "v", "b"], ["y"], "g"),
    ]
    path = saved(
        model_of(nodes, {"w": drawn(1, 2, 2), "v": drawn(2, 2, 2), "b": drawn(3, 2)}, (1, 2), (1, 2)), tmp_path
    )
    model, content = read_onnx(path), path.read_bytes()
    weights = {"f": drawn(4, 2, 2), "g": drawn(5, 2, 2)}
    for biases in ({"f": drawn(6, 2)}, {"g": drawn(6, 2)}):
        with pytest.raises(ValueError, match="'b': layers share it"):
            write_onnx(coded(model, weights, {"f": drawn(3, 2), "g": drawn(3, 2)} | biases), path, path)
        assert path.read_bytes() == content
    write_onnx(coded(model, weights, {"f": drawn(6, 2), "g": drawn(6, 2)}), path, path)
    assert np.array_equal(read_onnx(path).tensors[1].bias, drawn(6, 2))


def test_a_part_of_the_tensors_may_be_written(tmp_path):
    path = saved(lenet_5(), tmp_path)
    model = compressed(path).select("/fc1/Gemm")
    write_onnx(model, path, tmp_path / "new.onnx")
    again = onnx.load(tmp_path / "new.onnx")
    assert np.array_equal(array_of(again, "fc1.weight"), model.tensors[0].dense())
    assert np.array_equal(array_of(again, "conv1.weight"), drawn(1, 6, 1, 5, 5))


@pytest.mark.parametrize(
    ("weights", "biases", "others", "match"),
    [
        ({"other": drawn(1, 2, 3)}, {}, {}, "'other' of kind 'linear', but there is none in"),
        ({"fc": drawn(1, 2, 3, 1)}, {}, {}, "'fc' of kind 'conv', but there is none of kind 'linear'"),
        ({"fc": drawn(1, 3, 2)}, {}, {}, r"shape \(2, 3\), but the model's is \(3, 2\)"),
        ({"fc": drawn(1, 2, 3)}, {"fc": drawn(1, 2)}, {}, "has a bias, but its node"),
        ({"fc": drawn(1, 2, 3)}, {}, {"s": np.ones(2)}, "no initialiser 's'"),
    ],
)
def test_a_model_that_is_not_of_the_source_is_refused_and_nothing_is_written(weights, biases, others, match, tmp_path):
    path = saved(gemm({"w": drawn(1, 3, 2)}, ("x", "w")), tmp_path)
    with pytest.raises(FormatError, match=match):
        write_onnx(coded(read_onnx(path), weights, biases, others), path, tmp_path / "new.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_weights_too_large_for_the_type_are_refused(tmp_path):
    path = saved(gemm({"w": drawn(1, 3, 2, dtype=np.float16)}, ("x", "w")), tmp_path)
    with pytest.raises(FormatError, match=r"'w': 100000\.0 is too large for its type"):
        write_onnx(coded(read_onnx(path), {"fc": np.full((2, 3), 1e5)}), path, path)


@settings(deadline=None, max_examples=examples(25))
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    op=st.sampled_from(["Gemm", "MatMul"]),
    trans=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_any_matrix_goes_in_and_out(rows, columns, op, trans, dtype, seed, tmp_path_factory):
    trans = trans and op == "Gemm"
    shape = (rows, columns) if trans else (columns, rows)
    node = helper.make_node(op, ["x", "w"], ["y"], "fc", **({"transB": 1} if trans else {}))
    source = model_of([node], {"w": drawn(seed, *shape, dtype=dtype)}, (1, columns), (1, rows))
    path = saved(source, tmp_path_factory.mktemp("any"))
    model = compressed(path, 0.7, 2)
    write_onnx(model, path, path)
    assert np.array_equal(read_onnx(path).tensors[0].weights, model.tensors[0].dense())


# Weights in other files -----------------------------------------------------------------------------------------------


def with_external_data(tmp_path, location="weights.bin", entries=()):
    """LeNet-5 with its matrix fc1 in another file."""
    source = lenet_5()
    tensor = next(t for t in source.graph.initializer if t.name == "fc1.weight")
    content = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **dict(entries)}.items():
        tensor.external_data.add(key=key, value=value)
    (tmp_path / "weights.bin").write_bytes(bytes(16) + content)
    return saved(source, tmp_path)


OFFSET = {"offset": "16", "length": str(20 * 128 * 4)}


def test_weights_in_a_file_beside_the_model_are_read_and_taken_in_when_written(tmp_path):
    path = with_external_data(tmp_path, entries=OFFSET)
    model = compressed(path)
    assert np.array_equal(read_onnx(path).tensors[2].weights, drawn(5, 20, 128))
    other = tmp_path / "elsewhere"
    other.mkdir()
    write_onnx(model, path, other / "new.onnx")
    assert np.array_equal(read_onnx(other / "new.onnx").tensors[2].weights, model.tensors[2].dense())
    write_onnx(model, None, other / "whole.onnx")
    assert np.array_equal(read_onnx(other / "whole.onnx").tensors[2].weights, model.tensors[2].dense())
    write_onnx(model.select("/conv1/Conv"), path, other / "new.onnx")
    assert np.array_equal(read_onnx(other / "new.onnx").tensors[2].weights, drawn(5, 20, 128))


@pytest.mark.parametrize("location", ["../secret.bin", "a/../../secret.bin", "ABSOLUTE", "link.bin"])
def test_weights_outside_the_folder_of_the_model_are_refused(location, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(20 * 128 * 4))
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "link.bin").symlink_to("../secret.bin")
    location = str(tmp_path / "secret.bin") if location == "ABSOLUTE" else location
    refused(with_external_data(folder, location), "leads out of the model's folder")


@pytest.mark.parametrize(
    ("location", "entries", "match"),
    [
        ("weights.bin", {"offset": "17"} | {"length": str(20 * 128 * 4)}, "but there are 10256"),
        ("weights.bin", {"offset": "0"}, "10256 bytes, but shape"),
        ("weights.bin", {"offset": "-1"}, "offset '-1' is no whole number"),
        ("weights.bin", {"offset": "16", "length": "8" * 19}, "but there are 10256"),
        ("weights.bin", {"offset": "8" * 19}, "but there are 10256"),
        ("missing.bin", {}, "'missing.bin' cannot be read"),
        ("", {}, "'' is no file"),
        (".", {}, "'.' cannot be read"),
    ],
)
def test_a_place_that_is_not_there_is_refused(location, entries, match, tmp_path):
    refused(with_external_data(tmp_path, location, entries), match)


def test_many_tensors_of_the_same_bytes_are_refused(tmp_path):
    """A file of 40 MB, that 100 tensors name."""
    nodes = [helper.make_node("MatMul", [f"a{i}" if i else "x", f"w{i}"], [f"a{i + 1}"]) for i in range(100)]
    nodes[-1].output[0] = "y"
    source = model_of(nodes, {}, (1, 10), (1, 10))
    for i in range(100):
        tensor = source.graph.initializer.add(name=f"w{i}", data_type=1, dims=[1000, 10000])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(40_000_000)
    refused(saved(source, tmp_path), "external data: the tensors take 4000000000 bytes")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [["x", "w"], ["w", "x"]])
def test_weights_that_are_dequantised_are_read_as_the_numbers_they_stand_for(inputs, tmp_path):
    q = np.arange(-4, 5, dtype=np.int8).reshape(3, 3)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"]),
        helper.make_node("MatMul", inputs, ["y"], "fc"),
    ]
    source = model_of(nodes, {"q": q, "s": np.float32(0.1), "z": np.int8(1)}, (3, 3), (3, 3))
    tensor, _, _ = one(source, tmp_path)
    wanted = (q.astype(np.float32) - 1) * np.float32(0.1)
    assert np.array_equal(tensor.weights, wanted.T if inputs[1] == "w" else wanted)


def test_operators_on_quantised_weights_are_refused_by_name_unless_they_are_kept(tmp_path):
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node("MatMulInteger", ["xq", "q"], ["a"], "quantised"),
        helper.make_node("Cast", ["a"], ["b"], to=1),
        helper.make_node("Gemm", ["b", "w"], ["y"], "fc"),
    ]
    source = model_of(nodes, {"q": np.ones((3, 3), np.int8), "w": drawn(1, 3, 2)}, (3, 3), (3, 2))
    path = saved(source, tmp_path)
    refused(path, "'quantised': MatMulInteger has quantised weights, which are not read")
    model = read_onnx(path, keep=["quantised"])
    assert [t.name for t in model.tensors] == ["fc"]
    assert [(kept.name, kept.reason) for kept in model.network.kept] == [("quantised", "quantised (MatMulInteger)")]


def test_quantised_values_that_are_computed_are_no_weights(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["y"], "fc"),
    ]
    tensor, _, others = one(model_of(nodes, {"s": np.float32(0.1), "w": drawn(1, 3, 2)}, (1, 3), (1, 2)), tmp_path)
    assert (tensor.name, others) == ("fc", ["s"])


def test_a_file_without_weights_is_refused(tmp_path):
    refused(saved(model_of([helper.make_node("Relu", ["x"], ["y"])], {}, (1,), (1,)), tmp_path), "no weights")


@pytest.mark.parametrize("content", [b"", b"\x00", b"{}", b"PK\x03\x04 and more", bytes(1000)])
def test_what_is_no_onnx_file_is_refused(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path, "no (valid )?ONNX model")


def test_numbers_that_do_not_fill_a_shape_are_refused(tmp_path):
    source = lenet_5()
    source.graph.initializer[4].dims[0] = 2**40
    refused(saved(source, tmp_path), "too small")
    source.graph.initializer[4].dims[0] = 19  # fewer than there are
    refused(saved(source, tmp_path), "10240 bytes, but shape")
    source.graph.initializer[4].dims[0] = -20
    refused(saved(source, tmp_path), "Negative dimension")


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    refused(saved(gemm({"w": np.full((3, 2), np.nan, np.float32)}, ("x", "w")), tmp_path), "'fc': weights: nan")


@pytest.mark.parametrize(
    ("name", "shape", "match"),
    [
        ("W", (1, 12, 5), "W has shape"),
        ("R", (2, 12, 4), "R has shape"),
        ("B", (2, 25), "B has shape"),
        ("W", (2, 60), "W has shape"),
    ],
)
def test_shapes_of_a_recurrent_layer_that_do_not_fit_are_refused(name, shape, match, tmp_path):
    source = recurrent()
    at = next(i for i, t in enumerate(source.graph.initializer) if t.name == name)
    source.graph.initializer[at].CopyFrom(numpy_helper.from_array(drawn(0, *shape), name))
    refused(saved(source, tmp_path), match)


def test_a_folder_and_a_missing_file_are_os_errors(tmp_path):
    for path in (tmp_path, tmp_path / "missing.onnx"):
        with pytest.raises(OSError, match=str(path)):
            read_onnx(path)
