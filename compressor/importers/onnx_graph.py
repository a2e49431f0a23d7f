"""What the values of an ONNX graph are: constants, biases, and results that a single node takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx_tensors import Floats, is_float, shape_of

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

STANDARD_DOMAINS = ("", "ai.onnx")
"""Where ONNX's own operators are."""

_LONGEST_DETOUR = 16  # nodes between a constant and the layer it is for, and one; exporters leave one or two
_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
_NOTHING_AT_INFERENCE = ("Identity", "Dropout")


@dataclass(frozen=True)
class Place:
    """Where some numbers of a layer stand: in all or a part of the tensor `source` of the file."""

    source: str
    part: tuple[int | slice, ...] = ()
    transposed: bool = False
    flat: bool = False
    scale: "Scale | None" = None

    def view(self, array: Floats) -> Floats:
        """The layer's numbers, in its own shape, as a view of the source's."""
        found = array[self.part]
        if self.flat:
            return found.reshape(-1)
        return found.T if self.transposed else found

    def read(self, array: Floats) -> NDArray[np.float32]:
        """The numbers that the layer works with."""
        with np.errstate(over="ignore"):
            found = self.view(array).astype(np.float32, copy=False)
            return found if self.scale is None else found * np.float32(self.scale.value)


class Scale(NamedTuple):
    """A factor that a Gemm multiplies a tensor by: alpha or beta."""

    attribute: Any
    value: float


class Constant(NamedTuple):
    """A constant of the graph that a node takes."""

    source: str
    transposed: bool


class Graph:
    """The values of a graph.

    Attributes
    ----------
    tensors : dict of str to TensorProto
        Initialisers and values of Constant nodes that are floating-point numbers, by the name that nodes know.
    initialisers : list of str
        All of them, of any type.
    stored : set of str
        Initialisers and results of Constant nodes, of any type.
    producers : dict of str to NodeProto
        The node that computes a value.

    Raises
    ------
    ValueError
        When two initialisers have one name.
    """

    def __init__(self, graph: "GraphProto") -> None:
        self.tensors: dict[str, TensorProto] = {}
        tensors = [(tensor.name, tensor) for tensor in graph.initializer]
        for node in graph.node:
            if node.op_type == "Constant" and node.domain in STANDARD_DOMAINS:
                tensors += [(node.output[0], a.t) for a in node.attribute if a.name == "value"]
        for name, tensor in tensors:
            if name in self.tensors:
                raise ValueError(f"initialiser {name!r} is there twice")
            if is_float(tensor):
                self.tensors[name] = tensor
        self.initialisers = [tensor.name for tensor in graph.initializer]
        constants = [node.output[0] for node in graph.node if node.op_type == "Constant"]
        self.stored = {*self.initialisers, *constants}
        self.producers = {output: node for node in graph.node for output in node.output}
        self._uses = _Uses(graph)

    def shape(self, source: str) -> tuple[int, ...]:
        """The shape of one of `tensors`."""
        return shape_of(self.tensors[source])

    def only_user(self, name: str) -> "NodeProto | None":
        """The node that takes `name` when it is taken once, else None."""
        return self._uses.only_user(name)

    def constant(self, name: str) -> Constant | None:
        """The float tensor that a value is, at most passed on or transposed; None where it is computed."""
        transposed = False
        for _ in range(_LONGEST_DETOUR):
            if name in self.tensors:
                return Constant(name, transposed)
            producer = self.producers.get(name)
            if producer is None or producer.op_type not in ("Identity", "Transpose"):
                return None
            name = producer.input[0]
            if producer.op_type == "Transpose":
                order = next((list(a.ints) for a in producer.attribute if a.name == "perm"), [1, 0])
                if order != [1, 0] or (name in self.tensors and len(self.tensors[name].dims) != 2):
                    return None
                transposed = not transposed
        return None

    def bias(self, name: str, n_outputs: int, axis: int) -> Place | None:
        """The constant `name` as a bias: one number for each output, which lie along `axis`, counted from the last."""
        found = self.constant(name)
        if found is None or found.transposed:
            return None
        shape = self.shape(found.source)
        fits = len(shape) >= -axis and shape[axis] == n_outputs and prod(shape) == n_outputs
        return Place(found.source, flat=True) if fits else None

    def activation(self, result: str) -> str:
        """The activation function of the one node that takes `result`, else "none"."""
        user = self._uses.only_user(result)
        while user is not None and user.op_type in _NOTHING_AT_INFERENCE:
            user = self._uses.only_user(user.output[0])
        return "none" if user is None else _ACTIVATIONS.get(user.op_type, "none")


def attribute_of(node: "NodeProto", name: str, field: str, default: Any) -> Any:
    """The `field` of the attribute `name`, or `default` where there is none."""
    return next((getattr(attribute, field) for attribute in node.attribute if attribute.name == name), default)


def called(node: "NodeProto") -> str:
    """What a message calls a node."""
    return node.name or node.op_type


class _Uses:
    """Which nodes take a value, and how often it is taken in all: by nodes, by graphs inside them, as an output."""

    def __init__(self, graph: "GraphProto") -> None:
        self._nodes: dict[str, list[NodeProto]] = {}
        self._others: set[str] = set()
        for node in graph.node:
            for name in node.input:
                self._nodes.setdefault(name, []).append(node)
        self._others.update(output.name for output in graph.output)
        for inner in _inner_graphs(graph):
            self._others.update(name for node in inner.node for name in node.input)
            self._others.update(output.name for output in inner.output)

    def only_user(self, name: str) -> "NodeProto | None":
        """The node that takes `name` when it is taken once, else None."""
        nodes = self._nodes.get(name, [])
        return nodes[0] if len(nodes) == 1 and name not in self._others else None


def _inner_graphs(graph: "GraphProto") -> Iterator["GraphProto"]:
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            yield inner
            yield from _inner_graphs(inner)
