"""Every layer of an ONNX model that was read, computed in NumPy and compared with ONNX Runtime at its node."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from benchmarks.operators import computed, last_states, matmul
from compressor.importers import read_onnx
from compressor.importers.onnx_file import OnnxFile
from compressor.importers.onnx_fold import Constants
from compressor.importers.onnx_graph import Graph, is_standard, result_of
from compressor.importers.onnx_normal import normalise
from compressor.types.dense import DenseModel, DenseTensor
from compressor.types.network import Use

Arrays = Mapping[str, NDArray[Any]]


class LayerError(NamedTuple):
    """How far a layer is from ONNX Runtime, over the larger of 1 and the largest number of its result."""

    node: str
    operator: str
    error: float


def layer_errors(
    path: Path, feeds: Arrays, fix: Mapping[str, Any] | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> tuple[DenseModel, list[LayerError]]:
    """The model that `read_onnx` gives, and the error of every use of its tensors on one input.

    Parameters
    ----------
    path : path
    feeds : mapping of str to array
        The inputs of the graph.
    fix, shapes
        As for `read_onnx`.
    """
    model = read_onnx(path, fix=fix, shapes=shapes)
    assert model.network is not None
    file = _normal_form(path, fix, shapes)
    graph = Graph(file.model.graph, Constants(file))
    nodes = {result_of(node): node for node in file.model.graph.node}
    tensors = {tensor.name: tensor for tensor in model.tensors}
    pairs = []
    for use in model.network.uses:
        node = nodes[use.result]
        of_use = [tensors[name] for name in use.tensors]
        pairs.append((use, node, of_use, _result_with_bias(node, of_use, graph)))
    wanted = {name for _, node, _, result in pairs for name in (*node.input, result) if name}
    values = run_with(file.model, feeds, wanted)
    return model, [_error(use, node, of_use, values, result, graph) for use, node, of_use, result in pairs]


def output_error(
    path: Path, feeds: Arrays, fix: Mapping[str, Any] | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> float:
    """The largest error of an output of the graph in normal form, over the larger of 1 and its largest number."""
    file, original = _normal_form(path, fix, shapes), OnnxFile(path)
    original.embed_all()
    found, wanted = (run_with(model, feeds, set()) for model in (file.model, original.model))
    outputs = [output.name for output in original.model.graph.output]
    return max(_relative(found[name], wanted[name]) for name in outputs)


def _normal_form(path: Path, fix: Mapping[str, Any] | None, shapes: Mapping[str, Sequence[int]] | None) -> OnnxFile:
    file = OnnxFile(path)
    normalise(file, fix or {}, shapes or {})
    file.embed_all()
    return file


def _relative(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    largest = max(1.0, float(np.abs(wanted).max(initial=0)))
    return float(np.abs(found.astype(np.float64) - wanted).max(initial=0)) / largest


def run_with(model: ModelProto, feeds: Arrays, wanted: set[str]) -> dict[str, NDArray[Any]]:
    """Values of a graph, outputs or not, without optimisations; initialisers included."""
    observed = ModelProto()
    observed.CopyFrom(model)
    there = {value.name for value in (*observed.graph.input, *observed.graph.initializer, *observed.graph.output)}
    for name in sorted(wanted - there):
        observed.graph.output.add(name=name)
    inputs = {value.name for value in observed.graph.input}
    session = session_of(observed)
    names = [output.name for output in session.get_outputs()]
    values = dict(zip(names, session.run(names, {n: a for n, a in feeds.items() if n in inputs}), strict=True))
    return {**feeds, **values}


def session_of(model: ModelProto) -> onnxruntime.InferenceSession:
    """A model in ONNX Runtime as it is."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _result_with_bias(node: NodeProto, tensors: Sequence[DenseTensor], graph: Graph) -> str:
    """The value that an operator and its bias compute: that of the ``Add`` where it has no bias of its own."""
    own = node.op_type != "MatMul" and len(node.input) > 2 and bool(node.input[2])
    if node.op_type in ("LSTM", "GRU", "RNN") or own or tensors[0].bias is None:
        return result_of(node)
    (user,) = graph.users(node.output[0])
    assert is_standard(user, "Add")
    return user.output[0]


def _error(
    use: Use, node: NodeProto, tensors: Sequence[DenseTensor], values: Arrays, result: str, graph: Graph
) -> LayerError:
    wanted = values[result].astype(np.float64)
    stored = [name in graph.constants.stored or graph.stored(name) is not None for name in node.input]
    numbers = {name: graph.constants.array(name) for name in node.input if name in graph.constants.stored}
    operands = [(numbers.get(name) if name in numbers else values.get(name)) if name else None for name in node.input]
    side = 1 if node.op_type not in ("Gemm", "MatMul") or stored[1] else 0
    if node.op_type == "MatMul":
        data = operands[1 - side]
        assert data is not None
        weights = graph.stored(node.input[side])
        assert weights is not None
        found = matmul(tensors, data, side, graph.shape(weights.source))
    else:
        operands[side] = None
        found = computed(node.op_type, use.attributes, tensors, operands)
        if node.op_type in ("LSTM", "GRU", "RNN") and result != node.output[0]:
            found = last_states(found, use.attributes)
    if found.shape != wanted.shape:
        raise ValueError(f"{use.node}: shape {found.shape}, but ONNX Runtime's is {wanted.shape}")
    return LayerError(use.node, use.operator, _relative(found, wanted))
