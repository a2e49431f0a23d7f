"""How fast, and in how little memory, all of AlexNet's fully-connected weights are compressed:
``python -m benchmarks.alexnet_fc``.

fc6, fc7 and fc8, 58.6 million weights, are pruned to the densities of Deep Compression's Table 4, shared in 4 bits and
packed for 64 PEs with 4-bit runs, in two ways: by `compress_layer` layer after layer, and by `compress_model`, whose
`CompressedModel` is then packed. Every run is the first of a process of its own, so that its seconds hold the loading
of the kernels (and their compilation, on the first run after an installation), and its peak memory everything: the
interpreter, the libraries and the dense weights. Of several processes the slowest and the largest count.

The weights are drawn, not AlexNet's own; drawing them is not timed. They are normal, and each row and each column of a
layer has a scale of its own: the tails are heavier than normal and some outputs and inputs matter more than others, as
in trained layers.

For information: the seconds of every step, and all of VGG-16 (138 million weights, convolutions too) by
`compress_model` at the densities and bits of Table 5.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.fresh_process import in_fresh_process, peak_bytes
from benchmarks.harness import Figure, Report, Table, command, positive
from compressor import CompressedModel, DenseModel, DenseTensor, compress_layer, compress_model
from compressor.networks.shapes import ALEXNET, VGG_16
from compressor.prune import cut_to_density, prune_columns
from compressor.published import NETWORKS
from compressor.types.packed import PackedLayer
from compressor.types.sparse import SparseColumns
from compressor.weight_sharing import assign_codes, cluster

FC_LAYERS = ("fc6", "fc7", "fc8")
N_PE, WEIGHT_BITS, INDEX_BITS = 64, 4, 4
MOST_SECONDS, MOST_GB = 25.0, 2.5

STANDARD_DEVIATION = 0.005
"""Of drawn weights, about: those of AlexNet's fc6 span +-0.015 before pruning (Han et al., NIPS 2015)."""

SCALE_SIGMA = 0.3
"""Of the logarithm of a row's or a column's scale."""

Weights = dict[str, NDArray[np.float32]]


class Run(NamedTuple):
    """One run: the seconds of its parts, and the most memory of its process (None: not known)."""

    seconds: dict[str, float]
    peak_bytes: int | None

    @property
    def total_s(self) -> float:
        """Seconds of all parts."""
        return sum(self.seconds.values())


def trained_like(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Weights drawn to look like those of a trained layer, as the module says; float32, read-only."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(shape, dtype=np.float32)
    matrix = weights.reshape(shape[0], -1)
    for scales in ((shape[0], 1), (1, matrix.shape[1])):
        matrix *= np.exp(SCALE_SIGMA * rng.standard_normal(scales, dtype=np.float32))
    weights *= STANDARD_DEVIATION
    weights.flags.writeable = False
    return weights


def drawn(shapes: Mapping[str, tuple[int, ...]], divide: int = 1) -> Weights:
    """Weights for each of `shapes`, a seed for each; `divide` makes outputs and inputs fewer, for a test."""
    smaller = {name: (*(max(1, size // divide) for size in shape[:2]), *shape[2:]) for name, shape in shapes.items()}
    return {name: trained_like(shape, seed) for seed, (name, shape) in enumerate(smaller.items())}


def densities(network: str, names: Iterable[str]) -> dict[str, float]:
    """The share of weights that Deep Compression keeps of each layer (Tables 4 and 5)."""
    return {name: NETWORKS[network].layers[name].kept_pct / 100 for name in names}


def fc_weights(divide: int = 1) -> Weights:
    """AlexNet's fully-connected layers."""
    return drawn({name: ALEXNET[name] for name in FC_LAYERS}, divide)


class _Clock:
    """Seconds of one part after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def __call__(self, part: str) -> None:
        """`part` ends now."""
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0) + now - self._began
        self._began = now


# What the processes do ------------------------------------------------------------------------------------------------


def by_layers(divide: int = 1) -> Run:
    """`compress_layer` for each layer; all packed layers are kept."""
    weights, kept = fc_weights(divide), densities("alexnet", FC_LAYERS)
    packed = []
    clock = _Clock()
    for name, matrix in weights.items():
        packed.append(compress_layer(matrix, kept[name], N_PE, None, WEIGHT_BITS, INDEX_BITS, name=name))
        clock(name)
    return Run(clock.seconds, peak_bytes())


def by_model(divide: int = 1) -> Run:
    """`compress_model`, then `CompressedModel.pack`."""
    weights, kept = fc_weights(divide), densities("alexnet", FC_LAYERS)
    clock = _Clock()
    model = compress_model(weights, kept, weight_bits=WEIGHT_BITS)
    clock("compress_model")
    packed = model.pack(N_PE, INDEX_BITS)
    clock("pack")
    del packed
    return Run(clock.seconds, peak_bytes())


def vgg_16(divide: int = 1) -> Run:
    """All of VGG-16 by `compress_model`; its fully-connected layers are packed."""
    weights, table = drawn(VGG_16, divide), NETWORKS["vgg-16"].layers
    tensors = tuple(DenseTensor(name, w, "conv" if w.ndim == 4 else "linear") for name, w in weights.items())
    dense = DenseModel(tensors, ("relu",) * (len(tensors) - 1) + ("none",))
    bits = {name: int(table[name].weight_bits) for name in weights}
    clock = _Clock()

    def done(name: str, *_: int) -> None:
        clock(name if name in FC_LAYERS else "convolutions")

    model: CompressedModel = compress_model(dense, densities("vgg-16", weights), weight_bits=bits, progress=done)
    clock("model")
    packed = model.select(*FC_LAYERS).pack(N_PE, int(table["fc6"].index_bits))
    clock("pack")
    del packed
    return Run(clock.seconds, peak_bytes())


def steps(divide: int = 1) -> dict[str, dict[str, float]]:
    """The seconds of every step of every layer, with all kernels loaded."""
    weights, kept = fc_weights(divide), densities("alexnet", FC_LAYERS)
    for name, matrix in weights.items():
        _steps_of(name, matrix[:64], kept[name])
    return {name: _steps_of(name, matrix, kept[name]) for name, matrix in weights.items()}


def _steps_of(name: str, matrix: NDArray[np.float32], density: float) -> dict[str, float]:
    """What `compress_layer` does, step by step."""
    clock = _Clock()
    cut = cut_to_density(matrix, density)
    clock("find the cut")
    columns = prune_columns(matrix, cut)
    clock("prune to columns")
    found = cluster(columns.values, WEIGHT_BITS)
    clock("k-means")
    values = assign_codes(columns.values, found.codebook)
    clock("codes")
    codes = SparseColumns(columns.indptr, columns.rows, values, columns.shape)
    PackedLayer.from_columns(codes, found.codebook, n_pe=N_PE, index_bits=INDEX_BITS, row_permutation=None, name=name)
    clock("pack and check")
    return clock.seconds


# The report -----------------------------------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> Report:
    """Take all figures."""
    ways: dict[str, Callable[[int], Run]] = {"compress_layer": by_layers, "compress_model + pack": by_model}
    figures: list[Figure] = []
    rows: list[tuple[object, ...]] = []
    for way, function in ways.items():
        runs = [in_fresh_process(partial(function, options.divide)) for _ in range(options.repeats)]
        figures += _figures(f"AlexNet fc, {way}", runs, MOST_SECONDS, MOST_GB)
        rows += [(way, number, part, s) for number, run in enumerate(runs, 1) for part, s in run.seconds.items()]
    vgg = in_fresh_process(partial(vgg_16, options.divide))
    figures += _figures("VGG-16, compress_model, pack fc", [vgg])
    rows += [("VGG-16", 1, part, seconds) for part, seconds in vgg.seconds.items()]
    by_layer = in_fresh_process(partial(steps, options.divide))
    loaded_s = sum(seconds for of_layer in by_layer.values() for seconds in of_layer.values())
    figures.append(Figure("AlexNet fc, all steps with the kernels loaded: time", loaded_s, "s"))
    names = list(by_layer[FC_LAYERS[0]])
    step_rows = [(name, *(by_layer[name][step] * 1e3 for step in names)) for name in FC_LAYERS]
    tables = (
        Table("first run of a process", ("what", "process", "part", "seconds"), tuple(rows)),
        Table("steps of a layer, kernels loaded, ms", ("layer", *names), tuple(step_rows)),
    )
    facts = {"n_pe": N_PE, "weight_bits": WEIGHT_BITS, "index_bits": INDEX_BITS, "weights": "drawn, with seeds"}
    return Report(tuple(figures), tables, facts)


def _figures(what: str, runs: list[Run], most_s: float | None = None, most_gb: float | None = None) -> list[Figure]:
    """Seconds and peak memory of the slowest and the largest of `runs`."""
    peaks = [run.peak_bytes for run in runs if run.peak_bytes is not None]
    of = f"the most of {len(runs)}" if len(runs) > 1 else ""
    unknown = "there is no /proc/self/status on this system"
    return [
        Figure(f"{what}: time", max(run.total_s for run in runs), "s", most_s, note=of),
        Figure(
            f"{what}: peak memory", max(peaks) / 1e9 if peaks else None, "GB", most_gb, note=of if peaks else unknown
        ),
    ]


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=positive, default=3, help="processes for each way (3)")
    parser.add_argument("--divide", type=positive, default=1, help="outputs and inputs are so many times fewer (1)")


if __name__ == "__main__":
    sys.exit(command("alexnet_fc", __doc__, measure, add_options=_options))
