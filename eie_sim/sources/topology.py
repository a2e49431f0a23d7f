"""Layers from a topology of SCALE-Sim: a CSV of matrix products (``Layer, M, N, K,``) or of convolutions.

What its numbers are here. A row of a GEMM topology is the product of an M x K matrix of inputs and a K x N matrix of
weights (SCALE-Sim makes M and K the rows and columns of the input feature map and N the number of filters). EIE
multiplies a matrix of weights by one vector at a time, so a row is a layer of **K inputs and N outputs**, fed with **M
input vectors**, one after another.

A row of a convolution topology (``Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num
Filter, Strides,``) is that product by im2col: K = Filter Height x Filter Width x Channels, N = Num Filter, and M the
output positions, on each axis ceil((IFMAP - Filter + Stride) / Stride), as SCALE-Sim counts them. A row whose name has
``DP`` in it is depthwise, as in SCALE-Sim: each channel has Num Filter filters of its own, here in one block-diagonal
matrix.

``Sparsity`` ``n:m`` means that n of m weights are not zero: a weight density of n / m, drawn at random places (not n in
every group of m, which would be a structure that EIE does not know). Without the column weights are dense, as in
SCALE-Sim, unless the caller gives a density.

The file has shapes only; weights and inputs are sampled from a seed with `eie_sim.workload.random_layer`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import ClassVar

import numpy as np

from compressor.checks import whole_number
from compressor.packing import pack_sparse
from compressor.storage.files import errors_name
from compressor.storage.text_file import read_text
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.networks.statistics import LayerStatistics
from eie_sim.origin import Origin, active
from eie_sim.sources.contents import content_of_file
from eie_sim.sources.job import Job, Note, check_n_pe
from eie_sim.sources.options import Cure, LoadOptions, OptionError
from eie_sim.workload import MAX_CELLS, Workload, draw_workload

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
    groups : int
        Blocks on the diagonal that alone have weights: the channels of a depthwise convolution; else 1.
    convolution : bool
        Whether the row is a convolution.
    """

    name: str
    n_vectors: int
    n_outputs: int
    n_inputs: int
    weight_density: float | None
    line: int
    groups: int = 1
    convolution: bool = False


def read_topology(path: str | PathLike[str]) -> tuple[GemmLayer, ...]:
    """Read the rows of a topology.

    Parameters
    ----------
    path : path of a CSV file
        The first row names the columns. Of products: Layer, M, N, K and perhaps Sparsity, in any order and either case
        (of a name of several words, the first counts); the column of the names may be called anything, and four or five
        columns of which none is M, N or K are these in this order. Of convolutions, where IFMAP and Filter are named:
        the eight columns of SCALE-Sim in its order, then perhaps a stride of the second axis, a batch size, Sparsity
        or a comment that begins with ``#``. A comma at the end of a row, spaces around values and empty lines do not
        matter; an empty Sparsity is none.

    Raises
    ------
    ValueError
        If a column is missing or unknown, a value is malformed, a filter is larger than its input, a name is there
        twice, or there is no layer; with the line.
    OSError
        When the file cannot be read.
    """
    with errors_name(Path(path)):
        rows = _rows(read_text(path, "topology"))
    line, header = next(rows, (1, []))
    try:
        read = _convolution_reader(header) or partial(_layer, _columns(header))
        layers: dict[str, GemmLayer] = {}
        for line, row in rows:
            layer = read(row, line)
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
    takes: ClassVar[frozenset[str]] = frozenset({"layers", "act_density", "weight_density", "n_vectors", "max_vectors"})
    follows_weight_bits: ClassVar[bool] = True
    where: ClassVar[str] = "with a topology"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        there = {layer.name: layer for layer in read_topology(self.path)}
        picked = self.options.picked(list(there))
        packing = ArchConfig().packing if arch is None else arch.packing
        for name in picked:
            check_n_pe(name, there[name].n_inputs, packing[0])
        layers = [self._as_asked(there[name]) for name in picked]
        if self.options.n_vectors is None and self.options.max_vectors is None:
            self._check_effort(layers, packing[0])
        inputs = f"seed {self.options.seed}, {active(self.options.density_of_inputs)}"
        notes = [Note(f"{self.path.name}: has shapes only; weights and inputs drawn with {inputs}")]
        if any(layer.convolution for layer in layers):
            notes.append(
                Note(
                    f"{self.path.name}: convolutions by im2col, one input vector for each output position; vectors are "
                    "drawn one by one, not as the overlapping windows of a feature map"
                )
            )
        part = self._part(layers, there)
        notes += [Note(text) for text in part]
        makers = tuple(partial(self._sampled, layer, packing) for layer in layers)
        return Job(tuple(picked), makers, notes=tuple(notes), remarks=tuple(f"{text}." for text in part))

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        return content_of_file(self.path, self.options) | {"weight_density": self.options.weight_density}

    def _as_asked(self, layer: GemmLayer) -> GemmLayer:
        """The layer with the density and the number of vectors that the options give it."""
        options, density = self.options, layer.weight_density
        if density is None:
            density = 1.0 if options.weight_density is None else options.weight_density
        n_vectors = layer.n_vectors if options.n_vectors is None else options.n_vectors
        if options.max_vectors is not None:
            n_vectors = min(n_vectors, whole_number("max_vectors", options.max_vectors, 1))
        return replace(layer, weight_density=density, n_vectors=n_vectors)

    def _part(self, layers: Sequence[GemmLayer], there: Mapping[str, GemmLayer]) -> list[str]:
        """What of the file is left out by ``max_vectors``, in words."""
        whole = {layer.name: there[layer.name].n_vectors for layer in layers}
        cut = [f"{x.name} {x.n_vectors:,} of {whole[x.name]:,}" for x in layers if x.n_vectors < whole[x.name]]
        if self.options.max_vectors is None or not cut:
            return []
        shown = ", ".join(cut[:_MOST_NAMED]) + (f" and {len(cut) - _MOST_NAMED} more" if len(cut) > _MOST_NAMED else "")
        return [f"{self.path.name}: first {self.options.max_vectors:,} input vectors of a layer alone ({shown}); no "
                "figure is scaled to all"]  # fmt: skip

    def _check_effort(self, layers: Sequence[GemmLayer], n_pe: int) -> None:
        """Refuse what takes too long or too much memory, unless the caller says how many vectors are to run."""
        layers = [layer for layer in layers if layer.n_outputs * layer.n_inputs <= MAX_CELLS]  # others are refused
        seconds = sum(_seconds(layer, n_pe, self.options.density_of_inputs) for layer in layers)
        n_vectors = sum(layer.n_vectors for layer in layers)
        n_bytes = n_vectors * _ROW_BYTES
        if seconds <= MOST_SECONDS and n_bytes <= MOST_BYTES:
            return
        raise OptionError(
            "max_vectors",
            f"not given, but {self.path.name} has {n_vectors:,} input vectors, about {_duration(seconds)} and "
            f"{max(n_bytes / 2**30, 0.1):,.1f} GiB of results (limits {_duration(MOST_SECONDS)}, "
            f"{MOST_BYTES / 2**30:g} GiB)",
            Cure("max_vectors", "N runs the first N of each layer; --yes, or an N as large as the file's, runs all"),
        )

    def _sampled(self, layer: GemmLayer, packing: tuple[int, int, int]) -> Workload:
        n_pe, weight_bits, index_bits = packing
        assert layer.weight_density is not None
        try:
            statistics = LayerStatistics(layer.weight_density, self.options.density_of_inputs)
            origin = Origin(
                "topology", self.path.name, layer.line, statistics=str(statistics), seed=self.options.seed
            )  # fmt: skip
            drawn = draw_workload(
                layer.name, layer.n_outputs, layer.n_inputs // layer.groups, statistics, self.options.seed, n_pe,
                index_bits, weight_bits, layer.n_vectors, origin,
            )  # fmt: skip
            if layer.groups == 1:
                return drawn
            # One row: of the inputs of all groups together, only these are used.
            inputs = draw_workload(
                layer.name, 1, layer.n_inputs, statistics, self.options.seed, n_vectors=layer.n_vectors
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"{self.path}: line {layer.line}: {error}") from None
        return Workload.of_drawn(_on_diagonal(drawn.layer, layer.groups), layer.n_vectors, inputs.vectors, origin)


def _on_diagonal(layer: PackedLayer, groups: int) -> PackedLayer:
    """The rows of a layer in blocks, each with columns of its own."""
    codes = layer.sparse_codes()
    rows = codes.rows.astype(np.int64)
    columns = rows // (layer.n_rows // groups) * layer.n_cols + np.repeat(
        np.arange(layer.n_cols), np.diff(codes.indptr)
    )
    order = np.lexsort((rows, columns))
    shape = layer.n_rows, layer.n_cols * groups
    indptr = np.concatenate([[0], np.bincount(columns, minlength=shape[1]).cumsum()])
    n_pe, _, index_bits = layer.packing
    return pack_sparse(
        indptr, codes.rows[order], codes.values[order], shape, layer.codebook, n_pe, index_bits, name=layer.name
    )


# How long it takes ----------------------------------------------------------------------------------------------------

MOST_SECONDS = 600.0
"""A topology that is estimated to take longer needs the caller's word."""

MOST_BYTES = 2**29
"""Memory of results from which on a topology needs the caller's word: that of half a million input vectors."""

_ROW_BYTES = 900
"""Memory that the results of one input vector take, measured; the vectors themselves are not kept."""

_MOST_NAMED = 3


def _seconds(layer: GemmLayer, n_pe: int, act_density: float) -> float:
    """Time of a layer, roughly, as measured on two cores of a server of 2023."""
    density = (layer.weight_density or 0) / layer.groups
    weights = layer.n_outputs * layer.n_inputs / layer.groups * (5e-9 + 2e-8 * (layer.weight_density or 0))
    # An active input: a pass over all PEs, and the entries of its column.
    simulated = layer.n_inputs * act_density * (5e-8 + 4e-10 * (n_pe + layer.n_outputs * density))
    drawn = 9e-8 * layer.n_inputs
    return weights + layer.n_vectors * (2.5e-4 + drawn + simulated)


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2e5 else f"{seconds / 86400:,.0f} days"


# Rows -----------------------------------------------------------------------------------------------------------------


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of every line with something in it."""
    for number, line in enumerate(text.split("\n"), 1):
        values = [value.strip().strip('"') for value in line.split(",")]
        if any(values):
            yield number, values[:-1] if values[-1] == "" else values


def _columns(header: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(name.lower().split()[0] if name else "" for name in header)
    known = (*COLUMNS, SPARSITY)
    if len(columns) in (4, 5) and not set(columns) & {"", *known[1:]} and not any(name.isdecimal() for name in columns):
        columns = known[: len(columns)]  # SCALE-Sim reads by position
    named = [name for name in columns if name not in known]
    if "layer" not in columns and len(named) == 1 and named[0] and set(COLUMNS) - {"layer"} <= set(columns):
        columns = tuple("layer" if name == named[0] else name for name in columns)  # SCALE-Sim reads by position
    if missing := [name for name in COLUMNS if name not in columns]:
        raise ValueError(f"no column {missing[0]!r}; the first line must name Layer, M, N, K and perhaps Sparsity")
    if odd := [name for name in columns if name not in known or columns.count(name) > 1]:
        raise ValueError(f"column {odd[0]!r} is unknown or there twice; the columns are Layer, M, N, K and Sparsity")
    return columns


def _convolution_reader(header: Sequence[str]) -> Callable[[Sequence[str], int], GemmLayer] | None:
    """What reads the rows of a convolution topology; None if the names of the columns are not those of one."""
    names = [name.lower() for name in header]
    if not any("ifmap" in name for name in names) or not any("filter" in name for name in names):
        return None
    if len(names) < len(_CONVOLUTION):
        raise ValueError(f"{len(names)} columns, but a convolution topology has {', '.join(_CONVOLUTION)}")
    return partial(_convolution, names)


_CONVOLUTION = ("Layer name", "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter",
                "Strides")  # fmt: skip
"""Columns of a convolution topology; by position, since SCALE-Sim's own files call them by other names too."""


def _convolution(names: Sequence[str], row: Sequence[str], line: int) -> GemmLayer:
    if len(row) < len(_CONVOLUTION):
        raise ValueError(f"{len(row)} values, but a convolution has {', '.join(_CONVOLUTION)}")
    name, *sizes = row[: len(_CONVOLUTION)]
    if not name:
        raise ValueError("layer: a name must not be empty")
    height, width, filter_height, filter_width, channels, filters, stride = (
        _size(column, text) for column, text in zip(_CONVOLUTION[1:], sizes, strict=True)
    )
    second_stride, batch, density = stride, 1, None
    for at, text in enumerate(row[len(_CONVOLUTION) :], len(_CONVOLUTION)):
        named = names[at] if at < len(names) else ""
        if text == "" or text.startswith("#"):
            continue
        if ":" in text or "sparsity" in named:
            density = _density(text)
        elif "batch" in named:
            batch = _size("Batch Size", text)
        elif "stride" in named or not named:
            second_stride = _size("Strides", text)
        else:
            raise ValueError(
                f"column {named!r} is unknown; after Strides come a second stride, Batch Size and Sparsity"
            )
    for axis, size, window in (("Height", height, filter_height), ("Width", width, filter_width)):
        if window > size:
            raise ValueError(f"Filter {axis}: {window}, but IFMAP {axis} is {size}; padding must be part of it")
    positions = -(-(height - filter_height + stride) // stride) * -(
        -(width - filter_width + second_stride) // second_stride
    )
    groups = channels if "DP" in name else 1  # so SCALE-Sim knows a depthwise convolution
    n_inputs = filter_height * filter_width * channels
    return GemmLayer(name, batch * positions, filters * groups, n_inputs, density, line, groups, convolution=True)


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
