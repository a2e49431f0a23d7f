"""Deep Compression: from trained weights to a `PackedModel` that the EIE machine runs.

The steps, in order: `prune` -> `weight_sharing` -> `relative_index` and `interleave` -> `packing`. The package knows
nothing of the simulator; `eie_sim` imports it, never the other way round.

Public names are loaded on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from compressor._version import __version__

if TYPE_CHECKING:
    from compressor.calibration.network import compress_calibrated
    from compressor.packing import pack_codes, pack_sparse
    from compressor.pipeline import compress_layer, compress_model
    from compressor.storage.coded_file import load_compressed, save_compressed
    from compressor.storage.packed_file import load_model, save_model
    from compressor.types.coded import CodedTensor, CompressedModel
    from compressor.types.dense import DenseModel, DenseTensor
    from compressor.types.packed import PackedLayer
    from compressor.types.packed_model import PackedModel

_HOMES = {
    "CodedTensor": "compressor.types.coded",
    "CompressedModel": "compressor.types.coded",
    "DenseModel": "compressor.types.dense",
    "DenseTensor": "compressor.types.dense",
    "PackedLayer": "compressor.types.packed",
    "PackedModel": "compressor.types.packed_model",
    "compress_calibrated": "compressor.calibration.network",
    "compress_layer": "compressor.pipeline",
    "compress_model": "compressor.pipeline",
    "load_compressed": "compressor.storage.coded_file",
    "load_model": "compressor.storage.packed_file",
    "pack_codes": "compressor.packing",
    "pack_sparse": "compressor.packing",
    "save_compressed": "compressor.storage.coded_file",
    "save_model": "compressor.storage.packed_file",
}

__all__ = [
    "CodedTensor",
    "CompressedModel",
    "DenseModel",
    "DenseTensor",
    "PackedLayer",
    "PackedModel",
    "__version__",
    "compress_calibrated",
    "compress_layer",
    "compress_model",
    "load_compressed",
    "load_model",
    "pack_codes",
    "pack_sparse",
    "save_compressed",
    "save_model",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'compressor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
