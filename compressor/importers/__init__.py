"""Readers and writers of other formats, one file each; a name is loaded on first use.

- networks before compression, as `DenseModel`: `read_onnx`, `read_pytorch`, `read_safetensors`, `read_npz`
- decoded weights back where they came from: `write_onnx`, `write_pytorch`, `write_safetensors`, `write_npz`
- the Deep Compression authors' ``.net``: `read_deep_compression_net`, `write_deep_compression_net`
- single layers: `read_eie_simulator`, `write_eie_simulator`, `read_matrix_market`
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compressor.importers.deep_compression_net import read_deep_compression_net, write_deep_compression_net
    from compressor.importers.eie_simulator import read_eie_simulator, write_eie_simulator
    from compressor.importers.matrix_market import read_matrix_market
    from compressor.importers.npz import read_npz, write_npz
    from compressor.importers.onnx import read_onnx, write_onnx
    from compressor.importers.pytorch import read_pytorch, write_pytorch
    from compressor.importers.safetensors import read_safetensors, write_safetensors

_HOMES = {
    "read_deep_compression_net": "deep_compression_net",
    "read_eie_simulator": "eie_simulator",
    "read_matrix_market": "matrix_market",
    "read_npz": "npz",
    "read_onnx": "onnx",
    "read_pytorch": "pytorch",
    "read_safetensors": "safetensors",
    "write_deep_compression_net": "deep_compression_net",
    "write_eie_simulator": "eie_simulator",
    "write_npz": "npz",
    "write_onnx": "onnx",
    "write_pytorch": "pytorch",
    "write_safetensors": "safetensors",
}

__all__ = [
    "read_deep_compression_net",
    "read_eie_simulator",
    "read_matrix_market",
    "read_npz",
    "read_onnx",
    "read_pytorch",
    "read_safetensors",
    "write_deep_compression_net",
    "write_eie_simulator",
    "write_npz",
    "write_onnx",
    "write_pytorch",
    "write_safetensors",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"compressor.importers.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'compressor.importers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
