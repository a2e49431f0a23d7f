"""Which bytes of the tensors of a `.dcz` file belong to which layer; the format is in `coded_file`."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.coding.streams import EncodedStream
from compressor.coding.tensor_streams import TensorStreams, decode_cells
from compressor.storage.coded_document import LayerRecord
from compressor.storage.container import DTYPES
from compressor.types.coded import CodedTensor, CompressedModel

_DTYPES = {
    "biases": DTYPES["F32"],
    "codebooks": DTYPES["F32"],
    "codes": DTYPES["U8"],
    "others": DTYPES["F32"],
    "runs": DTYPES["U8"],
    "tables": DTYPES["U8"],
}


def tensors_of(model: CompressedModel, streams: Sequence[TensorStreams]) -> dict[str, NDArray[Any]]:
    """The tensors of the file of `model`: of each kind, layer after layer; those of no bytes are left out."""
    runs = [found.runs for found in streams if found.runs is not None]
    parts: dict[str, list[NDArray[Any]]] = {
        "biases": [tensor.bias for tensor in model.tensors if tensor.bias is not None],
        "codebooks": [tensor.codebook for tensor in model.tensors],
        "codes": [found.codes.data for found in streams],
        "others": [array.reshape(-1) for _, array in sorted(model.others.items())],
        "runs": [stream.data for stream in runs],
        "tables": [s.table for found in streams for s in (found.codes, found.runs) if s is not None],
    }
    joined = {
        name: np.concatenate(arrays).astype(_DTYPES[name], copy=False) for name, arrays in parts.items() if arrays
    }
    if model.network is not None:
        joined["graph"] = np.frombuffer(model.network.onnx, np.uint8)
    return {name: array for name, array in joined.items() if array.size}


class StoredTensors:
    """The tensors of a file, handed out piece by piece in the order of the layers.

    Parameters
    ----------
    tensors : mapping of str to ndarray
    layers : sequence of LayerRecord
    other_shapes : mapping of str to tuple of int
        In the order of the pieces.

    Raises
    ------
    ValueError
        When a tensor is missing, unknown, or not of the type and length that the layers need.
    """

    def __init__(
        self,
        tensors: Mapping[str, NDArray[Any]],
        layers: Sequence[LayerRecord],
        other_shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        # Attack: sizes in the document by which layers would share bytes, or reach beyond them.
        needed = {
            "biases": sum(layer.n_biases for layer in layers),
            "codebooks": sum(1 << layer.weight_bits for layer in layers),
            "codes": sum(layer.code_bytes for layer in layers),
            "others": sum(prod(shape) for shape in other_shapes.values()),
            "runs": sum(layer.run_bytes for layer in layers),
            "tables": sum(layer.code_table_bytes + layer.run_table_bytes for layer in layers),
        }
        if unknown := sorted(tensors.keys() - needed.keys()):
            raise ValueError(f"tensor {unknown[0]!r}: a .dcz file has none of this name")
        self._arrays = {}
        for name, length in needed.items():
            dtype, found = _DTYPES[name], tensors.get(name, np.zeros(0, _DTYPES[name]))
            if name in tensors and length == 0:
                raise ValueError(f"tensor {name!r}: is there, but no layer needs it")
            if name not in tensors and length > 0:
                raise ValueError(f"tensor {name!r}: is missing")
            if found.dtype != dtype or found.shape != (length,):
                raise ValueError(
                    f"tensor {name!r}: {found.dtype} of shape {found.shape}, "
                    f"but the layers need {dtype} of shape ({length},)"
                )
            self._arrays[name] = found
        self._at = dict.fromkeys(needed, 0)
        self._other_shapes = other_shapes

    @property
    def float_bytes(self) -> int:
        """Bytes of the numbers that a model keeps."""
        return sum(array.nbytes for name, array in self._arrays.items() if _DTYPES[name].kind == "f")

    def next_streams(self, layer: LayerRecord) -> TensorStreams:
        """The streams of the next layer."""
        table, data = self._take("tables", layer.code_table_bytes), self._take("codes", layer.code_bytes)
        codes = EncodedStream(layer.code_coder, layer.weight_bits, layer.entries, table, data)
        if layer.index_bits is None or layer.run_coder is None:
            return TensorStreams(None, codes, None)
        table, data = self._take("tables", layer.run_table_bytes), self._take("runs", layer.run_bytes)
        runs = EncodedStream(layer.run_coder, layer.index_bits, layer.entries, table, data)
        return TensorStreams(layer.index_bits, codes, runs)

    def next_tensor(self, layer: LayerRecord, streams: TensorStreams) -> CodedTensor:
        """The next layer, decoded from its streams.

        Raises
        ------
        ValueError
            When its streams or its numbers are not what they must be; the message names the layer.
        """
        codebook = self._numbers("codebooks", 1 << layer.weight_bits)
        bias = self._numbers("biases", layer.n_biases) if layer.biased else None
        try:
            codes = decode_cells(streams, layer.n_cells)
            return CodedTensor(layer.name, tuple(layer.shape), layer.kind, codebook, codes, bias, tuple(layer.gates))
        except ValueError as error:
            raise ValueError(f"layer {layer.name!r}: {error}") from None

    def others(self) -> dict[str, NDArray[np.float32]]:
        """The parameters that are not compressed."""
        return {name: self._numbers("others", prod(shape)).reshape(shape) for name, shape in self._other_shapes.items()}

    def _take(self, name: str, length: int) -> NDArray[Any]:
        begin = self._at[name]
        self._at[name] += length
        return self._arrays[name][begin : begin + length]

    def _numbers(self, name: str, length: int) -> NDArray[np.float32]:
        """A read-only copy, so that the file's bytes need not stay in memory."""
        numbers = self._take(name, length).astype(np.float32)
        numbers.flags.writeable = False
        return numbers
