"""Convolutions on the host compute what the machine would, if a convolution were written as a matrix."""

import numpy as np
import pytest

from compressor import CodedTensor, pack_codes
from eie_sim import preset, simulate
from eie_sim.convolution import convolve, max_pool

FLOAT = preset("eie-64pe-45nm").replace(n_pe=4)
FIXED = FLOAT.replace(arithmetic="fixed16")


def conv(shape, seed=0, density=0.5, bias=False):
    rng = np.random.default_rng(seed)
    codebook = np.r_[0, rng.normal(size=15)].astype(np.float32)
    codes = rng.integers(1, 16, shape) * (rng.random(shape) < density)
    biases = rng.normal(size=shape[0]).astype(np.float32) if bias else None
    return CodedTensor("conv", shape, "conv", codebook, codes.astype(np.uint8), biases)


def as_matrix(tensor, height, width):
    """The codes of a layer that computes the same from a flattened image."""
    outputs, channels, rows, cols = tensor.shape
    codes = tensor.codes.reshape(tensor.shape)
    matrix = np.zeros((outputs, height - rows + 1, width - cols + 1, channels, height, width), np.uint8)
    for y in range(matrix.shape[1]):
        for x in range(matrix.shape[2]):
            matrix[:, y, x, :, y : y + rows, x : x + cols] = codes
    return matrix.reshape(-1, channels * height * width)


@pytest.mark.parametrize("arch", [FLOAT, FIXED, FIXED.replace(acc_bits=18, act_frac_bits=13)], ids=str)
def test_a_convolution_gives_the_bits_of_the_matrix_that_computes_the_same(arch):
    tensor = conv((3, 2, 3, 2))
    images = np.random.default_rng(1).normal(size=(4, 2, 6, 5)).astype(np.float32)
    layer = pack_codes(as_matrix(tensor, 6, 5), tensor.codebook, n_pe=4)
    sums = convolve(images, tensor, arch)
    for image, found in zip(images, sums, strict=True):
        assert found.dtype == (np.float64 if arch.number_bits else np.float32)
        assert np.array_equal(found.ravel(), simulate(layer, image.ravel(), arch).output)


def test_the_accumulator_begins_at_the_bias():
    tensor = conv((3, 1, 2, 2), bias=True)
    nothing = np.zeros((1, 1, 4, 4), np.float32)
    expected = np.broadcast_to(tensor.bias[:, None, None], (3, 3, 3))
    assert np.array_equal(convolve(nothing, tensor, FLOAT)[0], expected)
    fixed = convolve(
        nothing + 1, CodedTensor("c", (3, 1, 2, 2), "conv", tensor.codebook, np.zeros(12, np.uint8), tensor.bias), FIXED
    )
    assert np.abs(fixed[0] - expected).max() <= 2.0**-15


def test_images_do_not_change_one_another_in_fixed_point():
    tensor = conv((2, 1, 3, 3), bias=True)
    images = np.random.default_rng(2).normal(size=(5, 1, 6, 6)) * np.array([1, 1e-3, 30, 0, 1])[:, None, None, None]
    together = convolve(images, tensor, FIXED)
    assert all(np.array_equal(convolve(images[at : at + 1], tensor, FIXED)[0], together[at]) for at in range(5))


def test_pooling_takes_the_largest_of_each_field_and_leaves_the_rest_out():
    image = np.arange(35.0).reshape(1, 1, 5, 7)
    assert max_pool(image)[0, 0].tolist() == [[8, 10, 12], [22, 24, 26]]


@pytest.mark.parametrize(("shape", "word"), [((1, 2, 6, 6), "takes"), ((1, 1, 2, 6), "kernel"), ((6, 6), "takes")])
def test_images_that_do_not_fit_are_refused(shape, word):
    with pytest.raises(ValueError, match=word):
        convolve(np.zeros(shape, np.float32), conv((2, 1, 3, 3)), FLOAT)


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        convolve(np.full((1, 1, 3, 3), np.nan), conv((2, 1, 3, 3)), FLOAT)


def test_a_matrix_is_no_convolution():
    matrix = CodedTensor("fc", (2, 2), "linear", np.r_[0, np.ones(15)], np.ones(4, np.uint8))
    with pytest.raises(ValueError, match="no 2-D convolution"):
        convolve(np.zeros((1, 1, 3, 3), np.float32), matrix, FLOAT)
