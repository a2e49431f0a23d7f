"""Small packed matrices and a chain of layers, and what they need, counted the slow way."""

from itertools import pairwise

import numpy as np
from onnx import helper

from compressor import pack_codes
from eie_sim import preset
from tests.network.small_networks import few, made

BOOK = np.arange(16, dtype=np.float32)
TINY = preset("eie-64pe-45nm").replace(n_pe=2, index_bits=2, spmat_width_bits=12, dram_bytes_per_s=1e9)


def a_matrix(rng, most=24, name="w", n_pe=TINY.n_pe):
    """A matrix for machines like `TINY`, with an order of rows and a bias or without."""
    n_rows, n_cols = int(rng.integers(1, most)), int(rng.integers(1, 8))
    codes = rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < rng.choice([0.05, 0.15, 0.4, 1]))
    order = rng.permutation(n_rows) if rng.random() < 0.5 else None
    bias = rng.normal(size=n_rows).astype(np.float32) if rng.random() < 0.5 else None
    coded = rng.integers(0, 16, n_rows).astype(np.uint8) if bias is not None else None
    return pack_codes(codes.astype(np.uint8), BOOK, n_pe, TINY.index_bits, coded, name, order, bias)


def bytes_of(layer, arch):
    """Of entries and pointers, counted one PE after another."""
    pointers = layer.pointers[: layer.n_cols + 1] if arch.preloads_bias else layer.pointers
    bits = arch.weight_bits + arch.index_bits
    return sum(-(-int(n) * bits // 8) for n in pointers[-1]) + 2 * pointers.size


def stored(layer, first, last, arch):
    """Some stored rows, packed alone, the slow way."""
    order = np.arange(layer.n_rows) if layer.row_permutation is None else layer.row_permutation
    rows = order[first:last]
    coded = layer.bias_codes[rows] if layer.has_bias else None
    bias = None if layer.bias is None else layer.bias[rows]
    return pack_codes(layer.decode()[rows], layer.codebook, arch.n_pe, arch.index_bits, coded, "part", None, bias)


def entries_of_fullest(layer, arch):
    pointers = layer.pointers[: layer.n_cols + 1] if arch.preloads_bias else layer.pointers
    return int(pointers[-1].max())


def chain(*sizes):
    """Matrices one after another, of so many inputs each, and a Relu after each but the last."""
    nodes, constants, value = [], {}, "x"
    for at, (n_inputs, n_outputs) in enumerate(pairwise(sizes)):
        constants[f"w{at}"] = few(at, n_outputs, n_inputs)
        nodes.append(helper.make_node("Gemm", [value, f"w{at}"], [f"s{at}"], f"fc{at}", transB=1))
        nodes.append(helper.make_node("Relu", [f"s{at}"], [f"r{at}"]))
        value = f"r{at}"
    return made(nodes, constants, {"x": ["n", sizes[0]]}, {value: ["n", sizes[-1]]})
