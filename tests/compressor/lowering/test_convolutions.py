"""Convolutions as products: against the operator computed position by position, and back from vectors and matrices."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from products import Computed, use_of

from benchmarks.operators import computed
from compressor.lowering import lowering_of
from compressor.lowering.winograd import transformed
from compressor.types.dense import DenseTensor
from tests.examples import examples

seeds = st.integers(0, 2**32)


class RandomConvolution:
    """A convolution with any of ONNX's attributes."""

    def __init__(self, seed, operator):
        rng = np.random.default_rng(seed)
        n_axes, self.groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        channels = self.groups * int(rng.integers(1, 3))
        n_rows = self.groups * int(rng.integers(1, 4))
        kernel = [int(k) for k in rng.integers(1, 4, n_axes)]
        self.attributes = {
            "kernel_shape": kernel,
            "strides": [int(s) for s in rng.integers(1, 4, n_axes)],
            "dilations": [int(d) for d in rng.integers(1, 3, n_axes)],
            "pads": [int(p) for p in rng.integers(0, 3, 2 * n_axes)],
            "group": self.groups,
            "auto_pad": str(rng.choice(["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])),
        }
        self.data = rng.normal(size=(int(rng.integers(1, 3)), channels, *rng.integers(1, 8, n_axes)))
        self.tensor = rng.normal(size=(n_rows, channels // self.groups, *kernel)).astype(np.float32)
        self.bias = rng.normal(size=n_rows).astype(np.float32)
        self.lowering = lowering_of(use_of(operator, self.attributes), self.tensor.shape)
        if operator == "ConvTranspose":
            self.attributes["output_padding"] = [int(rng.integers(0, s)) for s in self.attributes["strides"]]
            self.lowering = lowering_of(use_of(operator, self.attributes), self.tensor.shape)


@settings(deadline=None, max_examples=examples(200))
@given(seed=seeds)
def test_a_convolution_is_one_product_for_each_image_and_position(seed):
    one = RandomConvolution(seed, "Conv")
    try:
        wanted = computed("Conv", one.attributes, [DenseTensor("w", one.tensor, "conv", one.bias)], [one.data])
    except ValueError:
        assume(False)  # sizes below zero
    assume(min(wanted.shape) > 0)
    found = Computed(one.lowering, [one.tensor], [one.data], [one.bias])
    assert np.allclose(found.results[0], wanted)
    assert found.products[0] == found.uses[0] == wanted.size // wanted.shape[1]


@settings(deadline=None, max_examples=examples(200))
@given(seed=seeds)
def test_a_transposed_convolution_uses_each_weight_once_for_each_input(seed):
    one = RandomConvolution(seed, "ConvTranspose")
    extents = [
        d * (k - 1) + 1 for d, k in zip(one.attributes["dilations"], one.attributes["kernel_shape"], strict=True)
    ]
    # Where a stride exceeds the kernel, ONNX Runtime's SAME keeps the full output: the node tests have it.
    assume("SAME" not in one.attributes["auto_pad"] or all(np.less_equal(one.attributes["strides"], extents)))
    try:
        wanted = computed("ConvTranspose", one.attributes, [DenseTensor("w", one.tensor, "conv", one.bias)], [one.data])
    except ValueError:
        assume(False)
    assume(min(wanted.shape) > 0)
    found = Computed(one.lowering, [one.tensor], [one.data], [one.bias])
    assert np.allclose(found.results[0], wanted)
    assert found.products[0] == wanted.size // wanted.shape[1]
    assert found.uses[0] == one.data.size // one.data.shape[1]


@settings(deadline=None, max_examples=examples(50))
@given(seed=seeds)
def test_the_matrix_of_groups_is_block_diagonal_and_gives_the_kernels_back(seed):
    one = RandomConvolution(seed, "Conv")
    codes = np.random.default_rng(seed).integers(1, 16, one.tensor.shape).astype(np.uint8)
    (cut,) = one.lowering.matrices([codes])
    n_rows, width = codes.shape[0] // one.groups, codes[0].size
    assert cut.entries.dtype == np.uint8
    assert cut.n_weights == codes.size == np.count_nonzero(cut.entries)
    blocks = [cut.entries[g * n_rows :][:n_rows, g * width :][:, :width] for g in range(one.groups)]
    assert np.array_equal(np.concatenate(blocks).reshape(codes.shape), codes)


@settings(deadline=None, max_examples=examples(50))
@given(seed=seeds)
def test_vectors_hold_the_input_and_zeros_and_give_it_back_where_a_kernel_looks(seed):
    one = RandomConvolution(seed, "Conv")
    numbered = np.arange(1, one.data.size + 1, dtype=np.float32).reshape(one.data.shape)
    try:
        call = next(one.lowering.run([numbered]))
    except ValueError:
        assume(False)
    vectors = call.vectors.block()
    # Each number comes back as itself, and a channel is at its own kernel positions only.
    channels = vectors.reshape(len(vectors), one.data.shape[1], -1)
    per_channel = one.data[0, 0].size
    for image, vector in enumerate(channels.reshape(len(one.data), -1, *channels.shape[1:])):
        for channel in range(one.data.shape[1]):
            seen = np.unique(vector[:, channel])
            first = (image * one.data.shape[1] + channel) * per_channel
            assert set(seen) - {0} <= set(range(first + 1, first + per_channel + 1))
    blocks = [call.vectors.block(at, at + 2) for at in range(0, len(vectors), 2)]
    assert np.array_equal(np.concatenate(blocks), vectors)


def test_pads_below_zero_crop_after_zeros_were_put_between():
    attributes = {
        "kernel_shape": [1], "strides": [3], "dilations": [1], "pads": [2, 1], "group": 1, "auto_pad": "NOTSET"
    }  # fmt: skip
    lowering = lowering_of(use_of("ConvTranspose", attributes), (1, 1, 1))
    found = Computed(lowering, [np.ones((1, 1, 1))], [np.arange(1.0, 5).reshape(1, 1, 4)])
    assert found.results[0].tolist() == [[[0, 2, 0, 0, 3, 0, 0]]]


def test_a_kernel_larger_than_its_padded_input_is_refused():
    attributes = {
        "kernel_shape": [3], "strides": [1], "dilations": [2], "pads": [1, 1], "group": 1, "auto_pad": "NOTSET"
    }  # fmt: skip
    lowering = lowering_of(use_of("Conv", attributes), (1, 1, 3))
    with pytest.raises(ValueError, match="4 numbers along an axis with their padding, but the kernel has 5"):
        next(lowering.run([np.ones((1, 1, 2))]))


@settings(deadline=None, max_examples=examples(60))
@given(seed=seeds, height=st.integers(1, 9), width=st.integers(1, 9), pads=st.tuples(*[st.integers(0, 2)] * 4))
def test_winograd_computes_the_convolution_with_16_products_for_each_patch(seed, height, width, pads):
    assume(height + pads[0] + pads[2] >= 3)
    assume(width + pads[1] + pads[3] >= 3)
    rng = np.random.default_rng(seed)
    attributes = {
        "kernel_shape": [3, 3],
        "strides": [1, 1],
        "dilations": [1, 1],
        "pads": list(pads),
        "group": 1,
        "auto_pad": "NOTSET",
    }
    data, weights = rng.normal(size=(2, 3, height, width)), rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    bias = rng.normal(size=4).astype(np.float32)
    wanted = computed("Conv", attributes, [DenseTensor("w", weights, "conv", bias)], [data])
    lowering = lowering_of(use_of("Conv", attributes), weights.shape, "winograd")
    found = Computed(lowering, list(transformed(weights)), [data], [bias] * 16)
    assert np.allclose(found.results[0], wanted)
    patches = 2 * (-(-wanted.shape[2] // 2)) * (-(-wanted.shape[3] // 2))
    assert found.products == dict.fromkeys(range(16), patches)


def test_winograd_takes_none_but_3x3_kernels_of_stride_1():
    attributes = {
        "kernel_shape": [3, 3], "strides": [2, 2], "dilations": [1, 1], "pads": [0] * 4, "group": 1,
        "auto_pad": "NOTSET",
    }  # fmt: skip
    assert len(lowering_of(use_of("Conv", attributes), (2, 2, 3, 3), "winograd").matrices([np.ones((2, 2, 3, 3))])) == 1
    with pytest.raises(ValueError, match="lowering: 'fft', but it must be one of im2col, winograd"):
        lowering_of(use_of("Conv", attributes), (2, 2, 3, 3), "fft")
