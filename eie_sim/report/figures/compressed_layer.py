"""The data of figures that show what compression makes of a layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.types.packed import PackedLayer
from eie_sim.columns import pes

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

FLOAT_BITS = 32
"""A weight, a row index or a column pointer before compression: float32 and uint32, as sparse libraries hold them."""


@dataclass(frozen=True, eq=False)
class WeightHistogram:
    """The weights of a layer before and after pruning, and the values that those kept share.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
    kept, pruned : ndarray of int64, shape (bins,)
    shared_values : ndarray of float64, ascending
        The codebook without the value 0.
    """

    edges: Floats
    kept: Integers
    pruned: Integers
    shared_values: Floats

    @property
    def finding(self) -> str:
        """How many weights are kept, and how many values they have."""
        kept = 100 * self.kept.sum() / (self.kept.sum() + self.pruned.sum())
        return f"{kept:.1f} % of the weights are kept, and share {len(self.shared_values)} values"


def weight_histogram(weights: ArrayLike, mask: ArrayLike, codebook: ArrayLike, bins: int = 120) -> WeightHistogram:
    """Count weights by value.

    Parameters
    ----------
    weights : array_like of float, any shape
    mask : array_like of bool, the same shape
        Which are kept, as of `compressor.prune.prune_mask`.
    codebook : array_like of float
        Value 0 first.
    bins : int
    """
    values, kept = np.asarray(weights, np.float64), np.asarray(mask, bool)
    # The bins span all weights, so that kept and pruned ones are counted in the same bins.
    of_kept, edges = np.histogram(values[kept], bins, (values.min(), values.max()))
    of_all, _ = np.histogram(values, edges)
    shared = np.unique(np.asarray(codebook, np.float64)[1:])
    return WeightHistogram(edges, of_kept.astype(np.int64), (of_all - of_kept).astype(np.int64), shared)


@dataclass(frozen=True, eq=False)
class ValueHistogram:
    """How many weights of a packed layer have each value of its codebook.

    Attributes
    ----------
    layer : str
    values : ndarray of float64, ascending
        The codebook without the value 0; a value that stands in it twice is here once.
    weights : ndarray of int64, as many
    """

    layer: str
    values: Floats
    weights: Integers

    @property
    def finding(self) -> str:
        """How many values there are, and how many weights have the commonest."""
        total = int(self.weights.sum())
        if not total:
            return f"{self.layer}: no weight is left"
        n_values, most = int(np.count_nonzero(self.weights)), int(self.weights.argmax())
        values = "one value" if n_values == 1 else f"{n_values} values"
        told = f"{self.layer}: {total:,} weights share {values}"
        share = self.weights[most] / total
        if n_values == 1 or share * n_values < _EVEN:
            return told + ", evenly" * (n_values > 1)
        most_text = f"{self.values[most]:.3g}".replace("-", "\N{MINUS SIGN}")
        return f"{told}: {100 * share:.1f} % of them are {most_text}"


_EVEN = 1.1
"""The commonest value is less than this many times as common as the mean."""


def shared_weights(layer: PackedLayer) -> ValueHistogram:
    """Count the weights of a packed layer by value; fillers are none."""
    values, place = np.unique(layer.codebook[1:].astype(np.float64), return_inverse=True)
    of_code = np.bincount(layer.codes, minlength=len(layer.codebook))[1:]
    weights = np.zeros(len(values), np.int64)
    np.add.at(weights, place, of_code)  # codes of one value add up; `weights[place] +=` would keep the last
    return ValueHistogram(layer.name, values, weights)


@dataclass(frozen=True, eq=False)
class RunHistogram:
    """Zero runs of the entries of a packed layer.

    Attributes
    ----------
    layer : str
    real : ndarray of int64, shape (2**index_bits,)
        Real weights with 0, 1, ... zeros before them.
    fillers : int
        They all have the longest run.
    """

    layer: str
    real: Integers
    fillers: int

    @property
    def finding(self) -> str:
        """How many entries are fillers."""
        share = 100 * self.fillers / max(1, self.fillers + int(self.real.sum()))
        longest = len(self.real) - 1
        return f"{self.layer}: runs are at most {longest} zeros, and {share:.1f} % of the entries are fillers"


def run_histogram(layer: PackedLayer) -> RunHistogram:
    """Count the entries of a packed layer by their zero runs."""
    real = np.bincount(layer.runs[layer.codes != 0], minlength=1 << layer.index_bits)
    return RunHistogram(layer.name, real.astype(np.int64), layer.n_fillers)


@dataclass(frozen=True, eq=False)
class PackedHistograms:
    """What a packed layer holds: values of weights, and zero runs."""

    weights: ValueHistogram
    runs: RunHistogram

    @property
    def finding(self) -> str:
        """Both findings."""
        return f"{self.weights.finding}; {self.runs.finding}"


def packed_histograms(layer: PackedLayer) -> PackedHistograms:
    """Count the weights of a packed layer by value, and its entries by their zero runs."""
    return PackedHistograms(shared_weights(layer), run_histogram(layer))


@dataclass(frozen=True)
class StoredSize:
    """What a layer takes after one step of its compression, in bits.

    Attributes
    ----------
    step : str
    weights_bits : int
        Values or codes, fillers' and the codebook's included.
    indices_bits : int
        Row indices or zero runs.
    pointers_bits : int
        Where columns begin.
    """

    step: str
    weights_bits: int
    indices_bits: int
    pointers_bits: int

    @property
    def n_bytes(self) -> float:
        """All of it in bytes."""
        return (self.weights_bits + self.indices_bits + self.pointers_bits) / 8


@dataclass(frozen=True)
class StoredSizes:
    """What a layer takes after each step of its compression."""

    layer: str
    steps: tuple[StoredSize, ...]

    def times_smaller(self, step: StoredSize) -> float:
        """The first step's size over that of `step`."""
        return self.steps[0].n_bytes / step.n_bytes

    @property
    def finding(self) -> str:
        """From where to where."""
        first, last = self.steps[0], self.steps[-1]
        return f"{self.layer}: {megabytes(first)} become {megabytes(last)}, {self.change(last)}"

    def change(self, step: StoredSize) -> str:
        """How many times smaller than the first step, or larger, as a text."""
        times = self.times_smaller(step)
        return f"{times:.1f} times smaller" if times >= 1 else f"{1 / times:.1f} times larger"


def megabytes(size: StoredSize) -> str:
    """The size as a text, in MB (10^6 bytes), or kB below a tenth of one."""
    return f"{size.n_bytes / 1e6:.1f} MB" if size.n_bytes >= 1e5 else f"{size.n_bytes / 1e3:.1f} kB"


def stored_sizes(layer: PackedLayer) -> StoredSizes:
    """What `layer` takes when dense, pruned, with shared weights, and packed for the machine.

    The two steps in between are compressed sparse columns with a row index of 32 bits for each weight, as sparse
    libraries hold them; a bias counts as one more column.
    """
    columns = len(layer.pointers) - 1
    real = layer.n_entries - layer.n_fillers
    codebook, pointers = FLOAT_BITS * len(layer.codebook), FLOAT_BITS * (columns + 1)
    packed_pointers = 8 * layer.pointer_bytes_per_pe * layer.n_pe
    return StoredSizes(
        layer.name,
        (
            StoredSize("dense float32", FLOAT_BITS * layer.n_rows * columns, 0, 0),
            StoredSize("pruned", FLOAT_BITS * real, FLOAT_BITS * real, pointers),
            StoredSize("weights shared", layer.weight_bits * real + codebook, FLOAT_BITS * real, pointers),
            StoredSize(
                f"packed for {pes(layer.n_pe)}",
                layer.weight_bits * layer.n_entries + codebook,
                layer.index_bits * layer.n_entries,
                packed_pointers,
            ),
        ),
    )
