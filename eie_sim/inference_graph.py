"""Whether `eie_sim.inference` computes what the graph of a model says: convolutions, pooling, a chain of matrices."""

from typing import TYPE_CHECKING, Any

from compressor.types.coded import CompressedModel
from compressor.types.model_checks import OTHER_FUNCTION
from compressor.types.network import Network, Use

if TYPE_CHECKING:
    from onnx import NodeProto

_FUNCTIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
_PASSED_ON = ("Identity", "Dropout")
_LAYOUT = (*_PASSED_ON, "Flatten", "Reshape", "Squeeze", "Unsqueeze")
_SAME_CLASS = ("Softmax", "LogSoftmax")  # along the classes, the largest output stays the largest
_POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}


def check_graph(model: CompressedModel) -> None:
    """Refuse a model of which `eie_sim.inference.classify` would compute something else than its graph says.

    Raises
    ------
    ValueError
        If a convolution has strides, padding, dilations or groups, or is not followed by its activation function and
        2 x 2 max-pooling; if something else stands before, between or behind the layers; or there is no graph that says
        what stands around a convolution.
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
    problems = _Way(model, model.network).problems()
    if problems:
        raise ValueError(f"model: is not run on images yet: {'; '.join(problems[:4])}")


class _Way:
    """The way of an image through a graph, from operator to operator."""

    def __init__(self, model: CompressedModel, network: Network) -> None:
        from compressor.importers.onnx_file import parsed_model
        from compressor.importers.onnx_tensors import has_numbers

        graph = parsed_model(network.onnx).graph
        self._model = model
        self._uses = {use.result: use for use in network.uses}
        self._users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        # A constant without numbers that is not among the others is held by a tensor: weights or a bias.
        self._held = {t.name for t in graph.initializer if not has_numbers(t)} - set(model.others)
        stored = {tensor.name for tensor in graph.initializer}
        self._inputs = [value.name for value in graph.input if value.name not in stored]
        self._outputs = [value.name for value in graph.output]
        self._nodes = list(graph.node)

    def problems(self) -> list[str]:
        """What of the graph would be left out or computed otherwise."""
        if len(self._inputs) != 1 or len(self._outputs) != 1:
            return [f"the graph has {len(self._inputs)} inputs and {len(self._outputs)} outputs, but one is run"]
        found: list[str] = []
        layers = list(zip(self._model.tensors, self._model.activations, strict=True))
        value = self._past(self._inputs[0], _LAYOUT)
        for tensor, function in layers:
            node = self._next(value)
            use = None if node is None else self._uses.get(_result(node))
            if node is None or use is None or use.tensors != (tensor.name,):
                return [*found, f"{self._called(value)} stands before {tensor.name!r}"]
            if tensor.kind != "conv":
                break  # from here on the matrices are a chain
            found += _odd(use)
            value = self._past(self._behind(node, function), _PASSED_ON)
            pool = self._next(value)
            if pool is not None and _is_max_pool(pool):
                value = _result(pool)
            else:
                found.append(f"{tensor.name!r} is not followed by 2 x 2 max-pooling")
            value = self._past(value, _LAYOUT)
        last, function = layers[-1]
        for node in self._nodes:  # a forged file may name a use that its graph does not have
            use = self._uses.get(_result(node))
            if use is not None and use.tensors == (last.name,):
                value = self._past(self._behind(node, function), _LAYOUT)
        end = self._next(value)
        if end is not None and function == OTHER_FUNCTION and _is_along_classes(end):
            value = self._past(_result(end), _LAYOUT)
        if value != self._outputs[0] or self._users.get(value):
            found.append(f"{self._called(value)} stands behind {last.name!r}")
        return found

    def _next(self, value: str) -> "NodeProto | None":
        """The only operator that takes a value."""
        users = self._users.get(value, [])
        return users[0] if len(users) == 1 else None

    def _past(self, value: str, operators: tuple[str, ...]) -> str:
        """The value behind operators of these kinds."""
        for _ in self._nodes:
            node = self._next(value)
            if node is None or node.op_type not in operators or node.domain:
                break
            value = _result(node)
        return value

    def _behind(self, node: "NodeProto", function: str) -> str:
        """The value behind a layer, its bias and its function."""
        value = _result(node)
        added = self._next(value)
        own = {"Gemm": True}.get(node.op_type, len(node.input) > 2)
        if not own and added is not None and added.op_type == "Add" and self._held.intersection(added.input):
            value = _result(added)
        value = self._past(value, _PASSED_ON)
        after = self._next(value)
        if after is not None and after.op_type == _FUNCTIONS.get(function) and not after.domain:
            value = _result(after)
        return value

    def _called(self, value: str) -> str:
        """What takes a value, for a message."""
        users = self._users.get(value, [])
        if len(users) == 1:
            return f"{users[0].op_type} {users[0].name or _result(users[0])!r}"
        return f"{value!r}, which {len(users)} operators take,"


def _result(node: "NodeProto") -> str:
    return next(filter(None, node.output), "")


def _is_along_classes(node: "NodeProto") -> bool:
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    return node.op_type in _SAME_CLASS and not node.domain and axis in (-1, 1)  # of scores (images, classes)


def _odd(use: Use) -> list[str]:
    """The attributes of a convolution that are not those which are run."""
    found = [
        f"{name} {use.attributes[name]} of {use.tensors[0]!r}, but only {usual} is run"
        for name, usual in (("strides", 1), ("dilations", 1), ("pads", 0))
        if any(value != usual for value in use.attributes.get(name, []))
    ]
    for name, usual in (("group", (1,)), ("auto_pad", ("NOTSET", "VALID"))):
        if (value := use.attributes.get(name, usual[0])) not in usual:
            found.append(f"{name} {value!r} of {use.tensors[0]!r} is not run")
    return found


def _is_max_pool(node: "NodeProto") -> bool:
    given: dict[str, Any] = {a.name: list(a.ints) or a.s or a.i for a in node.attribute}
    sizes = {name: given.get(name) for name in _POOL}
    plain = not any(given.get("pads", [])) and not given.get("ceil_mode", 0)
    plain &= given.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID") and not any(node.output[1:]) and not node.domain
    return node.op_type == "MaxPool" and sizes == _POOL and plain and set(given.get("dilations", [1])) == {1}
