"""`Workload`: a layer with its input vectors and where they come from; calibrated and random ones drawn from a seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from compressor.checks import as_floats, frozen, whole_number
from compressor.packing import pack_sparse
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import MAX_WEIGHT_BITS, MIN_WEIGHT_BITS
from eie_sim.networks import DEFAULT_FIT, FITS, published_layer, published_layers
from eie_sim.networks.generator import acts_in_chunks, draw_acts, draw_weights
from eie_sim.networks.statistics import LayerStatistics
from eie_sim.origin import Origin

MAX_CELLS = 2**33
"""Cells (rows x columns) of a layer that the generator draws: it looks at each of them, about 1e9 in some seconds."""

MAX_VECTORS = 2**40
"""Input vectors of a layer: more than anybody can wait for."""

CODEBOOK_STEP = 2.0**-7
"""Step of the codebook of drawn layers; ours, of the size of trained weights and exact in binary."""


@dataclass(frozen=True, eq=False)
class Workload:
    """A packed layer and what is fed to it.

    Parameters
    ----------
    layer : PackedLayer
    acts : array_like of float32, shape (n_cols,) or (B, n_cols)
        One input vector, or B of them.
    origin : Origin or str
        Where layer and inputs come from; a string becomes the name of an `Origin` of kind ``"given"``.

    Raises
    ------
    ValueError
        When the inputs do not fit the layer or are not finite.
    """

    layer: PackedLayer
    acts: NDArray[np.float32]
    origin: Origin

    def __post_init__(self) -> None:
        acts = as_floats("acts", self.acts)
        if acts.ndim not in (1, 2) or acts.shape[-1] != self.layer.n_cols:
            wanted = f"({self.layer.n_cols},) or (B, {self.layer.n_cols})"
            raise ValueError(f"acts: shape {acts.shape}, but layer {self.layer.name!r} takes {wanted}")
        object.__setattr__(self, "acts", frozen(acts))
        if isinstance(self.origin, str):
            object.__setattr__(self, "origin", Origin("given", self.origin))

    @classmethod
    def of_drawn(
        cls, layer: PackedLayer, n_vectors: int, draw: Callable[[int], Iterator[NDArray[np.float32]]], origin: Origin
    ) -> Self:
        """A layer with input vectors that are drawn when they are asked for.

        Parameters
        ----------
        layer : PackedLayer
        n_vectors : int
        draw : function of an int
            Draws all vectors from the first one on, at most so many at a time.
        origin : Origin
        """
        workload = object.__new__(cls)
        workload.__dict__.update(layer=layer, origin=origin, _n_vectors=n_vectors, _draw=draw)
        return workload

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: the inputs of `of_drawn`, which may be larger than the memory.
        if name != "acts" or "_draw" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.__dict__.setdefault(name, frozen(next(self._draw(self._n_vectors))))

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.layer.name

    @property
    def is_batch(self) -> bool:
        """Whether `acts` is a matrix of input vectors, for `simulate_batch`."""
        return "_draw" in self.__dict__ or self.acts.ndim == 2

    @property
    def n_vectors(self) -> int:
        """How many input vectors there are."""
        if "acts" not in self.__dict__:
            return int(self._n_vectors)
        return len(self.acts) if self.is_batch else 1

    def vectors(self, most: int) -> Iterator[NDArray[np.float32]]:
        """All input vectors, shape (at most `most`, n_cols) at a time; those that are drawn are not kept."""
        if "acts" not in self.__dict__:
            yield from self._draw(most)
            return
        acts = self.acts if self.is_batch else self.acts[None]
        for begin in range(0, len(acts), most):
            yield acts[begin : begin + most]


def calibrated_layer(
    name: str,
    seed: int = 0,
    n_pe: int = 64,
    index_bits: int = 4,
    fit: str = DEFAULT_FIT,
    n_vectors: int | None = None,
) -> Workload:
    """One of the nine published layers, drawn with the statistics that reproduce the paper's figures.

    The authors' pruned networks are not public; this layer has their sizes and statistics, not their weights.

    Parameters
    ----------
    name : str
        A name of EIE Table III, such as ``"Alex-7"``.
    seed : int
        At least 0. The same seed gives the same bytes (with one release of NumPy), on any number of cores; another
        `n_pe` or `index_bits` packs the same matrix.
    n_pe, index_bits : int
    fit : str
        One of `eie_sim.networks.FITS`.
    n_vectors : int or None
        Input vectors; None: one, and `acts` has one dimension.

    Raises
    ------
    ValueError
        When the layer or the fit is unknown, or a number is out of its limits.

    Notes
    -----
    Mean of 8 seeds on the 64-PE machine: entries within 1.5 % and cycles within 2.5 % of EIE Table IV for every layer
    (``python -m benchmarks.table4``). A single seed's cycles vary by 0.2 to 1.9 %.
    """
    published = published_layer(name)
    return draw_workload(
        name, published.outputs, published.inputs, published.statistics(fit), seed, n_pe, index_bits,
        n_vectors=n_vectors, origin=Origin("calibrated", name, fit=fit, seed=seed),
    )  # fmt: skip


def redrawn(name: str, origin: Origin, n_pe: int, index_bits: int) -> Workload | None:
    """The calibrated layer that has this `origin`; None if it is not the origin of one.

    The bytes are the same with one release of NumPy; whoever needs them compares.
    """
    calibrated = origin.kind == "calibrated" and name in published_layers() and origin.fit in FITS and not origin.inputs
    if not calibrated or origin.fit is None or origin.seed is None or origin.seed < 0:
        return None
    return calibrated_layer(name, origin.seed, n_pe, index_bits, origin.fit)


def random_layer(
    n_rows: int,
    n_cols: int,
    weight_density: float,
    act_density: float = 1.0,
    seed: int = 0,
    n_pe: int = 64,
    index_bits: int = 4,
    weight_bits: int = 4,
    *,
    row_spread: float = 0.0,
    column_spread: float = 0.0,
    n_vectors: int | None = None,
    name: str = "random",
) -> Workload:
    """A layer of any size whose weights stand at random places.

    Parameters
    ----------
    n_rows, n_cols : int
        Outputs and inputs; at most `MAX_CELLS` weights in all.
    weight_density, act_density : float, 0 .. 1
        Expected share of weights that are not zero; exact share (rounded to a whole number) of active inputs.
    seed : int
        At least 0. Layers of different names are independent draws.
    n_pe, index_bits, weight_bits : int
    row_spread, column_spread : float
        How much the density varies between rows and between columns (coefficient of variation). The real pruned
        AlexNet fc8 has 0.13 and 0.08.
    n_vectors : int or None
        Input vectors; None: one, and `acts` has one dimension.
    name : str

    Raises
    ------
    ValueError
        When a number is out of its limits.
    """
    statistics = LayerStatistics(weight_density, act_density, row_spread, column_spread)
    return draw_workload(name, n_rows, n_cols, statistics, seed, n_pe, index_bits, weight_bits, n_vectors)


def draw_workload(
    name: str,
    n_rows: int,
    n_cols: int,
    statistics: LayerStatistics,
    seed: int = 0,
    n_pe: int = 64,
    index_bits: int = 4,
    weight_bits: int = 4,
    n_vectors: int | None = None,
    origin: Origin | None = None,
) -> Workload:
    """A layer and inputs with the given statistics; what `calibrated_layer` and `random_layer` call.

    Raises
    ------
    ValueError
        When a number is out of its limits.
    """
    rows, cols = whole_number("n_rows", n_rows, 1), whole_number("n_cols", n_cols, 1)
    if rows * cols > MAX_CELLS:
        raise ValueError(f"n_rows x n_cols: {rows} x {cols} = {rows * cols}, but at most {MAX_CELLS} can be drawn")
    bits = whole_number("weight_bits", weight_bits, MIN_WEIGHT_BITS, MAX_WEIGHT_BITS)
    if n_vectors is not None:
        n_vectors = whole_number("n_vectors", n_vectors, 1, MAX_VECTORS)
    # The name is part of the seed, so that the layers of one network drawn with one seed are independent.
    seed = whole_number("seed", seed, 0)
    of_weights, of_acts = SeedSequence([seed, int.from_bytes(name.encode())]).spawn(2)
    matrix = draw_weights(rows, cols, statistics, bits, of_weights)
    layer = pack_sparse(
        matrix.indptr, matrix.rows, matrix.values, matrix.shape, drawn_codebook(bits), n_pe, index_bits, name=name
    )
    origin = origin or Origin("random", name, statistics=str(statistics), seed=seed)
    if n_vectors is None:
        return Workload(layer, draw_acts(cols, statistics, 1, of_acts)[0], origin)
    return Workload.of_drawn(layer, n_vectors, partial(acts_in_chunks, cols, statistics, n_vectors, of_acts), origin)


def drawn_codebook(weight_bits: int) -> NDArray[np.float32]:
    """Codebook of drawn layers: evenly spaced, none of the real weights zero; float32, shape (2**weight_bits,).

    Codes 1, 2, ... are the negative values, then the positive ones, of which there is one more.
    """
    half = 1 << (weight_bits - 1)
    steps = np.concatenate([[0], np.arange(1 - half, 0), np.arange(1, half + 1)])
    return (steps * CODEBOOK_STEP).astype(np.float32)
