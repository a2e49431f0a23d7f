"""The vectors that the matrices of a network multiply, from ONNX Runtime on its graph."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx import in_onnx_order
from compressor.importers.onnx_file import OnnxFile
from compressor.importers.onnx_fold import Constants, stored_tensors
from compressor.importers.onnx_graph import result_of, taken_by
from compressor.importers.onnx_normal import Idle, Normal
from compressor.importers.onnx_operators import Operators
from compressor.lowering import Call, Vectors, lowering_of
from compressor.samples import End, end_of
from compressor.types.dense import DenseModel, DenseTensor
from compressor.types.network import RECURRENT, Use

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

Array = NDArray[Any]
Values = Mapping[str, Any]


class Ends(NamedTuple):
    """What a network takes and gives, as `compressor.samples.Samples` reads it."""

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    constants: Mapping[str, Any]
    fixed: Mapping[str, Any]


def ends_of(proto: "ModelProto") -> Ends:
    """The inputs and outputs of an ONNX model whose fixed inputs are constants."""
    stored = stored_tensors(proto.graph)
    inputs = tuple(end_of(value) for value in proto.graph.input if value.name not in stored)
    return Ends(inputs, tuple(end_of(value) for value in proto.graph.output), {}, {})


class Part:
    """The part of an ONNX model that computes some of its values, in ONNX Runtime.

    Parameters
    ----------
    proto : ModelProto
        With its numbers; not changed.
    names : sequence of str
        Values of the graph, also inputs and constants.

    Raises
    ------
    ValueError
        If ONNX Runtime refuses it.
    """

    def __init__(self, proto: "ModelProto", names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        stored = stored_tensors(proto.graph)
        inputs = {value.name for value in proto.graph.input} - set(stored)
        self._given = [name for name in self.names if name in inputs]
        self._constants = {name: _numbers(stored[name]) for name in self.names if name in stored}
        self._computed = [name for name in self.names if name not in inputs and name not in stored]
        self._session: InferenceSession | None = None
        if self._computed:
            self._session = _session(_reduced(proto, self._computed))
            self._taken = [value.name for value in self._session.get_inputs()]

    def of(self, values: Values) -> dict[str, Any]:
        """The values by their names, for the inputs of one inference.

        Raises
        ------
        ValueError
            If ONNX Runtime refuses the inputs.
        """
        found = {**self._constants, **{name: values[name] for name in self._given}}
        if self._session is not None:
            try:
                results = self._session.run(self._computed, {name: values[name] for name in self._taken})
            except Exception as error:  # ONNX Runtime's errors share no class but this one
                raise ValueError(f"inputs: ONNX Runtime refuses them: {_first_line(error)}") from None
            found.update(zip(self._computed, results, strict=True))
        return found


class Place(NamedTuple):
    """Where a matrix of an operator is in a tensor.

    Attributes
    ----------
    matrix : int
        Number of the matrix.
    taps : ndarray of int
        Its columns that multiply with the tensor's.
    tensor : str
    rows, columns : ndarray of int
        Of the tensor.
    """

    matrix: int
    taps: NDArray[np.intp]
    tensor: str
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


class Product:
    """An operator of a network and the vectors that its matrices multiply.

    Parameters
    ----------
    model : DenseModel
        With its graph.
    proto : ModelProto
        Of `model`, with its numbers.
    use : Use
    """

    def __init__(self, model: DenseModel, proto: "ModelProto", use: Use) -> None:
        node = next(node for node in proto.graph.node if result_of(node) == use.result)
        weights = (1, 2) if use.operator in RECURRENT else (use.operand,)
        self._operands = ["" if at in weights else name for at, name in enumerate(node.input)]
        self._part = Part(proto, [name for name in self._operands if name])
        self.use = use
        operators = _operators(proto)
        parts = operators.parts(node)
        assert not isinstance(parts, str)  # decoded_onnx has looked
        self.lowering = lowering_of(use, operators.weights_shape(node, use.operand, parts))
        tensors = {tensor.name: tensor for tensor in model.tensors}
        used = [tensors[name] for name in use.tensors]
        # One number for every weight of the operator: where it goes in the matrices says where a matrix is in a tensor.
        starts = np.cumsum([0, *(tensor.weights.size for tensor in used)])
        numbers = [
            start + np.arange(1, 1 + tensor.weights.size).reshape(tensor.shape)
            for start, tensor in zip(starts, used, strict=False)
        ]
        self.places = list(self._places(self._joined(used, numbers), used, starts))
        self._matrices = [
            np.ascontiguousarray(cut.entries, np.float32)
            for cut in self.lowering.matrices(self._joined(used, [tensor.weights for tensor in used]))
        ]

    def calls(self, values: Values) -> Iterator[Call]:
        """The products of one inference; those after the first may depend on the sums of those before."""
        found = self._part.of(values)
        run = self.lowering.run([found[name] if name else None for name in self._operands])
        needs_sums, answer = self.use.operator in RECURRENT or len(self._matrices) > 1, None
        while True:
            try:
                call = next(run) if answer is None else run.send(answer)
            except StopIteration:
                return
            yield call
            if not needs_sums:
                return
            answer = call.vectors.block() @ self._matrices[call.matrix].T

    def _joined(self, used: Sequence[DenseTensor], arrays: Sequence[Array]) -> list[Array]:
        """One array a matrix of the operator, gates in ONNX's order: W and R that are apart are put together."""
        ordered = [in_onnx_order(tensor, array) for tensor, array in zip(used, arrays, strict=True)]
        directions = 2 if self.use.attributes.get("direction") == "bidirectional" else 1
        if self.use.operator in RECURRENT and len(ordered) == 2 * directions:
            return [np.concatenate(ordered[at : at + 2], axis=1) for at in range(0, len(ordered), 2)]
        return ordered

    def _places(self, numbers: list[Array], used: Sequence[DenseTensor], starts: Array) -> Iterator[Place]:
        groups = self.use.attributes.get("group", 1)
        for at, cut in enumerate(self.lowering.matrices(numbers)):
            for rows in np.split(cut.entries, groups):
                filled = np.flatnonzero(rows[0])
                first = rows[0, filled] - 1
                owners = np.searchsorted(starts, first, side="right") - 1
                for owner in np.unique(owners):
                    taps = filled[owners == owner]
                    places = rows[:, taps] - 1 - starts[owner]
                    n_cols = used[owner].weights.size // used[owner].shape[0]
                    yield Place(at, taps, used[owner].name, places[:, 0] // n_cols, places[0] % n_cols)


def paired_calls(
    first: Product, second: Product, values: Values, others: Values
) -> Iterator[tuple[int, Vectors, Vectors]]:
    """The products of the same operator in two networks: number of the matrix, vectors of one and of the other.

    Parameters
    ----------
    first, second : Product
    values, others : mapping of str to ndarray
        Inputs of the first network and of the second.

    Raises
    ------
    ValueError
        If they have different numbers of products.
    """
    for one, other in zip(first.calls(values), second.calls(others), strict=True):
        if len(one.vectors) != len(other.vectors):
            raise ValueError(
                f"inputs: {first.use.node!r} has {len(other.vectors)} products in the uncompressed network and "
                f"{len(one.vectors)} in the compressed one; compress it no further than --keep allows"
            )
        yield one.matrix, one.vectors, other.vectors


def results_of(proto: "ModelProto", uses: Sequence[Use]) -> dict[str, str]:
    """The value that is the result of each operator, with its bias, by the result that identifies it."""
    operators = _operators(proto)
    nodes = {result_of(node): node for node in proto.graph.node}
    for use in uses:
        operators.parts(nodes[use.result])
    return {use.result: operators.with_bias.get(use.result, use.result) for use in uses}


def _operators(proto: "ModelProto") -> Operators:
    file = OnnxFile.of_model(proto, Path("network"))
    return Operators(Normal(file, Constants(file), Idle(proto.graph)))


def _reduced(proto: "ModelProto", names: Sequence[str]) -> "ModelProto":
    """The model of the nodes that some values need, with these as its outputs."""
    nodes = list(proto.graph.node)
    makers = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    waiting, needed, used = list(names), set(), set(names)
    while waiting:
        at = makers.get(waiting.pop())
        if at is not None and at not in needed:
            needed.add(at)
            taken = taken_by(nodes[at])
            used.update(taken)
            waiting += taken
    found = type(proto)(ir_version=proto.ir_version)
    found.opset_import.extend(proto.opset_import)
    found.functions.extend(proto.functions)
    graph = found.graph
    graph.name = "part"
    graph.node.extend(node for at, node in enumerate(nodes) if at in needed)
    graph.initializer.extend(tensor for tensor in proto.graph.initializer if tensor.name in used)
    graph.sparse_initializer.extend(proto.graph.sparse_initializer)
    graph.input.extend(value for value in proto.graph.input if value.name in used)
    for name in names:
        graph.output.add(name=name)
    return found


def _numbers(tensor: Any) -> Array:
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(tensor))


def _session(proto: "ModelProto") -> "InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # One thread: results must not depend on how many there are.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no class but this one
        raise ValueError(f"network: ONNX Runtime refuses it: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return f"{str(error).strip().partition(chr(10))[0]:.300}"
