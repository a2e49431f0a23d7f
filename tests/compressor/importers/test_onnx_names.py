"""Names of layers: the node's own, or where that says nothing that of its initialiser or of its module."""

import pytest
from onnx import helper
from onnx_models import drawn, model_of

from compressor.importers import read_onnx


def name_of(node, weights, tmp_path, scopes=None, operator="MatMul"):
    made = helper.make_node(operator, ["x", weights], ["y"], node)
    if scopes is not None:
        made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=str(scopes))
    path = tmp_path / "model.onnx"
    path.write_bytes(model_of([made], {weights: drawn(1, 3, 2)}, (1, 3), (1, 2), 17).SerializeToString())
    (tensor,) = read_onnx(path).tensors
    return tensor.name


@pytest.mark.parametrize(
    "node",
    [
        "/encoder/fc1/Gemm",
        "sequential/dense/MatMul",
        "fc1",
        "head_2",
        "decoder.0",
        "Classifier",
        "conv_last",
        "rnn_out",
    ],
)
def test_a_name_that_says_something_is_taken(node, tmp_path):
    assert name_of(node, "w.weight", tmp_path) == node


@pytest.mark.parametrize(
    "node",
    [
        *("", "Gemm_12", "MatMul_0", "/MatMul", "/MatMul_1", "node_linear", "node_linear_1", "node_MatMul_231"),
        *("n0", "node_4", "node__1", "MatMul", "matmul", "p2o.MatMul.0", "12", "op_3"),
    ],
)
@pytest.mark.parametrize(
    ("weights", "layer"),
    [
        ("fc1.weight", "fc1"),
        ("encoder.layers.0.linear1.weight", "encoder.layers.0.linear1"),
        ("dense/kernel", "dense"),
        ("linear_5.w_0", "linear_5"),
        ("rnn.weight_ih_l0", "rnn"),
        ("rnn.weight_hh_l1", "rnn_l1"),
    ],
)
def test_a_name_that_says_nothing_gives_way_to_the_layer_of_the_weights(node, weights, layer, tmp_path):
    assert name_of(node, weights, tmp_path) == layer


def test_weights_that_the_exporter_folded_are_named_after_their_module(tmp_path):
    scopes = ["", "encoder", "encoder.fc1", "linear"]
    assert name_of("node_MatMul_58", "val_58", tmp_path, scopes) == "encoder.fc1"
    assert name_of("node_MatMul_58", "val_58", tmp_path, ["", "linear"]) == "node_MatMul_58"
    assert name_of("node_MatMul_58", "val_58", tmp_path, []) == "node_MatMul_58"


def test_weights_without_any_name_are_called_as_they_are_stored(tmp_path):
    assert name_of("", "onnx::MatMul_12", tmp_path) == "onnx::MatMul_12"


@pytest.mark.parametrize("operator", ["Transpose", "Identity"])
def test_weights_that_are_folded_are_named_after_what_they_follow_from(operator, tmp_path):
    shape = (2, 3) if operator == "Transpose" else (3, 2)
    nodes = [
        helper.make_node("Neg", ["fc1.weight"], ["n"]),
        helper.make_node(operator, ["n"], ["t"]),
        helper.make_node("MatMul", ["x", "t"], ["y"], "node_MatMul_1"),
    ]
    path = tmp_path / "model.onnx"
    path.write_bytes(model_of(nodes, {"fc1.weight": drawn(1, *shape)}, (1, 3), (1, 2), 17).SerializeToString())
    assert [tensor.name for tensor in read_onnx(path).tensors] == ["fc1"]


def test_a_second_layer_of_a_name_gets_a_number(tmp_path):
    nodes = [helper.make_node("MatMul", [f"h{i}" if i else "x", f"w{i}"], [f"h{i + 1}"], "fc") for i in range(3)]
    nodes[-1].output[0] = "y"
    path = tmp_path / "model.onnx"
    model = model_of(nodes, {f"w{i}": drawn(i, 3, 3) for i in range(3)}, (1, 3), (1, 3), 17)
    path.write_bytes(model.SerializeToString())
    assert [tensor.name for tensor in read_onnx(path).tensors] == ["fc", "fc_2", "fc_3"]
