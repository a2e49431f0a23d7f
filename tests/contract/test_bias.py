"""A bias as a column of codes, or as what the accumulators start at; in every engine and the naive machine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate, simulate_batch
from tests.examples import examples
from tests.strategies import activations, layers, machines

few = settings(max_examples=examples(25), deadline=None)
BOOK = [0.0, 0.5, -1.25, 2.0]
CODES = np.array([[1, 0, 2], [0, 3, 0], [2, 2, 0], [0, 0, 1], [3, 0, 0]])
BIAS_CODES = [1, 0, 3, 2, 0]
BIAS = [0.1, -3.0, 0.0, 1e-3, 7.0]
ACTS = [1.0, 0.0, -2.0]


def machine(**changes):
    return ArchConfig(n_pe=2, weight_bits=2, **changes)


def layer(bias_codes=None, bias=None, **others):
    return pack_codes(CODES, BOOK, 2, 4, bias_codes, bias=bias, **others)


def products():
    return np.array(BOOK, np.float32)[CODES] @ np.array(ACTS, np.float32)


def test_preloaded_accumulators_start_at_the_bias_itself_and_not_at_shared_weights(simulator):
    result = simulator(layer(BIAS_CODES, BIAS), ACTS, machine(bias="preload"))
    assert result.output.tolist() == pytest.approx((products() + BIAS).tolist(), rel=1e-6)
    coded = simulator(layer(BIAS_CODES, BIAS), ACTS, machine(bias="column"))
    assert coded.output.tolist() == (products() + np.array(BOOK)[BIAS_CODES]).tolist()


def test_a_layer_with_nothing_but_codes_of_a_bias_preloads_their_codebook_values(simulator):
    preloaded = simulator(layer(BIAS_CODES), ACTS, machine(bias="preload"))
    column = simulator(layer(BIAS_CODES), ACTS, machine(bias="column"))
    # These numbers are exact in float32, so that the order of additions changes nothing.
    assert preloaded.output.tolist() == column.output.tolist()


def test_a_preloaded_bias_is_no_broadcast_and_takes_no_cycle(simulator):
    with_bias = simulator(layer(BIAS_CODES, BIAS), ACTS, machine(bias="preload"))
    without = simulator(layer(), ACTS, machine())
    assert (with_bias.cycles, with_bias.counts.broadcasts) == (without.cycles, 2)
    assert with_bias.counts.entries.tolist() == without.counts.entries.tolist()
    assert not with_bias.schedule.has_bias


def test_one_accumulator_is_written_for_each_row_of_a_preloaded_bias(simulator):
    preloaded = simulator(layer(bias=BIAS), ACTS, machine(bias="preload"))
    assert preloaded.counts.bias_writes.tolist() == [3, 2]  # rows 0, 2, 4 and 1, 3: one is a zero and is written too
    assert simulator(layer(BIAS_CODES, BIAS), ACTS, machine()).counts.bias_writes.tolist() == [0, 0]
    assert simulator(layer(), ACTS, machine(bias="preload")).counts.bias_writes.tolist() == [0, 0]


def test_the_default_of_a_single_call_is_a_column(simulator):
    default, column = (simulator(layer(BIAS_CODES, BIAS), ACTS, machine(bias=bias)) for bias in (None, "column"))
    assert default.counts.broadcasts == column.counts.broadcasts == 3
    assert default.output.tolist() == column.output.tolist()


def test_each_row_gets_its_own_bias_wherever_it_is_stored(simulator):
    moved = layer(bias=BIAS, row_permutation=[4, 2, 0, 1, 3])
    a, b = (simulator(one, ACTS, machine(bias="preload")) for one in (moved, layer(bias=BIAS)))
    assert a.output.tolist() == b.output.tolist()


def test_a_minus_zero_of_a_bias_is_a_zero(simulator):
    start = layer(bias=[-0.0] * 5)
    assert not np.signbit(start.bias).any()
    coded = pack_codes([[1]], [0, -0.0], 1, bias_codes=[1])
    assert not np.signbit(coded.preloaded_bias()).any()
    result = simulator(start, [0.0] * 3, machine(bias="preload"))
    assert not np.signbit(result.output).any()


def test_in_fixed_point_a_bias_is_rounded_to_the_accumulator_and_held_to_its_range(simulator):
    arch = machine(bias="preload", arithmetic="fixed8", weight_frac_bits=4, act_frac_bits=2, acc_bits=6)
    result = simulator(layer(bias=[0.125, 0.375, 100.0, -100.0, 1.0]), [0.0] * 3, arch)
    # Half to even: 0.5 and 1.5 of a quarter are 0 and 2 of them; 6 bits are -32 to 31 quarters.
    assert result.output.tolist() == [0.0, 0.5, 7.75, -8.0, 1.0]
    assert result.counts.saturations.tolist() == [0, 0]  # nothing was accumulated


def test_the_widest_accumulator_holds_its_largest_number(simulator):
    arch = machine(bias="preload", arithmetic="fixed32", act_frac_bits=40, weight_frac_bits=4, acc_bits=62)
    result = simulator(layer(bias=[3e38, -3e38, 0, 0, 0]), [0.0] * 3, arch)
    assert result.output.tolist() == [float(2**61 - 1) * 2.0**-40, -(2.0**21), 0, 0, 0]
    assert result.counts.saturations.tolist() == [0, 0]


def test_the_one_of_a_bias_column_bounds_fraction_bits_only_where_it_is_broadcast(simulator):
    one = pack_codes([[1]], [0, 1], 1, bias_codes=[1], bias=[0.125])
    arch = ArchConfig(n_pe=1, weight_bits=1, arithmetic="fixed8", acc_bits=16)
    # 8 bits hold 0.1 with 10 fraction bits, the 1 of the column with 6.
    assert simulator(one, [0.1], arch.replace(bias="preload")).output.tolist() == [0.125 + 102 / 1024]
    assert simulator(one, [0.1], arch).output.tolist() == [1 + 6 / 64]


def test_a_bias_without_a_column_is_refused_where_it_would_vanish(engine):
    for call, acts in ((simulate, ACTS), (simulate_batch, [ACTS])):
        with pytest.raises(
            ValueError, match="bias: layer 'layer' has a bias but no column of it; a machine with bias='preload'"
        ):
            call(layer(bias=BIAS), acts, machine(), engine)


@few
@given(data=st.data())
def test_a_bias_never_changes_when_and_what_is_walked(simulator, data):
    with_bias = data.draw(layers())
    n_pe, index_bits, order = with_bias.n_pe, with_bias.index_bits, with_bias.row_permutation
    bare = pack_codes(with_bias.decode(), with_bias.codebook, n_pe, index_bits, row_permutation=order)
    acts = data.draw(activations(bare.n_cols))
    arch = data.draw(machines(bare)).replace(bias="preload", arithmetic="float32")
    a, b = simulator(with_bias, acts, arch, output=False), simulator(bare, acts, arch, output=False)
    assert a.cycles == b.cycles
    for name in ("entries", "bypasses", "spmat_row_reads", "starved_cycles"):
        assert getattr(a.counts, name).tolist() == getattr(b.counts, name).tolist()
    assert a.schedule.column.tolist() == b.schedule.column.tolist()
