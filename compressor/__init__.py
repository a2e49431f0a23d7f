"""Deep Compression: from trained weights to a `PackedModel` that the EIE machine runs.

The steps, in order: `prune` -> `weight_sharing` -> `relative_index` and `interleave` -> `packed`. The package knows
nothing of the simulator; `eie_sim` imports it, never the other way round.

Public names are loaded on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from compressor._version import __version__

if TYPE_CHECKING:
    from compressor.coded import CodedTensor, CompressedModel
    from compressor.coded_file import load_compressed, save_compressed
    from compressor.dense import DenseModel, DenseTensor
    from compressor.packed import PackedLayer, PackedModel, pack_codes, pack_sparse
    from compressor.packed_file import load_model, save_model
    from compressor.pipeline import compress_layer, compress_model

_HOMES = {
    "CodedTensor": "compressor.coded",
    "CompressedModel": "compressor.coded",
    "DenseModel": "compressor.dense",
    "DenseTensor": "compressor.dense",
    "PackedLayer": "compressor.packed",
    "PackedModel": "compressor.packed",
    "compress_layer": "compressor.pipeline",
    "compress_model": "compressor.pipeline",
    "load_compressed": "compressor.coded_file",
    "load_model": "compressor.packed_file",
    "pack_codes": "compressor.packed",
    "pack_sparse": "compressor.packed",
    "save_compressed": "compressor.coded_file",
    "save_model": "compressor.packed_file",
}

__all__ = [
    "CodedTensor",
    "CompressedModel",
    "DenseModel",
    "DenseTensor",
    "PackedLayer",
    "PackedModel",
    "__version__",
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
