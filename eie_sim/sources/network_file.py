"""Compressed networks with their graphs, and what a user gives them: inputs, labels, names of classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_integers
from compressor.importers.deep_compression_net import read_deep_compression_net
from compressor.models import MODELS, packaged_model
from compressor.samples import read_arrays
from compressor.storage.coded_file import load_compressed
from compressor.storage.files import errors_name
from compressor.storage.packed_file import load_model
from compressor.storage.text_file import read_text
from compressor.types.coded import CompressedModel
from compressor.types.packed_model import PackedModel
from eie_sim.sources.acts import load_npy
from eie_sim.sources.photo import photo_inputs

READERS: dict[str, Callable[[Path], CompressedModel | PackedModel]] = {
    ".dcz": load_compressed,
    ".net": read_deep_compression_net,
    ".eie": load_model,
}
"""Files of compressed networks, by the end of their names in small letters."""

_MOST_CLASSES = 2**20


def read_network(what: str | Path) -> CompressedModel | PackedModel:
    """A compressed network with its graph.

    Parameters
    ----------
    what : str or path
        A file ``.dcz``, ``.net`` (of SqueezeNet 1.0) or ``.eie``, or the name of a packaged network.

    Raises
    ------
    ValueError
        If it is something else, malformed, or has no graph.
    OSError
        If it cannot be read.
    """
    if str(what) in MODELS:
        return packaged_model(str(what))
    file = Path(what)
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise ValueError(
            f"{file}: its name ends in {file.suffix!r}, but a compressed network is one of {', '.join(READERS)}; "
            "eie-compress compress makes one"
        )
    model = reader(file)
    if model.network is None:
        raise ValueError(
            f"{file}: has no graph, so that nothing says how its layers are connected; compress the ONNX file"
        )
    if isinstance(model, PackedModel):
        here = {layer.name for layer in model.layers}
        if lacking := [name for use in model.network.uses for name in use.tensors if name not in here]:
            raise ValueError(
                f"{file}: has no {lacking[0]!r}, for a packed file holds matrices alone; give the .dcz or .onnx file"
            )
    return model


def network_inputs(
    model: CompressedModel | PackedModel, file: Path | None, photo: Path | None
) -> dict[str, NDArray[Any]] | NDArray[Any]:
    """The inputs of a network, of a file of arrays or of a photo.

    Raises
    ------
    ValueError
        If none or both are given, or a file is malformed.
    OSError, ImportError
        If a file cannot be read.
    """
    if (file is None) == (photo is None):
        raise ValueError("inputs: a whole network takes inputs or a photo, one of them")
    if photo is not None:
        assert model.network is not None
        return dict(photo_inputs(model.network, photo))
    assert file is not None
    return read_arrays(file)


def read_labels(file: Path, count: int) -> NDArray[np.int64]:
    """Right classes from a ``.npy`` file; int64, shape (count,).

    Raises
    ------
    ValueError
        If it is no such file, or has another shape.
    OSError
        If it cannot be read.
    """
    labels = as_integers(str(file), load_npy(file), np.int64)
    if labels.shape != (count,):
        raise ValueError(f"{file}: shape {labels.shape}, but there are {count} inferences; expected ({count},)")
    return labels


def read_classes(file: Path) -> list[str]:
    """Names of classes, one a line.

    Raises
    ------
    ValueError
        If it is not a file of text, or has too many lines.
    OSError
        If it cannot be read.
    """
    with errors_name(file):
        names = read_text(file, "file of class names").splitlines()
        if not 0 < len(names) <= _MOST_CLASSES:
            raise ValueError(f"{len(names)} lines, but there must be one for each class, at most {_MOST_CLASSES}")
    return names
