"""Training that ends in a compressed model: masks, shared weights, schedules, export (extra ``train``, PyTorch).

Every schedule is a sequence of `Phase`: a step that changes the network's form (`Prune`, `Share`, `Release` or none)
and the epochs that follow it. `run_phases` runs them, and resumes them after an interruption.
"""

try:
    import torch  # noqa: F401
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("compressor.training needs PyTorch: pip install 'eie-sim[train]'") from error

from compressor.training.batches import TensorData
from compressor.training.layers import Layer, find_layers
from compressor.training.masks import Mask, Release, masks_of, remove_masks, set_masks
from compressor.training.prune import Prune
from compressor.training.sharing import Share, SharedWeights
from compressor.training.trainer import Trainer, TrainSettings, error_rate

__all__ = [
    "Layer",
    "Mask",
    "Prune",
    "Release",
    "Share",
    "SharedWeights",
    "TensorData",
    "TrainSettings",
    "Trainer",
    "error_rate",
    "find_layers",
    "masks_of",
    "remove_masks",
    "set_masks",
]
