"""The normal form of an ONNX model: every machine operator multiplies with numbers that are stored in the graph.

Functions are inlined and known branches taken (`onnx_branches`); weights that follow from constants become initialisers
(`onnx_fold`); and what a machine operator and its followers multiply and add along the rows becomes part of its weights
and its bias: alpha and beta of a Gemm, batch normalisation, constant Mul, Add and Sub for each row. Nothing else of the
model changes, and a model in normal form does not change at all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx_branches import (
    allow_initialisers,
    fix_inputs,
    inline_functions,
    set_shapes,
    take_branches,
)
from compressor.importers.onnx_fold import (
    STANDARD_DOMAINS,
    TOO_MUCH,
    Constants,
    NotFolded,
    constant_of,
    settled_shapes,
)
from compressor.importers.onnx_graph import (
    Graph,
    attribute_of,
    called,
    copy_of,
    graphs_of,
    is_broadcast,
    is_standard,
    result_of,
)
from compressor.importers.onnx_tensors import put_numbers
from compressor.types.network import RECURRENT

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

    from compressor.importers.onnx_file import OnnxFile

Rows = NDArray[np.float64]
"""One number for each row of a matrix."""

_OPERANDS: Mapping[str, tuple[int, ...]] = {
    "Gemm": (1, 0, 2),
    "MatMul": (1, 0),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    **dict.fromkeys(RECURRENT, (1, 2, 3)),
}
"""Inputs of the machine operators that may be weights or biases."""

_EPSILON = 1e-5  # of BatchNormalization where it says none


def normalise(file: "OnnxFile", fix: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> "Normal":
    """Bring the model of `file` into normal form.

    Parameters
    ----------
    file : OnnxFile
        Changed in place.
    fix : mapping of str to number, bool, sequence or str
        Values of inputs of the graph.
    shapes : mapping of str to sequence of int
        Sizes of inputs of the graph.

    Raises
    ------
    ValueError
        If an input is unknown, or a factor is not finite.
    """
    inline_functions(file.model, file.size)
    _name_constants(file.model.graph)
    fix_inputs(file.model, fix)
    set_shapes(file.model, shapes)
    constants = Constants(file)
    idle = Idle(file.model.graph)
    take_branches(file, constants)
    normal = Normal(file, constants, idle)
    with np.errstate(all="ignore"):  # what is not finite is refused by its name
        normal.store_operands()
        normal.fold_rows()
    normal.clean_up()
    return normal


def _name_constants(graph: "GraphProto") -> None:
    """Give ``Constant`` nodes of a list of numbers a tensor in its place, which can be given other numbers."""
    for node in graph.node:
        tensor = constant_of(node)
        if tensor is not None and node.attribute[0].name != "value":
            del node.attribute[:]
            node.attribute.add(name="value", type=4).t.CopyFrom(tensor)


class Normal:
    """A graph in normal form, or on its way to it.

    Attributes
    ----------
    file : OnnxFile
    constants : Constants
    graph : Graph
    shapes : dict of str to tuple of (int or None)
        Of the values, as far as they are known, for multiply-accumulates: sizes that the graph leaves open are 1.
    exact_shapes : dict of str to tuple of (int or None)
        Of the values, None for a size that the graph leaves open.
    roots : dict of str to frozenset of str
        The stored constants of the original that each stored weight and bias follows from.
    unfolded : dict of str to str
        Why weights that follow from constants could not be computed, by the first result of their operator.
    """

    def __init__(self, file: "OnnxFile", constants: Constants, idle: "Idle") -> None:
        self.file, self.constants = file, constants
        self.graph = Graph(file.model.graph, constants)
        self.roots: dict[str, frozenset[str]] = {}
        self.unfolded: dict[str, str] = {}
        self._scaled: dict[tuple[Any, ...], str] = {}  # names of matrices that were made of a source, by their factors
        self._dropped: set[str] = set()  # first outputs of nodes that are folded
        self._added: dict[str, NodeProto] = {}  # nodes that add a bias, by the first output of the node before
        self._results = [result_of(node) for node in constants.nodes]
        self._idle = idle
        model = file.without_numbers()
        dims = [dim for value in model.graph.input for dim in value.type.tensor_type.shape.dim]
        is_open = [dim for dim in dims if not dim.HasField("dim_value") or dim.dim_value < 0]
        for dim in is_open:
            dim.dim_value = 1
        self.shapes = settled_shapes(model, Constants(file))
        # A size of 1 is not the same as any size: a Squeeze drops the axis, and the rank is another.
        self.exact_shapes = settled_shapes(file.without_numbers(), Constants(file)) if is_open else self.shapes

    def store_operands(self) -> None:
        """Store the weights and biases of machine operators that follow from constants."""
        for node in self.constants.nodes:
            if not is_standard(node, *_OPERANDS) or self.constants.is_constant(result_of(node)):
                continue  # the product of two constants is a constant
            for at in _OPERANDS[node.op_type]:
                name = node.input[at] if at < len(node.input) else ""
                if name in self.constants.stored or not self.constants.is_constant(name):
                    continue
                if self.graph.stored(name) is not None:
                    continue
                try:
                    self._store_value(name)
                except NotFolded as error:
                    self.unfolded.setdefault(result_of(node), str(error))

    def _store_value(self, name: str) -> None:
        """Make a value that follows from constants an initialiser, in the place of the node that computes it."""
        from onnx import helper

        numbers = self.constants.array(name)
        self.roots[name] = self.constants.sources(name)
        producer = self.constants.producer(name)
        assert producer is not None
        if len(producer.output) == 1:
            self._dropped.add(name)
        else:
            producer.output[list(producer.output).index(name)] = self._new_name(f"{name}/computed")
        self._store(name, numbers, helper.np_dtype_to_tensor_dtype(numbers.dtype))

    def fold_rows(self) -> None:
        """Fold what follows a machine operator into its weights and its bias."""
        for node in self.constants.nodes:
            matrix = self._matrix_of(node)
            if matrix is None:
                continue
            try:
                self._fold_into(node, matrix)
            except NotFolded:  # before anything of the graph has changed
                self.unfolded[result_of(node)] = f"its scaled weights take {TOO_MUCH}"

    # What is folded ---------------------------------------------------------------------------------------------------

    def _matrix_of(self, node: "NodeProto") -> "_Matrix | None":
        """The constant matrix of a machine operator; None where it has none."""
        graph = self.graph
        if not is_standard(node, "Gemm", "MatMul", "Conv", "ConvTranspose"):
            return None
        if self.constants.is_constant(node.output[0]):
            return None
        if is_standard(node, "Conv", "ConvTranspose"):
            found = graph.stored(node.input[1])
            if found is None or found.transposed or len(graph.shape(found.source)) < 3:
                return None
            if not all(graph.shape(found.source)):
                return None
            shape = graph.shape(found.source)
            transposed = node.op_type == "ConvTranspose"
            n_rows = shape[1] * int(attribute_of(node, "group", "i", 1)) if transposed else shape[0]
            return _Matrix(1, n_rows, 1 - len(shape), len(shape), 1 if transposed else 0)
        for at in (1, 0):
            found = graph.stored(node.input[at])
            if found is None or len(graph.shape(found.source)) != 2 or not all(graph.shape(found.source)):
                continue
            flipped = node.op_type == "Gemm" and attribute_of(node, ("transA", "transB")[at], "i", 0)
            row_axis = int((at == 1) ^ bool(flipped) ^ found.transposed)
            n_rows = graph.shape(found.source)[row_axis]
            rank = 2 if node.op_type == "Gemm" else self.rank(node.output[0])
            if at == 0 and rank is None:
                return None  # the rows are axis -2, but of a vector's product axis -1
            return _Matrix(at, n_rows, -2 if at == 0 and rank != 1 else -1, rank, row_axis)
        return None

    def _fold_into(self, node: "NodeProto", matrix: "_Matrix") -> None:
        """Find what scales and shifts the rows of one operator, and make it part of its weights and bias."""
        fits = self._bounds(node, matrix)
        fold = _Fold(np.ones(matrix.n_rows), np.zeros(matrix.n_rows))
        bias_name = node.input[2] if node.op_type != "MatMul" and len(node.input) > 2 else ""
        has_bias = bool(bias_name)
        is_plain = True  # nothing to change
        alpha = beta = 1.0
        if node.op_type == "Gemm":
            alpha, beta = (self._factor(node, name) for name in ("alpha", "beta"))
            fold = replace(fold, times=fold.times * alpha)
            is_plain = alpha == 1
        if has_bias and beta != 0:
            # A convolution's bias has one axis; a Gemm's C is broadcast to its result.
            bias = self._along_rows(bias_name, matrix if node.op_type == "Gemm" else matrix._replace(axis=-1, rank=1))
            if bias is None:  # C varies from product to product, or is computed: it is added on the host
                self._scale_weights(node, matrix, fold.times)
                _set_factor(node, "alpha")
                return
            fold = replace(fold, plus=beta * bias)
            is_plain &= beta == 1 and self._is_stored_bias(bias_name, matrix)
        has_bias &= beta != 0
        if not is_plain and not fits(fold):
            raise ValueError(
                f"node {called(node)!r}: with alpha {alpha:g} and beta {beta:g} its weights are out of range"
            )
        followers: list[NodeProto] = []
        result = node.output[0]
        while (step := self._step(matrix, result)) is not None:
            follower, then = step
            both = _Fold(fold.times * then.times, fold.plus * then.times + then.plus)
            if not fits(both):
                break
            fold = both
            followers.append(follower)
            result = follower.output[0]
        if len(followers) == 1 and followers[0].op_type == "Add" and not has_bias:
            added = next(name for name in followers[0].input if name != node.output[0])
            if self._is_stored_bias(added, matrix):
                followers = []  # it is the bias, where it stands
        if is_plain and not followers:
            return
        self._scale_weights(node, matrix, fold.times)
        _set_factor(node, "alpha")
        if has_bias or followers:
            _set_factor(node, "beta")
            self._put_bias(node, matrix, fold.plus, followers)

    def _step(self, matrix: "_Matrix", result: str) -> "tuple[NodeProto, _Fold] | None":
        """The next operator that scales and shifts each row, and how."""
        user = self.graph.only_user(result)
        if user is None:
            return None
        if is_standard(user, "BatchNormalization") and user.input[0] == result:
            fold = self._normalisation(matrix, user)
            return None if fold is None else (user, fold)
        if not is_broadcast(user, "Mul", "Add", "Sub"):
            return None
        first = user.input[0] == result
        values = self._along_rows(user.input[1 if first else 0], matrix)
        if values is None:
            return None
        ones, zeros = np.ones(matrix.n_rows), np.zeros(matrix.n_rows)
        if user.op_type == "Mul":
            return user, _Fold(values, zeros)
        if user.op_type == "Add":
            return user, _Fold(ones, values)
        return user, (_Fold(ones, -values) if first else _Fold(-ones, values))

    def _normalisation(self, matrix: "_Matrix", user: "NodeProto") -> "_Fold | None":
        """What a batch normalisation does, where its axis 1 is the rows (network contract, section 1)."""
        is_inference = not attribute_of(user, "training_mode", "i", 0) and not any(user.output[1:])
        # Before version 7 it was in training mode where it did not say otherwise.
        is_inference &= bool(attribute_of(user, "is_test", "i", self._opset >= 7))
        is_along_rows = matrix.rank is not None and matrix.axis == 1 - matrix.rank
        if not is_inference or not attribute_of(user, "spatial", "i", 1) or not is_along_rows:
            return None
        parts = [self._along_rows(name, matrix._replace(axis=-1, rank=1)) for name in user.input[1:]]
        if len(parts) != 4 or any(part is None for part in parts):
            return None
        scale, offset, mean, variance = (part for part in parts if part is not None)
        times = scale / np.sqrt(variance + attribute_of(user, "epsilon", "f", _EPSILON))
        return _Fold(times, offset - mean * times)

    def _along_rows(self, name: str, matrix: "_Matrix") -> Rows | None:
        """A constant as one number for each row; None where it is not constant, or varies otherwise."""
        if not self.constants.is_constant(name):
            return None
        try:
            array = self.constants.array(name)
        except NotFolded:
            return None
        # More axes than the result has would give the result more axes; a result of unknown rank has one at least.
        most = 1 if matrix.rank is None else matrix.rank
        if array.dtype.kind != "f" or array.ndim > most:
            return None
        if array.size == 1:
            return np.full(matrix.n_rows, array.reshape(-1)[0], np.float64)
        fits = array.ndim >= -matrix.axis and array.shape[matrix.axis] == matrix.n_rows == array.size
        return array.astype(np.float64).reshape(-1) if fits else None

    def _is_stored_bias(self, name: str, matrix: "_Matrix") -> bool:
        """Whether a constant stands in the file as one number for each row; it is stored if it follows from others."""
        if self.graph.stored(name) is None:
            self._store_value(name)
        found = self.graph.stored(name)
        return found is not None and prod(self.graph.shape(found.source)) == matrix.n_rows and not found.transposed

    def _bounds(self, node: "NodeProto", matrix: "_Matrix") -> "Callable[[_Fold], bool]":
        """Whether folded numbers are finite in the type of the weights."""
        found = self.graph.stored(node.input[matrix.operand])
        assert found is not None
        most = {10: 65504.0}.get(self.constants.stored[found.source].data_type, float(np.finfo(np.float32).max))
        largest: list[Rows] = []  # of each row; looked for once: a thousand operators may follow

        def fits(fold: "_Fold") -> bool:
            if not largest:
                largest.append(matrix.largest(self.constants.array(found.source)))
            return all(bool((np.abs(numbers) <= most).all()) for numbers in (fold.plus, largest[0] * fold.times))

        return fits

    def _factor(self, node: "NodeProto", attribute: str) -> float:
        value = float(attribute_of(node, attribute, "f", 1.0))
        if not np.isfinite(value):
            raise ValueError(f"node {called(node)!r}: {attribute} is {value}, but it must be finite")
        return value

    def rank(self, name: str) -> int | None:
        """The number of axes of a value, where it is known."""
        return len(self.exact_shapes[name]) if name in self.exact_shapes else None

    @property
    def _opset(self) -> int:
        versions = [s.version for s in self.file.model.opset_import if s.domain in STANDARD_DOMAINS]
        return max(versions, default=1)

    # Changes of the graph ---------------------------------------------------------------------------------------------

    def _scale_weights(self, node: "NodeProto", matrix: "_Matrix", factors: Rows) -> None:
        if (factors == 1).all():
            return
        found = self.graph.stored(node.input[matrix.operand])
        assert found is not None
        key = (*found, matrix.row_axis, factors.tobytes())
        if key in self._scaled:  # another use needs the same matrix
            node.input[matrix.operand] = self._scaled[key]
            return
        if self.graph.only_user(found.source) is None:
            # Attack: a thousand factors for one matrix, each of which makes a matrix of its own.
            self.constants.take_copy(found.source)
        weights = matrix.scaled(self.constants.array(found.source).astype(np.float64), factors)
        self._give(node, matrix.operand, weights.T if found.transposed else weights, found.source)
        self._scaled[key] = node.input[matrix.operand]

    def _put_bias(self, node: "NodeProto", matrix: "_Matrix", shift: Rows, followers: "Sequence[NodeProto]") -> None:
        from onnx import helper

        weights = self.graph.stored(node.input[matrix.operand])
        assert weights is not None
        is_column = matrix.axis == -2 and is_standard(node, "Gemm", "MatMul")
        column = shift.reshape(-1, 1) if is_column else shift
        self._dropped.update(follower.output[0] for follower in followers)
        if node.op_type == "MatMul":
            last = followers[-1].output[0]
            added = helper.make_node("Add", [node.output[0], ""], [last], name=followers[-1].name)
            self._give(added, 1, column, weights.source, f"{node.output[0]}/bias")
            self._added[node.output[0]] = added
            return
        while len(node.input) < 3:
            node.input.append("")
        self._give(node, 2, column, weights.source, node.input[2] or f"{node.output[0]}/bias")
        if followers:
            node.output[0] = followers[-1].output[0]

    def give_copy(self, node: "NodeProto", at: int) -> str:
        """Give an input of a node a constant of its own, with the numbers of the stored one that it is; its name.

        Raises
        ------
        NotFolded
            If a file of this size may not take so much memory.
        """
        found = self.graph.stored(node.input[at])
        assert found is not None
        numbers = self.constants.array(found.source)
        self.constants.take_copy(found.source)
        name = self._new_name(f"{found.source}/{result_of(node)}")
        self._store(name, numbers.T if found.transposed else numbers, self.constants.stored[found.source].data_type)
        node.input[at] = name
        self.roots[name] = self.roots.get(found.source, frozenset({found.source}))
        return name

    def rebuild(self) -> None:
        """Look at the graph anew, after it has changed."""
        self.constants.rebuild()
        self.graph = Graph(self.file.model.graph, self.constants)

    def _give(self, node: "NodeProto", at: int, numbers: NDArray[Any], like: str, name: str | None = None) -> None:
        """Give an input of a node new numbers, in the type of the stored constant `like`."""
        name = like if name is None else name
        roots = self.roots.get(name, self.constants.sources(name))
        is_own = node.input[at] == name and self.graph.only_user(name) is node
        if not is_own or name not in self.constants.stored:
            name = self._new_name(f"{name}/{node.output[0]}" if name in self.constants.stored else name)
        self._store(name, numbers, self.constants.stored[like].data_type)
        node.input[at] = name
        self.roots[name] = roots

    def _new_name(self, name: str) -> str:
        while name in self.constants.stored or name in self.constants.producers:
            name += "_"
        return name

    def _store(self, name: str, numbers: NDArray[Any], data_type: int) -> None:
        """Make an initialiser of a name, or give the stored constant of that name other numbers."""
        tensor = self.constants.stored.get(name)
        if tensor is None:
            tensor = self.file.model.graph.initializer.add(name=name)
            allow_initialisers(self.file.model)
        tensor.dims[:] = numbers.shape
        tensor.data_type = data_type
        put_numbers(tensor, numbers)
        self.constants.put(name, tensor, numbers)

    def clean_up(self) -> None:
        """Remove the nodes and initialisers that nothing needs any more; what nothing needed before stays."""
        graph = self.file.model.graph
        nodes: list[NodeProto] = []
        for node, result in zip(self.constants.nodes, self._results, strict=True):
            if result not in self._dropped:
                nodes.append(node)
            if result in self._added:
                nodes.append(self._added[result])
        live, taken = _live(graph, nodes, self._idle.results)
        nodes = [node for node, is_live in zip(nodes, live, strict=True) if is_live]
        if len(nodes) != len(graph.node) or self._added:
            copies = [copy_of(node) for node in nodes]
            del graph.node[:]
            graph.node.extend(copies)
        tensors = [t for t in graph.initializer if t.name in taken or t.name in self._idle.initialisers]
        if len(tensors) != len(graph.initializer):
            # In old files initialisers are inputs too: without its numbers one would be asked for.
            gone = {tensor.name for tensor in graph.initializer} - {tensor.name for tensor in tensors}
            inputs = [copy_of(value) for value in graph.input if value.name not in gone]
            copies = [copy_of(tensor) for tensor in tensors]
            del graph.initializer[:], graph.input[:]
            graph.initializer.extend(copies)
            graph.input.extend(inputs)
        self.rebuild()


class Idle:
    """What nothing needs in a graph as it was given: it stays there.

    Attributes
    ----------
    results : set of str
        Of the nodes that no output of the graph needs.
    initialisers : set of str
        Those that no node takes.
    """

    def __init__(self, graph: "GraphProto") -> None:
        nodes = list(graph.node)
        live, _ = _live(graph, nodes, ())
        self.results = {result_of(node) for node, is_live in zip(nodes, live, strict=True) if not is_live}
        _, taken = _live(graph, nodes, self.results)
        self.initialisers = {tensor.name for tensor in graph.initializer if tensor.name not in taken}


def _live(graph: "GraphProto", nodes: "Sequence[NodeProto]", also: Collection[str]) -> tuple[list[bool], set[str]]:
    """Which nodes the outputs of a graph need, or those of the results `also`; and the values that are taken."""
    taken = {output.name for output in graph.output}
    live = [False] * len(nodes)
    for at in range(len(nodes) - 1, -1, -1):
        node = nodes[at]
        if not taken.isdisjoint(filter(None, node.output)) or result_of(node) in also:
            live[at] = True
            taken.update(node.input)
            for inner in graphs_of(node):
                taken.update(name for one in inner.node for name in one.input)
                taken.update(output.name for output in inner.output)
    return live, taken


@dataclass(frozen=True)
class _Fold:
    """What becomes of each row: times a number, plus a number."""

    times: Rows
    plus: Rows


class _Matrix(NamedTuple):
    """Where the rows of the constant matrix of a machine operator are.

    Attributes
    ----------
    operand : int
        Input of the operator that holds the matrix.
    n_rows : int
        Outputs of a product.
    axis : int
        Of the outputs in the operator's result, counted from the last.
    rank : int or None
        Of the result, where it is known.
    row_axis : int
        Of the rows in the stored matrix; 1 of a ConvTranspose, where they are the rows of a group.
    """

    operand: int
    n_rows: int
    axis: int
    rank: int | None
    row_axis: int

    def scaled(self, weights: NDArray[Any], factors: Rows) -> NDArray[Any]:
        """The stored matrix with each row times its factor."""
        grouped = self._grouped(weights)
        shape = [n if axis in (0, 1 + self.row_axis) else 1 for axis, n in enumerate(grouped.shape)]
        return (grouped * factors.reshape(shape)).reshape(weights.shape)

    def largest(self, weights: NDArray[Any]) -> Rows:
        """The largest magnitude of each row."""
        grouped = self._grouped(weights)
        others = tuple(axis for axis in range(grouped.ndim) if axis not in (0, 1 + self.row_axis))
        found: Rows = np.maximum(grouped.max(axis=others), -grouped.min(axis=others)).astype(np.float64)
        return found.reshape(-1)

    def _grouped(self, weights: NDArray[Any]) -> NDArray[Any]:
        """The stored matrix with an axis of groups before its own: several of a ConvTranspose, else one."""
        n_groups = self.n_rows // weights.shape[self.row_axis]
        return weights.reshape(n_groups, -1, *weights.shape[1:]) if n_groups > 1 else weights[None]


def _set_factor(node: "NodeProto", name: str) -> None:
    """Set alpha or beta of a Gemm, which is folded, to 1."""
    for attribute in node.attribute:
        if attribute.name == name:
            attribute.f = 1.0
