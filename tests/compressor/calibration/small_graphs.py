"""Small ONNX networks of each kind of operator, and correlated inputs for them."""

from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper, save

from compressor.importers import read_onnx


def correlated(rng, n, size):
    """Vectors whose numbers depend on each other, as activations do: few directions hold most of them."""
    mixing = rng.normal(size=(size, size)) * np.geomspace(1, 0.02, size)[:, np.newaxis]
    return (rng.normal(size=(n, size)) @ mixing + rng.normal(size=size)).astype(np.float32)


def a_network(folder: Path, nodes, shape, arrays, rank=2, more_inputs=()):
    """A model read from an ONNX file: `nodes` from ``x`` of `shape` to ``y``."""
    ends = (
        [helper.make_tensor_value_info("x", 1, shape), *more_inputs],
        [helper.make_tensor_value_info("y", 1, [None] * rank)],
    )
    initialisers = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", *ends, initialisers)
    file = folder / "network.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return read_onnx(file)


def _floats(rng, *shape):
    return rng.normal(scale=1 / np.sqrt(shape[-1]), size=shape).astype(np.float32)


def matrices(folder, rng):
    """Two matrices with a ReLU between them."""
    arrays = {"w": _floats(rng, 24, 30), "b": _floats(rng, 24), "v": _floats(rng, 24, 6), "c": _floats(rng, 6)}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "first", transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["p"], "second"),
        helper.make_node("Add", ["p", "c"], ["y"]),
    ]
    return a_network(folder, nodes, ["n", 30], arrays), correlated(rng, 200, 30)


def convolutions(folder, rng, groups=1):
    """A convolution of images of 4 channels, and one of each position."""
    arrays = {"w": _floats(rng, 8, 4 // groups, 3, 3), "b": _floats(rng, 8), "v": _floats(rng, 6, 8, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["h"], "first", group=groups, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Conv", ["r", "v"], ["y"], "second"),
    ]
    # Smooth images, as real ones are: neighbours are much alike.
    grid = np.linspace(0, 1, 5)
    waves = np.cos(rng.uniform(0, 3, (40, 4, 1, 1)) * grid[:, np.newaxis] + rng.uniform(0, 3, (40, 4, 1, 1)) * grid)
    images = (waves + rng.normal(scale=0.1, size=waves.shape)).astype(np.float32)
    return a_network(folder, nodes, ["n", 4, 5, 5], arrays, 4), images


def recurrent(folder, rng, operator, **attributes):
    """A recurrent operator of 10 units over 5 steps of 12 numbers, and a matrix."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator]
    arrays = {
        "w": _floats(rng, 1, gates * 10, 12),
        "r": _floats(rng, 1, gates * 10, 10),
        "b": _floats(rng, 1, gates * 20),
        "v": _floats(rng, 10, 4),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node(operator, ["t", "w", "r", "b"], ["s"], "first", hidden_size=10, **attributes),
        helper.make_node("MatMul", ["s", "v"], ["y"], "second"),
    ]
    return a_network(folder, nodes, ["n", 5, 12], arrays, 4), correlated(rng, 100, 60).reshape(100, 5, 12)
