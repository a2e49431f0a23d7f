"""`load`, and which kind of source a name means."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from numpy.typing import ArrayLike

from compressor.checks import whole_number
from compressor.models import MODELS
from eie_sim.arch import ArchConfig
from eie_sim.networks import published_layers
from eie_sim.sources import scalesim_config
from eie_sim.sources.eie_folder import EieSimulatorFolder
from eie_sim.sources.job import Job, Source
from eie_sim.sources.matrix_market import MatrixMarketFile
from eie_sim.sources.model_file import CompressedFile, PackedFile
from eie_sim.sources.options import LoadOptions, OptionError
from eie_sim.sources.packaged import PackagedNetwork
from eie_sim.sources.published import PublishedLayers
from eie_sim.sources.random_layer import PREFIX, RandomLayer
from eie_sim.sources.topology import TopologyFile

FILES: Mapping[str, Callable[[Path, LoadOptions], Source]] = {
    ".eie": PackedFile,
    ".dcz": CompressedFile,
    ".csv": TopologyFile,
    ".mtx": MatrixMarketFile,
}
"""Kinds of files by the end of their names, in small letters."""


def load(
    what: str | PathLike[str] | None = None,
    arch: ArchConfig | None = None,
    *,
    layers: str | Sequence[str] | None = None,
    chain: str | Sequence[str] | Literal[False] | None = None,
    acts: str | PathLike[str] | ArrayLike | None = None,
    act_density: float | None = None,
    weight_density: float | None = None,
    seed: int = 0,
    fit: str | None = None,
    rows: int | None = None,
    name: str | None = None,
    n_vectors: int | None = None,
    max_vectors: int | None = None,
) -> Job:
    """What a name means: the layers that run, packed for the machine, with their inputs.

    Parameters
    ----------
    what : str, path or None
        A file ``.eie``, ``.dcz``, ``.mtx`` or ``.csv`` (SCALE-Sim GEMM topology); a data folder of the EIE authors'
        simulator; the name of a published layer, such as ``"Alex-7"``, or of a packaged network, such as
        ``"lenet-300-100"``; ``"random:ROWSxCOLS"``. One layer of a file is ``"file#layer"``. A file or folder that has
        the name of a layer is ``"./Alex-7"``. None: the nine published layers.
    arch : ArchConfig or None
        The machine that layers are packed for; None: as they are stored, or for 64 PEs.
    layers : str, sequence of str or None
        Names of the layers to take, in a string separated by commas; None: all.
    chain : str, sequence of str, False or None
        Layers to run one after another, each on the activated output of the one before, whatever the file says. False:
        each layer alone, with inputs of its own. None: a chain where the graph of the model is one, or the file is one
        by its nature (`compressor.PackedModel`); else each layer alone.
    acts : path, array_like or None
        Inputs, shape (n_cols,) or (B, n_cols): a ``.npy`` file or numbers. None: those that come with the layer, or
        drawn.
    act_density : float, 0 .. 1, or None
        Fraction of drawn inputs that are active; None: all.
    weight_density : float, 0 .. 1, or None
        Of a random layer (None: 0.1), and of a topology's layers without ``Sparsity`` (None: 1).
    seed : int
        Of everything drawn; of a packaged network, the number of the digit.
    fit : str or None
        What published layers were fitted to, one of `eie_sim.networks.FITS`.
    rows : int or None
        Outputs of the layer in a data folder, which does not say; None: 1000.
    name : str or None
        What the layer is called; changes no number.
    n_vectors : int or None
        Input vectors to draw; None: one, and inputs have one dimension.
    max_vectors : int or None
        Of a topology, the first so many input vectors of each layer; None: all, but an error where they are estimated
        to take more than 10 minutes or 0.5 GiB.

    Returns
    -------
    Job

    Raises
    ------
    OptionError
        If an option means nothing for `what`, or does not go with another; a ValueError.
    ValueError
        If `what` is not one of these, or a file is malformed.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from eie_sim import load, simulate
    >>> job = load("random:64x32", act_density=0.5)
    >>> simulate(job.layers[0], job.acts[0]).counts.broadcasts
    16
    """
    if arch is not None and not isinstance(arch, ArchConfig):
        raise ValueError(f"arch: {arch!r}, but it must be an ArchConfig; preset('eie-64pe-45nm') gives one")
    whole_number("seed", seed, 0)
    if isinstance(acts, str | PathLike):
        acts = Path(acts)
    what, layer = split_layer(what)
    if layer is not None:
        if layers is not None:
            raise OptionError("layers", f"{what}#{layer} names a layer already")
        layers = (layer,)
    options = LoadOptions(
        layers, chain, acts, act_density, weight_density, seed, fit, rows, name, n_vectors, max_vectors
    )
    if isinstance(chain, bool) and chain:
        raise OptionError("chain", "True, but it must be names of layers, False or None")
    source = source_of(what, options)
    options.refuse_all_but(source.takes, source.where)
    return source.job(arch)


def split_layer(what: str | PathLike[str] | None) -> tuple[str | PathLike[str] | None, str | None]:
    """``file#layer`` as the file and the layer; anything else as it is, and None."""
    if what is None:
        return None, None
    file, _, layer = os.fspath(what).partition("#")
    known = Path(file).suffix.lower() in FILES or file in MODELS
    return (file, layer) if layer and known and not Path(what).exists() else (what, None)


def source_of(what: str | PathLike[str] | None, options: LoadOptions) -> Source:
    """The source that `what` names; nothing is read yet.

    Raises
    ------
    ValueError
        If it names none.
    OSError
        If there is no such file.
    """
    text = None if what is None else os.fspath(what)
    if text is None or text in published_layers():
        return PublishedLayers(text, options)
    if text in MODELS:
        return PackagedNetwork(text, options)
    if text.startswith(PREFIX):
        return RandomLayer(text, options)
    path = Path(text)
    if path.is_dir():
        return EieSimulatorFolder(path, options)
    kind = FILES.get(path.suffix.lower())
    if kind is None and not path.exists():
        if path.suffix or len(path.parts) > 1:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), text)
        names = ", ".join([*published_layers(), *MODELS])
        raise ValueError(f"{text!r}: is not a file or a folder, nor one of {names}, nor random:ROWSxCOLS")
    if path.suffix.lower() == scalesim_config.SUFFIX:
        raise ValueError(
            f"{path}: is a configuration of SCALE-Sim, not a network; --arch {path.name} takes the size of its "
            "array, and what runs is a topology (.csv)"
        )
    if kind is None:
        raise ValueError(
            f"{path}: its name ends in {path.suffix!r}, but it must be one of {', '.join(FILES)}; "
            "eie-compress makes the first two of a network"
        )
    return kind(path, options)
