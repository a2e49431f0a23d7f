"""What the caller says about an ONNX model: values and sizes of inputs, and layers to keep."""

import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import drawn, model_of

from benchmarks.onnx_layers import session_of
from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.storage.files import FormatError

node = helper.make_node
A = drawn(1, 10, 10)


def saved(model, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def one_layer(tmp_path, *inputs):
    model = model_of([node("MatMul", ["x", "a"], ["y"], "fc")], {"a": A}, ["n", 10], ["n", 10], 17)
    model.graph.input.extend(inputs)
    return saved(model, tmp_path)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None), "fix: s is a sequence, but"),
        (helper.make_tensor_value_info("s", TensorProto.STRING, []), "fix: s is a string, but"),
    ],
)
def test_an_input_of_no_numbers_cannot_be_fixed(found, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read_onnx(one_layer(tmp_path, found), fix={"s": 1})


@pytest.mark.parametrize("value", ["nan", "0.5", float("inf"), 2**70])
def test_an_integer_is_fixed_exactly_or_not_at_all(value, tmp_path):
    path = one_layer(tmp_path, helper.make_tensor_value_info("s", TensorProto.INT64, []))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FormatError, match="but the input holds numbers of type int64"):
            read_onnx(path, fix={"s": value})


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_a_decimal_is_rounded_to_the_type_of_the_input(kind, tmp_path):
    path = one_layer(tmp_path, helper.make_tensor_value_info("s", kind, []))
    for value in ("0.1", 0.1, np.float32(0.1)):
        assert read_onnx(path, fix={"s": value}).provenance["onnx_fixed_inputs"].startswith("s=0.1")
    for value in ("nan", "1e300" if kind != TensorProto.DOUBLE else "nan"):
        with pytest.raises(FormatError, match="but the input holds numbers"):
            read_onnx(path, fix={"s": value})


@pytest.mark.parametrize("sizes", [(True, 10), (1.0, 10), (-1, 10), (2**70, 10), 4, "1x10"])
def test_sizes_are_whole_numbers(sizes, tmp_path):
    with pytest.raises(FormatError, match="but it must be sizes such as 1x576"):
        read_onnx(one_layer(tmp_path), shapes={"x": sizes})


def test_sizes_of_numpy_are_taken(tmp_path):
    read = read_onnx(one_layer(tmp_path), shapes={"x": np.array([4, 10])})
    assert read.network.uses[0].macs == 400
    assert read.provenance["onnx_input_shapes"] == "x=4x10"


def test_layers_to_keep_are_names(tmp_path):
    nodes = [node("MatMul", ["x", "a"], ["h"], "fc1"), node("MatMul", ["h", "b"], ["y"], "f")]
    path = saved(model_of(nodes, {"a": A, "b": drawn(2, 10, 10)}, [1, 10], [1, 10], 17), tmp_path)
    assert [entry.name for entry in read_onnx(path, keep="fc1").network.kept] == ["fc1"]
    with pytest.raises(FormatError, match="keep: 3 is not a pattern"):
        read_onnx(path, keep=[3])


def conditional(condition, inputs):
    """A chain of two conditions, whose branches call their values and operators the same."""
    nodes = [*condition]
    for at, taken in enumerate(("x", "m0")):
        branches = {
            name: helper.make_graph(
                [node("MatMul", [taken, "w"], ["p"], "fc"), node("Relu", ["p"], ["z"], "relu")],
                "branch",
                [],
                [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", "m"])],
                [numpy_helper.from_array(drawn(seed + at, 10, 10), "w")],
            )
            for name, seed in (("then_branch", 20), ("else_branch", 30))
        }
        nodes.append(node("If", ["c"], ["y" if at else "m0"], f"choice{at}", **branches))
    model = model_of(nodes, {"rate": np.array(16000)}, [2, 10], ["n", "m"], 17)
    model.graph.input.extend(inputs)
    return model


SR = helper.make_tensor_value_info("sr", TensorProto.INT64, [])
OTHER = helper.make_tensor_value_info("other", TensorProto.INT64, [])


def test_operators_of_branches_that_are_taken_have_a_name_of_their_own(tmp_path):
    path = saved(conditional([node("Equal", ["sr", "rate"], ["c"], "fc")], [SR]), tmp_path)
    read = read_onnx(path, fix={"sr": 16000})
    assert [tensor.name for tensor in read.tensors] == ["fc_2", "fc_3"]
    write_onnx(compress_model(read, 1.0, weight_bits=8), None, tmp_path / "new.onnx")
    new = onnx.load(tmp_path / "new.onnx")
    names = [n.name for n in new.graph.node if n.name]
    assert len(set(names)) == len(names)
    x = drawn(9, 2, 10)
    wanted = session_of(onnx.load(path)).run(None, {"x": x, "sr": np.array(16000)})[0]
    np.testing.assert_allclose(session_of(new).run(None, {"x": x})[0], wanted, rtol=1e-3, atol=1e-3)


def test_an_unknown_condition_names_the_inputs_that_it_follows_from(tmp_path):
    path = saved(conditional([node("Equal", ["sr", "rate"], ["c"])], [OTHER, SR]), tmp_path)
    with pytest.raises(FormatError, match=r"\(--shape NAME=1x2\): sr$"):
        read_onnx(path)


def test_operators_of_functions_have_names_of_their_own(tmp_path):
    body = [node("MatMul", ["a", "b"], ["c"], "fc")]
    function = helper.make_function("own", "linear", ["a", "b"], ["c"], body, [helper.make_opsetid("", 17)])
    nodes = [node("linear", ["x", "a"], ["h"], domain="own"), node("linear", ["h", "b"], ["y"], domain="own")]
    model = model_of(nodes, {"a": A, "b": drawn(2, 10, 10)}, [1, 10], [1, 10], 17)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.append(function)
    write_onnx(compress_model(read_onnx(saved(model, tmp_path)), 1.0), None, tmp_path / "new.onnx")
    session_of(onnx.load(tmp_path / "new.onnx"))
