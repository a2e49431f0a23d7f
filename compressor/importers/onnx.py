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

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx_file import OnnxFile
from compressor.importers.onnx_graph import Place
from compressor.importers.onnx_layers import Layers
from compressor.importers.onnx_tensors import Floats, put_floats
from compressor.storage.files import errors_name
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel, DenseTensor

ONNX_GATES = {"lstm": ("i", "o", "f", "c"), "gru": ("z", "r", "h")}
"""Gates in the order of their blocks of rows (operators LSTM and GRU)."""


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


class _Network:
    """The layers of a model, and the file where their numbers stand."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        layers = Layers(file.model.graph)
        self._layers, self._other_names, self._tensors = layers.found, layers.others, layers.graph.tensors

    def dense_model(self) -> DenseModel:
        """The weights of the layers, and all other initialisers."""
        tensors = []
        for layer in self._layers:
            try:
                weights = layer.weights.read(self._floats(layer.weights))
                bias = None if layer.bias is None else layer.bias.read(self._floats(layer.bias))
                tensors.append(DenseTensor(layer.name, weights, layer.kind, bias, ONNX_GATES.get(layer.kind, ())))
            except ValueError as error:
                raise ValueError(f"layer {layer.name!r}: {error}") from None
        others = {}
        for name in self._other_names:
            with np.errstate(over="ignore"):
                array = self.file.floats(self._tensors[name]).astype(np.float32)
            if array.size and np.isfinite(array).all():  # else a mask or a limit, which no DenseModel holds
                others[name] = array
        model = self.file.model
        producer = f"{model.producer_name} {model.producer_version}".strip()
        provenance = {"source": f"ONNX {self.file.path.name}"} | ({"producer": producer} if producer else {})
        return DenseModel(tuple(tensors), tuple(layer.activation for layer in self._layers), provenance, others)

    def put(self, model: CompressedModel) -> None:
        """Put the decoded weights, the biases and the other parameters of `model` in place."""
        layers = {layer.name: layer for layer in self._layers}
        # By the tensor of the file, since layers may share one: it is written once, with all that has changed in it.
        changes: dict[str, list[tuple[Place, NDArray[np.float32]]]] = {}
        for tensor in model.tensors:
            layer = layers.get(tensor.name)
            if layer is None or layer.kind != tensor.kind:
                what, kind = (
                    f"{tensor.name!r} of kind {tensor.kind!r}",
                    "" if layer is None else f" of kind {layer.kind!r}",
                )
                raise ValueError(f"tensors: {what}, but there is none{kind} in the ONNX model")
            changes.setdefault(layer.weights.source, []).append((layer.weights, tensor.dense()))
            if tensor.bias is not None:
                if layer.bias is None:
                    raise ValueError(f"tensors: {tensor.name!r} has a bias, but its node in the ONNX model has none")
                changes.setdefault(layer.bias.source, []).append((layer.bias, tensor.bias))
        others = set(self._other_names)
        for name, values in model.others.items():
            if name not in others:
                raise ValueError(f"others: there is no initialiser {name!r} beside the weights")
            changes.setdefault(name, []).append((Place(name), values))
        for source, wanted in changes.items():
            self._change(source, wanted)

    def _change(self, source: str, wanted: list[tuple[Place, NDArray[np.float32]]]) -> None:
        tensor = self._tensors[source]
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

    def _floats(self, place: Place) -> Floats:
        return self.file.floats(self._tensors[place.source])
