"""ONNX models: the weights of their machine operators in, with the graph; the decoded weights back out.

What is a layer's weights is read from the graph, not from names, after constants are folded (`onnx_normal`):

- ``Gemm`` and ``MatMul`` give a tensor of kind "linear", always (outputs, inputs); a stack of matrices one for each.
- ``Conv`` gives one of kind "conv", and so does ``ConvTranspose``, as the convolution it is computed as.
- ``LSTM``, ``GRU`` and ``RNN`` give one for each direction, [W R], that of the second with ``_reverse`` after its name.
  The gates are in ONNX's own order, and are named.
- A bias is the operator's own, or the constant of an ``Add`` that alone takes its result; of a recurrent layer Wb + Rb.
- Weights that several operators use are read once, as long as they use the same matrix.
- Every other floating-point initialiser goes to `DenseModel.others`, save those that float32 does not hold exactly.
- The graph itself is `DenseModel.network`, with what each weight is used for and what was left as it is, and why.

Operators: the ONNX operator specification, https://onnx.ai/onnx/operators/.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx_file import OnnxFile, parsed_model
from compressor.importers.onnx_fold import Constants, stored_tensors
from compressor.importers.onnx_graph import MODULES, inner_graphs, is_standard, result_of
from compressor.importers.onnx_layers import Layers
from compressor.importers.onnx_normal import Idle, Normal, normalise
from compressor.importers.onnx_operators import Operators, Part
from compressor.importers.onnx_tensors import (
    clear_numbers,
    has_numbers,
    is_float,
    put_bytes,
    put_floats,
    shape_of,
    stored_type,
)
from compressor.importers.onnx_weights import put_weights
from compressor.storage.files import errors_name
from compressor.types.coded import CodedTensor, CompressedModel
from compressor.types.dense import DenseModel, DenseTensor
from compressor.types.network import PRODUCTS, Network

if TYPE_CHECKING:
    from onnx import ModelProto

ONNX_GATES = {"lstm": ("i", "o", "f", "c"), "gru": ("z", "r", "h")}
"""Gates in the order of their blocks of rows (operators LSTM and GRU)."""

FIXED, SHAPES = "onnx_fixed_inputs", "onnx_input_shapes"
"""Keys of the provenance: the inputs that were fixed, and their sizes that were given, as on the command line."""


def read_onnx(
    path: str | PathLike[str],
    *,
    keep: str | Sequence[str] = (),
    fix: Mapping[str, Any] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> DenseModel:
    """Read the weights of an ONNX model, and its graph.

    Parameters
    ----------
    path : str or path
        Files that it names for its weights must lie in its own folder.
    keep : str or sequence of str
        Patterns (`fnmatch`) of layers or operators that are not to be compressed.
    fix : mapping of str to number, bool, sequence or str, or None
        Values of inputs of the graph, such as ``{"sr": 16000}``; what follows from them is constant.
    shapes : mapping of str to sequence of int, or None
        Sizes of inputs of the graph, such as ``{"input": (1, 576)}``.

    Returns
    -------
    DenseModel
        In the order of the nodes. A tensor is called as its node, or where that name says nothing as the layer of its
        initialiser; a second of the same name gets ``_2`` after it. The activation function is that of what takes the
        result, "host" where that is none of the machine's. float16, bfloat16 and float64 become float32.

    Raises
    ------
    FormatError
        If the file is malformed, its weights are quantised, or there are none; a ValueError that names the file.
    OSError
        If it cannot be read.
    """
    keep = [keep] if isinstance(keep, str) else list(keep)
    with errors_name(Path(path)):
        if wrong := [pattern for pattern in keep if not isinstance(pattern, str)]:
            raise ValueError(f"keep: {wrong[0]!r} is not a pattern; give names as strings")
        return _Network(OnnxFile(Path(path)), keep, fix or {}, shapes or {}).dense_model()


def write_onnx(model: CompressedModel, source: str | PathLike[str] | None, path: str | PathLike[str]) -> None:
    """Write an ONNX model with the decoded weights of `model` in it.

    Parameters
    ----------
    model : CompressedModel
        Of an ONNX model, or with its graph; it may lack some of the tensors, which then stay as they are in `source`.
    source : str, path or None
        The ONNX model that `model` was made of. None: the graph that `model` has, without the names of its source's
        comments and with folded weights in place of what they were computed from.
    path : str or path
        May be `source`. The weights are written in the types they have there: where that is float32 or float64, they
        are read back as exactly ``dense()``. A value that is the same in float32 stays as it is, bit for bit; what
        other files held is taken into the new one.

    Raises
    ------
    FormatError
        If `source` is no model that `read_onnx` reads, or a tensor of `model` is not in it, has another shape there,
        or does not fit its type; a ValueError that names `source`.
    ValueError
        If `source` is None and `model` has no graph.
    OSError
        If a file cannot be read or written.
    """
    if source is None:
        file = OnnxFile.of_model(decoded_onnx(model), Path(path))
    else:
        with errors_name(Path(source)):
            fix, shapes = given_inputs(model.provenance)
            network = _Network(OnnxFile(Path(source)), None, fix, shapes)
            network.put(model)
            file = network.file
            file.embed_all()
    with errors_name(Path(path)):
        file.save(Path(path))


def network_of_onnx(model: "ModelProto", name: Path) -> Network:
    """The graph of an ONNX model that holds its numbers, without them; errors as of `read_onnx`.

    Parameters
    ----------
    model : ModelProto
        Brought into normal form in place.
    name : path
        What messages call it.
    """
    network = _Network(OnnxFile.of_model(model, name), (), {}, {}).dense_model().network
    assert network is not None
    return network


def decoded_onnx(model: CompressedModel | DenseModel) -> "ModelProto":
    """The ONNX model of a compressed one, with its decoded weights, or of one before, with its own.

    Raises
    ------
    ValueError
        If `model` has no graph, or it does not fit the tensors.
    """
    if model.network is None:
        raise ValueError("model: has no graph; name the ONNX model it was made of")
    return _filled(model, model.network)


def _filled(model: CompressedModel | DenseModel, network: Network) -> "ModelProto":
    proto = parsed_model(network.onnx)
    stored = stored_tensors(proto.graph)
    empty = {name: tensor for name, tensor in stored.items() if is_float(tensor) and not has_numbers(tensor)}
    held = sum(prod(t.shape) + 2 * (0 if t.bias is None else t.bias.size) for t in model.tensors)
    held += sum(array.size for array in model.others.values())
    # Attack: a graph of a few bytes whose tensors have shapes of terabytes. Two uses may have the same weights.
    if sum(prod(shape_of(tensor)) for tensor in empty.values()) > held * max(1, len(network.uses)):
        raise ValueError("network: its tensors have more numbers than the model")
    for tensor in empty.values():
        put_bytes(tensor, bytes(prod(shape_of(tensor)) * stored_type(tensor).itemsize))
    file = OnnxFile.of_model(proto, Path("network"))
    normal = Normal(file, Constants(file), Idle(proto.graph))
    put = _Put(normal)
    operators, tensors = Operators(normal), {tensor.name: tensor for tensor in model.tensors}
    nodes = {result_of(node): node for node in proto.graph.node}
    for use in network.uses:
        node = nodes.get(use.result)
        parts = operators.parts(node) if node is not None and is_standard(node, *PRODUCTS) else ""
        if isinstance(parts, str) or len(use.tensors) not in (len(parts), 2 * len(parts)):
            raise ValueError(f"network: its graph does not have the weights of {use.node!r}")
        if missing := [name for name in use.tensors if name not in tensors]:
            raise ValueError(
                f"tensors: {missing[0]!r} of the graph is not in the model; name the ONNX model it is from"
            )
        step = len(use.tensors) // len(parts)
        for at, part in enumerate(parts):
            put.tensor(part, [tensors[name] for name in use.tensors[at * step : (at + 1) * step]])
    for name, values in model.others.items():
        put.other(name, values)
    if unknown := sorted(empty.keys() - put.names()):
        raise ValueError(f"network: {unknown[0]!r} has numbers neither in its graph nor in the model")
    put.finish()
    return proto


def given_inputs(provenance: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """The inputs that were fixed and the sizes that were given, as `FIXED` and `SHAPES` of a provenance have them."""
    fix = dict(pair.split("=", 1) for pair in provenance.get(FIXED, "").split(";") if "=" in pair)
    shapes = dict(pair.split("=", 1) for pair in provenance.get(SHAPES, "").split(";") if "=" in pair)
    return fix, {name: tuple(int(size) for size in sizes.split("x")) for name, sizes in shapes.items()}


class _Network:
    """The layers of a model, and the file where their numbers stand."""

    def __init__(
        self, file: OnnxFile, keep: Sequence[str] | None, fix: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]
    ) -> None:
        self.file = file
        self._normal = normalise(file, fix, shapes)
        self._layers = Layers(self._normal, keep)
        given = {
            FIXED: ";".join(f"{name}={_text_of(value)}" for name, value in fix.items()),
            SHAPES: ";".join(f"{name}={'x'.join(map(str, sizes))}" for name, sizes in shapes.items()),
        }
        self._given = {key: text for key, text in given.items() if text}

    def dense_model(self) -> DenseModel:
        """The weights of the layers, all other initialisers, and the graph."""
        tensors = []
        stored = self._normal.constants.array
        for layer in self._layers.found:
            try:
                weights = layer.weights.read(stored)
                bias = None if layer.bias is None else layer.bias.read(stored)
                tensors.append(DenseTensor(layer.name, weights, layer.kind, bias, ONNX_GATES.get(layer.kind, ())))
            except ValueError as error:
                raise ValueError(f"layer {layer.name!r}: {error}") from None
        others = {}
        for name in self._layers.others():
            array = stored(name)
            with np.errstate(all="ignore"):
                single = array.astype(np.float32)
            # What float32 does not hold, and masks and limits, which no DenseModel holds, stay in the graph.
            if array.size and np.isfinite(single).all() and np.array_equal(single, array):
                others[name] = single
        model = self.file.model
        producer = f"{model.producer_name} {model.producer_version}".strip()
        provenance = {"source": f"ONNX {self.file.path.name}"} | ({"producer": producer} if producer else {})
        layers = self._layers
        network = Network(
            self._stripped(others), tuple(layers.uses), tuple(layers.kept), layers.between, self._open_sizes()
        )
        functions = tuple(layer.activation for layer in layers.found)
        return DenseModel(tuple(tensors), functions, provenance | self._given, others, network)

    def _open_sizes(self) -> tuple[str, ...]:
        """Sizes of inputs that the graph leaves open, but for the first axis: that is the samples."""
        stored = self._normal.constants.stored
        inputs = [value for value in self.file.model.graph.input if value.name not in stored]
        dims = {value.name: list(value.type.tensor_type.shape.dim)[1:] for value in inputs}
        return tuple(
            f"{name}[{axis}]"
            for name, sizes in dims.items()
            for axis, dim in enumerate(sizes, start=1)
            if not dim.HasField("dim_value")
        )

    def _stripped(self, others: Mapping[str, object]) -> bytes:
        """The model without the numbers that the tensors and the others hold, and without its comments."""
        self.file.embed_all()
        model = type(self.file.model)()
        model.CopyFrom(self.file.model)
        held = self._layers.sources() | set(others)
        for name, tensor in stored_tensors(model.graph).items():
            if name in held:
                clear_numbers(tensor)
        model.doc_string = model.graph.doc_string = ""
        del model.graph.value_info[:]
        for node in [*model.graph.node, *(node for inner in inner_graphs(model.graph) for node in inner.node)]:
            node.doc_string = ""
            modules = [entry for entry in node.metadata_props if entry.key == MODULES]
            del node.metadata_props[:]
            node.metadata_props.extend(modules)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def put(self, model: CompressedModel) -> None:
        """Put the decoded weights, the biases and the other parameters of `model` in place."""
        layers = {layer.name: layer for layer in self._layers.found}
        put = _Put(self._normal)
        for tensor in model.tensors:
            layer = layers.get(tensor.name)
            if layer is None or layer.kind != tensor.kind:
                kind = "" if layer is None else f" of kind {layer.kind!r}"
                raise ValueError(
                    f"tensors: {tensor.name!r} of kind {tensor.kind!r}, but there is none{kind} in the ONNX model"
                )
            put.tensor(Part("", layer.kind, layer.weights, layer.bias), [tensor])
        for name, values in model.others.items():  # a layer that was kept is among them
            put.other(name, values)
        put.finish()


class _Put:
    """Numbers on their way into a graph: each stored constant is written once, with all that has changed in it."""

    def __init__(self, normal: Normal) -> None:
        self._constants = normal.constants
        self._arrays: dict[str, NDArray[Any]] = {}
        self._checks: list[tuple[str, Callable[[Callable[[str], NDArray[Any]]], NDArray[Any]], NDArray[Any]]] = []

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            if name not in self._constants.stored or not is_float(self._constants.stored[name]):
                raise ValueError(f"others: there is no initialiser {name!r} beside the weights")
            before = self._constants.array(name)
            self._arrays[name] = np.array(before, np.promote_types(before.dtype, np.float32), order="C")
        return self._arrays[name]

    def names(self) -> set[str]:
        """The stored constants that are given numbers."""
        return set(self._arrays)

    def tensor(self, part: Part, tensors: Sequence[CodedTensor | DenseTensor]) -> None:
        """Put a tensor, or W and R of a recurrent layer that are stored apart, in its place."""
        arrays = {name: self._array(name) for name in part.weights.sources}
        matrix = np.concatenate([in_onnx_order(t, t.dense()) for t in tensors], axis=-1 if len(tensors) > 1 else 0)
        first = part.weights.sources[0]
        if matrix.shape != part.weights.shape:
            raise ValueError(f"tensor {first!r}: shape {part.weights.shape}, but the model's is {matrix.shape}")
        put_weights(part.weights, arrays, matrix)
        self._checks.append((first, part.weights.read, matrix))
        biases = [in_onnx_order(tensor, tensor.bias) for tensor in tensors if tensor.bias is not None]
        if not biases:
            return
        if part.bias is None:
            raise ValueError(f"tensors: {tensors[0].name!r} has a bias, but its node in the ONNX model has none")
        array = self._array(part.bias.source)
        if len(tensors) > 1:
            assert part.bias.direction is not None
            array[part.bias.direction] = np.concatenate(biases)
        else:
            if part.bias.direction is None and array.size != biases[0].size:
                raise ValueError(
                    f"tensor {part.bias.source!r}: {array.size} biases, but the model has {biases[0].size}"
                )
            part.bias.put(array, biases[0])
            self._checks.append((part.bias.source, part.bias.read, biases[0]))

    def other(self, name: str, values: NDArray[np.float32]) -> None:
        """Put a parameter that is not compressed in its place."""
        array = self._array(name)
        if array.shape != values.shape:
            raise ValueError(f"tensor {name!r}: shape {array.shape}, but the model's is {values.shape}")
        array[...] = np.where(array.astype(np.float32) == values, array, values)
        self._checks.append((name, lambda stored: stored(name), values))

    def finish(self) -> None:
        """Write what has changed.

        Raises
        ------
        ValueError
            If layers share numbers, but the model has different ones for them.
        """
        for name, read, wanted in self._checks:
            if not np.array_equal(read(self._arrays.__getitem__).astype(np.float32), wanted):
                raise ValueError(f"tensor {name!r}: layers share it, but the model has different values for them")
        for name, array in self._arrays.items():
            if not np.array_equal(array, self._constants.array(name)):
                put_floats(self._constants.stored[name], array)
                self._constants.put(name, self._constants.stored[name], array)


_ONNX_GATE_OF = {"g": "c", "n": "h"}
"""PyTorch's names of gates that ONNX calls otherwise."""


def in_onnx_order(tensor: CodedTensor | DenseTensor, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of a recurrent tensor with its gates in ONNX's order; others as they are."""
    wanted = ONNX_GATES.get(tensor.kind)
    if not tensor.gates or wanted is None:
        return rows
    names = [_ONNX_GATE_OF.get(gate, gate) for gate in tensor.gates]
    if sorted(names) != sorted(wanted):
        raise ValueError(
            f"tensors: gates {', '.join(tensor.gates)} of {tensor.name!r} are not those of an {tensor.kind}"
        )
    blocks = np.split(rows, len(names))
    return np.concatenate([blocks[names.index(gate)] for gate in wanted])


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(str(one) for one in np.asarray(value).reshape(-1).tolist())
