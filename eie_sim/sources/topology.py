"""Layers from a GEMM topology of SCALE-Sim: a CSV of ``Layer, M, N, K,``, with or without a column ``Sparsity``.

What its numbers are here. A row is the product of an M x K matrix of inputs and a K x N matrix of weights (SCALE-Sim
makes M and K the rows and columns of the input feature map and N the number of filters). EIE multiplies a matrix of
weights by one vector at a time, so a row is a layer of **K inputs and N outputs**, fed with **M input vectors**, one
after another. ``Sparsity`` ``n:m`` means that n of m weights are not zero: a weight density of n / m, drawn at random
places (not n in every group of m, which would be a structure that EIE does not know). Without the column weights are
dense, as in SCALE-Sim, unless the caller gives a density.

The file has shapes only; weights and inputs are sampled from a seed with `eie_sim.workload.random_layer`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import ClassVar

from eie_sim.arch import ArchConfig
from eie_sim.origin import active
from eie_sim.sources.contents import content_of_file
from eie_sim.sources.job import Job, Note, check_n_pe
from eie_sim.sources.options import LoadOptions
from eie_sim.workload import Workload, random_layer

COLUMNS = ("layer", "m", "n", "k")
"""Columns a topology must have, in small letters; SCALE-Sim writes them in this order."""

SPARSITY = "sparsity"

MAX_DIGITS = 18
"""Of a number in a topology; no layer comes near."""


@dataclass(frozen=True)
class GemmLayer:
    """One row of a topology.

    Attributes
    ----------
    name : str
    n_vectors : int
        M: input vectors, one after another.
    n_outputs : int
        N: outputs, the rows of EIE's weight matrix.
    n_inputs : int
        K: inputs, its columns.
    weight_density : float or None
        From ``Sparsity``; None: the file does not say.
    line : int
        Where it stands in the file, from 1.
    """

    name: str
    n_vectors: int
    n_outputs: int
    n_inputs: int
    weight_density: float | None
    line: int


def read_topology(path: str | PathLike[str]) -> tuple[GemmLayer, ...]:
    """Read the rows of a GEMM topology.

    Parameters
    ----------
    path : path of a CSV file
        The first row names the columns: Layer, M, N, K and perhaps Sparsity, in any order and either case (of a name
        of several words, the first counts); the column of the names may be called anything. A comma at the end of a
        row, spaces around values and empty lines do not matter; an empty Sparsity is none.

    Raises
    ------
    ValueError
        When a column is missing or unknown, a value is malformed, a name is there twice, or there is no layer; with
        the line.
    OSError
        When the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no text in UTF-8") from None
    rows = _rows(text)
    line, header = next(rows, (1, []))
    try:
        columns = _columns(header)
        layers: dict[str, GemmLayer] = {}
        for line, row in rows:
            layer = _layer(columns, row, line)
            if layer.name in layers:
                raise ValueError(f"layer {layer.name!r} is there twice, first in line {layers[layer.name].line}")
            layers[layer.name] = layer
        if not layers:
            raise ValueError("no layer after the names of the columns")
    except ValueError as error:
        raise ValueError(f"{path}: line {line}: {error}") from None
    return tuple(layers.values())


@dataclass(frozen=True)
class TopologyFile:
    """A topology: shapes alone, so that weights and inputs are sampled."""

    path: Path
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"layers", "act_density", "weight_density", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = True
    where: ClassVar[str] = "with a topology"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        there = {layer.name: layer for layer in read_topology(self.path)}
        picked = self.options.picked(list(there))
        packing = ArchConfig().packing if arch is None else arch.packing
        for name in picked:
            check_n_pe(name, there[name].n_inputs, packing[0])
        inputs = f"seed {self.options.seed}, {active(self.options.density_of_inputs)}"
        note = Note(f"{self.path.name}: has shapes only; weights and inputs drawn with {inputs}")
        makers = tuple(partial(_sampled, self.path, there[name], self.options, packing) for name in picked)
        return Job(tuple(picked), makers, notes=(note,))

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        return content_of_file(self.path, self.options) | {"weight_density": self.options.weight_density}


def _sampled(path: Path, layer: GemmLayer, options: LoadOptions, packing: tuple[int, int, int]) -> Workload:
    density = layer.weight_density
    if density is None:
        density = 1.0 if options.weight_density is None else options.weight_density
    n_pe, weight_bits, index_bits = packing
    try:
        sampled = random_layer(
            layer.n_outputs, layer.n_inputs, density, options.density_of_inputs, options.seed, n_pe, index_bits,
            weight_bits, n_vectors=layer.n_vectors if options.n_vectors is None else options.n_vectors, name=layer.name,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{path}: line {layer.line}: {error}") from None
    return replace(sampled, origin=replace(sampled.origin, kind="topology", name=path.name, line=layer.line))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of every line with something in it."""
    for number, line in enumerate(text.split("\n"), 1):
        values = [value.strip().strip('"') for value in line.split(",")]
        if any(values):
            yield number, values[:-1] if values[-1] == "" else values


def _columns(header: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(name.lower().split()[0] if name else "" for name in header)
    known = (*COLUMNS, SPARSITY)
    if "ifmap" in columns and "filter" in columns:
        raise ValueError(
            "is a convolution topology of SCALE-Sim, but only its GEMM topologies are read; a layer of 1 x 1 filters "
            "on a 1 x 1 input map is the row NAME, 1, NUM FILTER, CHANNELS of Layer, M, N, K"
        )
    named = [name for name in columns if name not in known]
    if "layer" not in columns and len(named) == 1 and named[0] and set(COLUMNS) - {"layer"} <= set(columns):
        columns = tuple("layer" if name == named[0] else name for name in columns)  # SCALE-Sim reads by position
    if missing := [name for name in COLUMNS if name not in columns]:
        raise ValueError(f"no column {missing[0]!r}; the first line must name Layer, M, N, K and perhaps Sparsity")
    if odd := [name for name in columns if name not in known or columns.count(name) > 1]:
        raise ValueError(f"column {odd[0]!r} is unknown or there twice; the columns are Layer, M, N, K and Sparsity")
    return columns


def _layer(columns: tuple[str, ...], row: Sequence[str], line: int) -> GemmLayer:
    if len(row) == len(columns) - 1 and columns[-1] == SPARSITY:
        row = [*row, ""]  # the comma at the end of a row may be that of an empty Sparsity
    if len(row) != len(columns):
        raise ValueError(f"{len(row)} values, but there are {len(columns)} columns")
    values = dict(zip(columns, row, strict=True))
    if not values["layer"]:
        raise ValueError("layer: a name must not be empty")
    m, n, k = (_size(name.upper(), values[name]) for name in ("m", "n", "k"))
    density = _density(values[SPARSITY]) if values.get(SPARSITY) else None  # SCALE-Sim takes an empty one for dense
    return GemmLayer(values["layer"], m, n, k, density, line)


def _size(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > MAX_DIGITS or int(text) < 1:
        raise ValueError(f"{name}: {text!r}, but it must be a whole number, at least 1, of at most {MAX_DIGITS} digits")
    return int(text)


def _density(text: str) -> float:
    parts = text.split(":")
    if len(parts) != 2:
        raise ValueError(f"Sparsity: {text!r}, but it must be n:m, with n of m weights not zero")
    kept, group = (_size("Sparsity", part.strip()) for part in parts)
    if kept > group:
        raise ValueError(f"Sparsity: {text!r}, but n must be at most m")
    return kept / group
