"""Machines that the hardware is tried on, and sampled layers for them that fill queues, bypass, saturate and pad."""

import numpy as np

from compressor import pack_codes
from eie_sim import ArchConfig
from tests.strategies import Case

QUICK = [
    {"n_pe": 1, "act_queue_depth": 1, "arithmetic": "fixed16", "spmat_width_bits": 8, "index_bits": 4},
    {"n_pe": 4, "act_queue_depth": 8, "arithmetic": "fixed16", "spmat_width_bits": 64, "index_bits": 3},
    {"n_pe": 3, "act_queue_depth": 2, "arithmetic": "fixed8", "acc_bits": 12, "spmat_width_bits": 40,
     "weight_bits": 3, "index_bits": 2, "rounding": "truncate"},
    {"n_pe": 16, "act_queue_depth": 3, "arithmetic": "fixed32", "acc_bits": 40, "spmat_width_bits": 128,
     "weight_bits": 5, "index_bits": 3},
    {"n_pe": 5, "act_queue_depth": 1, "arithmetic": "fixed8", "acc_bits": 6, "spmat_width_bits": 32,
     "weight_bits": 8, "index_bits": 5, "rounding": "truncate"},
    {"n_pe": 8, "act_queue_depth": 5, "arithmetic": "fixed16", "acc_bits": 62, "spmat_width_bits": 33,
     "weight_bits": 2, "index_bits": 4},
    {"n_pe": 2, "act_queue_depth": 1, "arithmetic": "fixed32", "spmat_width_bits": 64, "weight_bits": 1,
     "index_bits": 6, "lnzd_fanin": 2},
    {"n_pe": 7, "act_queue_depth": 4, "arithmetic": "fixed8", "spmat_width_bits": 11, "weight_bits": 6,
     "index_bits": 5, "lnzd_fanin": 3},
]  # fmt: skip
"""Eight machines: 1 to 16 PEs, D from 1 to 8, every width of numbers, both roundings, rows of 8 to 128 bits."""

MORE = [
    {"n_pe": 1, "act_queue_depth": 2, "arithmetic": "fixed32", "acc_bits": 62, "spmat_width_bits": 24,
     "weight_bits": 4, "index_bits": 8, "rounding": "truncate"},
    {"n_pe": 2, "act_queue_depth": 17, "arithmetic": "fixed16", "acc_bits": 2, "spmat_width_bits": 100,
     "weight_bits": 7, "index_bits": 3},
    {"n_pe": 9, "act_queue_depth": 1, "arithmetic": "fixed16", "acc_bits": 24, "spmat_width_bits": 120,
     "index_bits": 2, "lnzd_fanin": 8},
    {"n_pe": 13, "act_queue_depth": 2, "arithmetic": "fixed8", "acc_bits": 33, "spmat_width_bits": 16,
     "weight_bits": 8, "index_bits": 8},
]  # fmt: skip
"""What the slow tests add: longest zero runs, accumulators of 2 and of 62 bits, deep queues."""

LATE = [
    {"n_pe": 3, "act_queue_depth": 1, "broadcast_latency": 2, "arithmetic": "fixed8", "weight_bits": 3},
    {"n_pe": 2, "act_queue_depth": 2, "broadcast_latency": 3, "arithmetic": "fixed16", "index_bits": 2},
    {"n_pe": 1, "act_queue_depth": 20, "broadcast_latency": 8, "arithmetic": "fixed8", "index_bits": 3},
]
"""Machines with a broadcast latency: lock-step, a queue that bounds the rate, and one deeper than the round trip."""

MORE_LATE = [
    {"n_pe": 16, "act_queue_depth": 3, "broadcast_latency": 2, "arithmetic": "fixed16", "index_bits": 2},
    {"n_pe": 4, "act_queue_depth": 5, "broadcast_latency": 1, "arithmetic": "fixed16", "index_bits": 3},
    {"n_pe": 7, "act_queue_depth": 8, "broadcast_latency": 3, "arithmetic": "fixed32", "index_bits": 3},
]
"""What the slow tests add to them."""


def machine(settings: dict) -> ArchConfig:
    """A machine whose register files hold every layer of `sampled`, so that it is built once."""
    return ArchConfig(name="sampled", act_regfile_entries=1024, **settings)


def sampled(settings: dict, seed: int) -> Case:
    """A layer, inputs and a variant of the machine; the same for the same seed."""
    rng = np.random.default_rng(seed)
    arch = machine(settings)
    n_pe, longest = arch.n_pe, 2**arch.index_bits
    # A bypass between columns needs few rows, a filler needs many.
    most = 3 if rng.random() < 0.3 else 3 * longest + 10
    n_rows = int(rng.integers(1, min(1000, most) * n_pe + 1))
    n_cols = int(rng.integers(1, 50))
    codes = rng.integers(1, 2**arch.weight_bits, size=(n_rows, n_cols))
    # Sparse above, dense below: runs that need fillers, then entries one after another.
    densities = np.linspace(0.002, rng.random(), n_rows)[:, None] if rng.random() < 0.5 else rng.random() ** 2
    codes *= rng.random((n_rows, n_cols)) < densities
    codes *= rng.random((1, n_cols)) < rng.choice([1.0, 0.7])
    book = rng.normal(size=2**arch.weight_bits)
    book[0] = 0
    preload = rng.random() < 0.4
    # A bias beyond the accumulator is cut to its range, so that also a wide one saturates.
    bias = rng.normal(size=n_rows) * 10.0 ** rng.choice([0, 40]) if preload and rng.random() < 0.7 else None
    layer = pack_codes(
        codes, book, n_pe, arch.index_bits,
        bias_codes=codes[:, 0] if rng.random() < 0.5 else None,
        row_permutation=rng.permutation(n_rows) if rng.random() < 0.3 else None,
        bias=None if bias is None else bias.clip(-3e38, 3e38),
    )  # fmt: skip
    changes = {"bias": "preload"} if preload else {}
    if rng.random() < 0.3:
        changes |= {
            "weight_frac_bits": int(rng.integers(0, arch.number_bits * 5 // 4)),
            "act_frac_bits": int(rng.integers(-3, 20)),
        }
    acts = rng.normal(size=n_cols) * (rng.random(n_cols) < rng.choice([1.0, 0.6, 0.2, 0.0], p=[0.4, 0.3, 0.2, 0.1]))
    return Case(layer, acts, arch.replace(**changes))
