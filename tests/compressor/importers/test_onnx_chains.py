"""What is a chain of matrices in an ONNX graph, and what is between them: nothing that is computed is left out."""

import numpy as np
import pytest
from onnx import helper
from onnx_models import drawn, model_of

from compressor.importers import read_onnx

A, B = drawn(1, 4, 4), drawn(2, 4, 4)


def between(nodes, tmp_path, x=(2, 4), **arrays):
    path = tmp_path / "m.onnx"
    path.write_bytes(model_of(nodes, {"A": A, "B": B, **arrays}, x, (2, 4), 17).SerializeToString())
    model = read_onnx(path)
    return model.network.between, model.activations


def gemm(*inputs, to, name, **attributes):
    return helper.make_node("Gemm", list(inputs), [to], name, **attributes)


def test_two_matrices_and_a_function_are_a_chain(tmp_path):
    nodes = [gemm("x", "A", to="a", name="f"), helper.make_node("Relu", ["a"], ["r"]), gemm("r", "B", to="y", name="g")]
    assert between(nodes, tmp_path) == ("", ("relu", "none"))


@pytest.mark.parametrize("c", ["x", "rows", "all"])
@pytest.mark.parametrize("second", [False, True])
def test_what_a_gemm_adds_beside_its_bias_breaks_the_chain(c, second, tmp_path):
    first = gemm("x", "A", *([] if second else [c]), to="a", name="f")
    nodes = [first, helper.make_node("Relu", ["a"], ["r"]), gemm("r", "B", *([c] if second else []), to="y", name="g")]
    why, functions = between(nodes, tmp_path, rows=drawn(3, 2, 1), all=drawn(4, 2, 4))
    assert "adds what is not a bias of its own" in why or "branches" in why
    assert functions[second] == "host"


def test_a_transposed_output_breaks_the_chain(tmp_path):
    nodes = [
        gemm("x", "A", to="a", name="f"),
        helper.make_node("Relu", ["a"], ["r"]),
        gemm("r", "B", to="y", name="g", transA=1),
    ]
    assert between(nodes, tmp_path, x=(4, 4))[0] == "transA of 'g' transposes the output of 'f'"


@pytest.mark.parametrize(("shape", "is_chain"), [((2, 4), True), ((1, -1), False), ((4, 2), False)])
def test_a_reshape_keeps_a_chain_where_it_keeps_the_vectors(shape, is_chain, tmp_path):
    wide = drawn(5, 2 * 4 if shape == (1, -1) else shape[1], 4)
    nodes = [
        gemm("x", "A", to="a", name="f"),
        helper.make_node("Reshape", ["a", "shape"], ["s"], "flat"),
        gemm("s", "wide", to="y", name="g"),
    ]
    why, _ = between(nodes, tmp_path, shape=np.int64(shape), wide=wide)
    assert (why == "") == is_chain
    assert is_chain or why == "Reshape 'flat' is between 'f' and 'g'"


def test_two_functions_break_the_chain(tmp_path):
    nodes = [
        gemm("x", "A", to="a", name="f"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Tanh", ["r"], ["t"], "tanh"),
        gemm("t", "B", to="y", name="g"),
    ]
    assert between(nodes, tmp_path)[0] == "two functions, 'tanh' and 'relu', are between 'f' and 'g'"
