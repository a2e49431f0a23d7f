"""The layers of an ONNX graph in normal form: which operators use which weights, and what is left as it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from compressor.importers.onnx_fold import STANDARD_DOMAINS
from compressor.importers.onnx_graph import attribute_of, called, graphs_of, is_standard, module_of, result_of
from compressor.importers.onnx_normal import Normal
from compressor.importers.onnx_operators import MAX_TENSORS, Operators, Part, separate_layouts
from compressor.importers.onnx_tensors import is_float, is_wide
from compressor.importers.onnx_weights import Bias, Weights
from compressor.importers.onnx_work import Work
from compressor.types.model_checks import OTHER_FUNCTION
from compressor.types.network import PRODUCTS, RECURRENT, Kept, Use

if TYPE_CHECKING:
    from onnx import NodeProto

_QUANTISED = re.compile(
    r"QLinear|Integer|DynamicQuantize|NBits|Bnb4|FpQ4|^Q(Gemm|Attention|MoE|Ordered)|BlockQuantized"
)
_MULTIPLIES = re.compile(r"Gemm|MatMul|Conv|LSTM|GRU|RNN|Einsum|Attention|MoE")
_MULTIPLIES_ALL = ("Einsum", "FusedMatMul", "MatMul", "TransposeMatMul")  # each of their inputs is an operand
# Names that exporters give every operator of a kind.
_SAYS_NOTHING = re.compile(
    r"/?(node_|p2o\.)?(n|op|node|gemm|matmul|mm|addmm|bmm|linear|conv(olution|transpose)?([123]d)?|lstm|gru|rnn)?"
    r"([._]*\d+)*",
    re.IGNORECASE,
)
_OF_A_LAYER = re.compile(
    r"(?P<layer>.+)[./](weight|kernel|w_0)((_(ih|hh)_l0)|(_(ih|hh)(?P<which>_l\d+)))?(_reverse)?", re.DOTALL
)
_EITHER_SIDE = ("Gemm", "MatMul")  # weights may be the first or the second operand
_ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "Conv": {"auto_pad": "NOTSET", "group": 1},
    "ConvTranspose": {"auto_pad": "NOTSET", "group": 1},
    "LSTM": {"direction": "forward", "input_forget": 0, "layout": 0},
    "GRU": {"direction": "forward", "linear_before_reset": 0, "layout": 0},
    "RNN": {"direction": "forward", "layout": 0},
}
"""What ONNX takes where a node does not say it; sizes of kernels are filled in."""
_FUNCTIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
"""Of each direction, where a node does not say it."""


@dataclass(frozen=True)
class Layer:
    """A weight tensor of the network; its fields are those of `DenseTensor`, but for the numbers where they stand."""

    name: str
    kind: str
    weights: Weights
    bias: Bias | None
    activation: str


class Layers:
    """The layers of a graph in the order of its nodes.

    Parameters
    ----------
    normal : Normal
    keep : sequence of str or None
        Patterns of operators that are not to be compressed, by their own names or their layers'. None: there are none,
        and quantised operators are left as they are.

    Attributes
    ----------
    found : list of Layer
        Every name once.
    uses : list of Use
    kept : list of Kept
    between : str
        As in `compressor.types.network.Network`.

    Raises
    ------
    ValueError
        If there are no weights, too many, or ones that are quantised or malformed; or a pattern matches nothing.
    """

    def __init__(self, normal: Normal, keep: Sequence[str] | None = ()) -> None:
        separate_layouts(normal)
        self._normal, self._keep, self._unmatched = normal, keep or (), set(keep or ())
        self._refuses_quantised = keep is not None
        self._graph, self._constants = normal.graph, normal.constants
        self._operators = Operators(normal)
        self.work = Work(normal, self._operators.with_bias)
        self.found: list[Layer] = []
        self.uses: list[Use] = []
        self.kept: list[Kept] = []
        self._accounted: set[str] = set()  # stored constants that are in a list
        self._held: dict[int, list[str]] = {}  # those that entries of `kept` hold, by their numbers
        self._asked: dict[str, str] = {}  # names of the layers that are kept as asked, by their weights
        self._by_weights: dict[Weights, int] = {}
        self._names: set[str] = set()
        self._numbers: dict[str, int] = {}  # the last that a name has had after it
        graph = normal.file.model.graph
        if graph.sparse_initializer:
            raise ValueError("sparse initialisers are not read")
        initialisers = {tensor.name for tensor in graph.initializer}
        for node in self._graph.products():  # names first: an operator is fed by those before it
            parts = self._operators.parts(node)
            self.work.labels[result_of(node)] = self._name(node, parts)
            adds = node.op_type not in RECURRENT and len(node.input) > 2 and bool(node.input[2])
            adds = adds and attribute_of(node, "beta", "f", 1.0) != 0
            if adds and not isinstance(parts, str) and parts[0].bias is None:
                self.work.without_bias.add(result_of(node))
        for node in graph.node:
            self._look_at(node, initialisers)
        if self._unmatched:
            there = [layer.name for layer in self.found] + [kept.name for kept in self.kept]
            raise ValueError(f"keep: no layer matches {min(self._unmatched)!r}; there are {', '.join(there):.400}")
        self._keep_shared()
        if not self.found:
            raise ValueError(self._nothing())
        self._count_held()
        self._keep_readers()
        self._keep_constants()
        self.between = self.work.between(self.uses, {layer.name: layer.kind for layer in self.found})

    def sources(self) -> set[str]:
        """The stored constants that the layers hold."""
        names = {name for layer in self.found for name in layer.weights.sources}
        return names | {layer.bias.source for layer in self.found if layer.bias is not None}

    def _nothing(self) -> str:
        if not self.kept:
            return f"no weights: there is no {', '.join(PRODUCTS[:-1])} or {PRODUCTS[-1]} with constant ones"
        reasons = "; ".join(f"{kept.name}: {kept.reason}" for kept in self.kept[:3])
        if "condition is unknown" in reasons:
            inputs = ", ".join(self._inputs_of_conditions())
            reasons += f"; fix an input it depends on (--fix NAME=VALUE) or its sizes (--shape NAME=1x2): {inputs:.300}"
        return f"no weights that are read: {reasons}"

    def _inputs_of_conditions(self) -> list[str]:
        """The inputs of the graph that the conditions of its ``If`` follow from."""
        waiting = [node.input[0] for node in self._constants.nodes if is_standard(node, "If")]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                made = self._constants.producer(name)
                waiting += made.input if made is not None else ()
        inputs = [value.name for value in self._normal.file.model.graph.input]
        return [name for name in inputs if name in seen and name not in self._constants.stored] or inputs

    # Operators --------------------------------------------------------------------------------------------------------

    def _look_at(self, node: "NodeProto", initialisers: set[str]) -> None:
        if not result_of(node) or self._constants.is_constant(result_of(node)):
            return  # it is folded, if anybody needs it
        for inner in graphs_of(node):
            self._keep_inside(node, inner)
        if is_standard(node, *PRODUCTS):
            parts = self._operators.parts(node)
            name = self._name(node, parts)
            if isinstance(parts, str):
                self._leave(node, name, parts)
            elif self._is_kept(name, node.name, *(own := self._own_names(name, parts, initialisers))):
                self._leave(node, own[0], "as asked (keep)")
                self._asked |= {source: own[0] for part in parts for source in part.weights.sources}
                self._names.update(own)  # another layer's name does not depend on what is kept
            else:
                self._take(node, name, parts, initialisers)
            return
        matrices = self._matrices(node)
        if not matrices:
            return
        if _QUANTISED.search(node.op_type):
            if not self._is_kept(called(node), node.output[0]) and self._refuses_quantised:
                raise ValueError(
                    f"node {called(node)!r}: {node.op_type} has quantised weights, which are not read; "
                    f"keep {called(node)!r} to leave it as it is"
                )
            self._leave(node, called(node), f"quantised ({node.op_type})")
        elif node.domain not in STANDARD_DOMAINS:
            self._leave(node, called(node), f"{node.domain}.{node.op_type} is not an operator of ONNX itself")
        elif node.op_type == "Einsum":
            self._leave(node, called(node), "Einsum is not an operator of the machine")

    def _matrices(self, node: "NodeProto") -> list[str]:
        """The constants of two axes or more that a node takes; of one axis where they are sure to be its operands."""
        fewest = 1 if node.op_type in _MULTIPLIES_ALL else 2
        found = []
        for name in filter(None, node.input):
            if self._constants.is_constant(name):
                sources = [name] if name in self._constants.stored else self._constants.sources(name)
                stored = self._constants.stored
                found += [source for source in sources if source in stored and len(stored[source].dims) >= fewest]
        return found

    def _leave(self, node: "NodeProto", name: str, reason: str) -> None:
        """Put a node into the list of what is kept."""
        self._held[len(self.kept)] = self._matrices(node)
        self.kept.append(Kept(name, node.op_type, reason, 0, self.work.macs(node)))

    def _take(self, node: "NodeProto", name: str, parts: list[Part], initialisers: set[str]) -> None:
        names = []
        activation = self.work.activation(node)
        for part, own in zip(parts, self._own_names(name, parts, initialisers), strict=True):
            self._accounted.update(part.weights.sources)
            if part.bias is not None:
                self._accounted.add(part.bias.source)
            at = self._by_weights.get(part.weights)
            if at is None:
                if len(self.found) == MAX_TENSORS:
                    raise ValueError(f"more than {MAX_TENSORS} weight tensors")
                at = self._by_weights[part.weights] = len(self.found)
                self._names.add(own)
                self.found.append(Layer(own, part.kind, part.weights, part.bias, activation))
            else:  # a weight of several uses is stored once; a bias that they do not share stays in the graph
                first = self.found[at]
                same = first.activation if first.activation == activation else OTHER_FUNCTION
                bias = first.bias if first.bias == part.bias else None
                self.found[at] = replace(first, bias=bias, activation=same)
            names.append(self.found[at].name)
        self.uses.append(
            Use(
                node=name,
                operator=node.op_type,
                operand=0 if is_standard(node, *_EITHER_SIDE) and self._graph.stored(node.input[1]) is None else 1,
                result=result_of(node),
                tensors=tuple(names),
                sizes=tuple(prod(part.weights.shape) for part in parts),
                attributes=self._attributes(node),
                fed_by=self.work.fed_by(node),
                feeds=self.work.feeds(node),
                macs=self.work.macs(node),
            )
        )

    def _attributes(self, node: "NodeProto") -> dict[str, Any]:
        found = dict(_ATTRIBUTES.get(node.op_type, {}))
        if node.op_type in ("Conv", "ConvTranspose"):
            stored = self._graph.stored(node.input[1])
            assert stored is not None
            kernel = list(self._graph.shape(stored.source)[2:])
            ones = [1] * len(kernel)
            found |= {"kernel_shape": kernel, "strides": ones, "dilations": ones, "pads": [0, 0] * len(kernel)}
        for attribute in node.attribute:
            value = _value(attribute)
            if any(isinstance(n, float) and not isfinite(n) for n in (value if isinstance(value, list) else [value])):
                raise ValueError(f"node {called(node)!r}: {attribute.name} is {value}, but it must be finite")
            if value is not None:
                found[attribute.name] = value
        if node.op_type in _FUNCTIONS:
            n_directions = 2 if found["direction"] == "bidirectional" else 1
            found.setdefault("activations", list(_FUNCTIONS[node.op_type]) * n_directions)
        return found

    def _is_kept(self, *names: str) -> bool:
        matching = {pattern for pattern in self._keep if any(name and fnmatchcase(name, pattern) for name in names)}
        self._unmatched -= matching
        return bool(matching)

    # Names ------------------------------------------------------------------------------------------------------------

    def _name(self, node: "NodeProto", parts: list[Part] | str) -> str:
        """The node's own name where it says something, else that of the layer or module it came from."""
        if node.name and not _SAYS_NOTHING.fullmatch(node.name):
            return node.name
        sources = parts[0].weights.sources if not isinstance(parts, str) else ()
        for source in sources:
            for root in (source, *sorted(self._normal.roots.get(source, ()))):
                match = _OF_A_LAYER.fullmatch(root)
                if match is not None:
                    return match["layer"] + (match["which"] or "")
        return module_of(node) or node.name or (sources[0] if sources else node.op_type)

    def _own_names(self, name: str, parts: list[Part], initialisers: set[str]) -> list[str]:
        """A name for each tensor of an operator that no other has, nor an initialiser that stays one."""
        # Sources that become tensors give their names up.
        sources = {source for part in parts for source in part.weights.sources}
        names = []
        for part in parts:
            first = name + part.ending
            number = self._numbers.get(first, 1)  # attack: ten thousand layers of one name
            own = first if number == 1 else f"{first}_{number}"
            while own in self._names or (own in initialisers and own not in self._accounted and own not in sources):
                number += 1
                own = f"{first}_{number}"
            self._numbers[first] = number
            names.append(own)
        return names

    # What is kept -----------------------------------------------------------------------------------------------------

    def _keep_inside(self, node: "NodeProto", inner: Any) -> None:
        """List what a graph within a node has of its own."""
        where = f"inside {node.op_type} {called(node)!r}"
        if node.op_type == "If":
            where += ", whose condition is unknown"
        for one in inner.node:
            constant = next((a.t for a in one.attribute if a.name == "value" and a.HasField("t")), None)
            if _MULTIPLIES.search(one.op_type):
                self.kept.append(Kept(called(one), one.op_type, where, 0, None))
            elif is_standard(one, "Constant") and constant is not None and is_wide(constant):
                self.kept.append(Kept(one.output[0], "constant", where, prod(constant.dims), 0))
        for tensor in inner.initializer:
            if is_wide(tensor):
                self.kept.append(Kept(tensor.name, "constant", where, prod(tensor.dims), 0))

    def _keep_shared(self) -> None:
        """Keep every use of weights that one use is to keep: there is one constant, which stays as it is."""
        owners = {layer.name: self._asked.get(layer.weights.sources[0], "") for layer in self.found}
        for use in self.uses:
            if owner := owners[use.tensors[0]]:
                reason = f"its weights are those of {owner!r}, which is kept as asked"
                self.kept.append(Kept(use.node, use.operator, reason, 0, use.macs))
        self.uses = [use for use in self.uses if not owners[use.tensors[0]]]
        self.found = [layer for layer in self.found if not owners[layer.name]]

    def _count_held(self) -> None:
        """Count the constants of what is kept, each once, and none that is compressed."""
        counted = self.sources()
        for number, sources in self._held.items():
            own = set(sources) - counted
            counted |= own
            n_weights = sum(prod(self._constants.stored[source].dims) for source in own)
            self.kept[number] = replace(self.kept[number], n_weights=n_weights)
        self._accounted = counted

    def _keep_readers(self) -> None:
        """List the compressed constants that other operators read too, which then get the decoded values."""
        products = {use.result for use in self.uses}
        for source in dict.fromkeys(source for layer in self.found for source in layer.weights.sources):
            readers = []
            waiting = [source]
            while waiting:
                name = waiting.pop()
                if self._graph.is_taken_elsewhere(name):
                    readers.append("an output or a graph within a node")
                for user in self._graph.users(name):
                    if self._constants.is_constant(result_of(user)):
                        waiting += filter(None, user.output)
                    elif result_of(user) not in products:
                        readers.append(f"{user.op_type} {called(user)!r}")
            if readers:
                reason = f"compressed; also read by {', '.join(dict.fromkeys(readers)):.300}, with the decoded values"
                self.kept.append(Kept(source, "constant", reason, 0, 0))

    def _keep_constants(self) -> None:
        """List the constants that might be weights and that no operator of a list accounts for."""
        for name, tensor in self._constants.stored.items():
            if name in self._accounted or not is_wide(tensor):
                continue
            users = self._graph.users(name)
            if not users:
                reason = "not used by an operator of the graph itself"
            elif users[0].op_type == "Gather":
                reason = f"embedding table of {called(users[0])!r}"
            else:
                reason = f"operand of {users[0].op_type} {called(users[0])!r}"
            self.kept.append(Kept(name, "constant", reason, prod(tensor.dims), 0))

    def others(self) -> list[str]:
        """The floating-point initialisers that are neither weights nor biases."""
        held = self.sources()
        graph = self._normal.file.model.graph
        return [tensor.name for tensor in graph.initializer if is_float(tensor) and tensor.name not in held]


def _value(attribute: Any) -> Any:
    """An ONNX attribute as JSON has it; None of graphs and tensors."""
    kinds = {1: "f", 2: "i", 6: "floats", 7: "ints"}
    if attribute.type == 3:  # a string
        return attribute.s.decode("utf-8", "replace")
    if attribute.type == 8:
        return [one.decode("utf-8", "replace") for one in attribute.strings]
    if attribute.type not in kinds:
        return None
    value = getattr(attribute, kinds[attribute.type])
    return list(value) if attribute.type > 5 else value
