"""The layers of an ONNX graph: which nodes have weights, and where in the file the numbers of each stand."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from compressor.importers.onnx_graph import STANDARD_DOMAINS, Graph, Place, Scale, attribute_of, called
from compressor.types.dense import GATES

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

MAX_TENSORS = 10_000
"""Most weight tensors that are read; a language model has some thousand."""

_WITH_WEIGHTS = ("Gemm", "MatMul", "Conv", "LSTM", "GRU")
_QUANTISED = ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


@dataclass(frozen=True)
class Layer:
    """A weight tensor of the network; its fields are those of `DenseTensor`, but for the numbers where they stand."""

    name: str
    kind: str
    weights: Place
    bias: Place | None
    activation: str


class Layers:
    """The layers of a graph in the order of its nodes.

    Attributes
    ----------
    graph : Graph
    found : list of Layer
        Every name once.
    others : list of str
        The floating-point initialisers that are neither weights nor biases.

    Raises
    ------
    ValueError
        When there are no weights, too many, or ones that are quantised or malformed.
    """

    def __init__(self, graph: "GraphProto") -> None:
        if graph.sparse_initializer:
            raise ValueError("sparse initialisers are not read")
        self.graph = Graph(graph)
        self.found: list[Layer] = []
        self._read: set[str] = set()  # sources of weights
        for node in graph.node:
            if node.domain in STANDARD_DOMAINS:
                self._add(node)
        if not self.found:
            raise ValueError("no weights: there is no Gemm, MatMul, Conv, LSTM or GRU with constant ones")
        taken = self._read | {layer.bias.source for layer in self.found if layer.bias is not None}
        self.others = [n for n in self.graph.initialisers if n in self.graph.tensors and n not in taken]
        self.found = _with_unique_names(self.found, set(self.others))

    def _add(self, node: "NodeProto") -> None:
        if node.op_type in _WITH_WEIGHTS:
            for producer in filter(None, map(self.graph.producers.get, node.input)):
                if producer.op_type == "DequantizeLinear" and producer.input[0] in self.graph.stored:
                    raise ValueError(f"node {called(node)!r}: its weights are quantised (DequantizeLinear): not read")
        if node.op_type in _QUANTISED and any(name in self.graph.stored for name in node.input):
            raise ValueError(f"node {called(node)!r}: {node.op_type} has quantised weights, which are not read")
        if node.op_type in ("Gemm", "MatMul"):
            self._add_matrix(node)
        elif node.op_type == "Conv":
            self._add_convolution(node)
        elif node.op_type in ("LSTM", "GRU"):
            self._add_recurrent(node)

    def _add_matrix(self, node: "NodeProto") -> None:
        is_gemm = node.op_type == "Gemm"
        for at in (1, 0):  # x W, or else W x
            found = self.graph.constant(node.input[at])
            if found is None or (not is_gemm and len(self.graph.tensors[found.source].dims) != 2):
                continue  # a stack of matrices is nothing that a machine for vectors runs
            flipped = is_gemm and bool(attribute_of(node, ("transA", "transB")[at], "i", 0))
            scale = self._scale(node, "alpha", at) if is_gemm else None
            if found.source in self._read or (is_gemm and scale is None):
                return
            shape = self.graph.shape(found.source)
            if len(shape) != 2:
                raise ValueError(f"node {called(node)!r}: weights of shape {shape}, but a matrix has 2 dimensions")
            transposed = (at == 1) ^ flipped ^ found.transposed
            n_outputs = shape[1] if transposed else shape[0]
            weights = Place(found.source, transposed=transposed, scale=_needed(scale))
            axis = -1 if at == 1 else -2
            own = None
            if is_gemm and len(node.input) > 2 and node.input[2]:  # C, which is a bias where it is one number an output
                place, beta = self.graph.bias(node.input[2], n_outputs, axis), self._scale(node, "beta", 2)
                if place is not None and beta is not None:
                    own = replace(place, scale=_needed(beta))
            self._append(node, "linear", weights, own, n_outputs, axis, is_gemm and len(node.input) > 2)
            return

    def _scale(self, node: "NodeProto", attribute: str, at: int) -> Scale | None:
        """Alpha or beta; None where it cannot be folded, since others use the same tensor or it is 0."""
        found = next((a for a in node.attribute if a.name == attribute), None)
        value = 1.0 if found is None else found.f
        if not np.isfinite(value):
            raise ValueError(f"node {called(node)!r}: {attribute} is {value}, but it must be finite")
        name = node.input[at]
        foldable = name in self.graph.tensors and self.graph.only_user(name) is node and value != 0
        return Scale(found, value) if value == 1 or foldable else None

    def _add_convolution(self, node: "NodeProto") -> None:
        found = self.graph.constant(node.input[1])
        if found is None or found.source in self._read:
            return
        shape = self.graph.shape(found.source)
        if len(shape) < 3 or found.transposed:
            raise ValueError(f"node {called(node)!r}: weights of shape {shape}, but a convolution has at least 3 sizes")
        has_bias = len(node.input) > 2 and bool(node.input[2])
        own = self.graph.bias(node.input[2], shape[0], -1) if has_bias else None
        self._append(node, "conv", Place(found.source), own, shape[0], 1 - len(shape), has_bias)

    def _append(
        self,
        node: "NodeProto",
        kind: str,
        weights: Place,
        bias: Place | None,
        n_outputs: int,
        axis: int,
        has_bias: bool,
    ) -> None:
        """Take a layer; `axis` is that of the outputs in the node's result, counted from the last."""
        result = node.output[0]
        user = self.graph.only_user(result)
        if not has_bias and user is not None and user.op_type == "Add" and user.domain in STANDARD_DOMAINS:
            added = user.input[1] if user.input[0] == result else user.input[0]
            bias = self.graph.bias(added, n_outputs, axis)
            result = user.output[0] if bias is not None else result
        self._put_layer(node.name or weights.source, kind, weights, bias, self.graph.activation(result))

    def _add_recurrent(self, node: "NodeProto") -> None:
        kind = node.op_type.lower()
        direction = attribute_of(node, "direction", "s", b"forward").decode("ascii", "replace")
        matrices, bias = self._recurrent_constants(node, GATES[kind], _DIRECTIONS.get(direction, 0))
        fresh = {what: found for what, found in matrices.items() if found not in self._read}
        for at in range(_DIRECTIONS.get(direction, 0)):
            for what, source in fresh.items():
                n_rows = self.graph.tensors[source].dims[1]
                half = slice(n_rows) if what == "W" else slice(n_rows, None)
                name = f"{node.name}.{what}" if node.name else source
                self._put_layer(
                    name if at == 0 else f"{name}_reverse",
                    kind,
                    Place(source, (at,)),
                    None if bias is None else Place(bias, (at, half)),
                    "none",
                )

    def _recurrent_constants(
        self, node: "NodeProto", n_gates: int, n_directions: int
    ) -> tuple[dict[str, str], str | None]:
        """The sources of the matrices W and R, where these are constant, and of the bias, checked to fit each other."""
        sources = {}
        for what, name in zip("WRB", node.input[1:4], strict=False):
            found = self.graph.constant(name)
            if found is not None:
                sources[what] = found.source
        shapes = {what: self.graph.shape(source) for what, source in sources.items()}
        n_units = attribute_of(node, "hidden_size", "i", 0)
        for what, parts in (("W", n_gates), ("R", n_gates), ("B", 2 * n_gates)):  # where the node does not say it
            if not n_units and len(shapes.get(what, ())) > 1:
                n_units = shapes[what][1] // parts
        n_rows = n_gates * n_units
        wanted = {
            "W": (n_directions, n_rows, None),
            "R": (n_directions, n_rows, n_units),
            "B": (n_directions, 2 * n_rows),
        }
        for what, shape in shapes.items():
            pairs = zip(shape, wanted[what], strict=False)
            if len(shape) != len(wanted[what]) or any(size != need for size, need in pairs if need is not None):
                raise ValueError(
                    f"node {called(node)!r}: {what} has shape {shape}, but {n_directions} directions of {n_units} "
                    f"units need {wanted[what]}"
                )
        bias = sources.pop("B", None)
        return sources, bias

    def _put_layer(self, name: str, kind: str, weights: Place, bias: Place | None, activation: str) -> None:
        if len(self.found) == MAX_TENSORS:
            raise ValueError(f"more than {MAX_TENSORS} weight tensors")
        self._read.add(weights.source)
        self.found.append(Layer(name, kind, weights, bias, activation))


def _with_unique_names(layers: list[Layer], taken: set[str]) -> list[Layer]:
    numbers: dict[str, int] = {}
    named = []
    for layer in layers:
        name = layer.name
        while name in taken:
            numbers[layer.name] = numbers.get(layer.name, 1) + 1
            name = f"{layer.name}_{numbers[layer.name]}"
        taken.add(name)
        named.append(replace(layer, name=name))
    return named


def _needed(scale: Scale | None) -> Scale | None:
    return None if scale is None or scale.value == 1 else scale
