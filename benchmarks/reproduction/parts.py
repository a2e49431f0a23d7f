"""Parts of the image sets for the reproductions that take long: so many images for training, all for testing."""

import sys
from collections.abc import Callable

from benchmarks.reproduction.data import HELD_OUT, Images, Mode, drawn_dataset
from compressor.data.datasets import DATA_VARIABLE, Dataset, find_fashion_mnist, find_mnist, held_out
from compressor.training import TensorData

SETS: dict[str, Callable[[], Dataset | None]] = {"mnist": find_mnist, "fashion-mnist": find_fashion_mnist}
"""Where each set is looked for."""

_NO_DATA = 2  # exit code


def load_part(name: str, mode: Mode, n_train: int) -> Images:
    """The first `n_train` images for training of a set of `SETS`, and those for testing of a mode.

    Ends the process with 2, and says where to put it, when the set is nowhere.
    """
    dataset = drawn_dataset() if mode == "quick" else SETS[name]()
    if dataset is None:
        print(f"no {name}: put its four idx files into the folder {name} of {DATA_VARIABLE}", file=sys.stderr)
        raise SystemExit(_NO_DATA)
    digest = dataset.digest
    if mode == "held-out":
        dataset = held_out(dataset, HELD_OUT)
    n = min(n_train, len(dataset.train_labels))
    part = "" if n == len(dataset.train_labels) else f", the first {n:,} images for training"
    train = TensorData.of_images(dataset.train_images[:n], dataset.train_labels[:n])
    return Images(train, TensorData.of_images(dataset.test_images, dataset.test_labels), dataset.source + part, digest)
