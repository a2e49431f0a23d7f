"""Batches of examples: from tensors in memory in a seeded order, or from whatever a caller iterates over."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.checks import whole_number
from compressor.data.datasets import scaled_pixels

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class TensorData:
    """Examples that fit into memory.

    Parameters
    ----------
    inputs : Tensor, shape (n, ...)
    labels : Tensor of int64, shape (n, ...)
    transform : function of a Tensor to a Tensor, or None
        Applied to the inputs of each batch, as ``lambda x: x.float() / 255`` for images kept as bytes.

    Raises
    ------
    ValueError
        When there are no examples, or not as many labels as inputs.
    """

    inputs: Tensor
    labels: Tensor
    transform: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        n_inputs, n_labels = len(self.inputs), len(self.labels)
        if n_inputs != n_labels or not n_inputs:
            raise ValueError(f"data: {n_inputs} inputs and {n_labels} labels, but there must be one label for each")

    @classmethod
    def of_images(cls, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> "TensorData":
        """Images as the networks take them, float32 (n, rows, columns), and their labels.

        Pixels are 0 .. 1: the mean is not subtracted, so that paper is 0 and the machine skips it.
        """
        return cls(torch.from_numpy(scaled_pixels(images)), torch.from_numpy(labels.astype(np.int64)))

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, batch_size: int, shuffled: bool) -> Iterator[Batch]:
        """Every example once; shuffled by torch's random numbers."""
        order = torch.randperm(len(self)) if shuffled else None
        for at in range(0, len(self), batch_size):
            part = slice(at, at + batch_size)
            chosen = part if order is None else order[part]
            inputs = self.inputs[chosen]
            yield (inputs if self.transform is None else self.transform(inputs)), self.labels[chosen]


class Batches:
    """Passes over data of any kind.

    Parameters
    ----------
    data : TensorData, pair of tensors, or iterable of (inputs, labels)
        An iterable gives its own batches, as a `torch.utils.data.DataLoader` does; it must be one that can be iterated
        over again.
    batch_size : int
        At least 1; not for an iterable.

    Raises
    ------
    ValueError
        When the data are none of these.
    """

    def __init__(self, data: object, batch_size: int) -> None:
        self.batch_size = whole_number("batch_size", batch_size, 1)
        if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], Tensor):
            data = TensorData(*data)
        if not isinstance(data, Iterable | TensorData) or isinstance(data, Iterator):
            raise ValueError(f"data: {type(data).__name__}, but it must be TensorData, (inputs, labels) or an iterable")
        self._data: TensorData | Iterable[Batch] = data

    def __len__(self) -> int:
        """Batches of a pass; 0 where it is not known beforehand."""
        if isinstance(self._data, TensorData):
            return -(-len(self._data) // self.batch_size)
        return len(self._data) if isinstance(self._data, Sized) else 0

    def one_pass(self, shuffled: bool) -> Iterator[Batch]:
        """Every batch once."""
        if isinstance(self._data, TensorData):
            yield from self._data.batches(self.batch_size, shuffled)
        else:
            yield from self._data


def data_digest(data: object) -> str:
    """SHA-256 of the examples that are tensors, their shapes and types; "" of what a caller iterates over."""
    tensors = (data.inputs, data.labels) if isinstance(data, TensorData) else data
    if not isinstance(tensors, tuple) or not all(isinstance(tensor, Tensor) for tensor in tensors):
        return ""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
