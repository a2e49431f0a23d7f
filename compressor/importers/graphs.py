"""ONNX graphs of networks whose weights come without one, so that a file is a whole network.

Those that `eie-compress train` and `demo` write, and SqueezeNet 1.0: the authors' ``.net`` file has its weights alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor.networks.shapes import SQUEEZENET_1_0
from compressor.types.coded import CodedTensor, CompressedModel

if TYPE_CHECKING:
    from onnx import NodeProto

SQUEEZENET = "squeezenet-1.0"
"""Name of the graph of the authors' network."""

_OPSET, _IR_VERSION = 13, 8
_POOL: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}

Tensors = Mapping[str, CodedTensor]


def with_graph(name: str, model: CompressedModel) -> CompressedModel:
    """`model` with the graph of its network.

    Parameters
    ----------
    name : str
        One of `GRAPHS`.
    model : CompressedModel
        Of that network: tensors have the names of its modules.

    Raises
    ------
    ValueError
        If a tensor of the network is not in the model.
    """
    from onnx import TensorProto, helper, numpy_helper

    from compressor.importers.onnx import network_of_onnx

    tensors = {tensor.name: tensor for tensor in model.tensors}
    layers, sizes, make = GRAPHS[name]
    if missing := [layer for layer in layers if layer not in tensors]:
        raise ValueError(f"model: there is no tensor {missing[0]!r}, which {name} has")
    nodes, arrays = make(tensors)
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", *sizes(tensors)]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", tensors[layers[-1]].shape[0]]),
    ]
    initialisers = [numpy_helper.from_array(np.ascontiguousarray(array), key) for key, array in arrays.items()]
    graph = helper.make_graph(nodes, name, ends[:1], ends[1:], initialisers)
    opset = [helper.make_opsetid("", _OPSET)]
    proto = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="eie-sim")
    network = network_of_onnx(proto, Path(name))
    # The importer reads [W R] as one tensor; a network that was trained has the two apart.
    uses = tuple(
        replace(use, tensors=layers[:2], sizes=tuple(tensors[layer].codes.size for layer in layers[:2]))
        if use.operator == "LSTM"
        else use
        for use in network.uses
    )
    return replace(model, network=replace(network, uses=uses))


def _inputs(tensors: Tensors, layer: str, before: str, arrays: dict[str, Any]) -> list[str]:
    """What an operator takes: the value before it, its weights and its bias, which go to `arrays`."""
    arrays[f"{layer}.weight"] = tensors[layer].dense()
    if tensors[layer].bias is None:
        return [before, f"{layer}.weight"]
    arrays[f"{layer}.bias"] = tensors[layer].bias
    return [before, f"{layer}.weight", f"{layer}.bias"]


def _gemm(tensors: Tensors, layer: str, before: str, after: str, arrays: dict[str, Any]) -> "NodeProto":
    from onnx import helper

    return helper.make_node("Gemm", _inputs(tensors, layer, before, arrays), [after], layer, transB=1)


def _lenet_300_100(tensors: Tensors) -> tuple[list[Any], dict[str, Any]]:
    from onnx import helper

    arrays: dict[str, Any] = {}
    nodes = [
        _gemm(tensors, "ip1", "images", "a1", arrays),
        helper.make_node("Relu", ["a1"], ["h1"], "relu1"),
        _gemm(tensors, "ip2", "h1", "a2", arrays),
        helper.make_node("Relu", ["a2"], ["h2"], "relu2"),
        _gemm(tensors, "ip3", "h2", "scores", arrays),
    ]
    return nodes, arrays


def _lenet_5(tensors: Tensors) -> tuple[list[Any], dict[str, Any]]:
    from onnx import helper

    arrays: dict[str, Any] = {}
    nodes = []
    before = "images"
    for number, layer in enumerate(("conv1", "conv2"), 1):
        nodes += [
            helper.make_node("Conv", _inputs(tensors, layer, before, arrays), [f"c{number}"], layer),
            helper.make_node("MaxPool", [f"c{number}"], [f"p{number}"], f"pool{number}", **_POOL),
        ]
        before = f"p{number}"
    nodes += [
        helper.make_node("Flatten", [before], ["f"], "flatten"),
        _gemm(tensors, "ip1", "f", "a1", arrays),
        helper.make_node("Relu", ["a1"], ["h1"], "relu1"),
        _gemm(tensors, "ip2", "h1", "scores", arrays),
    ]
    return nodes, arrays


def _lstm_classifier(tensors: Tensors) -> tuple[list[Any], dict[str, Any]]:
    from onnx import helper

    from compressor.importers.onnx import in_onnx_order

    w, r = (tensors[f"lstm.weight_{which}_l0"] for which in ("ih", "hh"))
    biases = [np.zeros(t.shape[0], np.float32) if t.bias is None else t.bias for t in (w, r)]
    arrays: dict[str, Any] = {
        "W": in_onnx_order(w, w.dense())[None],
        "R": in_onnx_order(r, r.dense())[None],
        "B": np.concatenate([in_onnx_order(t, bias) for t, bias in zip((w, r), biases, strict=True)])[None],
        "first": np.zeros(1, np.int64),
    }
    nodes = [
        # Images come row by row; ONNX puts the steps first.
        helper.make_node("Transpose", ["images"], ["rows"], "rows", perm=[1, 0, 2]),
        helper.make_node("LSTM", ["rows", "W", "R", "B"], ["", "last"], "lstm", hidden_size=r.shape[1]),
        helper.make_node("Squeeze", ["last", "first"], ["h"], "squeeze"),
        _gemm(tensors, "fc", "h", "scores", arrays),
    ]
    return nodes, arrays


_POOLED = ("conv1", "fire4", "fire8")
"""Modules of SqueezeNet 1.0 that max-pooling follows."""


def _squeezenet(tensors: Tensors) -> tuple[list[Any], dict[str, Any]]:
    """SqueezeNet 1.0 as the authors' Caffe model computes it (deploy.prototxt), without the softmax at its end."""
    from onnx import helper

    arrays: dict[str, Any] = {}
    nodes: list[NodeProto] = []

    def convolution(layer: str, before: str, **attributes: Any) -> str:
        nodes.append(helper.make_node("Conv", _inputs(tensors, layer, before, arrays), [layer], layer, **attributes))
        nodes.append(helper.make_node("Relu", [layer], [f"{layer}/relu"], f"{layer}/relu"))
        return f"{layer}/relu"

    def pooled(module: str, before: str) -> str:
        if module not in _POOLED:
            return before
        pool = f"{module}/pool"
        # Caffe rounds the size of a pooled image up.
        nodes.append(
            helper.make_node("MaxPool", [before], [pool], pool, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        )
        return pool

    value = pooled("conv1", convolution("conv1", "images", strides=[2, 2]))
    for module in (f"fire{number}" for number in range(2, 10)):
        squeezed = convolution(f"{module}/conv1x1_1", value)
        halves = [
            convolution(f"{module}/conv1x1_2", squeezed),
            convolution(f"{module}/conv3x3_2", squeezed, pads=[1, 1, 1, 1]),
        ]
        nodes.append(helper.make_node("Concat", halves, [module], module, axis=1))
        value = pooled(module, module)
    # The padding of these 1 x 1 kernels is the authors': around the image stands the bias alone, and the mean has it.
    value = convolution("conv_final", value, pads=[1, 1, 1, 1])
    nodes.append(helper.make_node("ReduceMean", [value], ["scores"], "mean", axes=[2, 3], keepdims=0))
    return nodes, arrays


_Make = Callable[[Tensors], tuple[list[Any], dict[str, Any]]]
_Sizes = Callable[[Tensors], list[int | str]]

GRAPHS: Mapping[str, tuple[tuple[str, ...], _Sizes, _Make]] = {
    "lenet-300-100": (("ip1", "ip2", "ip3"), lambda tensors: [tensors["ip1"].shape[1]], _lenet_300_100),
    "lenet-5": (("conv1", "conv2", "ip1", "ip2"), lambda _: [1, 28, 28], _lenet_5),
    "lstm-classifier": (
        ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "fc"),
        lambda tensors: ["rows", tensors["lstm.weight_ih_l0"].shape[1]],
        _lstm_classifier,
    ),
    SQUEEZENET: (tuple(SQUEEZENET_1_0), lambda _: [3, 227, 227], _squeezenet),
}
"""Of each network its layers, the sizes of its inputs after the number of images, and what makes its graph."""
