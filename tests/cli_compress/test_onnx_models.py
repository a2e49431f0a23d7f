"""`eie-compress` on ONNX models."""

import numpy as np
import onnx
import pytest

from compressor import load_compressed
from compressor.importers import read_onnx


@pytest.fixture
def source(tmp_path):
    """A convolution, a ReLU and a matrix, named."""
    rng = np.random.default_rng(0)
    arrays = {"k": rng.normal(size=(3, 1, 2, 2)), "kb": rng.normal(size=3), "w": rng.normal(size=(4, 27))}
    constants = [onnx.numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "k", "kb"], ["c"], name="conv"),
        onnx.helper.make_node("Relu", ["c"], ["r"], name="relu"),
        onnx.helper.make_node("Flatten", ["r"], ["f"], name="flat"),
        onnx.helper.make_node("Gemm", ["f", "w"], ["y"], name="fc", transB=1),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in {"x": [1, 1, 4, 4], "y": [1, 4]}.items()
    ]
    graph = onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "source.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_model_comes_back_with_the_decoded_weights(cli, source, tmp_path):
    assert cli("compress", source, "-o", tmp_path / "x.dcz", "--density", "0.5").exit_code == 0
    assert cli("unpack", tmp_path / "x.dcz", "-o", tmp_path / "x.onnx", "--like", source).exit_code == 0
    wanted = load_compressed(tmp_path / "x.dcz").tensors
    for tensor, decoded in zip(read_onnx(tmp_path / "x.onnx").tensors, wanted, strict=True):
        assert np.array_equal(tensor.weights, decoded.dense())


def test_a_layer_that_is_kept_is_in_the_file_and_comes_back_as_it_was(cli, source, tmp_path):
    assert cli("compress", source, "-o", tmp_path / "x.dcz", "--density", "0.5", "--keep", "co*").exit_code == 0
    model = load_compressed(tmp_path / "x.dcz")
    kernel, _ = read_onnx(source).tensors
    assert [tensor.name for tensor in model.tensors] == ["fc"]
    assert any(np.array_equal(array, kernel.weights) for array in model.others.values())
    assert any(np.array_equal(array, kernel.bias) for array in model.others.values())
    assert [(kept.name, kept.reason) for kept in model.network.kept] == [("conv", "as asked (keep)")]
    assert cli("unpack", tmp_path / "x.dcz", "-o", tmp_path / "x.onnx", "--like", source).exit_code == 0
    back, matrix = read_onnx(tmp_path / "x.onnx").tensors
    assert np.array_equal(back.weights, kernel.weights)
    assert np.count_nonzero(matrix.weights) == 54


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("lstm*", "keep: no layer matches 'lstm*'; there are conv, fc"),
        ("*", "no weights that are read: conv: as asked (keep); fc: as asked (keep)"),
    ],
)
def test_a_pattern_that_cannot_be_is_one_line(fails, source, tmp_path, pattern, message):
    line = fails("compress", source, "-o", tmp_path / "x.dcz", "--density", "0.5", "--keep", pattern)
    assert line == f"{source}: {message}"
