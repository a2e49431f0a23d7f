"""What a sweep runs, by name: one of the nine layers, a packaged network, a file, or one layer of a file.

A `Request` is small and goes to other processes; the `Work` that it stands for is made there, packed as the machine
needs it, and kept for the points that come next.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from compressor.models import MODELS, packaged_digits, packaged_model
from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.acts_file import load_npy, read_acts
from eie_sim.arch import ArchConfig
from eie_sim.engines.base import activate, simulate
from eie_sim.inference import on_the_host
from eie_sim.networks import published_layer, published_layers
from eie_sim.networks.generator import draw_acts
from eie_sim.networks.statistics import LayerStatistics
from eie_sim.studies.permutation import order_by
from eie_sim.workload import calibrated_layer

PACKED, COMPRESSED, MATRIX_MARKET = ".eie", ".dcz", ".mtx"
SUFFIXES = (PACKED, COMPRESSED, MATRIX_MARKET)
"""Files that can be a workload."""

_KEPT_PACKINGS = 4
"""Packings of one workload that a process keeps; the largest of the nine layers takes 30 MB each."""

_KEPT_WORKS = 2

_NUMBERS = ("arithmetic", "weight_frac_bits", "act_frac_bits", "rounding", "acc_bits")
"""Fields of a machine that decide what a layer's outputs are."""

Inputs = NDArray[np.floating]


def is_file(name: str) -> bool:
    """Whether a workload of that name is read from a file."""
    return name not in published_layers() and name not in MODELS and name != "all"


@dataclass(frozen=True)
class Request:
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
        A file of inputs.
    act_density : float
        Of inputs that are drawn for a file.
    """

    name: str
    folder: str = "."
    fit: str = "all_points"
    seed: int = 0
    acts: str | None = None
    act_density: float = 1.0

    def check(self) -> None:
        """Refuse what is no workload.

        Raises
        ------
        ValueError, OSError
            One line that says what there is; or that the file cannot be read.
        """
        if not is_file(self.name):
            return
        if self._file.suffix.lower() not in SUFFIXES:
            raise ValueError(
                f"workload: {self.name!r}, but it must be one of {', '.join([*published_layers(), *MODELS])}, or a "
                f"file that ends in {', '.join(SUFFIXES)} (one layer of it: file#layer)"
            )
        _ = self.digest
        if self.acts is not None:
            acts = load_npy(Path(self.folder) / self.acts)
            if acts.ndim != 1:
                raise ValueError(f"{self.acts}: shape {acts.shape}, but a sweep takes one input vector")

    @property
    def _file(self) -> Path:
        return Path(self.folder) / self.name.partition("#")[0]

    @property
    def _layer(self) -> str | None:
        return self.name.partition("#")[2] or None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides what runs: contents, not names of files."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()

    def _content(self) -> Mapping[str, Any]:
        if self.name in published_layers():
            layer = published_layer(self.name)
            statistics = {name: getattr(layer.statistics(self.fit), name) for name in LayerStatistics.__annotations__}
            return {
                "drawn": self.name,
                "size": [layer.outputs, layer.inputs],
                "statistics": statistics,
                "seed": self.seed,
            }
        if self.name in MODELS:
            return {"packaged": self.name, "digit": self.seed}
        content: dict[str, Any] = {"file": _sha256(self._file), "kind": self._file.suffix.lower(), "layer": self._layer}
        if self.acts is None:
            content |= {"seed": self.seed, "act_density": self.act_density}
        else:
            content["acts"] = _sha256(Path(self.folder) / self.acts)
            if self._seeds_weights:
                content["seed"] = self.seed  # of its shared weights
        return content

    def work(self) -> "Work":
        """What runs; the last ones are kept.

        Raises
        ------
        ValueError, OSError
            When it cannot be read.
        """
        return _made(self, self.digest)

    def forget(self) -> None:
        """Drop what is kept packed of it, so that it is packed anew."""
        self.work().forget()

    def make(self) -> "Work":
        """As `work`, anew."""
        if self.name in published_layers():
            drawn = calibrated_layer(self.name, self.seed, fit=self.fit)
            return Work(self.name, (drawn.layer,), ("none",), drawn.acts)
        if self.name in MODELS:
            return self._packaged()
        read = _read_once(replace(self, seed=self.seed if self._seeds_weights else 0, acts=None), _sha256(self._file))
        first = read.layers[0]
        if self.acts is not None:
            acts: Inputs = read_acts(Path(self.folder) / self.acts, first)
            if acts.ndim != 1:
                raise ValueError(f"{self.acts}: shape {acts.shape}, but a sweep takes one input vector")
        else:
            drawn_from = SeedSequence([self.seed, int.from_bytes(first.name.encode())])
            acts = draw_acts(first.n_cols, LayerStatistics(1.0, self.act_density), 1, drawn_from)[0]
        # Seeds of one file are other inputs of the same layers: they share what is packed of them.
        return replace(read, acts=acts, _inputs={})

    @property
    def _seeds_weights(self) -> bool:
        return self._file.suffix.lower() == MATRIX_MARKET

    def _packaged(self) -> "Work":
        model, digits = packaged_model(self.name), packaged_digits()
        if self.seed >= len(digits.labels):
            raise ValueError(f"seed: {self.seed}, but {self.name} has {len(digits.labels)} digits")
        image = digits.inputs()[self.seed : self.seed + 1]
        # In float32 also for a machine of fixed point: the convolutions are the host's.
        matrices, inputs = on_the_host(model, image, ArchConfig())
        packed = matrices.pack()
        return Work(self.name, packed.layers, tuple(packed.activations), inputs[0])

    def read(self) -> PackedModel:
        """The layers of its file, or the one that it names.

        Raises
        ------
        ValueError, OSError
            When it cannot be read, or has no such layer.
        """
        suffix = self._file.suffix.lower()
        if suffix == PACKED:
            from compressor.storage.packed_file import load_model

            model = load_model(self._file)
        elif suffix == COMPRESSED:
            from compressor.storage.coded_file import load_compressed

            compressed = load_compressed(self._file)
            matrices = [tensor.name for tensor in compressed.tensors if tensor.kind != "conv"]
            if not matrices:
                raise ValueError(f"{self._file}: holds convolutions alone, and the machine runs matrices")
            model = compressed.select(*matrices).pack()
        else:
            from compressor.importers.matrix_market import read_matrix_market

            model = PackedModel((read_matrix_market(self._file, seed=self.seed, name="matrix"),), ("none",))
        if self._layer is None:
            return model
        names = [layer.name for layer in model.layers]
        if self._layer not in names:
            raise ValueError(f"{self._file}: has no layer {self._layer!r}; there are {', '.join(names)}")
        at = names.index(self._layer)
        return PackedModel((model.layers[at],), (model.activations[at],))


@dataclass(eq=False)
class Work:
    """Layers that run one after another, each on the outputs of the one before.

    Attributes
    ----------
    name : str
    layers : tuple of PackedLayer
    activations : tuple of str
    acts : ndarray of float, shape (n_cols of the first layer,)
    """

    name: str
    layers: tuple[PackedLayer, ...]
    activations: tuple[str, ...]
    acts: Inputs
    _packings: dict[tuple[int, int, str], tuple[PackedLayer, ...]] = field(default_factory=dict)
    _inputs: dict[tuple[object, ...], tuple[Inputs, ...]] = field(default_factory=dict)
    _packers: dict[int, Callable[..., PackedLayer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.n_rows != after.n_cols:
                raise ValueError(
                    f"{self.name}: is no chain: {after.name} has {after.n_cols} inputs, {before.name} before it "
                    f"{before.n_rows} outputs; name one layer as file#layer"
                )

    def packed(self, n_pe: int, index_bits: int, order: str) -> tuple[PackedLayer, ...]:
        """The layers for a machine, their rows in one of the orders of `eie_sim.studies.permutation`."""
        key = n_pe, index_bits, order
        found = self._packings.get(key)
        if found is None:
            while len(self._packings) >= _KEPT_PACKINGS:
                del self._packings[next(iter(self._packings))]
            found = self._packings[key] = tuple(map(partial(self._repacked, *key), range(len(self.layers))))
        return found

    def _repacked(self, n_pe: int, index_bits: int, order: str, at: int) -> PackedLayer:
        layer = self.layers[at]
        if order == "as it is" and (layer.n_pe, layer.index_bits) == (n_pe, index_bits):
            return layer
        pack = self._packers.get(at)
        if pack is None:
            pack = self._packers[at] = layer.packer()
        return pack(n_pe, index_bits, None if order == "as it is" else order_by(layer, order, n_pe))

    def forget(self) -> None:
        """Drop the packings that are kept."""
        self._packings.clear()

    def inputs(self, arch: ArchConfig) -> tuple[Inputs, ...]:
        """The inputs of each layer in the arithmetic of a machine; they do not depend on how it is packed."""
        if len(self.layers) == 1:
            return (self.acts,)
        key = tuple(getattr(arch, name) for name in _NUMBERS)
        found = self._inputs.get(key)
        if found is None:
            values, inputs = self.acts, []
            for layer, function in zip(self.layers, self.activations, strict=True):
                inputs.append(values)
                machine = ArchConfig(
                    n_pe=layer.n_pe,
                    weight_bits=layer.weight_bits,
                    index_bits=layer.index_bits,
                    **dict(zip(_NUMBERS, key, strict=True)),
                )
                output = simulate(layer, values, machine).output
                assert output is not None
                values = activate(function, output)
            found = self._inputs[key] = tuple(inputs)
        return found


@lru_cache(maxsize=_KEPT_WORKS)
def _made(request: Request, digest: str) -> Work:
    # The digest is that of the plan, perhaps made on another computer: what is read now must be what was meant.
    if replace(request).digest != digest:
        raise ValueError(f"{request.name}: has changed since the sweep began; run it again")
    return request.make()


@lru_cache(maxsize=_KEPT_WORKS)
def _read_once(request: Request, _contents: str) -> Work:
    model = request.read()
    return Work(request.name, model.layers, tuple(model.activations), np.zeros(model.layers[0].n_cols))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
