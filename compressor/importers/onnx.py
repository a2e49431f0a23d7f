"""ONNX models: the weights of their matrices, convolutions and recurrent layers in, the decoded weights back out.

What is a layer's weights is read from the graph, not from names:

- ``Gemm`` and ``MatMul`` with a constant matrix give a tensor of kind "linear", always (outputs, inputs); ``Conv`` one
  of kind "conv".
- ``LSTM`` and ``GRU`` give two tensors for each direction, ``<name>.W`` (of the inputs) and ``<name>.R`` (of the hidden
  units), those of the second direction with ``_reverse`` after. The gates stand in ONNX's own order, and are named.
- A bias is the operator's own, or the constant of an ``Add`` that alone takes its result.
- Weights may be initialisers or ``Constant`` nodes, also behind ``Identity`` and ``Transpose``. Those that several
  nodes share are read once, at the first.
- Initialisers of floating-point numbers that are none of these, among them the weights of ``ConvTranspose``, whose rows
  are no outputs, and of graphs within nodes' attributes, go to `DenseModel.others`, save those that are empty or not
  finite (masks and limits).

Operators: the ONNX operator specification, https://onnx.ai/onnx/operators/.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.coded import CodedTensor, CompressedModel
from compressor.dense import GATES, DenseModel, DenseTensor
from compressor.files import errors_name
from compressor.importers.onnx_file import Floats, OnnxFile, is_float, put_floats, shape_of

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

ONNX_GATES = {"lstm": ("i", "o", "f", "c"), "gru": ("z", "r", "h")}
"""Gates in the order of their blocks of rows (operators LSTM and GRU)."""

MAX_TENSORS = 10_000
"""Most weight tensors that are read; a language model has some thousand."""

_LONGEST_DETOUR = 16  # nodes between a constant and the layer it is for, and one; exporters leave one or two

_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
_NOTHING_AT_INFERENCE = ("Identity", "Dropout")
_QUANTISED = ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_STANDARD_DOMAINS = ("", "ai.onnx")


def read_onnx(path: str | PathLike[str]) -> DenseModel:
    """Read the weights of an ONNX model.

    Parameters
    ----------
    path : str or path
        Files that it names for its weights must lie in its own folder.

    Returns
    -------
    DenseModel
        In the order of the nodes. A tensor is called as its node, or where that has no name as its initialiser; a
        second of the same name gets ``_2`` after it. The activation function is that of the one node that takes the
        result. float16, bfloat16 and float64 become float32.

    Raises
    ------
    FormatError
        When the file is malformed, its weights are quantised, or there are none; a ValueError that names the file.
    ImportError
        When the onnx library is not installed.
    OSError
        When it cannot be read.
    """
    with errors_name(Path(path)):
        return _Network(OnnxFile(Path(path))).dense_model()


def write_onnx(model: CompressedModel, source: str | PathLike[str], path: str | PathLike[str]) -> None:
    """Write a copy of an ONNX model with the decoded weights of `model` in it.

    A value that is the same in float32 stays as it is, bit for bit, and so does all else in the file. What stood in
    other files is taken into the new one.

    Parameters
    ----------
    model : CompressedModel
        Made of what `read_onnx` gives of `source`; it may lack some of the tensors, which then stay as they are.
    source : str or path
    path : str or path
        May be `source`. The weights are written in the types they have there: where that is float32 or float64, they
        are read back as exactly ``dense()``. A Gemm whose alpha or beta was folded into changed weights gets 1 for it.

    Raises
    ------
    FormatError
        When `source` is no model that `read_onnx` reads, or a tensor of `model` is not in it, has another shape there,
        or does not fit its type; a ValueError that names `source`.
    OSError
        When a file cannot be read or written.
    """
    with errors_name(Path(source)):
        network = _Network(OnnxFile(Path(source)))
        network.put(model)
        network.file.embed_all()
    with errors_name(Path(path)):
        network.file.save(Path(path))


# Places ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where some numbers of a layer stand: in all or a part of the tensor `source` of the file."""

    source: str
    part: tuple[int | slice, ...] = ()
    transposed: bool = False
    flat: bool = False
    scale: "_Scale | None" = None

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


class _Scale(NamedTuple):
    """A factor that a Gemm multiplies a tensor by: alpha or beta."""

    attribute: Any
    value: float


class _Constant(NamedTuple):
    """A constant of the graph that a node takes."""

    source: str
    transposed: bool


@dataclass(frozen=True)
class _Layer:
    """A weight tensor of the network."""

    name: str
    kind: str
    weights: _Place
    bias: _Place | None
    activation: str


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


# The network ----------------------------------------------------------------------------------------------------------


class _Network:
    """The layers of a model and where their numbers stand in its file."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        graph = file.model.graph
        if graph.sparse_initializer:
            raise ValueError("sparse initialisers are not read")
        self.tensors = _constants(graph)
        self._initialisers = [tensor.name for tensor in graph.initializer]
        self._producers = {output: node for node in graph.node for output in node.output}
        constants = [node.output[0] for node in graph.node if node.op_type == "Constant"]
        self._stored = {*self._initialisers, *constants}  # of any type
        self._uses = _Uses(graph)
        self._read: set[str] = set()  # sources of weights
        self._found: list[_Layer] = []
        for node in graph.node:
            if node.domain in _STANDARD_DOMAINS:
                self._add(node)
        if not self._found:
            raise ValueError("no weights: there is no Gemm, MatMul, Conv, LSTM or GRU with constant ones")
        self.layers = _with_unique_names(self._found, set(self._other_names()))

    def dense_model(self) -> DenseModel:
        """The weights of the layers, and all other initialisers."""
        tensors = tuple(self._dense(layer) for layer in self.layers)
        model = self.file.model
        producer = f"{model.producer_name} {model.producer_version}".strip()
        provenance = {"source": f"ONNX {self.file.path.name}"} | ({"producer": producer} if producer else {})
        return DenseModel(tensors, tuple(layer.activation for layer in self.layers), provenance, self._others())

    def put(self, model: CompressedModel) -> None:
        """Put the decoded weights, the biases and the other parameters of `model` in place."""
        layers = {layer.name: layer for layer in self.layers}
        changes: dict[str, list[tuple[_Place, NDArray[np.float32]]]] = {}
        for tensor in model.tensors:
            for place, values in _changes(layers.get(tensor.name), tensor):
                changes.setdefault(place.source, []).append((place, values))
        others = set(self._other_names())
        for name, values in model.others.items():
            if name not in others:
                raise ValueError(f"others: there is no initialiser {name!r} beside the weights")
            changes.setdefault(name, []).append((_Place(name), values))
        for source, wanted in changes.items():
            self._change(source, wanted)

    def _change(self, source: str, wanted: list[tuple[_Place, NDArray[np.float32]]]) -> None:
        tensor = self.tensors[source]
        before = self.file.floats(tensor)
        array = before.astype(np.promote_types(before.dtype, np.float32))
        for place, values in wanted:
            view, now = place.view(array), place.read(before)
            if view.shape != values.shape:
                raise ValueError(f"tensor {source!r}: shape {view.shape}, but the model's is {values.shape}")
            if np.array_equal(now, values):
                continue
            # A float64 that is the same in float32 keeps its other digits.
            view[...] = np.where(now == values, view, values) if place.scale is None else values
            if place.scale is not None:
                place.scale.attribute.f = 1.0
        if np.array_equal(array, before):
            return
        put_floats(tensor, array)
        for place, values in wanted:
            if not np.array_equal(place.view(array).astype(np.float32), values):
                raise ValueError(f"tensor {source!r}: layers share it, but the model has different values for them")

    def _dense(self, layer: _Layer) -> DenseTensor:
        try:
            weights = layer.weights.read(self._floats(layer.weights))
            bias = None if layer.bias is None else layer.bias.read(self._floats(layer.bias))
            return DenseTensor(layer.name, weights, layer.kind, bias, ONNX_GATES.get(layer.kind, ()))
        except ValueError as error:
            raise ValueError(f"layer {layer.name!r}: {error}") from None

    def _floats(self, place: _Place) -> Floats:
        return self.file.floats(self.tensors[place.source])

    def _other_names(self) -> list[str]:
        taken = self._read | {layer.bias.source for layer in self._found if layer.bias is not None}
        return [name for name in self._initialisers if name in self.tensors and name not in taken]

    def _others(self) -> Mapping[str, NDArray[np.float32]]:
        others = {}
        for name in self._other_names():
            with np.errstate(over="ignore"):
                array = self.file.floats(self.tensors[name]).astype(np.float32)
            if array.size and np.isfinite(array).all():
                others[name] = array
        return others

    # Layers of the graph, node by node

    def _add(self, node: "NodeProto") -> None:
        if node.op_type in ("Gemm", "MatMul", "Conv", "LSTM", "GRU"):
            self._refuse_dequantised(node)
        if node.op_type in _QUANTISED and any(name in self._stored for name in node.input):
            raise ValueError(f"node {_called(node)!r}: {node.op_type} has quantised weights, which are not read")
        if node.op_type in ("Gemm", "MatMul"):
            self._add_matrix(node)
        elif node.op_type == "Conv":
            self._add_convolution(node)
        elif node.op_type in ("LSTM", "GRU"):
            self._add_recurrent(node)

    def _refuse_dequantised(self, node: "NodeProto") -> None:
        producers = (self._producers.get(name) for name in node.input)
        for producer in producers:
            if producer is not None and producer.op_type == "DequantizeLinear" and producer.input[0] in self._stored:
                raise ValueError(f"node {_called(node)!r}: its weights are quantised (DequantizeLinear): not read")

    def _add_matrix(self, node: "NodeProto") -> None:
        is_gemm = node.op_type == "Gemm"
        for at in (1, 0):  # x W, or else W x
            found = self._constant(node.input[at])
            if found is None or (not is_gemm and len(self.tensors[found.source].dims) != 2):
                continue  # a stack of matrices is nothing that a machine for vectors runs
            flipped = is_gemm and bool(_attribute(node, ("transA", "transB")[at], "i", 0))
            scale = self._scale(node, "alpha", at) if is_gemm else None
            if found.source in self._read or (is_gemm and scale is None):
                return
            shape = shape_of(self.tensors[found.source])
            if len(shape) != 2:
                raise ValueError(f"node {_called(node)!r}: weights of shape {shape}, but a matrix has 2 dimensions")
            transposed = (at == 1) ^ flipped ^ found.transposed
            n_outputs = shape[1] if transposed else shape[0]
            weights = _Place(found.source, transposed=transposed, scale=_needed(scale))
            axis = -1 if at == 1 else -2
            own = self._own_bias(node, n_outputs, axis) if is_gemm else None
            self._append(node, "linear", weights, own, n_outputs, axis, is_gemm and len(node.input) > 2)
            return

    def _own_bias(self, node: "NodeProto", n_outputs: int, axis: int) -> _Place | None:
        """The third input of a Gemm, where it is one number for each output."""
        if len(node.input) < 3 or not node.input[2]:
            return None
        place, scale = self._bias(node.input[2], n_outputs, axis), self._scale(node, "beta", 2)
        if place is None or scale is None:
            return None
        return replace(place, scale=_needed(scale))

    def _scale(self, node: "NodeProto", attribute: str, at: int) -> _Scale | None:
        """Alpha or beta; None where it cannot be folded, since others use the same tensor or it is 0."""
        found = next((a for a in node.attribute if a.name == attribute), None)
        value = 1.0 if found is None else found.f
        if not np.isfinite(value):
            raise ValueError(f"node {_called(node)!r}: {attribute} is {value}, but it must be finite")
        name = node.input[at]
        foldable = name in self.tensors and self._uses.only_user(name) is node and value != 0
        return _Scale(found, value) if value == 1 or foldable else None

    def _add_convolution(self, node: "NodeProto") -> None:
        found = self._constant(node.input[1])
        if found is None or found.source in self._read:
            return
        shape = shape_of(self.tensors[found.source])
        if len(shape) < 3 or found.transposed:
            raise ValueError(
                f"node {_called(node)!r}: weights of shape {shape}, but a convolution has at least 3 sizes"
            )
        has_bias = len(node.input) > 2 and bool(node.input[2])
        own = self._bias(node.input[2], shape[0], -1) if has_bias else None
        self._append(node, "conv", _Place(found.source), own, shape[0], 1 - len(shape), has_bias)

    def _append(
        self,
        node: "NodeProto",
        kind: str,
        weights: _Place,
        bias: _Place | None,
        n_outputs: int,
        axis: int,
        has_bias: bool,
    ) -> None:
        """Take a layer; `axis` is that of the outputs in the node's result, counted from the last."""
        result = node.output[0]
        user = self._uses.only_user(result)
        if not has_bias and user is not None and user.op_type == "Add" and user.domain in _STANDARD_DOMAINS:
            added = user.input[1] if user.input[0] == result else user.input[0]
            bias = self._bias(added, n_outputs, axis)
            result = user.output[0] if bias is not None else result
        self._put_layer(node.name or weights.source, kind, weights, bias, self._activation(result))

    def _add_recurrent(self, node: "NodeProto") -> None:
        kind = node.op_type.lower()
        direction = _attribute(node, "direction", "s", b"forward").decode("ascii", "replace")
        matrices, bias = self._recurrent_constants(node, GATES[kind], _DIRECTIONS.get(direction, 0))
        fresh = {what: found for what, found in matrices.items() if found not in self._read}
        for at in range(_DIRECTIONS.get(direction, 0)):
            for what, source in fresh.items():
                n_rows = self.tensors[source].dims[1]
                half = slice(n_rows) if what == "W" else slice(n_rows, None)
                name = f"{node.name}.{what}" if node.name else source
                self._put_layer(
                    name if at == 0 else f"{name}_reverse",
                    kind,
                    _Place(source, (at,)),
                    None if bias is None else _Place(bias, (at, half)),
                    "none",
                )

    def _recurrent_constants(
        self, node: "NodeProto", n_gates: int, n_directions: int
    ) -> tuple[dict[str, str], str | None]:
        """The sources of the matrices W and R, where these are constant, and of the bias, checked to fit each other."""
        sources = {}
        for what, name in zip("WRB", node.input[1:4], strict=False):
            found = self._constant(name)
            if found is not None:
                sources[what] = found.source
        shapes = {what: shape_of(self.tensors[source]) for what, source in sources.items()}
        n_units = _n_units(_attribute(node, "hidden_size", "i", 0), shapes, n_gates)
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
                    f"node {_called(node)!r}: {what} has shape {shape}, but {n_directions} directions of {n_units} "
                    f"units need {wanted[what]}"
                )
        bias = sources.pop("B", None)
        return sources, bias

    def _put_layer(self, name: str, kind: str, weights: _Place, bias: _Place | None, activation: str) -> None:
        if len(self._found) == MAX_TENSORS:
            raise ValueError(f"more than {MAX_TENSORS} weight tensors")
        self._read.add(weights.source)
        self._found.append(_Layer(name, kind, weights, bias, activation))

    # What a value of the graph is

    def _constant(self, name: str) -> _Constant | None:
        """The float tensor that a value is, at most passed on or transposed; None where it is computed."""
        transposed = False
        for _ in range(_LONGEST_DETOUR):
            if name in self.tensors:
                return _Constant(name, transposed)
            producer = self._producers.get(name)
            if producer is None or producer.op_type not in ("Identity", "Transpose"):
                return None
            name = producer.input[0]
            if producer.op_type == "Transpose":
                order = next((list(a.ints) for a in producer.attribute if a.name == "perm"), [1, 0])
                if order != [1, 0] or (name in self.tensors and len(self.tensors[name].dims) != 2):
                    return None
                transposed = not transposed
        return None

    def _bias(self, name: str, n_outputs: int, axis: int) -> _Place | None:
        """The constant `name` as a bias: one number for each output, which lie along `axis`, counted from the last."""
        found = self._constant(name)
        if found is None or found.transposed:
            return None
        shape = shape_of(self.tensors[found.source])
        fits = len(shape) >= -axis and shape[axis] == n_outputs and prod(shape) == n_outputs
        return _Place(found.source, flat=True) if fits else None

    def _activation(self, result: str) -> str:
        user = self._uses.only_user(result)
        while user is not None and user.op_type in _NOTHING_AT_INFERENCE:
            user = self._uses.only_user(user.output[0])
        return "none" if user is None else _ACTIVATIONS.get(user.op_type, "none")


def _constants(graph: "GraphProto") -> dict[str, "TensorProto"]:
    """Initialisers and values of Constant nodes that are floating-point numbers, by the name that nodes know."""
    found: dict[str, TensorProto] = {}
    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in _STANDARD_DOMAINS:
            tensors += [(node.output[0], a.t) for a in node.attribute if a.name == "value"]
    for name, tensor in tensors:
        if name in found:
            raise ValueError(f"initialiser {name!r} is there twice")
        if is_float(tensor):
            found[name] = tensor
    return found


def _with_unique_names(layers: list[_Layer], taken: set[str]) -> list[_Layer]:
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


def _changes(layer: _Layer | None, tensor: CodedTensor) -> Iterator[tuple[_Place, NDArray[np.float32]]]:
    if layer is None or layer.kind != tensor.kind:
        kind = "" if layer is None else f" of kind {layer.kind!r}"
        raise ValueError(f"tensors: {tensor.name!r} of kind {tensor.kind!r}, but there is none{kind} in the ONNX model")
    yield layer.weights, tensor.dense()
    if tensor.bias is not None:
        if layer.bias is None:
            raise ValueError(f"tensors: {tensor.name!r} has a bias, but its node in the ONNX model has none")
        yield layer.bias, tensor.bias


def _n_units(given: int, shapes: Mapping[str, tuple[int, ...]], n_gates: int) -> int:
    """Hidden units of a recurrent node: as it says, or as its first tensor shows."""
    if given:
        return given
    for what, parts in (("W", n_gates), ("R", n_gates), ("B", 2 * n_gates)):
        if len(shapes.get(what, ())) > 1:
            return shapes[what][1] // parts
    return 0


def _needed(scale: _Scale | None) -> _Scale | None:
    return None if scale is None or scale.value == 1 else scale


def _attribute(node: "NodeProto", name: str, field: str, default: Any) -> Any:
    return next((getattr(attribute, field) for attribute in node.attribute if attribute.name == name), default)


def _called(node: "NodeProto") -> str:
    return node.name or node.op_type
