"""A batch is as many single calls, bit for bit: vectors side by side, whatever is zero in which of them."""

import warnings
from copy import deepcopy
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate, simulate_batch
from eie_sim.cost.energy import energy
from eie_sim.engines import fast
from eie_sim.engines._batch_kernels import find_distinct, hash_vectors
from eie_sim.engines._lanes import LANES
from eie_sim.report.figures import layer_breakdown, load_balance
from eie_sim.result import Counts, differences
from tests.examples import examples
from tests.strategies import activations, crowded, layers, machines

some = settings(max_examples=examples(40), deadline=None)


def assert_single_calls(layer, acts, arch, output=True):
    batch = simulate_batch(layer, acts, arch, output=output)
    assert len(batch) == len(acts)
    for b, vector in enumerate(acts):
        single = simulate(layer, vector, arch, output=output)
        assert differences(batch[b], single) == []
        if output:  # the sign of a zero too
            assert batch.output[b].tobytes() == single.output.tobytes()


def vectors_like(acts, n, rng, density):
    """`n` shuffles of an input vector, thinned, some zeros of either sign among them, and one vector of zeros."""
    found = np.stack([rng.permutation(acts) * (rng.random(len(acts)) < density) for _ in range(n)]).astype(np.float32)
    found[found == 0] *= rng.choice([1.0, -1.0], size=np.count_nonzero(found == 0))
    found[-1] = 0
    return found


@pytest.mark.parametrize("seed", range(60))
def test_batches_of_crowded_machines_are_single_calls(seed):
    case, rng = crowded(seed), np.random.default_rng(seed)
    n = int(rng.choice([1, 2, LANES - 1, LANES, LANES + 1, 3 * LANES + 5]))
    assert_single_calls(case.layer, vectors_like(case.acts, n, rng, rng.choice([1.0, 0.5, 0.1])), case.arch)


@some
@given(data=st.data(), output=st.booleans())
def test_any_batch_is_single_calls(data, output):
    layer = data.draw(layers(max_rows=40, max_cols=20))
    arch, acts = data.draw(machines(layer)), data.draw(activations(layer.n_cols))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, density = data.draw(st.integers(1, 3 * LANES)), data.draw(st.sampled_from([1.0, 0.7, 0.2]))
    assert_single_calls(layer, vectors_like(acts, n, rng, density), arch, output)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(data=st.data())
def test_thousands_of_batches_are_single_calls(data):
    layer = data.draw(layers(max_rows=60, max_cols=30))
    if data.draw(st.booleans()):
        layer = layer.repack(n_pe=data.draw(st.integers(1, 130)))
    arch, acts = data.draw(machines(layer)), data.draw(activations(layer.n_cols))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    assert_single_calls(layer, vectors_like(acts, data.draw(st.integers(1, 40)), rng, rng.random()), arch)


@pytest.mark.compiled_only
@pytest.mark.parametrize("n_pe", [1, 2, 63, 64, 65, 130])
@pytest.mark.parametrize("bias", ["column", "preload"])
@pytest.mark.parametrize("arithmetic", ["float32", "fixed8", "fixed16", "fixed32"])
def test_every_arithmetic_bias_and_machine_has_the_numbers_of_single_calls(arithmetic, bias, n_pe):
    rng = np.random.default_rng(n_pe)
    codes = rng.integers(1, 16, (200, 50)) * (rng.random((200, 50)) < 0.3)
    layer = pack_codes(
        codes, np.append(0, rng.normal(size=15)), n_pe, bias_codes=codes[:, 0], bias=rng.normal(size=200)
    )
    acts = vectors_like(rng.normal(size=50), 37, rng, 0.6)
    # A narrow accumulator saturates often.
    for acc_bits in (None, 7):
        assert_single_calls(layer, acts, ArchConfig(n_pe=n_pe, arithmetic=arithmetic, bias=bias, acc_bits=acc_bits))


@pytest.mark.parametrize("rounding", ["half_even", "truncate"])
@pytest.mark.parametrize("shift", [-2, 0, 1, 15, 30, 31, 40])
@pytest.mark.parametrize("acc_bits", [2, 16, 31, 32, 62])
def test_sums_of_32_and_of_64_bits_round_and_saturate_alike(acc_bits, shift, rounding):
    rng = np.random.default_rng(abs(shift))
    layer = pack_codes(rng.integers(0, 16, (9, 12)), np.append(0, rng.normal(size=15) * 2.0 ** (15 - shift)), 2)
    acts = rng.normal(size=(LANES, 12)) * 4
    arch = ArchConfig(
        n_pe=2, arithmetic="fixed16", weight_frac_bits=shift, act_frac_bits=12, acc_bits=acc_bits, rounding=rounding
    )
    assert_single_calls(layer, acts, arch)


def test_the_most_negative_numbers_of_16_bits_multiply_exactly_side_by_side():
    layer = pack_codes([[1, 2, 1, 1]], [0, -(2.0**15), 2.0**15 - 1, 0], 1)
    acts = np.full((LANES, 4), -(2.0**15))
    arch = ArchConfig(n_pe=1, weight_bits=2, arithmetic="fixed16", weight_frac_bits=0, act_frac_bits=0, acc_bits=31)
    assert_single_calls(layer, acts, arch)
    assert simulate_batch(layer, acts, arch).counts.saturations.sum() > 0


def test_a_sum_that_is_beyond_float32_stays_what_it_is_when_zeros_are_added():
    layer = pack_codes([[1, 1, 2, 2], [1, 2, 1, 2]], [0, 3e38, -3e38, 0], 1)
    acts = np.zeros((LANES, 4), np.float32)
    acts[np.arange(LANES), np.arange(LANES) % 4] = 10
    acts[1::2] = 10
    acts[0] = [10, 10, 0, -0.0]
    assert_single_calls(layer, acts, ArchConfig(n_pe=1, weight_bits=2))


def test_a_negative_zero_times_a_weight_changes_no_sum():
    layer = pack_codes([[1, 2], [2, 1]], [0, 1, -1, 0.5], 1, bias=[-0.0, -1.0])
    acts = np.array([[-0.0, 1.0], [1.0, -0.0], [-0.0, -0.0], [0.0, 0.0], [1.0, 1.0]] * LANES, np.float32)
    arch = ArchConfig(n_pe=1, weight_bits=2, bias="preload")
    assert_single_calls(layer, acts, arch)
    output = simulate_batch(layer, acts, arch).output
    assert not np.signbit(output[output == 0]).any()


def kept_counts(layer, acts, arch, engine):
    return (simulate_batch(layer, acts, arch, engine, counts=counts) for counts in ("each", "sum", "none"))


@some
@given(data=st.data())
def test_summed_counters_are_the_sums_of_those_of_every_vector(engine, data):
    layer = data.draw(layers(max_rows=30, max_cols=20))
    arch, acts = data.draw(machines(layer)), data.draw(activations(layer.n_cols))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    vectors = vectors_like(acts, data.draw(st.integers(1, 6)), rng, 0.7)
    # Some of them, many times over.
    vectors = vectors[rng.integers(0, len(vectors), data.draw(st.integers(0, 30)))]
    each, summed, none = kept_counts(layer, vectors, arch, engine)
    for field in fields(Counts):
        of_each, of_all = getattr(each.counts, field.name), getattr(summed.counts, field.name)
        if field.name in Counts.SCALARS:
            assert of_each.tolist() == of_all.tolist() == getattr(none.counts, field.name).tolist()
        else:
            assert of_all.dtype == np.int64
            assert of_all.tolist() == of_each.sum(axis=0).tolist(), field.name
    assert each.cycles.tolist() == summed.cycles.tolist() == none.cycles.tolist()
    assert each.output.tobytes() == summed.output.tobytes() == none.output.tobytes()


def test_what_a_batch_does_not_keep_is_refused_by_name(engine):
    layer = pack_codes([[1, 2]], [0, 1, -1, 0.5], 1)
    _, summed, none = kept_counts(layer, np.ones((3, 2)), ArchConfig(n_pe=1, weight_bits=2), engine)
    for batch in (summed, none):
        for figure in (lambda b: b[0], lambda b: b.load_balance, lambda b: b.theoretical_us):
            with pytest.raises(ValueError, match=f"counts: {batch.kept!r} keeps no counters of each vector; counts='e"):
                figure(batch)
        assert batch.time_us.shape == (3,)
    with pytest.raises(AttributeError, match=r"no attribute 'entries' \(counts='none' of a batch keeps"):
        _ = none.counts.entries
    assert repr(none.counts) == (
        "Counts(sums over the machine: broadcasts=6, broadcast_stalls=0, scan_bubbles=0, idle_cycles=24)"
    )
    with pytest.raises(ValueError, match="counts: 'all', but it must be one of each, sum, none"):
        simulate_batch(layer, np.ones((3, 2)), ArchConfig(n_pe=1, weight_bits=2), engine, counts="all")


def test_a_copy_of_a_batch_is_what_it_was_and_read_only(engine):
    layer = pack_codes([[1, 2]], [0, 1, -1, 0.5], 1)
    for batch in kept_counts(layer, np.ones((3, 2)), ArchConfig(n_pe=1, weight_bits=2), engine):
        again = deepcopy(batch)
        assert repr(again.counts) == repr(batch.counts)
        assert (again.kept, again.output.tolist()) == (batch.kept, batch.output.tolist())
        assert not again.counts.broadcasts.flags.writeable


def test_the_total_of_a_batch_has_the_figures_of_its_sums(engine):
    rng = np.random.default_rng(8)
    layer = pack_codes(rng.integers(0, 16, (20, 8)), np.append(0, rng.normal(size=15)), 3)
    arch = ArchConfig(n_pe=3)
    each, summed, none = kept_counts(layer, rng.normal(size=(5, 8)), arch, engine)
    total = summed.total()
    assert (total.vectors, total.cycles) == (5, int(each.cycles.sum()))
    assert total.entries_walked == int(each.counts.entries.sum())
    assert total.load_balance == total.entries_walked / (3 * total.cycles)
    assert total.dense_gops == pytest.approx(5 * 2 * 20 * 8 / total.time_us / 1e3)
    for name, found in vars(each.total().counts).items():
        np.testing.assert_array_equal(found, getattr(total.counts, name), name)
    assert energy(total) == energy(summed)
    assert load_balance(total).entries.sum() == layer_breakdown([total]).states[:2].sum() == total.entries_walked
    with pytest.raises(ValueError, match="'none' keeps no counters"):
        none.total()
    with pytest.raises(ValueError, match="0 input vectors"):
        simulate_batch(layer, np.empty((0, 8)), arch, engine=engine).total()


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_vectors_that_repeat_have_the_results_of_single_calls(arithmetic):
    rng = np.random.default_rng(5)
    layer = pack_codes(rng.integers(0, 16, (20, 8)), np.append(0, rng.normal(size=15)), 3)
    arch = ArchConfig(n_pe=3, arithmetic=arithmetic)
    assert_single_calls(layer, np.eye(8, dtype=np.float32)[rng.integers(0, 8, 100)], arch)
    assert_single_calls(layer, np.zeros((40, 8), np.float32), arch)
    # Zeros of either sign are other bits and the same products.
    assert_single_calls(layer, np.zeros((40, 8), np.float32) * rng.choice([1.0, -1.0], size=(40, 8)), arch)


def test_vectors_that_differ_in_one_bit_are_told_apart_whatever_their_hashes():
    words = np.array([[0, 0], [0, 1], [1, 0], [0, 0], [0, 1], [2**31, 7], [0, 0]], np.uint32)
    firsts, which = np.empty(7, np.int64), np.empty(7, np.int64)
    words.flags.writeable = False
    assert find_distinct(words, np.full(7, 5, np.uint64), firsts, which) == 4
    assert (firsts[:4].tolist(), which.tolist()) == ([0, 1, 2, 5], [0, 1, 2, 0, 1, 3, 0])


@pytest.mark.compiled_only
@pytest.mark.parametrize("depth", [8, 40])
def test_words_of_16_bits_hold_what_words_of_32_bits_hold(monkeypatch, depth):
    # Thousands of empty columns take the edges far; then queues fill with columns of a thousand entries for each PE.
    codes = np.zeros((2000, 31_060), np.uint8)
    codes[:, 31_000:] = 1
    acts = np.ones((2, codes.shape[1]), np.float32)
    arch = ArchConfig(n_pe=2, weight_bits=1, act_queue_depth=depth)

    def found():  # by a layer of its own, since what is derived from a layer is kept
        layer = pack_codes(codes, [0, 1], 2)
        return simulate(layer, acts[0], arch), simulate_batch(layer, acts, arch)[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the layer is larger than the SRAMs
        by_width = found()
        monkeypatch.setattr(fast, "_MOST_BEHIND", -1)
        wide, _ = found()
    assert all(differences(one, wide) == [] for one in by_width)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_hashes_of_numbers_with_few_bits_differ_in_their_low_bits(kind):
    rng = np.random.default_rng(7)
    vectors = rng.integers(0, 2, (2000, 64)).astype(kind)
    words, hashes = vectors.view(np.uint32 if kind is np.float32 else np.uint64), np.empty(2000, np.uint64)
    words.flags.writeable = False
    hash_vectors(words, hashes)
    # Of 2,000 drawn among 4,096, some 1,580 differ.
    assert len(np.unique(hashes)) == 2000
    assert len(np.unique(hashes % 4096)) > 1500


def test_distinct_vectors_are_those_of_a_set():
    rng = np.random.default_rng(6)
    for n, columns, values in [(1, 1, 2), (500, 3, 4), (500, 1, 2**32), (300, 40, 2), (1000, 2, 30)]:
        words = rng.integers(0, values, (n, columns), np.uint64).astype(np.uint32)
        words.flags.writeable = False
        firsts, which = np.empty(n, np.int64), np.empty(n, np.int64)
        hashes = np.empty(n, np.uint64)
        hash_vectors(words, hashes)
        kinds = find_distinct(words, hashes, firsts, which)
        assert kinds == len({row.tobytes() for row in words})
        assert np.array_equal(words[firsts[:kinds]][which], words)


def test_a_wrong_input_of_a_batch_is_named_by_its_vector_and_column():
    layer = pack_codes([[1, 2]], [0, 1, -1, 0.5], 1)
    acts = np.ones((3, 2))
    acts[1, 1] = np.nan
    for arithmetic in ("float32", "fixed16"):
        with pytest.raises(ValueError, match=r"acts: nan at \(1, 1\), but every number must be finite"):
            simulate_batch(layer, acts, ArchConfig(n_pe=1, weight_bits=2, arithmetic=arithmetic))
