"""The fixed-point arithmetic against exact integers and fractions, and the choices that the paper leaves open."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.fixed_point import FixedPoint, most_frac_bits, multiply, quantise, saturate
from tests import naive
from tests.examples import examples

many = settings(max_examples=examples(300), deadline=None)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
BITS = st.sampled_from([8, 16, 32])


def limits(bits):
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def cut(value, bits):
    low, high = limits(bits)
    return min(max(value, low), high)


# The functions --------------------------------------------------------------------------------------------------------


@many
@given(value=FLOATS, bits=BITS, frac=st.integers(-128, 256))
@example(value=0.5, bits=16, frac=0)
@example(value=1.5, bits=16, frac=0)
@example(value=-2.5, bits=16, frac=0)
@example(value=127.5, bits=8, frac=0)
@example(value=-128.5, bits=8, frac=0)
def test_quantising_is_rounding_half_to_even_and_cutting(value, bits, frac):
    exact = round(Fraction(value) * Fraction(2) ** frac)
    assert quantise(np.array([value], np.float32), bits, frac).tolist() == [cut(exact, bits)]


def test_ties_go_to_the_even_integer():
    ties = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    assert quantise(ties, 8, 0).tolist() == [-2, -2, 0, 0, 2, 2]


def test_values_beyond_the_range_are_cut():
    assert quantise(np.array([1e30, -1e30, 127.4, 127.5, -128.6], np.float32), 8, 0).tolist() == [
        127,
        -128,
        127,
        127,
        -128,
    ]


@pytest.mark.parametrize("frac", [-1000, -1, 0, 7, 1022, 1023, 1080])
def test_numbers_of_any_size_are_rounded_exactly_alone_and_in_rows(frac):
    numbers = [0.0, -0.5, 1.5, 2.5, 5e-324, -3e-323, 1e-310, 1e300, -1e300, 0.1]
    values = np.array([number / 2.0**frac if abs(frac) < 100 else number for number in numbers])
    expected = [cut(round(Fraction(value) * Fraction(2) ** frac), 8) for value in values.tolist()]
    assert quantise(values, 8, frac).tolist() == expected
    rows = quantise(np.stack([values, values]), 8, np.array([[frac], [0]], np.int32))
    assert rows.tolist() == [expected, quantise(values, 8, 0).tolist()]


@pytest.mark.parametrize("frac", [-960, -3, 0, 1022, 1023, 1074])
def test_accumulators_of_any_binary_point_stand_for_the_same_numbers_alone_and_in_rows(frac):
    totals = np.array([0, 1, -1, 2**61 - 1, -(2**61), 12345])
    expected = np.ldexp(totals.astype(np.float64), -frac).tolist()
    assert FixedPoint(16, 0, frac, 62, True).values(totals).tolist() == expected
    assert FixedPoint(16, 0, np.array([[frac]], np.int32), 62, True).values(totals[None]).tolist() == [expected]


def holds(values, bits, frac):
    low, high = limits(bits)
    return all(low <= round(Fraction(v) * Fraction(2) ** frac) <= high for v in values)


@many
@given(values=st.lists(FLOATS, min_size=1, max_size=5), bits=BITS)
@example(values=[1.0], bits=16)
@example(values=[-1.0], bits=16)
@example(values=[-1.0, 1.0], bits=16)
@example(values=[127.5], bits=8)
@example(values=[127.4], bits=8)
@example(values=[-128.5], bits=8)
@example(values=[-128.50001], bits=8)
@example(values=[2.0**-149], bits=32)
@example(values=[float(np.finfo(np.float32).max)], bits=8)
def test_the_fraction_bits_chosen_hold_the_values_and_one_more_does_not(values, bits):
    frac = most_frac_bits(min(values), max(values), bits)
    if any(values):
        assert holds(values, bits, frac)
        assert not holds(values, bits, frac + 1)


@pytest.mark.parametrize(
    ("low", "high", "bits", "frac"),
    [
        (0.0, 1.0, 16, 14),  # 1 x 2^15 = 32768 is one too many
        (-1.0, 0.0, 16, 15),  # -32768 is the lowest number there is
        (0.0, 0.99, 16, 15),
        (0.0, 127.0, 8, 0),
        (0.0, 127.5, 8, -1),  # rounds to 128
        (0.0, 1000.0, 8, -3),
        (0.0, 0.001, 8, 16),
        (0.0, 0.0, 16, 15),  # nothing to hold
    ],
)
def test_fraction_bits_worked_out_by_hand(low, high, bits, frac):
    assert most_frac_bits(low, high, bits) == frac


WORDS = st.one_of(st.integers(*limits(32)), st.integers(-300, 300), st.sampled_from([-(2**31), 2**31 - 1, 1, -1, 0]))


@many
@given(weight=WORDS, activation=WORDS, shift=st.integers(0, 256), half_even=st.booleans())
@example(weight=-(2**31), activation=-(2**31), shift=62, half_even=True)
@example(weight=-(2**31), activation=-(2**31), shift=63, half_even=True)
@example(weight=2**31 - 1, activation=-(2**31), shift=62, half_even=True)
@example(weight=3, activation=1, shift=1, half_even=True)
@example(weight=5, activation=-1, shift=1, half_even=True)
@example(weight=-1, activation=1, shift=200, half_even=False)
def test_a_product_shifted_right_is_rounded_as_asked(weight, activation, shift, half_even):
    exact = Fraction(weight * activation, 2**shift)
    expected = round(exact) if half_even else exact.numerator // exact.denominator
    assert multiply(weight, activation, shift, half_even) == expected


@many
@given(weight=WORDS, activation=WORDS, shift=st.integers(-128, 0), acc_bits=st.integers(2, 62), total=st.integers())
@example(weight=1, activation=1, shift=-62, acc_bits=62, total=0)
@example(weight=1, activation=1, shift=-63, acc_bits=62, total=0)
@example(weight=1, activation=1, shift=-64, acc_bits=16, total=0)
@example(weight=-1, activation=1, shift=-128, acc_bits=62, total=2**61 - 1)
def test_a_product_shifted_left_adds_as_if_there_were_no_limit(weight, activation, shift, acc_bits, total):
    before = cut(total, acc_bits)
    product = multiply(weight, activation, shift, True)
    assert saturate(before + product, acc_bits) == cut(before + (weight * activation << -shift), acc_bits)


def test_truncation_is_an_arithmetic_shift_towards_minus_infinity():
    assert [int(multiply(w, 1, 1, False)) for w in (-3, -2, -1, 0, 1, 2, 3)] == [-2, -1, -1, 0, 0, 1, 1]
    assert [int(multiply(w, 1, 1, True)) for w in (-3, -2, -1, 0, 1, 2, 3)] == [-2, -1, 0, 0, 0, 1, 2]


@many
@given(total=st.integers(-(2**62) - 2**61, 2**62 + 2**61), acc_bits=st.integers(2, 62))
def test_saturating_is_holding_to_the_range(total, acc_bits):
    assert saturate(total, acc_bits) == cut(total, acc_bits)


@many
@given(accumulator=st.integers(*limits(62)), frac=st.integers(-128, 256))
def test_an_accumulator_stands_for_the_nearest_float64(accumulator, frac):
    numbers = FixedPoint(16, 0, frac, 62, True)
    expected = float(Fraction(accumulator) / Fraction(2) ** frac)
    assert numbers.values(np.array([accumulator], np.int64)).tolist() == [expected]


# What a call chooses --------------------------------------------------------------------------------------------------


def chosen(book, acts, has_bias=False, **arch):
    arch = ArchConfig(**{"arithmetic": "fixed16", **arch})
    return FixedPoint.of(arch, np.array(book, np.float32), np.array(acts, np.float32), has_bias)


@pytest.mark.parametrize(("arithmetic", "bits"), [("fixed8", 8), ("fixed16", 16), ("fixed32", 32)])
def test_the_accumulator_is_as_wide_as_the_numbers_unless_told(arithmetic, bits):
    assert chosen([0, 1], [1], arithmetic=arithmetic).bits == bits
    assert chosen([0, 1], [1], arithmetic=arithmetic).acc_bits == bits
    assert chosen([0, 1], [1], arithmetic=arithmetic, acc_bits=24).acc_bits == 24


def test_fraction_bits_follow_the_codebook_and_this_calls_inputs():
    numbers = chosen([0, 0.4, -3], [0.1, -0.2])
    assert numbers.weight_frac_bits == 13  # 3 x 2^13 = 24576
    assert numbers.act_frac_bits == 17  # 0.2 x 2^17 = 26214
    assert chosen([0, 1], [100.0]).act_frac_bits == 8


def test_the_one_that_a_bias_multiplies_is_one_of_the_inputs():
    assert chosen([0, 1], [0.1], has_bias=False).act_frac_bits == 18  # 0.1 x 2^18 = 26214
    assert chosen([0, 1], [0.1], has_bias=True).act_frac_bits == 14  # 1 x 2^15 would be one too many
    assert chosen([0, 1], [-5.0], has_bias=True).act_frac_bits == 12  # 5 x 2^12 = 20480


def test_fraction_bits_that_are_given_are_used():
    numbers = chosen([0, 1], [1], weight_frac_bits=3, act_frac_bits=-2)
    assert (numbers.weight_frac_bits, numbers.act_frac_bits) == (3, -2)


@pytest.mark.parametrize(("rounding", "half_even"), [("half_even", True), ("truncate", False)])
def test_the_rounding_is_the_configured_one(rounding, half_even):
    assert chosen([0, 1], [1], rounding=rounding).half_even is half_even


def test_float32_is_no_fixed_point():
    with pytest.raises(ValueError, match="float32 is not fixed point"):
        chosen([0, 1], [1], arithmetic="float32")


@settings(max_examples=examples(60), deadline=None)
@given(book=st.lists(FLOATS, min_size=1, max_size=7), acts=st.lists(FLOATS, min_size=1, max_size=7), bias=st.booleans())
def test_the_choices_are_those_of_the_naive_machine(book, acts, bias):
    numbers = chosen([0, *book], acts, bias)
    assert numbers.weight_frac_bits == naive.most_frac_bits([0, *book], 16)
    assert numbers.act_frac_bits == naive.most_frac_bits([*acts, 1.0] if bias else acts, 16)


# What the machine does with it ----------------------------------------------------------------------------------------


def run(simulator, codes, book, acts, bias_codes=None, n_pe=1, **machine):
    layer = pack_codes(np.array(codes), book, n_pe, 4, bias_codes)
    arch = ArchConfig(**{"n_pe": n_pe, "weight_bits": layer.weight_bits, "arithmetic": "fixed16", **machine})
    return simulator(layer, acts, arch)


def test_an_input_that_rounds_to_zero_is_not_active(simulator):
    # 7 fraction bits: 0.003 x 128 = 0.38 rounds to 0; 0.004 x 128 = 0.51 rounds to 1.
    result = run(simulator, [[1, 1, 1]], [0, 1], [0.003, 0.004, -0.003], act_frac_bits=7)
    assert result.counts.broadcasts == 1
    assert result.schedule.column.tolist() == [1]
    assert result.output.tolist() == [1 / 128]


def test_a_small_input_beside_a_large_one_rounds_to_zero(simulator):
    # The inputs themselves choose: 100 leaves 0 fraction bits of 8, and 0.4 rounds to 0.
    result = run(simulator, [[1, 1]], [0, 1], [100.0, 0.4], arithmetic="fixed8", acc_bits=16)
    assert result.counts.broadcasts == 1
    assert result.output.tolist() == [100.0]


def test_inputs_beyond_the_range_are_cut(simulator):
    result = run(simulator, [[1], [0]], [0, 1], [1000.0], arithmetic="fixed8", act_frac_bits=0, acc_bits=32)
    assert result.output.tolist() == [127.0, 0.0]
    assert result.counts.saturations.tolist() == [0]


def test_the_bias_multiplies_a_one_that_is_quantised(simulator):
    # -1 fraction bits: 1 / 2 = 0.5 rounds to 0, so the bias adds nothing, and is broadcast all the same.
    result = run(simulator, [[1]], [0, 1], [8.0], bias_codes=[1], act_frac_bits=-1)
    assert result.counts.broadcasts == 2
    assert result.output.tolist() == [8.0]
    # With 4 fraction bits it is 16 / 16.
    assert run(simulator, [[1]], [0, 1], [2.0], bias_codes=[1], act_frac_bits=4).output.tolist() == [3.0]
    # In 8 bits with 7 fraction bits 1.0 is cut to 127 / 128.
    cut_one = run(simulator, [[1]], [0, 0.5], [0.0], [1], arithmetic="fixed8", act_frac_bits=7, weight_frac_bits=1)
    assert cut_one.output.tolist() == [64 / 128]  # 127 x 1 / 2 = 63.5, to even: 64


def test_small_inputs_leave_room_for_the_one_of_the_bias(simulator):
    # 16 bits. Alone, 0.1 has 18 fraction bits: 26214 / 2^18. With a bias, 1 must fit: 14, and 1638 / 2^14 + 1.
    assert run(simulator, [[1]], [0, 1], [0.1]).output.tolist() == [26214 / 2**18]
    result = run(simulator, [[1]], [0, 1], [0.1], bias_codes=[1])
    assert result.output.tolist() == [1638 / 2**14 + 1]
    assert result.counts.saturations.tolist() == [0]


def test_saturations_are_counted_in_the_pe_that_cut(simulator):
    # 8 bits, no fraction. Row 0 (PE 0): 100, 200 -> 127, 227 -> 127. Row 1 (PE 1): -100, -200 -> -128, -28 again.
    book = [0, 100, -100, 0]
    result = run(
        simulator, [[1, 1, 1], [2, 2, 1]], book, [1, 1, 1], n_pe=2, arithmetic="fixed8", act_frac_bits=0,
        weight_frac_bits=0,
    )  # fmt: skip
    assert result.output.tolist() == [127.0, -28.0]
    assert result.counts.saturations.tolist() == [2, 1]


def test_reaching_the_end_of_the_range_is_no_saturation(simulator):
    fixed = {"arithmetic": "fixed8", "act_frac_bits": 0, "weight_frac_bits": 0}
    result = run(simulator, [[1, 3], [2, 2]], [0, 100, -64, 27], [1, 1], n_pe=2, **fixed)
    assert result.output.tolist() == [127.0, -128.0]
    assert result.counts.saturations.tolist() == [0, 0]


def test_saturation_depends_on_the_order_of_the_entries(simulator):
    fixed = {"arithmetic": "fixed8", "act_frac_bits": 0, "weight_frac_bits": 0}
    assert run(simulator, [[1, 1, 2]], [0, 100, -100, 0], [1, 1, 1], **fixed).output.tolist() == [27.0]
    assert run(simulator, [[1, 2, 1]], [0, 100, -100, 0], [1, 1, 1], **fixed).output.tolist() == [100.0]


def test_a_wider_accumulator_saturates_later(simulator):
    fixed = {"arithmetic": "fixed8", "act_frac_bits": 0, "weight_frac_bits": 0, "acc_bits": 9}
    result = run(simulator, [[1, 1, 1]], [0, 100], [1, 1, 1], **fixed)
    assert result.output.tolist() == [255.0]
    assert result.counts.saturations.tolist() == [1]


@pytest.mark.parametrize(("rounding", "outputs"), [("half_even", [2.0, -2.0, 0.0]), ("truncate", [1.0, -2.0, -1.0])])
def test_each_product_is_rounded_on_its_own(simulator, rounding, outputs):
    # One fraction bit of the weights: 1.5 x 1 = 3 >> 1, -1.5 x 1 = -3 >> 1, -0.5 x 1 = -1 >> 1.
    book = [0, 1.5, -1.5, -0.5]
    fixed = {"weight_frac_bits": 1, "act_frac_bits": 0, "rounding": rounding}
    assert run(simulator, [[1], [2], [3]], book, [1], **fixed).output.tolist() == outputs


def test_two_halves_that_are_rounded_each_are_no_whole(simulator):
    fixed = {"weight_frac_bits": 1, "act_frac_bits": 0}
    assert run(simulator, [[1, 1]], [0, 0.5], [1, 1], **fixed).output.tolist() == [0.0]
    assert run(simulator, [[1, 1]], [0, 1.0], [1, 1], **fixed).output.tolist() == [2.0]


def test_a_product_beyond_any_accumulator_saturates(simulator):
    # 2^78 leaves -64 fraction bits (2^78 / 2^64 = 2^14), and 2^64 is the integer 1: 1 x 1 x 2^64 is far beyond 16 bits.
    result = run(simulator, [[1]], [0, 2.0**64, 2.0**78, 0], [1], act_frac_bits=0)
    assert result.output.tolist() == [32767.0]
    assert result.counts.saturations.tolist() == [1]


def test_nothing_saturates_without_outputs():
    layer = pack_codes([[1, 1]], [0, 100], 1)
    arch = ArchConfig(n_pe=1, weight_bits=1, arithmetic="fixed8", act_frac_bits=0, weight_frac_bits=0)
    assert simulate(layer, [1, 1], arch).counts.saturations.tolist() == [1]
    assert simulate(layer, [1, 1], arch, output=False).counts.saturations.tolist() == [0]
