"""ONNX models as exporters write them, small, with drawn weights."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 13, 10
N_UNITS, N_INPUTS = 3, 5  # of the recurrent layers


def drawn(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def model_of(nodes, initialisers, x, y, opset=OPSET):
    """A model with one input of shape `x` and one output of shape `y`; None: of two axes."""
    tensors = [numpy_helper.from_array(array, name) for name, array in initialisers.items()]
    y = [f"size_{i}" for i in range(2)] if y is None else y
    ends = [helper.make_tensor_value_info(*end) for end in (("x", TensorProto.FLOAT, x), ("y", TensorProto.FLOAT, y))]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION, producer_name="the tests"
    )


def lenet_5(dtype=np.float32):
    """Two convolutions and two matrices as PyTorch exports them: a Gemm, and a MatMul with an Add."""
    nodes = [
        helper.make_node("Conv", ["x", "conv1.weight", "conv1.bias"], ["c1"], "/conv1/Conv", kernel_shape=[5, 5]),
        helper.make_node("MaxPool", ["c1"], ["p1"], "/pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "conv2.weight"], ["c2"], "/conv2/Conv", kernel_shape=[5, 5]),
        helper.make_node("Add", ["c2", "conv2.bias"], ["c2b"], "/conv2/Add"),
        helper.make_node("Relu", ["c2b"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], "/pool2", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["f"], "/Flatten"),
        helper.make_node("Gemm", ["f", "fc1.weight", "fc1.bias"], ["g1"], "/fc1/Gemm", transB=1),
        helper.make_node("Tanh", ["g1"], ["t1"], "/Tanh"),
        helper.make_node("MatMul", ["t1", "onnx::MatMul_12"], ["m2"]),
        helper.make_node("Add", ["fc2.bias", "m2"], ["y"]),
    ]
    initialisers = {
        "conv1.weight": drawn(1, 6, 1, 5, 5),
        "conv1.bias": drawn(2, 6),
        "conv2.weight": drawn(3, 8, 6, 5, 5),
        "conv2.bias": drawn(4, 8, 1, 1),
        "fc1.weight": drawn(5, 20, 128),
        "fc1.bias": drawn(6, 20),
        "onnx::MatMul_12": drawn(7, 20, 10),
        "fc2.bias": drawn(8, 10),
    }
    return model_of(nodes, {n: a.astype(dtype) for n, a in initialisers.items()}, [1, 1, 28, 28], [1, 10])


def recurrent(op="LSTM", direction="bidirectional", seed=0):
    """A recurrent layer over 4 steps and a matrix over its last states."""
    n_gates, n_directions = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], 2 if direction == "bidirectional" else 1
    rows, width = n_gates * N_UNITS, n_directions * N_UNITS
    nodes = [
        helper.make_node(op, ["x", "W", "R", "B"], ["", "h"], "rnn", hidden_size=N_UNITS, direction=direction),
        helper.make_node("Transpose", ["h"], ["ht"], perm=[1, 0, 2]),
        helper.make_node("Flatten", ["ht"], ["f"]),
        helper.make_node("Gemm", ["f", "fc", "fcb"], ["y"], "out", transB=1),
    ]
    initialisers = {
        "W": drawn(seed + 1, n_directions, rows, N_INPUTS),
        "R": drawn(seed + 2, n_directions, rows, N_UNITS),
        "B": drawn(seed + 3, n_directions, 2 * rows),
        "fc": drawn(seed + 4, 2, width),
        "fcb": drawn(seed + 5, 2),
    }
    return model_of(nodes, initialisers, [4, 1, N_INPUTS], [1, 2])


def small():
    """One of each kind, so small that a change of a byte most often meets the structure and not a weight."""
    nodes = [
        helper.make_node("Conv", ["x", "k", "kb"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["g"], "fc", transB=1, alpha=0.5),
        helper.make_node("Constant", [], ["v"], value=numpy_helper.from_array(drawn(5, 2, 2))),
        helper.make_node("MatMul", ["g", "v"], ["m"]),
        helper.make_node("Add", ["m", "vb"], ["a"]),
        helper.make_node("LSTM", ["a", "W", "R", "B"], ["h"], "rnn", hidden_size=1, direction="bidirectional"),
        helper.make_node("Mul", ["h", "scale"], ["y"]),
    ]
    initialisers = {
        "k": drawn(1, 1, 1, 2, 1),
        "kb": drawn(2, 1),
        "w": drawn(3, 2, 2, dtype=np.float16),
        "b": drawn(4, 2),
        "vb": drawn(6, 2),
        "W": drawn(7, 2, 4, 1),
        "R": drawn(8, 2, 4, 1),
        "B": drawn(9, 2, 8),
        "scale": drawn(10, 1),
    }
    return model_of(nodes, initialisers, [1, 1, 2, 2], [1])
