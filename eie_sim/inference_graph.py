"""Whether `eie_sim.inference` computes what the graph of a model says: convolutions, pooling, a chain of matrices."""

from typing import TYPE_CHECKING, Any

from compressor.types.coded import CompressedModel
from compressor.types.network import Network, Use

if TYPE_CHECKING:
    from onnx import NodeProto

_FUNCTIONS = ("Relu", "Sigmoid", "Tanh")
_LAYOUT = ("Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze")
_SAME_CLASS = ("Softmax", "LogSoftmax")  # the largest output stays the largest
_POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}


def check_graph(model: CompressedModel) -> None:
    """Refuse a model of which `eie_sim.inference.classify` would compute something else than its graph says.

    Raises
    ------
    ValueError
        If a convolution has strides, padding, dilations or groups, or is not followed by its activation function and
        2 x 2 max-pooling; if something else stands between the layers; or there is no graph that says what stands
        around a convolution.
    """
    convolutions = [tensor.name for tensor in model.tensors if tensor.kind == "conv"]
    if model.network is None:
        if convolutions:
            raise ValueError(
                f"model: has no graph, so that strides, padding and pooling of {convolutions[0]!r} are unknown; "
                "compress the ONNX file of the network"
            )
        return
    if model.network.between:
        raise ValueError(f"model: its matrices are not a chain: {model.network.between}")
    problems = _Walk(model.network).problems()
    if problems:
        raise ValueError(f"model: is not run on images yet: {'; '.join(problems[:4])}")


class _Walk:
    """The way of an image through a graph, from operator to operator."""

    def __init__(self, network: Network) -> None:
        from compressor.importers.onnx_file import parsed_model

        graph = parsed_model(network.onnx).graph
        stored = {tensor.name for tensor in graph.initializer}
        self._uses = {use.result: use for use in network.uses}
        self._users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._inputs = [value.name for value in graph.input if value.name not in stored]

    def problems(self) -> list[str]:
        """What of the graph would be left out."""
        if len(self._inputs) != 1:
            return [f"the graph has {len(self._inputs)} inputs, but one is run"]
        found: list[str] = []
        value, waits_for_pool = self._inputs[0], ""
        while users := self._users.get(value, []):
            if len(users) > 1:
                return [*found, f"{value!r} is taken by {len(users)} operators"]
            (node,) = users
            use = self._uses.get(node.output[0])
            is_pool = _is_max_pool(node)
            if waits_for_pool and not is_pool and node.op_type not in (*_FUNCTIONS, "Add", "Identity", "Dropout"):
                found.append(f"{waits_for_pool!r} is not followed by 2 x 2 max-pooling")
                waits_for_pool = ""
            if use is not None and use.operator == "Conv":
                found += _odd(use)
                waits_for_pool = use.tensors[0]
            elif is_pool and waits_for_pool:
                waits_for_pool = ""
            elif use is None and node.op_type not in (*_FUNCTIONS, *_LAYOUT, *_SAME_CLASS, "Add"):
                found.append(f"{node.op_type} {node.name or node.output[0]!r} is not run")
            elif use is not None and use.operator not in ("Gemm", "MatMul"):
                found.append(f"{use.operator} {use.tensors[0]!r} is not run")
            value = node.output[0]
        return found


def _odd(use: Use) -> list[str]:
    """The attributes of a convolution that are not those which are run."""
    found = [
        f"{name} {use.attributes[name]} of {use.tensors[0]!r}, but only {usual} is run"
        for name, usual in (("strides", 1), ("dilations", 1), ("pads", 0))
        if set(use.attributes.get(name, [])) - {usual}
    ]
    for name, usual in (("group", (1,)), ("auto_pad", ("NOTSET", "VALID"))):
        if use.attributes[name] not in usual:
            found.append(f"{name} {use.attributes[name]!r} of {use.tensors[0]!r} is not run")
    return found


def _is_max_pool(node: "NodeProto") -> bool:
    given: dict[str, Any] = {a.name: list(a.ints) or a.i for a in node.attribute if a.type in (2, 7)}
    sizes = {name: given.get(name) for name in _POOL}
    plain = not any(given.get("pads", [])) and not given.get("ceil_mode", 0)
    return node.op_type == "MaxPool" and sizes == _POOL and plain and set(given.get("dilations", [1])) == {1}
