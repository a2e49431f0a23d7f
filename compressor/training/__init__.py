"""Training that ends in a compressed model: masks, shared weights, schedules, export (extra ``train``, PyTorch).

Every schedule is a sequence of `Phase`: a step that changes the network's form (`Prune`, `Share`, `Release` or none)
and the epochs that follow it. `run_phases` runs them, and resumes them after an interruption.

The same model, data, phases and seeds give the same bytes on the same machine with the same number of threads
(`torch.set_num_threads`): another number splits sums otherwise and gives other last bits, and so may another machine or
version of PyTorch. Everything runs on the CPU.

A network of convolutions of few channels trains faster after ``model.to(memory_format=torch.channels_last)`` (LeNet-5
on one core: in two thirds of the time). Masks, shared weights and checkpoints keep that layout.
"""

try:
    import torch  # noqa: F401
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("compressor.training needs PyTorch: pip install 'eie-sim[train]'") from error

from compressor.training.batches import TensorData
from compressor.training.deep_compression import Compression, DeepCompression, deep_compress
from compressor.training.dropout import dropout_rates, pruned_rate, pruned_rates, set_dropout_rates
from compressor.training.dsd import dense_control, dsd_phases
from compressor.training.export import compressed_model_of, load_shared
from compressor.training.layers import Layer, find_layers
from compressor.training.masks import Mask, Release, densities, masks_of, remove_masks, set_masks
from compressor.training.phases import Phase, PhaseRecord, run_phases, total_epochs, train
from compressor.training.prune import Prune
from compressor.training.schedules import alternating, dense, iterative_rounds, prune_retrain, retraining
from compressor.training.sensitivity import Sensitivity, sensitivity_scan
from compressor.training.sharing import Share, SharedWeights
from compressor.training.trainer import Trainer, TrainSettings, error_rate

__all__ = [
    "Compression",
    "DeepCompression",
    "Layer",
    "Mask",
    "Phase",
    "PhaseRecord",
    "Prune",
    "Release",
    "Sensitivity",
    "Share",
    "SharedWeights",
    "TensorData",
    "TrainSettings",
    "Trainer",
    "alternating",
    "compressed_model_of",
    "deep_compress",
    "dense",
    "dense_control",
    "densities",
    "dropout_rates",
    "dsd_phases",
    "error_rate",
    "find_layers",
    "iterative_rounds",
    "load_shared",
    "masks_of",
    "prune_retrain",
    "pruned_rate",
    "pruned_rates",
    "remove_masks",
    "retraining",
    "run_phases",
    "sensitivity_scan",
    "set_dropout_rates",
    "set_masks",
    "total_epochs",
    "train",
]
