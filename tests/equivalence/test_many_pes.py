"""Machines of more PEs than a block of the fast engine, layers of more entries than 16-bit pointers reach."""

import numpy as np
import pytest

from compressor import pack_codes
from compressor.types.packed import PackedLayer
from eie_sim import ArchConfig, simulate
from eie_sim.result import differences


def _layer(n_rows: int, n_cols: int, density: float, n_pe: int, seed: int) -> PackedLayer:
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < density)
    codebook = np.append(0, rng.normal(size=15)).astype(np.float32)
    return pack_codes(codes.astype(np.uint8), codebook, n_pe, bias_codes=rng.integers(0, 16, n_rows))


@pytest.mark.parametrize("n_pe", [1025, pytest.param(2100, marks=pytest.mark.slow)])
@pytest.mark.compiled_only
def test_the_engines_agree_on_machines_of_more_than_a_thousand_pes(n_pe: int) -> None:
    layer = _layer(3000, 40, 0.2, n_pe, seed=n_pe)
    acts = np.random.default_rng(1).normal(size=40).astype(np.float32)
    arch = ArchConfig(n_pe=n_pe, act_queue_depth=2)
    fast, reference = (simulate(layer, acts, arch, engine, schedule=True) for engine in ("fast", "reference"))
    assert differences(fast, reference) == []


def test_the_engines_agree_where_addresses_need_more_than_sixteen_bits() -> None:
    layer = _layer(600, 250, 0.9, 1, seed=0)
    assert layer.entries_of_fullest_pe > 2**16
    acts = np.random.default_rng(2).normal(size=250).astype(np.float32) * (np.arange(250) % 9 == 0)
    arch = ArchConfig(n_pe=1, spmat_width_bits=200)
    fast, reference = (simulate(layer, acts, arch, engine, schedule=True) for engine in ("fast", "reference"))
    assert differences(fast, reference) == []


def test_the_engines_agree_on_rows_of_two_hundred_thousand_entries() -> None:
    layer = _layer(600, 60, 0.9, 2, seed=3)
    acts = np.random.default_rng(4).normal(size=60).astype(np.float32)
    arch = ArchConfig(n_pe=2, spmat_width_bits=8 << 18)
    fast, reference = (simulate(layer, acts, arch, engine) for engine in ("fast", "reference"))
    assert differences(fast, reference) == []
    assert fast.counts.spmat_row_reads.tolist() == [1, 1]
