"""Random layers, inputs and machines for properties.

Sizes and settings are drawn one by one, so that a failure shrinks to small ones; the contents of a matrix come from a
drawn seed, so that an example is made quickly.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from compressor import PackedLayer, pack_codes
from eie_sim import ArchConfig

ARITHMETICS = ("float32", "fixed8", "fixed16", "fixed32")
LATENCIES = st.just(0) | st.integers(0, 9)
DEPTHS = st.one_of(st.sampled_from([1, 2, 3, 4, 8]), st.integers(2, 6), st.integers(1, 300))
PES = st.one_of(st.sampled_from([1, 2, 3, 4, 8]), st.integers(1, 12), st.integers(1, 70))


@dataclass
class Case:
    """A layer, inputs for it, and a machine that runs it."""

    layer: PackedLayer
    acts: np.ndarray
    arch: ArchConfig

    def __repr__(self) -> str:
        changed = self.arch.model_dump(exclude_defaults=True)
        return f"Case({self.layer!r}, acts={self.acts.tolist()}, arch={changed}, codes={self.layer.decode().tolist()})"


def crowded(seed: int) -> Case:
    """A layer with work enough for full queues, bypasses, fillers and saturations; the same for the same seed."""
    rng = np.random.default_rng(seed)
    n_pe, weight_bits, index_bits = int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(2, 5))
    n_rows, n_cols = int(rng.integers(1, 14 * n_pe)), int(rng.integers(20, 60))
    codes = rng.integers(1, 2**weight_bits, size=(n_rows, n_cols))
    # Sparse above, dense below: runs that need fillers, then entries one after another.
    codes *= rng.random((n_rows, n_cols)) < np.linspace(0.01, rng.random(), n_rows)[:, None]
    book = rng.normal(size=2**weight_bits)
    book[0] = 0
    layer = pack_codes(
        codes, book, n_pe, index_bits,
        bias_codes=codes[:, 0] if rng.random() < 0.5 else None,
        row_permutation=rng.permutation(n_rows) if rng.random() < 0.3 else None,
    )  # fmt: skip
    arch = ArchConfig(
        n_pe=n_pe, weight_bits=weight_bits, index_bits=index_bits,
        act_queue_depth=int(rng.integers(1, 7)),
        spmat_width_bits=(weight_bits + index_bits) * int(rng.integers(1, 10)),
        arithmetic=str(rng.choice(ARITHMETICS)),
        rounding=str(rng.choice(["half_even", "truncate"])),
        broadcast_latency=int(rng.choice([0, 0, 1, 2, 5])),
    )  # fmt: skip
    acts = rng.normal(size=n_cols) * (rng.random(n_cols) < rng.choice([1.0, 0.6, 0.2]))
    if rng.random() < 0.4:
        arch = arch.replace(bias="preload")
    return Case(layer, acts.astype(np.float32), arch)


@st.composite
def parts(draw, schedule) -> tuple[tuple[int, int], list[int]]:
    """A window of cycles of a run, and some of its PEs in any order."""
    begin = draw(st.integers(1, schedule.cycles))
    end = draw(st.integers(begin + 1, schedule.cycles + 1))
    return (begin, end), draw(st.lists(st.integers(0, schedule.n_pe - 1), min_size=1, max_size=5, unique=True))


@st.composite
def codebooks(draw, weight_bits: int) -> np.ndarray:
    """Value 0 first; of any size a layer may have, sometimes with zeros and doubles among the real weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    book = rng.normal(size=2**weight_bits) * 10.0 ** draw(st.integers(-3, 2))
    if draw(st.booleans()):
        book = rng.choice(book, size=len(book)) * rng.integers(0, 2, size=len(book))
    book[0] = 0
    return book.astype(np.float32)


@st.composite
def activations(draw, n_cols: int) -> np.ndarray:
    """Negative, positive, zero, minus zero, all zero; a whole span of sizes, or small integers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    acts = rng.normal(size=n_cols) * 10.0 ** draw(st.integers(-3, 3))
    if draw(st.booleans()):
        acts = rng.integers(-9, 10, size=n_cols).astype(float)
    if draw(st.booleans()):
        acts *= 10.0 ** rng.integers(-5, 1, size=n_cols)
    density = draw(st.sampled_from([1.0, 0.9, 0.7, 0.3, 0.05, 0.0]))
    acts *= rng.random(n_cols) < density
    return acts.astype(np.float32)


@st.composite
def code_matrices(draw, n_rows: int, n_cols: int, weight_bits: int) -> np.ndarray:
    """Codes of any density, sometimes with whole rows or columns empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = rng.integers(1, 2**weight_bits, size=(n_rows, n_cols))
    codes *= rng.random((n_rows, n_cols)) < draw(st.sampled_from([1.0, 0.8, 0.4, 0.4, 0.1, 0.03, 0.0]))
    emptied = draw(st.sampled_from(["nothing", "nothing", "rows", "columns", "both"]))
    if emptied in ("rows", "both"):
        codes *= rng.random((n_rows, 1)) < 0.5
    if emptied in ("columns", "both"):
        codes *= rng.random((1, n_cols)) < 0.5
    return codes.astype(np.uint8)


@st.composite
def layers(draw, max_rows: int = 60, max_cols: int = 30) -> PackedLayer:
    """A packed layer; a few of them have rows enough for fillers at any width of an index."""
    weight_bits = draw(st.integers(1, 8))
    n_rows = draw(st.one_of(st.integers(1, max_rows), st.integers(1, 12 * max_rows)))
    most_cols = max_cols if n_rows <= max_rows else 8
    n_cols = draw(st.one_of(st.integers(1, most_cols), st.integers(most_cols // 2, most_cols)))
    codes = draw(code_matrices(n_rows, n_cols, weight_bits))
    bias = draw(st.none() | code_matrices(n_rows, 1, weight_bits))
    order = draw(st.none() | st.integers(0, 2**32 - 1))
    return pack_codes(
        codes,
        draw(codebooks(weight_bits)),
        n_pe=draw(PES),
        index_bits=draw(st.integers(2, 8)),
        bias_codes=None if bias is None else bias[:, 0],
        row_permutation=None if order is None else np.random.default_rng(order).permutation(n_rows),
        bias=draw(st.none() | activations(n_rows)),
    )


def biases(layer: PackedLayer) -> st.SearchStrategy[str | None]:
    """`ArchConfig.bias` of machines that run `layer`: a bias without a column of codes can only be preloaded."""
    every = layer.has_bias or layer.bias is None
    return st.sampled_from([None, "column", "preload"] if every else ["preload"])


def broadcasts_bias(case: Case) -> bool:
    """Whether the bias of a case is one more column."""
    return case.layer.has_bias and case.arch.bias != "preload"


@st.composite
def machines(draw, layer: PackedLayer, arithmetics=ARITHMETICS) -> ArchConfig:
    """A machine that runs `layer`, everything else at will."""
    entry_bits = layer.weight_bits + layer.index_bits
    return ArchConfig(
        n_pe=layer.n_pe,
        weight_bits=layer.weight_bits,
        index_bits=layer.index_bits,
        act_queue_depth=draw(DEPTHS),
        broadcast_latency=draw(LATENCIES),
        spmat_width_bits=draw(st.one_of(st.just(entry_bits), st.integers(entry_bits, 40 * entry_bits))),
        arithmetic=draw(st.sampled_from(arithmetics)),
        weight_frac_bits=draw(st.none() | st.integers(-3, 20)),
        act_frac_bits=draw(st.none() | st.integers(-3, 20)),
        rounding=draw(st.sampled_from(["half_even", "truncate"])),
        acc_bits=draw(st.none() | st.integers(2, 62)),
        bias=draw(biases(layer)),
    )


@st.composite
def cases(draw, arithmetics=ARITHMETICS, **sizes) -> Case:
    """A layer with inputs and a machine."""
    layer = draw(layers(**sizes))
    return Case(layer, draw(activations(layer.n_cols)), draw(machines(layer, arithmetics)))
