"""The values of an ONNX graph and who takes them."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from compressor.importers.onnx_fold import STANDARD_DOMAINS, Constants
from compressor.importers.onnx_tensors import is_float, shape_of
from compressor.types.network import PRODUCTS

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_LONGEST_DETOUR = 16  # nodes between a constant and the layer it is for, and one; exporters leave one or two


class Stored(NamedTuple):
    """A stored constant that an operator takes, maybe transposed."""

    source: str
    transposed: bool


class Graph:
    """The values of a graph.

    Attributes
    ----------
    constants : Constants
    outputs : set of str
        Names of the outputs of the graph.
    """

    def __init__(self, graph: "GraphProto", constants: Constants) -> None:
        self.constants = constants
        self.outputs = {output.name for output in graph.output}
        self._users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._inside: set[str] = set()  # taken by graphs within nodes
        for inner in inner_graphs(graph):
            self._inside.update(name for node in inner.node for name in node.input)
            self._inside.update(output.name for output in inner.output)

    def products(self) -> "Iterator[NodeProto]":
        """The machine operators that are not computed from constants alone, in the order of the graph."""
        for node in self.constants.nodes:
            if is_standard(node, *PRODUCTS) and result_of(node) and not self.constants.is_constant(result_of(node)):
                yield node

    def users(self, name: str) -> "list[NodeProto]":
        """The nodes that take a value, once for each time they take it."""
        return self._users.get(name, [])

    def is_taken_elsewhere(self, name: str) -> bool:
        """Whether a value is an output of the graph, or a graph within a node takes it."""
        return name in self.outputs or name in self._inside

    def only_user(self, name: str) -> "NodeProto | None":
        """The node that takes `name` when it is taken once in all, else None."""
        users = self.users(name)
        return users[0] if len(users) == 1 and not self.is_taken_elsewhere(name) else None

    def stored(self, name: str) -> Stored | None:
        """The stored floating-point tensor that a value is, at most passed on or transposed; else None."""
        transposed = False
        for _ in range(_LONGEST_DETOUR):
            tensor = self.constants.stored.get(name)
            if tensor is not None:
                return Stored(name, transposed) if is_float(tensor) else None
            producer = self.constants.producer(name)
            if producer is None or not is_standard(producer, "Identity", "Transpose"):
                return None
            name = producer.input[0]
            if producer.op_type == "Transpose":
                tensor = self.constants.stored.get(name)
                order = list(attribute_of(producer, "perm", "ints", [1, 0]))
                if order != [1, 0] or (tensor is not None and len(tensor.dims) != 2):
                    return None
                transposed = not transposed
        return None

    def is_passed_on(self, node: "NodeProto") -> bool:
        """Whether an operator gives back its first input at inference."""
        if is_standard(node, "Dropout"):  # in training it draws what it drops
            return len(node.input) < 3 or (node.input[2] in self.constants.stored and not self._is_true(node.input[2]))
        return is_standard(node, "Identity")

    def _is_true(self, name: str) -> bool:
        return bool(self.constants.array(name).any())

    def shape(self, source: str) -> tuple[int, ...]:
        """The shape of a stored constant."""
        return shape_of(self.constants.stored[source])


def attribute_of(node: "NodeProto", name: str, field: str, default: Any) -> Any:
    """The `field` of the attribute `name`, or `default` where there is none."""
    return next((getattr(attribute, field) for attribute in node.attribute if attribute.name == name), default)


def result_of(node: "NodeProto") -> str:
    """The first of its outputs that a node gives, which identifies it; empty where it has none."""
    return next(filter(None, node.output), "")


MODULES = "pkg.torch.onnx.name_scopes"
"""Where PyTorch's exporter notes the modules around a node: ``['', 'encoder', 'encoder.fc1', 'linear']``."""


def module_of(node: "NodeProto") -> str:
    """The PyTorch module that a node came from, where its exporter noted it; else empty."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == MODULES), "")
    names = scopes.strip("[]").split(", ")[:-1]  # the last is the node itself
    return names[-1].strip("'\"") if names else ""


def called(node: "NodeProto") -> str:
    """What a message calls a node."""
    return node.name or node.op_type


def is_standard(node: "NodeProto", *operators: str) -> bool:
    """Whether a node is one of these operators of ONNX itself."""
    return node.op_type in operators and node.domain in STANDARD_DOMAINS


def is_broadcast(node: "NodeProto", *operators: str) -> bool:
    """Whether a node is one of these and aligns its inputs at their last axes, as all have done since version 7."""
    return is_standard(node, *operators) and all(attribute.name != "axis" for attribute in node.attribute)


def copy_of(message: Any) -> Any:
    """A copy of a protobuf message."""
    new = type(message)()
    new.CopyFrom(message)
    return new


def graphs_in(node: "NodeProto") -> "Iterator[GraphProto]":
    """The graphs within a node, without those within theirs."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def graphs_of(node: "NodeProto") -> "Iterator[GraphProto]":
    """The graphs within a node, and within theirs."""
    waiting = [node]
    while waiting:
        for inner in graphs_in(waiting.pop()):
            yield inner
            waiting += inner.node


def all_nodes(nodes: "Iterable[NodeProto]") -> "Iterator[NodeProto]":
    """Nodes, and those of the graphs within them."""
    for node in nodes:
        yield node
        for inner in graphs_of(node):
            yield from inner.node


def inner_graphs(graph: "GraphProto") -> "Iterator[GraphProto]":
    """The graphs within the nodes of a graph, and within theirs."""
    for node in graph.node:
        yield from graphs_of(node)


def taken_by(node: "NodeProto") -> list[str]:
    """The values that a node takes, those that graphs within it capture too."""
    names = list(filter(None, node.input))
    inner = list(graphs_of(node))
    own = {name for graph in inner for one in graph.node for name in one.output}
    own |= {value.name for graph in inner for value in (*graph.input, *graph.initializer)}
    for graph in inner:
        captured = [name for one in graph.node for name in one.input] + [output.name for output in graph.output]
        names += [name for name in captured if name and name not in own]
    return names
