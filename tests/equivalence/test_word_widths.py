"""The fast engine counts in words of 16 or 32 bits, as a layer and a machine need: nobody may see which."""

from copy import copy

import numpy as np
import pytest
from hypothesis import given, settings

from compressor import pack_codes
from compressor.types.packed import PackedLayer
from eie_sim import ArchConfig, simulate
from eie_sim.engines import fast
from eie_sim.result import differences
from tests.examples import examples
from tests.strategies import Case, cases, crowded

_CODEBOOK = np.linspace(0, 1, 16, dtype=np.float32)
_LARGEST_WORD = 2**16 - 1


def assert_engines_agree(layer: PackedLayer, acts: np.ndarray, arch: ArchConfig) -> int:
    quick, reference = (simulate(layer, acts, arch, engine, schedule=True) for engine in ("fast", "reference"))
    assert differences(quick, reference) == []
    return quick.cycles


def word(layer: PackedLayer, arch: ArchConfig) -> np.dtype:
    return fast._make_plan(layer, arch).streams[0].dtype


def assert_words_do_not_matter(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for most_behind, expected in ((fast._MOST_BEHIND, np.uint16), (-1, np.uint32)):
        with monkeypatch.context() as patch:
            patch.setattr(fast, "_MOST_BEHIND", most_behind)
            layer = copy(case.layer)  # with nothing prepared
            assert word(layer, case.arch) == expected
            results.append(simulate(layer, case.acts, case.arch, schedule=True))
    assert differences(*results) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_width_of_words_changes_nothing_on_a_crowded_machine(seed, monkeypatch):
    assert_words_do_not_matter(crowded(seed), monkeypatch)


@settings(max_examples=examples(40), deadline=None)
@given(case=cases())
def test_the_width_of_words_changes_nothing(case):
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert_words_do_not_matter(case, monkeypatch)


def test_edges_may_be_more_than_a_word_of_sixteen_bits_holds():
    rng = np.random.default_rng(0)
    codes = (rng.integers(1, 16, (250, 265)) * (rng.random((250, 265)) < 0.9)).astype(np.uint8)
    layer = pack_codes(codes, _CODEBOOK, n_pe=1, bias_codes=np.zeros(250, np.uint8))
    arch = ArchConfig(n_pe=1, act_queue_depth=4)
    assert word(layer, arch) == np.uint16
    assert assert_engines_agree(layer, np.ones(265, np.float32), arch) > 2**15 + 2**14


def test_the_broadcast_may_be_idle_for_longer_than_a_word_can_tell():
    layer = pack_codes(np.full((1, 65_000), 3, np.uint8), _CODEBOOK, n_pe=1)
    arch = ArchConfig(n_pe=1)
    acts = np.zeros(layer.n_cols, np.float32)
    acts[[0, 1, 2, -3, -1]] = 1
    assert word(layer, arch) == np.uint16
    assert assert_engines_agree(layer, acts, arch) > 65_000


def test_a_pe_may_be_behind_by_more_than_a_word_can_tell():
    # One PE has nothing to do, then 60,000 entries, all of which a very deep queue holds back while the broadcast ends.
    empty, full = 30_000, 2_000
    codes = np.zeros((60, empty + full), np.uint8)
    codes[::2, empty:] = 5
    layer = pack_codes(codes, _CODEBOOK, n_pe=2)
    assert layer.entries_of_fullest_pe == 60_000
    shallow, deep = (ArchConfig(n_pe=2, act_queue_depth=depth, strict_capacity=False) for depth in (8, 4096))
    assert (word(layer, shallow), word(layer, deep)) == (np.uint16, np.uint32)
    acts = np.ones(layer.n_cols, np.float32)
    # A cycle for each empty column and each entry, and what fills and drains the machine.
    cycles = [simulate(layer, acts, arch, output=False).cycles for arch in (shallow, deep)]
    assert empty + 60_000 < cycles[1] <= cycles[0] < empty + 60_000 + 16


def test_a_word_of_sixteen_bits_is_used_up_to_its_last_number():
    layer = pack_codes(np.ones((1, 8), np.uint8), _CODEBOOK, n_pe=1)  # a PE is behind by depth + 2 at most
    for depth, latency, expected in (
        (2**15 - 3, 0, np.uint16), (2**15 - 2, 0, np.uint32), (2**15 - 5, 1, np.uint16), (2**15 - 4, 1, np.uint32),
    ):  # fmt: skip
        arch = ArchConfig(n_pe=1, act_queue_depth=depth, broadcast_latency=latency)
        assert word(layer, arch) == expected
        assert_engines_agree(layer, np.ones(8, np.float32), arch)


@pytest.mark.parametrize("latency", [0, 3])
def test_a_layer_whose_cycles_may_outgrow_31_bits_is_refused(monkeypatch, latency):
    assert fast._MOST_CYCLES == 2**31 - 1
    layer = pack_codes(np.full((1, 100), 3, np.uint8), _CODEBOOK, n_pe=1)
    arch = ArchConfig(n_pe=1, broadcast_latency=latency)
    # Each entry, two cycles of the scan and one of a PE for each pointer, a round trip for each, and the pipeline.
    bound = layer.n_entries + (3 + 2 * latency) * 101 + 16
    monkeypatch.setattr(fast, "_MOST_CYCLES", bound)
    assert simulate(layer, np.ones(100, np.float32), arch, output=False).cycles <= bound
    monkeypatch.setattr(fast, "_MOST_CYCLES", bound - 1)
    with pytest.raises(
        ValueError, match=f"layer 'layer': may take {bound} cycles, but this engine counts to {bound - 1}"
    ):
        simulate(copy(layer), np.ones(100, np.float32), arch, output=False)


def test_the_last_sram_row_may_end_beyond_what_a_word_can_tell():
    codes = np.full((250, 262), 7, np.uint8)
    layer = pack_codes(codes, _CODEBOOK, n_pe=1)
    assert layer.entries_of_fullest_pe == 65_500
    acts = (np.arange(262) % 16 == 5).astype(np.float32)
    acts[-1] = 1
    widths = {8 << 3: np.uint16, 8 << 12: np.uint32}
    for width, expected in widths.items():
        arch = ArchConfig(n_pe=1, spmat_width_bits=width)
        assert word(layer, arch) == expected
        assert_engines_agree(layer, acts, arch)


def test_more_columns_than_a_word_can_tell_are_counted_in_wider_ones():
    layer = pack_codes(np.full((1, _LARGEST_WORD + 1), 2, np.uint8), _CODEBOOK, n_pe=1)
    arch = ArchConfig(n_pe=1)
    assert word(layer, arch) == np.uint32
    result = simulate(layer, np.ones(layer.n_cols, np.float32), arch, output=False)
    assert result.counts.broadcasts == layer.n_cols
    assert result.counts.bubble_cycles.tolist() == [0]
