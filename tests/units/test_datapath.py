"""The two kinds of numbers."""

import numpy as np
import pytest

from eie_sim.arch import ArchConfig
from eie_sim.machine.datapath import datapath

CODEBOOK = np.array([0, 0.5, -0.25, 1.5], np.float32)


def make(acts=(1.0,), has_bias=False, **arch):
    return datapath(ArchConfig(weight_bits=2, **arch), CODEBOOK, np.array(acts, np.float32), has_bias)


def test_float32_rounds_the_product_before_the_sum():
    # In one step (fused), or in float64, the low bits of the product would survive the sum.
    factor = np.float32(1 + 2**-12)
    numbers = make()
    product = numbers.multiply(factor, factor)
    assert product == np.float32(1 + 2**-11)
    total, saturated = numbers.add(np.float32(-1), product)
    assert total == np.float32(2**-11)
    assert type(total) is np.float32
    assert not saturated


def test_float32_outputs_are_float32():
    assert make().output([np.float32(1.5)]).dtype == np.float32


def test_fixed_point_holds_integers():
    numbers = make(arithmetic="fixed8", weight_frac_bits=2, act_frac_bits=3)
    assert numbers.weights == [0, 2, -1, 6]
    assert numbers.activations(np.array([1, -0.125, 0.01], np.float32)) == [8, -1, 0]
    assert numbers.multiply(6, 8) == 12


@pytest.mark.parametrize(("rounding", "product"), [("half_even", 2), ("truncate", 1)])
def test_fixed_point_rounds_the_shift_as_configured(rounding, product):
    assert make(arithmetic="fixed8", weight_frac_bits=2, rounding=rounding).multiply(6, 1) == product


def test_a_sum_that_leaves_the_accumulator_is_held_at_its_edge():
    numbers = make(arithmetic="fixed8", acc_bits=9)
    assert numbers.add(200, 55) == (255, False)
    assert numbers.add(200, 56) == (255, True)
    assert numbers.add(-200, -57) == (-256, True)


def test_fixed_point_outputs_are_float64_with_the_fraction_of_an_activation():
    out = make(arithmetic="fixed16", act_frac_bits=3).output([12, -1])
    assert out.dtype == np.float64
    assert out.tolist() == [1.5, -0.125]
