"""What becomes of a graph while it is read: constants, functions and branches, and what follows a machine operator."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import N_INPUTS, N_UNITS, drawn, model_of, recurrent

from benchmarks.onnx_layers import layer_errors, session_of
from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.importers.onnx_file import OnnxFile
from compressor.importers.onnx_normal import normalise
from compressor.storage.files import FormatError

node = helper.make_node


def saved(model, tmp_path, name="model.onnx"):
    path = tmp_path / name
    path.write_bytes(model.SerializeToString())
    return path


def results(model, feeds):
    """Outputs by name, from ONNX Runtime; inputs that the model no longer has are left out."""
    session = session_of(model)
    taken = {value.name for value in session.get_inputs()}
    values = session.run(None, {name: array for name, array in feeds.items() if name in taken})
    return {output.name: array for output, array in zip(session.get_outputs(), values, strict=True)}


def right(model, tmp_path, feeds=None, most=1e-5, **hints):
    """The model as it is read, after its layers, its normal form and its graph have been held against ONNX Runtime."""
    feeds = {"x": drawn(99, *shape_of(model))} if feeds is None else feeds
    path = saved(model, tmp_path)
    read, errors = layer_errors(path, feeds, **hints)
    assert all(error.error < most for error in errors)
    wanted = results(model, feeds)
    file = OnnxFile(path)
    normalise(file, hints.get("fix", {}), hints.get("shapes", {}))
    agree(results(file.model, feeds), wanted, most)
    compressed = compress_model(read, 1.0, weight_bits=8)
    write_onnx(compressed, None, tmp_path / "whole.onnx")
    # Up to 255 values are held exactly; the tests below have no more.
    assert all(np.array_equal(a.weights, b.dense()) for a, b in zip(read.tensors, compressed.tensors, strict=True))
    agree(results(onnx.load(tmp_path / "whole.onnx"), feeds), wanted, most)
    return read


def agree(found, wanted, error):
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        assert np.abs(found[name] - array).max(initial=0) <= error * max(1, np.abs(array).max(initial=0))


def shape_of(model):
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]


def kept(read):
    return {entry.name: entry.reason for entry in read.network.kept}


def product(nodes, initialisers, x=(2, 3), y=(2, 4), **more):
    """A MatMul with the weights ``w`` that `nodes` compute."""
    return model_of([*nodes, node("MatMul", ["x", "w"], ["y"], "fc")], initialisers, x, y, 17, **more)


# Constants ------------------------------------------------------------------------------------------------------------

W = drawn(1, 3, 4)
Q = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
SCALES, ZEROS = np.float32([0.5, 0.25, 0.125, 2]), np.int8([0, 1, -1, 2])


@pytest.mark.parametrize(
    ("nodes", "initialisers", "wanted"),
    [
        ([node("Cast", ["h"], ["w"], to=1)], {"h": W.astype(np.float16)}, W.astype(np.float16)),
        ([node("Cast", ["d"], ["w"], to=1)], {"d": W.astype(np.float64)}, W),
        ([node("Transpose", ["t"], ["w"])], {"t": W.T.copy()}, W),
        ([node("Reshape", ["r", "s"], ["w"])], {"r": W.ravel(), "s": np.array([3, -1])}, W),
        ([node("Squeeze", ["r", "a"], ["w"])], {"r": W[None], "a": np.array([0])}, W),
        ([node("Mul", ["r", "m"], ["w"])], {"r": W, "m": np.float32(W > 0)}, W * (W > 0)),
        ([node("Slice", ["r", "b", "e"], ["w"])], {"r": drawn(2, 6, 4), "b": np.array([1]), "e": np.array([4])}, None),
        ([node("Concat", ["r", "s"], ["w"], axis=0)], {"r": W[:1], "s": W[1:]}, W),
        ([node("Identity", ["r"], ["i"]), node("Identity", ["i"], ["w"])], {"r": W}, W),
        (
            [node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1)],
            {"q": Q, "s": SCALES, "z": ZEROS},
            (Q.astype(np.float32) - ZEROS) * SCALES,
        ),
        (
            [node("DequantizeLinear", ["q", "s", "z"], ["d"]), node("Transpose", ["d"], ["w"], perm=[1, 0])],
            {"q": Q.T.copy(), "s": np.float32(0.5), "z": np.int8(1)},
            (Q.astype(np.float32) - 1) / 2,
        ),
        (
            [node("QuantizeLinear", ["r", "s"], ["q"]), node("DequantizeLinear", ["q", "s"], ["w"])],
            {"r": W, "s": np.float32(0.25)},
            np.rint(W * 4).clip(0, 255) / 4,
        ),
        ([node("MatMul", ["a", "b"], ["w"])], {"a": drawn(3, 3, 2), "b": drawn(4, 2, 4)}, None),
    ],
    ids=lambda value: "-".join(n.op_type for n in value) if isinstance(value, list) else "",
)
def test_weights_that_follow_from_constants_are_read(nodes, initialisers, wanted, tmp_path):
    read = right(product(nodes, initialisers), tmp_path)
    (tensor,) = read.tensors
    assert (tensor.name, tensor.shape) == ("fc", (4, 3))
    if wanted is not None:
        assert np.array_equal(tensor.weights, np.float32(wanted).T)
    assert kept(read) == {}


def test_the_gates_of_an_exporter_that_orders_them_anew_are_read(tmp_path):
    """PyTorch's exporter stores i, f, g, o and cuts and joins them to i, o, f, c."""
    source = recurrent("LSTM", "forward")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    nodes, initialisers = [], {name: stored[name] for name in ("fc", "fcb")}
    for name in ("W", "R"):
        i, o, f, c = np.split(stored[name][0], 4)
        initialisers[f"{name}.torch"] = np.concatenate([i, f, c, o])
        for at, gate in enumerate("ifco"):
            bounds = {
                f"{name}{gate}{end}": np.array([n]) for end, n in (("b", at * N_UNITS), ("e", (at + 1) * N_UNITS))
            }
            initialisers |= bounds
            nodes.append(node("Slice", [f"{name}.torch", *bounds], [f"{name}.{gate}"]))
        nodes.append(node("Concat", [f"{name}.{gate}" for gate in "iofc"], [f"{name}.all"], axis=0))
        initialisers["axis"] = np.array([0])
        nodes.append(node("Unsqueeze", [f"{name}.all", "axis"], [name]))
    initialisers["B"] = stored["B"]
    model = model_of([*nodes, *source.graph.node], initialisers, [4, 1, N_INPUTS], [1, 2], 17)
    read = right(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, np.concatenate([stored["W"][0], stored["R"][0]], axis=1))
    assert kept(read) == {}


def test_an_lstm_without_its_recurrent_matrix_is_an_error(tmp_path):
    source = recurrent("LSTM", "forward")
    source.graph.initializer.remove(next(t for t in source.graph.initializer if t.name == "R"))
    source.graph.input.append(helper.make_tensor_value_info("R", TensorProto.FLOAT, [1, 4 * N_UNITS, N_UNITS]))
    with pytest.raises(FormatError, match="'rnn': its matrix R does not follow from constants"):
        read_onnx(saved(source, tmp_path))


@pytest.mark.parametrize(("inputs", "x", "y"), [("xw", (2, 3), (2,)), ("wx", (3, 2), (2,)), ("xw", (2, 4, 3), (2, 4))])
def test_weights_of_one_axis_are_one_row(inputs, x, y, tmp_path):
    read = right(model_of([node("MatMul", list(inputs), ["y"], "fc")], {"w": drawn(1, 3)}, x, y, 17), tmp_path)
    assert read.tensors[0].weights.tolist() == [drawn(1, 3).tolist()]


@pytest.mark.parametrize(("inputs", "shape", "x"), [("xw", (2, 3, 4), (2, 5, 3)), ("wx", (2, 4, 3), (3, 5))])
def test_a_stack_of_weights_is_a_tensor_for_each_index(inputs, shape, x, tmp_path):
    y = (2, 5, 4) if inputs == "xw" else (2, 4, 5)
    model = model_of([node("MatMul", list(inputs), ["y"], "heads")], {"w": drawn(1, *shape)}, x, y, 17)
    read = right(model, tmp_path)
    assert [(t.name, t.shape) for t in read.tensors] == [("heads.0", (4, 3)), ("heads.1", (4, 3))]


def test_a_product_of_constants_is_a_constant(tmp_path):
    nodes = [node("MatMul", ["a", "b"], ["c"], "constant"), node("Add", ["x", "c"], ["d"])]
    model = model_of(
        [*nodes, node("MatMul", ["d", "w"], ["y"], "fc")],
        {"a": drawn(1, 2, 2), "b": drawn(2, 2, 3), "w": W},
        (2, 3),
        (2, 4),
        17,
    )
    read = right(model, tmp_path)
    assert [use.node for use in read.network.uses] == ["fc"]


# Functions and branches -----------------------------------------------------------------------------------------------


def test_local_functions_are_inlined(tmp_path):
    inner = [node("Transpose", ["b"], ["t"], perm=[1, 0]), node("MatMul", ["a", "t"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "linear", ["a", "b"], ["c"], inner, opsets)
    model = model_of([node("linear", ["x", "v"], ["y"], domain="own")], {"v": W.T.copy()}, (2, 3), (2, 4), 17)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.append(function)
    read = right(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, W.T)


def graph_of(nodes, output, initialisers=None):
    tensors = [numpy_helper.from_array(array, name) for name, array in (initialisers or {}).items()]
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["a", "b"])]
    return helper.make_graph(nodes, "branch", [], ends, tensors)


def conditional(before, initialisers, more_inputs=()):
    """A product in each branch of an ``If`` on ``c``; both call their values the same."""
    branches = {
        name: graph_of([node("MatMul", ["x", "w"], ["p"], "fc"), node("Relu", ["p"], ["z"])], "z", {"w": weights})
        for name, weights in (("then_branch", drawn(1, 3, 4)), ("else_branch", drawn(2, 3, 4)))
    }
    last = [node("If", ["c"], ["m"], "choice", **branches), node("Neg", ["m"], ["y"])]
    model = model_of([*before, *last], initialisers, (2, 3), (2, 4), 17)
    model.graph.input.extend(more_inputs)
    return model


@pytest.mark.parametrize("condition", [True, False])
def test_a_condition_that_is_constant_takes_its_branch(condition, tmp_path):
    model = conditional([node("Not", ["n"], ["c"])], {"n": np.array(not condition)})
    read = right(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, drawn(1 if condition else 2, 3, 4).T)
    assert read.activations == ("relu",)
    assert kept(read) == {}


@pytest.mark.parametrize(("rate", "seed"), [(16000, 1), (8000, 2)])
@pytest.mark.parametrize("given", [int, str, np.int64])
def test_a_condition_on_an_input_that_is_fixed_takes_its_branch(rate, seed, given, tmp_path):
    rates = [helper.make_tensor_value_info("sr", TensorProto.INT64, [])]
    model = conditional([node("Equal", ["sr", "r"], ["c"])], {"r": np.array(16000)}, rates)
    feeds = {"x": drawn(99, 2, 3), "sr": np.array(rate)}
    read = right(model, tmp_path, feeds, fix={"sr": given(rate)})
    assert np.array_equal(read.tensors[0].weights, drawn(seed, 3, 4).T)
    assert read.provenance["onnx_fixed_inputs"] == f"sr={rate}"


def test_a_condition_on_a_shape_takes_its_branch(tmp_path):
    before = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Equal", ["n", "two"], ["c"]),
    ]
    model = conditional(before, {"zero": np.array(0), "two": np.array(2)})
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    read = right(model, tmp_path, {"x": drawn(99, 2, 3)}, shapes={"x": (2, 3)})
    assert np.array_equal(read.tensors[0].weights, drawn(1, 3, 4).T)
    with pytest.raises(FormatError, match="inside If 'choice', whose condition is unknown"):
        read_onnx(saved(model, tmp_path))


def test_what_is_inside_an_unknown_branch_is_listed(tmp_path):
    rates = [helper.make_tensor_value_info("sr", TensorProto.INT64, [])]
    model = conditional([node("Equal", ["sr", "r"], ["c"])], {"r": np.array(16000)}, rates)
    model.graph.node.append(node("MatMul", ["x", "v"], ["second"], "outside"))
    model.graph.initializer.append(numpy_helper.from_array(drawn(5, 3, 2), "v"))
    model.graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [2, 2]))
    read = read_onnx(saved(model, tmp_path))
    assert [t.name for t in read.tensors] == ["outside"]
    reasons = [(entry.name, entry.operator, entry.reason) for entry in read.network.kept]
    assert reasons == [("fc", "MatMul", "inside If 'choice', whose condition is unknown")] * 2


@pytest.mark.parametrize(
    ("hints", "match"),
    [
        ({"fix": {"rate": 1}}, "fix: 'rate' is not an input of the graph, which has x, sr"),
        ({"fix": {"sr": 0.5}}, "fix: sr=0.5, but the input holds numbers of type int64"),
        ({"fix": {"sr": "fast"}}, "fix: sr='fast', but"),
        ({"fix": {"sr": [1, 2]}}, r"fix: sr=\[1, 2\] has 2 numbers, but the input has shape \[\]"),
        ({"shapes": {"rate": (1,)}}, "shape: 'rate' is not an input"),
        ({"shapes": {"x": (2, 3, 4)}}, "shape: x has 2 axes, but 2x3x4 3"),
        ({"shapes": {"x": (5, 3)}}, "shape: axis 0 of x is 2, not 5"),
        ({"shapes": {"x": (-1, 3)}}, "shape: x="),
    ],
)
def test_a_hint_that_cannot_be_is_refused(hints, match, tmp_path):
    rates = [helper.make_tensor_value_info("sr", TensorProto.INT64, [])]
    model = conditional([node("Equal", ["sr", "r"], ["c"])], {"r": np.array(16000)}, rates)
    with pytest.raises(FormatError, match=match):
        read_onnx(saved(model, tmp_path), **hints)


# What follows a machine operator --------------------------------------------------------------------------------------

NORMALISATION = {"scale": drawn(11, 4), "shift": drawn(12, 4), "mean": drawn(13, 4), "var": np.abs(drawn(14, 4)) + 1}


def normalised(operator, weights, x, y, inputs=("x", "w"), **attributes):
    nodes = [node(operator, list(inputs), ["a"], "layer", **attributes)]
    nodes.append(node("BatchNormalization", ["a", *NORMALISATION], ["n"], "norm"))
    return model_of([*nodes, node("Relu", ["n"], ["y"])], {"w": weights, **NORMALISATION}, x, y, 17)


@pytest.mark.parametrize(
    "model",
    [
        normalised("Gemm", drawn(1, 3, 4), (2, 3), (2, 4)),
        normalised("MatMul", drawn(1, 3, 4), (2, 3), (2, 4)),
        normalised("MatMul", drawn(1, 4, 3), (2, 3, 5), (2, 4, 5), ("w", "x")),
        normalised("Conv", drawn(1, 4, 3, 2), (2, 3, 5), (2, 4, 4)),
        normalised("Conv", drawn(1, 4, 1, 2, 2), (2, 2, 3, 3), (2, 4, 2, 2), group=2),
        normalised("ConvTranspose", drawn(1, 2, 2, 2, 2), (2, 2, 3, 3), (2, 4, 4, 4), group=2),
    ],
    ids=["Gemm", "MatMul", "weights on the left", "Conv", "grouped Conv", "grouped ConvTranspose"],
)
def test_a_batch_normalisation_along_the_rows_is_folded(model, tmp_path):
    read = right(model, tmp_path)
    assert read.activations == ("relu",)
    assert read.others == {}
    assert "BatchNormalization" not in {n.op_type for n in onnx.load_from_string(read.network.onnx).graph.node}


SQUARE = drawn(1, 4, 4)


@pytest.mark.parametrize(
    "model",
    [
        normalised("MatMul", SQUARE, (2, 4, 4), (2, 4, 4)),  # axis 1 is no output, though as long
        normalised("MatMul", SQUARE, (4, 4), (4, 4), ("w", "x")),  # axis 1 is the samples
        normalised("MatMul", SQUARE, (2, 4, 4, 4), (2, 4, 4, 4), ("w", "x")),
        normalised("Gemm", SQUARE, (4, 4), (4, 4), ("w", "x")),
        normalised("MatMul", drawn(1, 2, 4, 4), (2, 4, 4), (2, 4, 4)),  # of a stack
    ],
    ids=["rank 3", "left, rank 2", "left, rank 4", "Gemm with weights first", "stack"],
)
def test_a_batch_normalisation_along_another_axis_is_not_folded_though_the_sizes_fit(model, tmp_path):
    read = right(model, tmp_path)
    assert set(read.others) == set(NORMALISATION)
    assert set(read.activations) == {"host"}


def test_a_batch_normalisation_of_a_result_that_is_used_elsewhere_is_not_folded(tmp_path):
    for extra in ("output", "user"):
        model = normalised("Gemm", drawn(1, 3, 4), (2, 3), (2, 4))
        if extra == "user":
            model.graph.node.append(node("Neg", ["a"], ["b"]))
        name = "a" if extra == "output" else "b"
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]))
        assert set(right(model, tmp_path).others) == set(NORMALISATION)


def test_a_batch_normalisation_in_training_is_not_folded(tmp_path):
    model = normalised("Gemm", drawn(1, 3, 4), (2, 3), (2, 4))
    model.graph.node[1].attribute.add(name="training_mode", type=2, i=1)
    model.graph.node[1].output.extend(["mean_now", "var_now"])
    assert set(read_onnx(saved(model, tmp_path)).others) == set(NORMALISATION)


@pytest.mark.parametrize("operator", ["Mul", "Add", "Sub"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (1, 1)])
def test_what_scales_and_shifts_each_output_is_folded(operator, first, shape, tmp_path):
    ends = ["a", "c"] if first else ["c", "a"]
    nodes = [node("Gemm", ["x", "w", "b"], ["a"], "fc"), node(operator, ends, ["y"])]
    model = model_of(nodes, {"w": W, "b": drawn(2, 4), "c": drawn(3, *shape)}, (2, 3), (2, 4), 17)
    read = right(model, tmp_path)
    assert read.others == {}
    assert read.activations == ("none",)


@pytest.mark.parametrize("shape", [(2, 1), (2, 4), (1, 1, 4)])
def test_what_varies_from_sample_to_sample_or_adds_an_axis_is_not_folded(shape, tmp_path):
    nodes = [node("MatMul", ["x", "w"], ["a"], "fc"), node("Add", ["a", "c"], ["y"])]
    y = (1, 2, 4) if len(shape) == 3 else (2, 4)
    model = model_of(nodes, {"w": W, "c": drawn(3, *shape)}, (2, 3), y, 17)
    read = right(model, tmp_path)
    assert list(read.others) == ["c"]
    assert read.tensors[0].bias is None
    assert read.activations == ("host",)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (2, 1), (2, 4)])
def test_alpha_and_beta_of_any_c_are_folded(shape, tmp_path):
    nodes = [node("Gemm", ["x", "w", "c"], ["y"], "fc", alpha=0.5, beta=-2.0)]
    model = model_of(nodes, {"w": W, "c": drawn(2, *shape)}, (2, 3), (2, 4), 17)
    read = right(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, W.T / 2)
    (use,) = read.network.uses
    per_row = shape not in ((2, 1), (2, 4))
    assert (read.tensors[0].bias is not None) == per_row
    assert (use.attributes["alpha"], use.attributes["beta"]) == (1.0, 1.0 if per_row else -2.0)


def test_a_factor_that_no_number_holds_is_refused(tmp_path):
    nodes = [node("Gemm", ["x", "w"], ["y"], "fc", alpha=3e38)]
    model = model_of(nodes, {"w": 100 * W}, (2, 3), (2, 4), 17)
    with pytest.raises(FormatError, match=r"'fc': with alpha 3e\+38 and beta 1 its weights are out of range"):
        read_onnx(saved(model, tmp_path))


# Shared, old and odd --------------------------------------------------------------------------------------------------


def test_a_tied_embedding_is_kept_and_its_transpose_read(tmp_path):
    nodes = [
        node("Gather", ["table", "x"], ["e"], "embedding"),
        node("Transpose", ["table"], ["t"], perm=[1, 0]),
        node("MatMul", ["e", "t"], ["y"], "head"),
    ]
    table = np.sign(drawn(1, 20, 5))
    model = model_of(nodes, {"table": table}, (2, 3), (2, 3, 20), 17)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    read = right(model, tmp_path, {"x": np.arange(6).reshape(2, 3)})
    assert np.array_equal(read.tensors[0].weights, table)
    assert read.others == {}


def test_initialisers_that_are_inputs_too_are_folded_and_no_longer_asked_for(tmp_path):
    model = product([node("Neg", ["t"], ["w"])], {"t": W})
    model.graph.input.append(helper.make_tensor_value_info("t", TensorProto.FLOAT, [3, 4]))
    model.ir_version = 3
    for opset in model.opset_import:
        opset.version = 8
    right(model, tmp_path)
    again = onnx.load(tmp_path / "whole.onnx")
    assert [value.name for value in again.graph.input] == ["x"]


def test_folded_weights_that_are_an_output_too_stay_one(tmp_path):
    model = product([node("Neg", ["v"], ["w"])], {"v": W})
    model.graph.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 4]))
    read = right(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, -W.T)


def test_weights_that_a_branch_takes_too_are_scaled_apart(tmp_path):
    branch = graph_of([node("Add", ["w", "w"], ["twice"])], "twice")
    other = graph_of([node("Identity", ["w"], ["same"])], "same")
    nodes = [
        node("Gemm", ["x", "w"], ["y"], "fc", alpha=2.0),
        node("ReduceMax", ["x"], ["m"], keepdims=0),
        node("Greater", ["m", "zero"], ["c"]),
        node("If", ["c"], ["z"], "choice", then_branch=branch, else_branch=other),
    ]
    model = model_of(nodes, {"w": W, "zero": np.float32(0)}, (2, 3), (2, 4), 17)
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [3, 4]))
    read = right(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, 2 * W.T)


def test_numbers_of_a_constant_node_are_read_and_written(tmp_path):
    nodes = [
        node("Constant", [], ["w"], value_floats=[1.0, -2.0, 0.5]),
        node("MatMul", ["x", "w"], ["y"], "fc"),
    ]
    path = saved(model_of(nodes, {}, (2, 3), (2,), 17), tmp_path)
    right(onnx.load(path), tmp_path)
    new = compress_model({"fc": np.float32([[3, 4, 5]])}, 1.0, weight_bits=8)
    write_onnx(new, path, path)
    assert read_onnx(path).tensors[0].weights.tolist() == [[3, 4, 5]]


@pytest.mark.parametrize("training", [True, False])
def test_a_dropout_is_passed_only_where_it_does_nothing(training, tmp_path):
    nodes = [
        node("MatMul", ["x", "w"], ["a"], "fc"),
        node("Dropout", ["a", "ratio", "training"], ["d"]),
        node("Relu", ["d"], ["y"]),
    ]
    initialisers = {"w": W, "ratio": np.float32(0.5), "training": np.array(training)}
    read = read_onnx(saved(model_of(nodes, initialisers, (2, 3), (2, 4), 17), tmp_path))
    assert read.activations == ("host" if training else "relu",)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_float_types_are_folded_and_written_as_they_are(kind, tmp_path):
    nodes = [
        node("Cast", ["x"], ["h"], to=helper.np_dtype_to_tensor_dtype(np.dtype(kind))),
        node("Gemm", ["h", "w", "b"], ["a"], "fc", alpha=0.5),
        node("Cast", ["a"], ["y"], to=1),
    ]
    w, b = np.sign(drawn(1, 3, 4)).astype(kind), np.sign(drawn(2, 4)).astype(kind)
    most = 2 * float(np.finfo(kind).eps) + 1e-6
    read = right(model_of(nodes, {"w": w, "b": b}, (2, 3), (2, 4), 17), tmp_path, most=most)
    assert np.array_equal(read.tensors[0].weights, w.T.astype(np.float32) / 2)
    assert np.array_equal(read.tensors[0].bias, b.astype(np.float32))


def test_an_addition_of_an_old_version_along_an_axis_is_no_bias_though_the_sizes_fit(tmp_path):
    nodes = [
        node("Conv", ["x", "w"], ["a"], "conv"),
        node("Add", ["a", "b"], ["y"], axis=1, broadcast=1),  # along the channels, not along the last axis
    ]
    model = model_of(nodes, {"w": drawn(1, 4, 2, 1, 1), "b": drawn(2, 4)}, (1, 2, 4, 4), (1, 4, 4, 4), 6)
    read = read_onnx(saved(model, tmp_path))
    assert read.tensors[0].bias is None
    assert read.activations == ("host",)
    assert list(read.others) == ["b"]


@pytest.mark.parametrize("is_test", [0, 1])
def test_a_batch_normalisation_of_an_old_version_says_that_it_is_in_use(is_test, tmp_path):
    model = normalised("Conv", drawn(1, 4, 2, 1, 1), (1, 2, 4, 4), (1, 4, 4, 4))
    model.opset_import[0].version = 6
    model.graph.node[1].attribute.add(name="is_test", type=2, i=is_test)
    read = read_onnx(saved(model, tmp_path))
    assert set(read.others) == (set() if is_test else set(NORMALISATION))


def test_an_operator_of_another_domain_is_not_taken_for_onnx_s_own(tmp_path):
    nodes = [node("Transpose", ["v"], ["w"], domain="own"), node("MatMul", ["x", "w"], ["a"], "fc")]
    nodes.append(node("MatMul", ["a", "u"], ["y"], "last"))
    initialisers = {"v": drawn(1, 10, 10), "u": drawn(2, 10, 10)}
    model = model_of(nodes, initialisers, (1, 10), (1, 10), 17)
    model.opset_import.append(helper.make_opsetid("own", 1))
    read = read_onnx(saved(model, tmp_path))
    assert [tensor.name for tensor in read.tensors] == ["last"]
    assert "follows from constants, but" in kept(read)["fc"]


# The graph that is kept -----------------------------------------------------------------------------------------------


def test_the_graph_of_a_model_does_not_hold_the_numbers_that_the_model_holds(tmp_path):
    constant = numpy_helper.from_array(drawn(3, 400, 10))
    nodes = [
        node("Gemm", ["x", "w", "b"], ["a"], "first"),
        node("Constant", [], ["k"], value=constant),
        node("MatMul", ["a", "k"], ["m"], "second"),
        node("Div", ["m", "d"], ["y"]),
    ]
    initialisers = {"w": drawn(1, 300, 400), "b": drawn(2, 400), "d": np.abs(drawn(4, 1000, 10))}
    read = read_onnx(saved(model_of(nodes, initialisers, (1, 300), (1000, 10), 17), tmp_path))
    assert len(read.network.onnx) < 1000
    compressed = compress_model(read, 0.5, weight_bits=3)
    write_onnx(compressed, None, tmp_path / "new.onnx")
    again = read_onnx(tmp_path / "new.onnx")
    for dense, coded in zip(again.tensors, compressed.tensors, strict=True):
        assert np.array_equal(dense.weights, coded.dense())
        assert dense.bias is None or np.array_equal(dense.bias, coded.bias)
    assert np.array_equal(again.others["d"], initialisers["d"])


def test_each_use_says_what_feeds_it_and_what_it_feeds(tmp_path):
    kernel = {"strides": [2, 2], "pads": [1, 0, 1, 0], "group": 2}
    nodes = [
        node("Conv", ["x", "k"], ["c"], "conv", **kernel),
        node("Relu", ["c"], ["r"], "relu"),
        node("Flatten", ["r"], ["f"], "flat"),
        node("Gemm", ["f", "w"], ["y"], "fc"),
    ]
    model = model_of(nodes, {"k": drawn(1, 4, 1, 3, 3), "w": drawn(2, 24, 5)}, (1, 2, 5, 6), (1, 5), 17)
    first, second = right(model, tmp_path).network.uses
    assert (first.fed_by, first.feeds, second.fed_by, second.feeds) == (("x",), ("relu",), ("flat",), ("y",))
    assert first.attributes == {
        **kernel,
        "auto_pad": "NOTSET",
        "kernel_shape": [3, 3],
        "dilations": [1, 1],
    }
    assert (first.macs, second.macs) == (4 * 9 * 6, 120)


def test_a_recurrent_use_has_the_functions_it_is_computed_with(tmp_path):
    read = read_onnx(saved(recurrent("LSTM", "bidirectional"), tmp_path))
    found = read.network.uses[0].attributes
    assert found["activations"] == ["Sigmoid", "Tanh", "Tanh"] * 2
    assert (found["direction"], found["hidden_size"], found["input_forget"]) == ("bidirectional", N_UNITS, 0)


# Chains ---------------------------------------------------------------------------------------------------------------


def two_layers(*between, more=(), initialisers=None):
    """Two products and what is between their values ``a`` and ``b``."""
    nodes = [node("Gemm", ["x", "w"], ["a"], "fc1"), *between, node("Gemm", ["b", "v"], ["y"], "fc2"), *more]
    arrays = {"w": drawn(1, 4, 4), "v": drawn(2, 4, 4), **(initialisers or {})}
    return model_of(nodes, arrays, (2, 4), (2, 4), 17)


ALPHA = {"low": np.float32(0), "high": np.float32(6)}


@pytest.mark.parametrize(
    ("nodes", "initialisers", "activation", "between"),
    [
        ([node("Relu", ["a"], ["b"])], {}, "relu", ""),
        ([node("Tanh", ["a"], ["t"]), node("Identity", ["t"], ["b"])], {}, "tanh", ""),
        ([node("Identity", ["a"], ["b"])], {}, "none", ""),
        ([node("Clip", ["a", "low", "high"], ["b"], "c")], ALPHA, "host", "Clip 'c' is between 'fc1' and 'fc2'"),
        ([node("LeakyRelu", ["a"], ["b"], "l")], {}, "host", "LeakyRelu 'l' is between 'fc1' and 'fc2'"),
        ([node("Softmax", ["a"], ["b"], "s")], {}, "host", "Softmax 's' is between 'fc1' and 'fc2'"),
        ([node("Elu", ["a"], ["b"], "e")], {}, "host", "Elu 'e' is between 'fc1' and 'fc2'"),
        ([node("HardSwish", ["a"], ["b"], "h")], {}, "host", "HardSwish 'h' is between 'fc1' and 'fc2'"),
        (
            [node("Relu", ["a"], ["r"], "r"), node("Add", ["r", "x"], ["b"], "residual")],
            {},
            "relu",
            "Add 'residual' is",
        ),
        ([node("Relu", ["a"], ["r"], "r"), node("Relu", ["r"], ["b"], "s")], {}, "relu", "two functions, 's' and 'r'"),
        (
            [node("Identity", ["x"], ["b"], "i")],
            {},
            "none",
            "'fc2' takes an input of the graph, which is taken 2 times",
        ),
    ],
)
def test_layers_are_a_chain_only_where_the_graph_is_one(nodes, initialisers, activation, between, tmp_path):
    model = two_layers(*nodes, initialisers=initialisers)
    if "x" in nodes[0].input:
        model.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [2, 4]))
    read = right(model, tmp_path)
    assert read.activations == (activation, "none")
    assert read.network.between.startswith(between)
    assert bool(read.network.between) == bool(between)
