"""Graphs of small networks, as importers keep them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper

from compressor.importers.onnx import network_of_onnx
from compressor.types.network import Network, Use


def chain_of(*names, between=""):
    """The graph of matrices that run one after another, or that `between` keeps from it; its ONNX model is empty."""
    ends = ["x", *names, "y"]
    uses = [
        Use(name, "Gemm", 1, f"{name}/result", (name,), (1,), {}, (ends[at],), (ends[at + 2],), None)
        for at, name in enumerate(names)
    ]
    return Network(b"\x08\x08", tuple(uses), (), between)


POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}


def with_images(model, shape, pool=POOL, function="Relu", more=(), **attributes):
    """The model of a convolution and matrices with its graph: function and pooling after the convolution.

    Parameters
    ----------
    shape : sequence of int
        Of an image, channels first.
    pool : dict or None
        Attributes of the pooling; None: none.
    more : sequence of NodeProto
        Between ``p``, what is pooled, and ``more``, which is flattened.
    **attributes
        Of the convolution.
    """
    conv, *matrices = model.tensors
    arrays = {f"{tensor.name}.weight": tensor.dense() for tensor in model.tensors}
    arrays |= {f"{tensor.name}.bias": tensor.bias for tensor in model.tensors if tensor.bias is not None}

    def node(tensor, operator, before, after, **given):
        inputs = [before, f"{tensor.name}.weight", *([f"{tensor.name}.bias"] * (tensor.bias is not None))]
        return helper.make_node(operator, inputs, [after], tensor.name, **given)

    nodes = [node(conv, "Conv", "x", "c", **attributes), helper.make_node(function, ["c"], ["r"])]
    nodes.append(helper.make_node("Identity" if pool is None else "MaxPool", ["r"], ["p"], **(pool or {})))
    nodes += [*more, helper.make_node("Flatten", ["more" if more else "p"], ["h0"])]
    for at, matrix in enumerate(matrices):
        nodes.append(node(matrix, "Gemm", f"h{at}", f"g{at}", transB=1))
        last = at + 1 == len(matrices)
        nodes.append(helper.make_node("Identity" if last else "Relu", [f"g{at}"], ["y" if last else f"h{at + 1}"]))
    ends = [
        helper.make_tensor_value_info(*end)
        for end in (("x", 1, ["n", *shape]), ("y", 1, ["n", model.tensors[-1].shape[0]]))
    ]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return replace(model, network=network_of_onnx(proto, Path("graph")))
