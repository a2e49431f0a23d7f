"""How matrices are cut, what is kept and what is loaded, against naive models."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eie_sim import simulate
from eie_sim.network.residency import Residency
from tests.examples import examples
from tests.network.small_matrices import TINY, a_matrix, bytes_of, entries_of_fullest, stored

seeds = st.integers(0, 2**32)

pytestmark = pytest.mark.filterwarnings("ignore::eie_sim.capacity.CapacityWarning")


# Blocks ---------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(30))
@given(
    seed=seeds,
    n_pe=st.integers(1, 3),
    n_chips=st.integers(1, 5),
    spmat_bytes=st.integers(2, 24),
    bias=st.sampled_from(["column", "preload"]),
)
def test_blocks_cover_the_rows_fit_and_are_the_fewest(seed, n_pe, n_chips, spmat_bytes, bias):
    layer = a_matrix(np.random.default_rng(seed), 28, n_pe=n_pe)
    arch = TINY.replace(n_pe=n_pe, spmat_bytes=spmat_bytes, n_chips=n_chips, bias=bias)
    limit = arch.sram_limits[0]
    residency = Residency({"node": [layer]}, arch)
    of_chips = residency.blocks("node", 0)
    assert len(of_chips) == n_chips
    covered = np.concatenate([np.arange(layer.n_rows)[block.rows] for blocks in of_chips for block in blocks])
    is_whole = n_chips == len(of_chips[0]) == 1
    order = np.arange(layer.n_rows) if is_whole or layer.row_permutation is None else layer.row_permutation
    assert covered.tolist() == order.tolist()
    assert sorted(covered.tolist()) == list(range(layer.n_rows))
    first = 0
    for chip, blocks in enumerate(of_chips):
        last = (chip + 1) * layer.n_rows // n_chips
        sizes = [block.layer.n_rows for block in blocks]
        ends = [first + sum(sizes[:at]) for at in range(len(sizes) + 1)]
        assert ends[-1] == last
        for block, (begin, end) in zip(blocks, pairwise(ends), strict=True):
            part = stored(layer, begin, end, arch)
            if not is_whole:
                assert np.array_equal(block.layer.codes, part.codes)
                assert np.array_equal(block.layer.runs, part.runs)
                assert np.array_equal(block.layer.pointers, part.pointers)
            assert entries_of_fullest(part, arch) <= limit or end - begin == 1
            assert block.n_bytes == bytes_of(block.layer, arch)
        # No block could begin where it does and take one more row, nor could all of them together be fewer.
        assert len(blocks) == fewest(layer, first, last, arch, limit)
        first = last


def fewest(layer, first, last, arch, limit):
    """The least number of parts of rows that fit, by trying every cut; a row alone is a part though it does not fit."""
    best = {first: 0}
    for end in range(first + 1, last + 1):
        best[end] = min(
            best[begin] + 1
            for begin in range(first, end)
            if end - begin == 1 or entries_of_fullest(stored(layer, begin, end, arch), arch) <= limit
        )
    return best[last]


@settings(deadline=None, max_examples=examples(30))
@given(
    seed=seeds,
    n_chips=st.integers(1, 4),
    spmat_bytes=st.integers(2, 24),
    arithmetic=st.sampled_from(["float32", "fixed8"]),
)
def test_the_rows_of_blocks_have_the_outputs_of_the_whole_matrix(seed, n_chips, spmat_bytes, arithmetic):
    rng = np.random.default_rng(seed)
    layer = a_matrix(rng)
    acts = rng.normal(size=layer.n_cols).astype(np.float32)
    usual = TINY.replace(arithmetic=arithmetic, bias="preload", act_frac_bits=3 if arithmetic == "fixed8" else None)
    whole = simulate(layer, acts, usual)
    outputs = np.full_like(whole.output, np.nan)
    arch = usual.replace(spmat_bytes=spmat_bytes, n_chips=n_chips)
    for blocks in Residency({"node": [layer]}, arch).blocks("node", 0):
        for block in blocks:
            outputs[block.rows] = simulate(block.layer, acts, usual).output
    assert outputs.tobytes() == whole.output.tobytes()


# Keeping and loading --------------------------------------------------------------------------------------------------


def naive_loads(residency, names, arch, calls_of):
    """Bytes that each node loads on the first chip, and what is kept: block by block, sizes counted anew each time."""
    epr = arch.entries_per_spmat_row
    room = (arch.spmat_bytes * 8 // arch.spmat_width_bits, arch.ptr_bytes // 2)

    def sizes(blocks):
        rows = [min(-(-entries_of_fullest(b.layer, arch) // epr), room[0]) for b in blocks]
        return sum(rows), sum(
            min(b.layer.n_cols + 1 + (b.layer.has_bias and not arch.preloads_bias), room[1]) for b in blocks
        )

    def fit(blocks):
        return all(used <= has for used, has in zip(sizes(blocks), room, strict=True))

    of_node = {name: residency.chips[0].blocks[name] for name in names}
    order = distinct(block for matrices in of_node.values() for blocks in matrices for block in blocks)
    kept = []
    for block in order:
        others = [one for one in order if one not in kept and one is not block]
        if fit([*kept, block]) and largest_fits(kept, block, others, sizes, room):
            kept.append(block)
    found, there = {}, []
    for name, matrices in of_node.items():
        rest = [[block for block in blocks if block not in kept] for blocks in matrices]
        flat = distinct(block for blocks in rest for block in blocks)
        if fit([*kept, *flat]):
            found[name] = sum(bytes_of(block.layer, arch) for block in flat if block not in there)
            there = flat
        else:
            n_bytes, last = 0, None
            for matrix in calls_of[name]:
                if matrix != last or len(rest[matrix]) > 1:
                    n_bytes += sum(bytes_of(block.layer, arch) for block in rest[matrix])
                last = matrix
            found[name], there = n_bytes, []
    return found, kept


def distinct(blocks):
    """Each once, in the order in which they come first."""
    return list({id(block): block for block in blocks}.values())


def largest_fits(kept, block, others, sizes, room):
    """Whether the most rows and the most pointers that any other needs are left, which may be of two of them."""
    each = [sizes([one]) for one in others] or [(0, 0)]
    used = sizes([*kept, block])
    return all(used[at] + max(size[at] for size in each) <= room[at] for at in range(2))


@settings(deadline=None, max_examples=examples(80))
@given(seed=seeds)
def test_what_is_loaded_is_what_a_naive_model_says(seed):
    rng = np.random.default_rng(seed)
    matrices = [a_matrix(rng, 12, f"w{at}") for at in range(rng.integers(1, 6))]
    nodes = {
        f"n{at}": [matrices[m] for m in rng.integers(0, len(matrices), rng.integers(1, 4))]
        for at in range(rng.integers(1, 6))
    }
    arch = TINY.replace(spmat_bytes=int(rng.integers(2, 120)), ptr_bytes=int(rng.integers(8, 150)), bias="preload")
    residency = Residency(nodes, arch)
    calls_of = {name: rng.integers(0, len(layers), 5).tolist() for name, layers in nodes.items()}
    wanted, kept = naive_loads(residency, list(nodes), arch, calls_of)
    assert [id(block) for block in residency.chips[0].kept] == [id(block) for block in kept]
    for name, layers in nodes.items():
        calls = np.array([[calls_of[name].count(m) for m in range(len(layers))]])
        new = [m for m, before in zip(calls_of[name], [None, *calls_of[name]], strict=False) if m != before]
        changes = np.array([[new.count(m) for m in range(len(layers))]])
        n_bytes, waits = residency.loaded(name, calls, changes, np.zeros(1, np.int64))
        assert n_bytes.tolist() == [wanted[name]]
        assert waits[0] == pytest.approx(wanted[name] * arch.clock_hz / arch.dram_bytes_per_s, abs=2)
