"""What a sweep runs, by name: all that `eie_sim.load` takes, or one layer of a file, as ``file#layer``.

A `WorkloadName` is small and goes to other processes; the `LoadedWorkload` that it stands for is made there, packed as
the machine needs it, and kept for the points that come next.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.models import MODELS
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines.base import simulate
from eie_sim.engines.chain import walk
from eie_sim.networks import published_layers
from eie_sim.result import SimResult
from eie_sim.sources.acts import load_npy
from eie_sim.sources.contents import sha256_of
from eie_sim.sources.job import Source
from eie_sim.sources.loading import FILES, source_of
from eie_sim.sources.matrix_market import MatrixMarketFile
from eie_sim.sources.model_file import ModelFile, ReadModel
from eie_sim.sources.network_file import READERS
from eie_sim.sources.options import LoadOptions, OptionError
from eie_sim.sources.random_layer import PREFIX
from eie_sim.sources.topology import TopologyFile
from eie_sim.studies.permutation import order_by
from eie_sim.sweep.networks import NetworkFiles, NetworkWork

SUFFIXES = tuple(FILES)
"""Ends of the names of files that can be a workload."""

_KEPT_PACKINGS = 4
"""Packings of one layer that a process keeps; the largest of the nine takes 30 MB each."""

_KEPT_WORKLOADS = 2

_MATRIX = "matrix"
"""What the layer of an ``.mtx`` file is called: a row must not depend on the name of a file."""

_NUMBERS = ("arithmetic", "weight_frac_bits", "act_frac_bits", "rounding", "acc_bits", "bias")
"""Fields of a machine that decide what a layer's outputs are."""

Inputs = NDArray[np.floating]


def is_file(name: str) -> bool:
    """Whether a workload of that name is read from a file or a folder."""
    known = name in published_layers() or name.partition("#")[0] in MODELS or name == "all"
    return not known and not name.startswith(PREFIX)


@dataclass(frozen=True)
class WorkloadName:
    """A workload by name.

    Attributes
    ----------
    name : str
        As in the axis ``workload``.
    folder : str
        Where files are looked for.
    fit, seed
        As the axes.
    acts : str or None
        A file of inputs, for workloads that take one.
    act_density : float
        Of inputs that are drawn.
    inputs, photo : str or None
        Files of inputs of whole networks.
    """

    name: str
    folder: str = "."
    fit: str = "all_points"
    seed: int = 0
    acts: str | None = None
    act_density: float = 1.0
    inputs: str | None = None
    photo: str | None = None

    @property
    def network(self) -> NetworkFiles | None:
        """The whole network that runs, where inputs or a photo are given and the name is that of a file of one."""
        file = Path(self.folder) / self.name
        if (self.inputs is None and self.photo is None) or not is_file(self.name) or file.suffix.lower() not in READERS:
            return None
        inputs, photo = (None if name is None else Path(self.folder) / name for name in (self.inputs, self.photo))
        return NetworkFiles(file, inputs, photo)

    def check(self) -> None:
        """Refuse what is not a workload.

        Raises
        ------
        ValueError, OSError
            One line that says what there is; or that the file cannot be read.
        """
        if self.network is not None:
            self.network.read()
            return
        if is_file(self.name):
            file = self._file_and_layer[0]
            path = Path(self.folder) / file
            if not file or (not path.is_dir() and path.suffix.lower() not in SUFFIXES):
                raise ValueError(
                    f"workload: {self.name!r}, but it must be one of {', '.join([*published_layers(), *MODELS])}, "
                    f"random:ROWSxCOLS, or a file that ends in {', '.join(SUFFIXES)} (one layer of it: file#layer)"
                )
        source = self._source
        layer = self._file_and_layer[1]
        if layer and "layers" not in source.takes and not (isinstance(source, MatrixMarketFile) and layer == _MATRIX):
            raise ValueError(f"workload: {self.name!r}: a layer means nothing {source.where}")
        if self.acts is not None and is_file(self.name) and "acts" not in source.takes:
            raise ValueError(f"acts: {self.acts}: means nothing {source.where}")
        _ = self.digest
        if self.acts is not None and is_file(self.name):
            acts = load_npy(Path(self.folder) / self.acts)
            if acts.ndim != 1:
                raise ValueError(f"{self.acts}: shape {acts.shape}, but a sweep takes one input vector")

    @property
    def _file_and_layer(self) -> tuple[str, str | None]:
        file, _, layer = self.name.partition("#")
        return file, layer or None

    @property
    def _source(self) -> Source:
        file, layer = self._file_and_layer
        # Absolute, so that a folder is not taken for a published layer of its name.
        what = str((Path(self.folder) / file).absolute()) if is_file(self.name) else file
        plain = source_of(what, LoadOptions(seed=self.seed, fit=self.fit))
        of_file = self.acts is not None and "acts" in plain.takes
        # Layers of a file by their names as they are; a matrix is one layer, called so whatever its file is called.
        options = LoadOptions(
            layers=(layer,) if layer else None,
            seed=self.seed,
            fit=self.fit,
            acts=Path(self.folder) / str(self.acts) if of_file else None,
            # Inputs that are given are not drawn; those of a data folder run unless others are asked for.
            act_density=None if of_file or self.act_density == 1 else self.act_density,
            name=_MATRIX if isinstance(plain, MatrixMarketFile) else None,
            n_vectors=1 if isinstance(plain, TopologyFile) else None,  # a sweep takes one input vector: the first
        )
        return source_of(what, options)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides what runs: contents, not names of files."""
        content = self._source.content() if self.network is None else self.network.content()
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def work(self, weight_bits: int = 4) -> "LoadedWorkload | NetworkWork":
        """What runs on machines of these weight bits; the last ones are kept.

        Raises
        ------
        ValueError, OSError
            When it cannot be read.
        """
        follows = self.network is None and self._source.follows_weight_bits
        return _kept(self, self.digest, weight_bits if follows else 4)

    def forget(self, weight_bits: int = 4) -> None:
        """Drop what is kept packed of it, so that it is packed anew."""
        if isinstance(work := self.work(weight_bits), LoadedWorkload):
            work.forget()

    def make(self, weight_bits: int = 4) -> "LoadedWorkload | NetworkWork":
        """As `work`, anew.

        Raises
        ------
        ValueError, OSError
            As for `work`.
        """
        if self.network is not None:
            return self.network.read()
        source, packings = self._source, dict[int, LayerPackings]()
        try:
            if isinstance(source, ModelFile):
                # Seeds of one file are other inputs of the same layers: they share what is packed of them.
                stored, packings = _model_once(source.reader(), sha256_of(source.path))
                job = source.job_of(stored, None)
            else:
                job = source.job(ArchConfig(weight_bits=weight_bits) if source.follows_weight_bits else None)
        except OptionError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if job.chain is None and len(job.names) > 1:
            raise ValueError(f"{self.name}: is not a chain of layers; name one as file#layer ({', '.join(job.names)})")
        (workload,) = job
        if workload.is_batch and workload.origin.inputs == "file":
            raise ValueError(f"{self.acts}: shape {workload.acts.shape}, but a sweep takes one input vector")
        layers = (workload.layer,) if job.chain is None else job.chain.layers
        functions = ("none",) if job.chain is None else tuple(job.chain.activations)
        acts = workload.acts[0] if workload.is_batch else workload.acts
        for layer in layers:
            packings.setdefault(id(layer), LayerPackings(layer))
        return LoadedWorkload(self.name, layers, functions, acts, packings)


@dataclass(eq=False)
class LoadedWorkload:
    """Layers that run one after another, each on the outputs of the one before.

    Attributes
    ----------
    name : str
    layers : tuple of PackedLayer
    activations : tuple of str
    acts : ndarray of float, shape (n_cols of the first layer,)
    packings : dict of int to LayerPackings
        Of each layer, by its ``id``; shared by workloads of the same layers.
    """

    name: str
    layers: tuple[PackedLayer, ...]
    activations: tuple[str, ...]
    acts: Inputs
    packings: dict[int, "LayerPackings"]
    _inputs: dict[tuple[object, ...], tuple[Inputs, ...]] = field(default_factory=dict)

    def packed(self, n_pe: int, index_bits: int, order: str) -> tuple[PackedLayer, ...]:
        """The layers for a machine, their rows in one of the orders of `eie_sim.studies.permutation`."""
        return tuple(self.packings[id(layer)].packed(n_pe, index_bits, order) for layer in self.layers)

    def forget(self) -> None:
        """Drop the packings that are kept."""
        for layer in self.layers:
            self.packings[id(layer)].kept.clear()

    def inputs(self, arch: ArchConfig) -> tuple[Inputs, ...]:
        """The inputs of each layer in the arithmetic of a machine; they do not depend on how it is packed."""
        if len(self.layers) == 1:
            return (self.acts,)
        key = tuple(getattr(arch, name) for name in _NUMBERS)
        found = self._inputs.get(key)
        if found is None:
            inputs: list[Inputs] = []

            def run(layer: PackedLayer, values: Inputs) -> SimResult:
                inputs.append(values)
                n_pe, weight_bits, index_bits = layer.packing
                numbers = dict(zip(_NUMBERS, key, strict=True))
                machine = ArchConfig(n_pe=n_pe, weight_bits=weight_bits, index_bits=index_bits, **numbers)
                return simulate(layer, values, machine)

            for _ in walk(self.layers, self.activations, self.acts, run):
                pass
            found = self._inputs[key] = tuple(inputs)
        return found


class LayerPackings:
    """One layer packed for several machines; the last ones are kept."""

    def __init__(self, layer: PackedLayer) -> None:
        self._layer = layer
        self._pack: Callable[..., PackedLayer] | None = None
        self.kept: dict[tuple[int, int, str], PackedLayer] = {}

    def packed(self, n_pe: int, index_bits: int, order: str) -> PackedLayer:
        """The layer for a machine, its rows in one of the orders of `eie_sim.studies.permutation`."""
        layer = self._layer
        if order == "as it is" and (layer.n_pe, layer.index_bits) == (n_pe, index_bits):
            return layer
        key = n_pe, index_bits, order
        if key not in self.kept:
            while len(self.kept) >= _KEPT_PACKINGS:
                del self.kept[next(iter(self.kept))]
            if self._pack is None:
                self._pack = layer.packer()  # takes the layer apart, which takes most of the time, once
            rows = None if order == "as it is" else order_by(layer, order, n_pe)
            self.kept[key] = self._pack(n_pe, index_bits, rows)
        return self.kept[key]


@lru_cache(maxsize=_KEPT_WORKLOADS)
def _model_once(file: ModelFile, _contents: str) -> tuple[ReadModel, dict[int, LayerPackings]]:
    return file.read(None), {}


@lru_cache(maxsize=_KEPT_WORKLOADS)
def _kept(name: WorkloadName, digest: str, weight_bits: int) -> LoadedWorkload | NetworkWork:
    # The digest is that of the plan, perhaps made on another computer: what is read now must be what was meant.
    if replace(name).digest != digest:
        raise ValueError(f"{name.name}: has changed since the sweep began; run it again")
    return name.make(weight_bits)
