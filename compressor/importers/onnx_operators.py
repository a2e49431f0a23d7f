"""The weights of the machine operators of an ONNX graph in normal form: where each tensor's numbers are."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from compressor.importers.onnx_fold import TOO_MUCH, NotFolded
from compressor.importers.onnx_graph import attribute_of, called, is_broadcast, is_standard, result_of
from compressor.importers.onnx_normal import Normal
from compressor.importers.onnx_weights import Bias, Weights
from compressor.types.dense import GATES
from compressor.types.network import RECURRENT

if TYPE_CHECKING:
    from onnx import NodeProto

MAX_TENSORS = 10_000
"""Most weight tensors that are read; a language model has some thousand."""

_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


class Part(NamedTuple):
    """A tensor of an operator.

    Attributes
    ----------
    ending : str
        What its name has after that of the operator.
    kind : str
        As of `compressor.types.dense.DenseTensor`.
    weights : Weights
    bias : Bias or None
    """

    ending: str
    kind: str
    weights: Weights
    bias: Bias | None


class Operators:
    """The machine operators of a graph.

    Attributes
    ----------
    with_bias : dict of str to str
        The result of the ``Add`` that is an operator's bias, by that of the operator; known once `parts` has seen it.
    """

    def __init__(self, normal: Normal) -> None:
        self._normal, self._graph, self._constants = normal, normal.graph, normal.constants
        self.with_bias: dict[str, str] = {}

    def parts(self, node: "NodeProto") -> list[Part] | str:
        """The tensors of a machine operator, or why it has none.

        Raises
        ------
        ValueError
            If its weights are malformed, or a recurrent operator lacks a matrix.
        """
        if result_of(node) in self._normal.unfolded:
            return self._normal.unfolded[result_of(node)]
        if node.op_type in RECURRENT:
            return self._recurrent(node)
        if node.op_type in ("Conv", "ConvTranspose"):
            return self._convolution(node)
        stored = [self._graph.stored(name) for name in node.input[:2]]
        for at in (1, 0):  # x W, or else W x
            found = stored[at]
            if found is not None:
                return self._matrix(node, at, found.source, found.transposed)
        if any(self._constants.is_constant(name) for name in node.input[:2]):
            return "its constant operand holds other than floating-point numbers"
        return self._computed(node.input[:2], "both operands are computed (attention)")

    def weights_shape(self, node: "NodeProto", operand: int, parts: Sequence[Part]) -> tuple[int, ...]:
        """The shape of the weights as an operator takes them: those of `parts`, transposed where that is its layout."""
        shape = self._graph.shape(parts[0].weights.sources[0])
        stored = self._graph.stored(node.input[operand])
        return shape[::-1] if stored is not None and stored.transposed else shape

    def _computed(self, names: Sequence[str], reason: str) -> str:
        """Why an operator has no constant weights: `reason`, or that they are sparse."""
        for name in names:
            made = self._constants.producer(name)
            if made is not None and is_standard(made, "Constant"):
                kind = made.attribute[0].name if made.attribute else "nothing in it"  # a forged graph may say so
                return f"its operand {name!r} is a Constant with {kind}, which is not read"
        return reason

    def _matrix(self, node: "NodeProto", at: int, source: str, behind_transpose: bool) -> list[Part] | str:
        shape = self._graph.shape(source)
        is_gemm = node.op_type == "Gemm"
        if not all(shape):
            return "its weights are empty"
        if not shape:
            return "its weights are a single number"
        if is_gemm and len(shape) != 2:
            raise ValueError(f"node {called(node)!r}: weights of shape {shape}, but a matrix has 2 dimensions")
        if len(shape) == 1:
            return [Part("", "linear", Weights((source,), "as stored", (1, *shape)), None)]
        flipped = is_gemm and bool(attribute_of(node, ("transA", "transB")[at], "i", 0))
        layout = "transposed" if (at == 1) ^ flipped ^ behind_transpose else "as stored"
        stack, matrix = shape[:-2], shape[-2:]
        matrix = matrix[::-1] if layout == "transposed" else matrix
        if not stack:
            rank = 2 if is_gemm else self._normal.rank(node.output[0])
            # A vector times weights on the left has one axis, the rows.
            axis = -2 if at == 0 and rank != 1 else -1
            return [Part("", "linear", Weights((source,), layout, matrix), self._bias(node, matrix[0], axis, rank))]
        if prod(stack) > MAX_TENSORS:
            return f"a stack of {prod(stack)} matrices, but at most {MAX_TENSORS} are read"
        return [
            Part("".join(f".{i}" for i in index), "linear", Weights((source,), layout, matrix, index), None)
            for index in _indices(stack)
        ]

    def _convolution(self, node: "NodeProto") -> list[Part] | str:
        found = self._graph.stored(node.input[1])
        if found is None:
            return self._computed(node.input[1:2], "its weights are computed")
        shape = self._graph.shape(found.source)
        if len(shape) < 3 or found.transposed:
            raise ValueError(f"node {called(node)!r}: weights of shape {shape}, but a convolution has at least 3 sizes")
        if not all(shape):
            return "its weights are empty"
        if node.op_type == "Conv":
            weights = Weights((found.source,), "as stored", shape)
        else:
            groups = int(attribute_of(node, "group", "i", 1))
            if groups < 1 or shape[0] % groups:
                raise ValueError(f"node {called(node)!r}: {shape[0]} inputs do not make {groups} groups")
            n_outputs, n_inputs = shape[1] * groups, shape[0] // groups
            weights = Weights((found.source,), "conv transpose", (n_outputs, n_inputs, *shape[2:]), (), groups)
        return [Part("", "conv", weights, self._bias(node, weights.shape[0], 1 - len(shape), len(shape)))]

    def _bias(self, node: "NodeProto", n_rows: int, axis: int, rank: int | None) -> Bias | None:
        """The bias of an operator: its own, or the constant of an ``Add`` that alone takes its result."""
        user = None
        if node.op_type == "MatMul" or len(node.input) < 3 or not node.input[2]:
            user = self._graph.only_user(node.output[0])
            if user is None or not is_broadcast(user, "Add"):
                return None
            name = user.input[1] if user.input[0] == node.output[0] else user.input[0]
        elif attribute_of(node, "beta", "f", 1.0) == 0:
            return None
        else:
            name = node.input[2]
            axis = -1 if node.op_type != "Gemm" else axis
        found = self._graph.stored(name)
        if found is None or found.transposed:
            return None
        shape = self._graph.shape(found.source)
        most = 1 if rank is None else rank  # more axes would give the result more
        if not -axis <= len(shape) <= most or shape[axis] != n_rows or prod(shape) != n_rows:
            return None
        if user is not None:
            self.with_bias[node.output[0]] = user.output[0]
        return Bias(found.source)

    def _recurrent(self, node: "NodeProto") -> list[Part] | str:
        kind = node.op_type.lower()
        direction = attribute_of(node, "direction", "s", b"forward").decode("ascii", "replace")
        n_directions = _DIRECTIONS.get(direction, 0)
        names = [*node.input[1:4], "", ""][:3]
        sources = {what: self._graph.stored(name) for what, name in zip("WRB", names, strict=True) if name}
        found = {what: stored.source for what, stored in sources.items() if stored is not None}
        if "W" not in found and "R" not in found:
            return self._computed(names[:2], "its weights are computed")
        for what in "WR":
            if what not in found:
                raise ValueError(
                    f"node {called(node)!r}: its matrix {what} does not follow from constants; "
                    f"an {node.op_type} needs W and R"
                )
        n_gates = GATES[kind]
        shape = self._graph.shape(found["W"])
        if len(shape) != 3:
            raise ValueError(f"node {called(node)!r}: W has shape {shape}, but it must have 3 axes")
        n_units = attribute_of(node, "hidden_size", "i", shape[1] // n_gates)
        if n_units < 1:
            raise ValueError(f"node {called(node)!r}: hidden_size is {n_units}, but it must be at least 1")
        n_rows = n_gates * n_units
        wanted: dict[str, tuple[int | None, ...]] = {
            "W": (n_directions, n_rows, None),
            "R": (n_directions, n_rows, n_units),
            "B": (n_directions, 2 * n_rows),
        }
        for what, source in found.items():
            shape = self._graph.shape(source)
            pairs = zip(shape, wanted[what], strict=False)
            if len(shape) != len(wanted[what]) or any(size != need for size, need in pairs if need is not None):
                raise ValueError(
                    f"node {called(node)!r}: {what} has shape {shape}, but {n_directions} directions of {n_units} "
                    f"units need {wanted[what]}"
                )
        # A GRU with linear_before_reset adds Rb inside the product with r: the two halves are not one bias.
        joined = "B" in found and not (kind == "gru" and attribute_of(node, "linear_before_reset", "i", 0))
        shape = (n_rows, self._graph.shape(found["W"])[2] + n_units)
        return [
            Part(
                "_reverse" if at else "",
                kind,
                Weights((found["W"], found["R"]), "recurrent", shape, (at,)),
                Bias(found["B"], at) if joined else None,
            )
            for at in range(n_directions)
        ]


def separate_layouts(normal: Normal) -> None:
    """Give a stored constant that operators need as different tensors another one for each of them after the first.

    A tensor that is compressed alone has values of its own: one stored constant cannot hold those of two.
    """
    operators = Operators(normal)
    first: dict[str, tuple[Weights, int]] = {}
    copies: dict[tuple[object, ...], str] = {}
    biases: list[tuple[NodeProto, int, str]] = []
    stored = normal.graph.stored
    for node in normal.graph.products():
        parts = operators.parts(node)
        if isinstance(parts, str):
            continue
        whole = replace(parts[0].weights, part=())
        for number, source in enumerate(whole.sources):
            if first.setdefault(source, (whole, number)) == (whole, number):
                continue
            is_first_operand = is_standard(node, "Gemm", "MatMul") and stored(node.input[1]) is None
            at = 0 if is_first_operand else 1 + number
            key = (source, whole, number, stored(node.input[at]))
            if key in copies:
                node.input[at] = copies[key]
                continue
            try:
                copies[key] = normal.give_copy(node, at)
            except NotFolded:
                normal.unfolded[result_of(node)] = f"its weights, apart from those of {source!r}, take {TOO_MUCH}"
        if parts[0].bias is not None:
            added = normal.graph.only_user(node.output[0]) if node.output[0] in operators.with_bias else None
            taker = node if added is None else added
            at = next(
                at
                for at in range(2 if added is None else 0, len(taker.input))
                if (one := stored(taker.input[at])) is not None and one.source == parts[0].bias.source
            )
            biases.append((taker, at, parts[0].bias.source))
    for node, at, source in biases:
        if source in first:
            copies[source, node.output[0]] = normal.give_copy(node, at)
    if copies:
        normal.rebuild()


def _indices(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for size in sizes:
        found = [(*index, i) for index in found for i in range(size)]
    return found
