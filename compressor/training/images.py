"""A `Dataset` as tensors, as the networks take them."""

import numpy as np
import torch
from numpy.typing import NDArray

from compressor.data.datasets import Dataset, as_floats
from compressor.training.batches import TensorData


def image_data(dataset: Dataset) -> tuple[TensorData, TensorData]:
    """The images for training and those for testing, float32 (n, rows, columns).

    Pixels are 0 .. 1: the mean is not taken off, so that paper is 0 and the machine skips it.
    """
    return (
        _tensors(dataset.train_images, dataset.train_labels),
        _tensors(dataset.test_images, dataset.test_labels),
    )


def _tensors(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> TensorData:
    return TensorData(torch.from_numpy(as_floats(images)), torch.from_numpy(labels.astype(np.int64)))
