"""What is added along the rows depends on the number of axes of a result, also where its sizes are open."""

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import drawn, model_of

from benchmarks.onnx_layers import session_of
from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.storage.files import FormatError

node = helper.make_node


def read_and_whole(model, tmp_path):
    """The model as it is read, and the one that its compressed form is written as."""
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    read = read_onnx(path)
    write_onnx(compress_model(read, 1.0, weight_bits=8), None, tmp_path / "whole.onnx")
    return read, onnx.load(tmp_path / "whole.onnx")


def agree(model, whole, x):
    wanted, found = (session_of(one).run(None, {"x": x})[0] for one in (model, whole))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


NORMALISATION = {"s": drawn(2, 5), "o": drawn(3, 5), "m": drawn(4, 5), "v": np.abs(drawn(5, 5))}


@pytest.mark.parametrize("n", [1, 3])
def test_a_size_that_is_open_is_not_dropped_by_a_squeeze(n, tmp_path):
    nodes = [
        node("Squeeze", ["x"], ["q"]),
        node("MatMul", ["q", "w"], ["a"], "fc"),
        node("BatchNormalization", ["a", *NORMALISATION], ["z"]),
        node("Reshape", ["z", "flat"], ["y"]),
    ]
    initialisers = {"w": drawn(1, 4, 5), **NORMALISATION, "flat": np.array([-1])}
    model = model_of(nodes, initialisers, ["n", 5, 4], ["size"], 17)
    read, whole = read_and_whole(model, tmp_path)
    assert set(read.others) == set(NORMALISATION)
    agree(model, whole, drawn(9, n, 5, 4))


@pytest.mark.parametrize("operator", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(5, 1), (5,), (1,), (1, 1)])
@pytest.mark.parametrize("x", [[4], [4, 5], [4, "m"]])  # the last becomes a vector where m is 1
def test_what_follows_weights_on_the_left_is_folded_only_along_the_rows(operator, shape, x, tmp_path):
    nodes = [
        node("Squeeze", ["x"], ["q"]),
        node("MatMul", ["a", "q"], ["p"], "fc"),
        node(operator, ["p", "b"], ["z"]),
        node("Reshape", ["z", "flat"], ["y"]),
    ]
    initialisers = {"a": drawn(1, 5, 4), "b": drawn(2, *shape), "flat": np.array([-1])}
    model = model_of(nodes, initialisers, x, ["size"], 17)
    read, whole = read_and_whole(model, tmp_path)
    along_rows = {"[4]": [(5,), (1,)], "[4, 5]": [(5, 1), (1,), (1, 1)]}.get(str(x), [])
    assert (read.others == {}) == (shape in along_rows)
    for size in [1, 5] if "m" in x else x[1:]:
        agree(model, whole, drawn(9, 4, size))
    if x == [4]:
        agree(model, whole, drawn(9, 4))


def test_constants_beside_an_output_without_a_name_are_folded(tmp_path):
    nodes = [node("Split", ["a"], ["", "w"], axis=1, num_outputs=2), node("MatMul", ["x", "w"], ["y"], "fc")]
    model = model_of(nodes, {"a": drawn(1, 4, 6)}, [2, 4], [2, 3], 18)
    read, whole = read_and_whole(model, tmp_path)
    assert np.array_equal(read.tensors[0].weights, drawn(1, 4, 6)[:, 3:].T)
    assert [n.op_type for n in whole.graph.node] == ["MatMul"]


def recurrent(w, r, **attributes):
    return [node("RNN", ["x", "w", "r"], ["y"], "rnn", **attributes)], {"w": w, "r": r}


@pytest.mark.parametrize(
    ("nodes", "initialisers", "message"),
    [
        ([node("MatMul", ["x", "w"], ["y"], "fc")], {"w": np.float32(3)}, "a single number"),
        (*recurrent(drawn(1, 5), drawn(2, 1, 3, 3)), r"W has shape \(5,\), but it must have 3 axes"),
        (*recurrent(drawn(1, 1, 3, 5), drawn(2, 1, 3, 3), hidden_size=-3), "hidden_size is -3"),
        (*recurrent(drawn(1, 1, 0, 5), drawn(2, 1, 0, 0)), "hidden_size is 0"),
        (
            [node("Conv", ["x", "w", "b"], ["y"], "conv")],
            {"w": drawn(1, 0, 4, 3, 3), "b": np.float32(1)},
            "its weights are empty",
        ),
        (
            [node("Conv", ["x", "w"], ["c"], "conv"), node("Add", ["c", "b"], ["y"])],
            {"w": drawn(1, 0, 4, 3, 3), "b": np.float32(1)},
            "its weights are empty",
        ),
    ],
)
def test_weights_of_an_odd_shape_are_named(nodes, initialisers, message, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model_of(nodes, initialisers, [1], ["size"], 17).SerializeToString())
    with pytest.raises(FormatError, match=message):
        read_onnx(path)
