"""What the operators of an ONNX graph do for one another: multiply-accumulates, neighbours, activation functions."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from compressor.importers.onnx_fold import Shape
from compressor.importers.onnx_graph import attribute_of, called, is_standard, result_of
from compressor.importers.onnx_normal import Normal
from compressor.types.model_checks import OTHER_FUNCTION
from compressor.types.network import PRODUCTS, RECURRENT, Use

if TYPE_CHECKING:
    from onnx import NodeProto

_FUNCTIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
_RESHAPED = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")  # each number goes on as it is
_POOLED = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")


class Work:
    """The operators of a graph in normal form.

    Parameters
    ----------
    normal : Normal
    with_bias : mapping of str to str
        As of `compressor.importers.onnx_operators.Operators`.

    Attributes
    ----------
    labels : dict of str to str
        What operators are called in messages, by their results; those that are not in it by their own names.
    without_bias : set of str
        Results of operators that add what is not the bias of a tensor: it varies from product to product, is computed,
        or is not shared by all uses of the weights.
    """

    def __init__(self, normal: Normal, with_bias: Mapping[str, str]) -> None:
        self._normal = normal
        self._graph, self._constants = normal.graph, normal.constants
        self._with_bias = with_bias
        self.labels: dict[str, str] = {}
        self.without_bias: set[str] = set()

    # Neighbours -------------------------------------------------------------------------------------------------------

    def fed_by(self, node: "NodeProto") -> tuple[str, ...]:
        """What computes the inputs of a node: operators, or inputs of the graph."""
        names = [name for name in node.input if name and not self._constants.is_constant(name)]
        producers = [(name, self._constants.producer(name)) for name in names]
        return tuple(dict.fromkeys(name if made is None else self._label(made) for name, made in producers))

    def feeds(self, node: "NodeProto") -> tuple[str, ...]:
        """What takes the results of a node: operators, or outputs of the graph."""
        results = [self._result(node), *node.output[1:]]
        users = [self._label(user) for name in filter(None, results) for user in self._graph.users(name)]
        ends = [name for name in results if name in self._graph.outputs]
        return tuple(dict.fromkeys([*users, *ends]))

    def _label(self, node: "NodeProto") -> str:
        """An operator for people, also where it has no name."""
        return self.labels.get(result_of(node), node.name or f"{called(node)} {result_of(node)}")

    def _result(self, node: "NodeProto") -> str:
        """The result of an operator with its bias."""
        return self._with_bias.get(node.output[0], node.output[0])

    def activation(self, node: "NodeProto") -> str:
        """The activation function after an operator; "host" where something else follows it."""
        if node.op_type in RECURRENT:
            return "none"  # its functions are its own
        if result_of(node) in self.without_bias:
            return OTHER_FUNCTION
        result = self._result(node)
        is_pooled = False
        while True:
            users = self._graph.users(result)
            if not users or self._graph.is_taken_elsewhere(result):
                return OTHER_FUNCTION if users or result not in self._graph.outputs else "none"
            functions = {_FUNCTIONS.get(user.op_type, "") if is_standard(user, user.op_type) else "" for user in users}
            if len(functions) == 1 and "" not in functions and not is_pooled:
                return functions.pop()
            if all(is_standard(user, *PRODUCTS) for user in users):
                return "none"
            user = users[0]
            is_moved = is_standard(user, *_RESHAPED, *_POOLED, "Transpose") or self._graph.is_passed_on(user)
            if len(users) != 1 or not is_moved:
                return OTHER_FUNCTION
            is_pooled |= is_standard(user, *_POOLED)
            result = user.output[0]

    # Chains -----------------------------------------------------------------------------------------------------------

    def between(self, uses: Sequence[Use], kinds: Mapping[str, str]) -> str:
        """Why the matrices are not a chain; empty where each takes the output of the one before it.

        Convolutions run on the host, wherever they are.
        """
        matrices = [use for use in uses if any(kinds[name] != "conv" for name in use.tensors)]
        seen: dict[str, Use] = {}
        for use in matrices:
            if use.operator in RECURRENT:
                return f"{use.operator} {use.node!r} runs over time"
            if use.result in self.without_bias:
                return f"{use.tensors[0]!r} adds what is not a bias of its own"
            if len(use.tensors) > 1:
                return f"{use.node!r} multiplies with a stack of {len(use.tensors)} matrices"
            if use.tensors[0] in seen:
                return f"{use.tensors[0]!r} is used twice, by {seen[use.tensors[0]].node!r} and {use.node!r}"
            seen[use.tensors[0]] = use
        nodes = {result_of(node): node for node in self._constants.nodes}
        for before, after in pairwise(matrices):
            why = self._why_not(nodes[before.result], nodes[after.result], before.tensors[0], after.tensors[0])
            if why:
                return why
        return ""

    def _why_not(self, before: "NodeProto", after: "NodeProto", first: str, second: str) -> str:
        """What stands between two matrices; empty where the second takes the output of the first."""
        data = [name for name in after.input[:2] if self._graph.stored(name) is None]
        start, name = self._result(before), data[0] if data else ""
        function = ""
        if self._weights_first(before) != self._weights_first(after):
            return f"{first!r} has its weights on the other side of the product than {second!r}"
        flag = "transB" if self._weights_first(after) else "transA"
        if after.op_type == "Gemm" and attribute_of(after, flag, "i", 0):
            return f"{flag} of {second!r} transposes the output of {first!r}"
        for _ in range(len(self._constants.nodes)):
            if len(self._graph.users(name)) > 1 or self._graph.is_taken_elsewhere(name):
                made = self._constants.producer(name)
                taken = len(self._graph.users(name)) + self._graph.is_taken_elsewhere(name)
                what = "an input of the graph" if made is None else f"the result of {self._label(made)!r}"
                return f"{second!r} takes {what}, which is taken {taken} times (branches)"
            if name == start:
                return ""
            made = self._constants.producer(name)
            if made is None:
                return f"{second!r} takes {name!r}, an input of the graph, not the output of {first!r}"
            if is_standard(made, *_FUNCTIONS):
                if function:
                    both = f"{function!r} and {self._label(made)!r}"
                    return f"two functions, {both}, are between {first!r} and {second!r}"
                function = self._label(made)
            elif is_standard(made, *_RESHAPED):
                if self._weights_first(after) or not self._keeps_vectors(made):
                    return f"{made.op_type} {self._label(made)!r} is between {first!r} and {second!r}"
            elif is_standard(made, *PRODUCTS):
                return f"{second!r} takes the output of {self._label(made)!r}, not that of {first!r}"
            elif not self._graph.is_passed_on(made):
                return f"{made.op_type} {self._label(made)!r} is between {first!r} and {second!r}"
            name = made.input[0]
        return f"{second!r} does not take the output of {first!r}"

    def _weights_first(self, node: "NodeProto") -> bool:
        return self._graph.stored(node.input[1]) is None

    def _keeps_vectors(self, node: "NodeProto") -> bool:
        """Whether the last axis, along which the numbers of one product are, stays as it is."""
        before, after = (self._normal.exact_shapes.get(name, ()) for name in (node.input[0], node.output[0]))
        return bool(before) and bool(after) and before[-1] is not None and before[-1] == after[-1]

    # Multiply-accumulates ---------------------------------------------------------------------------------------------

    def macs(self, node: "NodeProto") -> int | None:
        """Multiply-accumulates of an operator for one inference before pruning; None where a size is unknown.

        Sizes that the graph leaves open, such as the number of samples, count as 1.
        """
        result = self._normal.shapes.get(result_of(node))
        if result is None or not is_standard(node, *PRODUCTS):
            return None
        operands = [self._shape_of(name) for name in node.input[:3]]
        per_output: int | None = None
        if node.op_type in ("MatMul", "Gemm"):
            first = operands[0]
            flipped = node.op_type == "Gemm" and attribute_of(node, "transA", "i", 0)
            per_output = None if not first else first[0 if flipped else -1]
        elif node.op_type == "Conv":
            per_output = _product(operands[1][1:]) if operands[1] else None
        elif node.op_type == "ConvTranspose":
            # Each input is multiplied with the kernel of every output of its group.
            data, kernel = operands[0], operands[1]
            both = None if not data or not kernel else (_product(data), _product(kernel[1:]))
            return None if both is None or None in both else prod(size for size in both if size is not None)
        elif node.op_type in RECURRENT:
            return _recurrent_macs(operands)
        outputs = _product(result)
        return None if per_output is None or outputs is None else outputs * per_output

    def _shape_of(self, name: str) -> Shape:
        stored = self._constants.stored.get(name)
        return tuple(stored.dims) if stored is not None else self._normal.shapes.get(name, ())


def _product(sizes: Shape) -> int | None:
    known = [size for size in sizes if size is not None]
    return prod(known) if len(known) == len(sizes) else None


def _recurrent_macs(operands: Sequence[Shape]) -> int | None:
    steps = None if not operands[0] else _product(operands[0][:2])  # steps x samples, in either layout
    matrices = [_product(shape) for shape in operands[1:3]]
    if steps is None or len(matrices) < 2 or None in matrices:
        return None
    return steps * sum(size for size in matrices if size is not None)
