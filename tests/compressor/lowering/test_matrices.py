"""Gemm and MatMul as products, with weights on either side, stacked or a vector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from products import Computed, use_of

from compressor.lowering import lowering_of
from tests.examples import examples

seeds = st.integers(0, 2**32)


def sizes(rng, n):
    return [int(size) for size in rng.integers(1, 4, n)]


@settings(deadline=None, max_examples=examples(200))
@given(seed=seeds, side=st.integers(0, 1))
def test_a_matmul_is_what_numpy_computes(seed, side):
    rng = np.random.default_rng(seed)
    width, stack = int(rng.integers(1, 5)), sizes(rng, rng.integers(0, 3))
    rank = int(rng.integers(1, 5))  # of the weights: one axis, two, or a stack
    weights = {1: [width], 2: [width, 3]}.get(rank, [*stack, width, 3])
    weights = weights[::-1] if side == 0 and rank == 2 else weights
    weights = [*stack, 3, width] if side == 0 and rank > 2 else weights
    lead = [size if rng.random() < 0.6 else 1 for size in stack] if rank > 2 else sizes(rng, rng.integers(0, 3))
    data = [*lead, 2, width] if side else [*lead, width, 2]
    data = [width] if rng.random() < 0.2 else data
    w, x = rng.normal(size=weights), rng.normal(size=data)
    wanted = x @ w if side else w @ x
    tensors = np.atleast_2d(w).reshape(-1, *np.atleast_2d(w).shape[-2:])
    tensors = tensors.swapaxes(1, 2) if side and w.ndim > 1 else tensors
    found = Computed(lowering_of(use_of("MatMul", {}, side), weights), list(tensors), [x, None] if side else [None, x])
    assert found.results[0].shape == wanted.shape
    assert np.allclose(found.results[0], wanted)
    assert sum(found.products.values()) * tensors.shape[1] == wanted.size
    assert found.products == found.uses


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("flipped", [0, 1])
@pytest.mark.parametrize("beta", [0.5, 0.0])
def test_a_gemm_has_a_product_for_each_row_or_column_and_adds_c_on_the_host(side, flipped, beta):
    rng = np.random.default_rng(0)
    tensor, c = rng.normal(size=(3, 4)), rng.normal(size=(2, 1) if side else (3, 2))
    other = rng.normal(size=(2, 4) if side else (4, 2))
    attributes = {"alpha": 1.0, "beta": beta, "transA": 0, "transB": 0} | {("transB", "transA")[side]: flipped}
    data = other.T if flipped else other
    operands = [data, None, c] if side else [None, data, c]
    found = Computed(lowering_of(use_of("Gemm", attributes, side), (3, 4)), [tensor], operands)
    wanted = (other @ tensor.T if side else tensor @ other) + beta * c
    assert np.allclose(found.results[0], wanted)
    assert found.products == {0: 2}


def test_an_axis_of_length_0_has_no_product():
    lowering = lowering_of(use_of("MatMul", {}), (4, 3))
    found = Computed(lowering, [np.ones((3, 4))], [np.ones((2, 0, 4), np.float32), None])
    assert found.results[0].shape == (2, 0, 3)
    assert found.products[0] == 0


def test_a_result_has_the_type_of_the_data():
    lowering = lowering_of(use_of("MatMul", {}), (2, 1))
    found = Computed(lowering, [np.ones((1, 2))], [np.ones((1, 2), np.float16), None])
    assert found.results[0].dtype == np.float16
