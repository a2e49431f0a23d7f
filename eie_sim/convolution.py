"""Convolutions in the machine's arithmetic, beside the machine: EIE runs matrices only (section VII-B).

A network such as LeNet-5 begins with convolutions and goes on with fully connected layers. To know what the whole
network answers in 16-bit fixed point, its convolutions are computed here by the rules of `eie_sim.fixed_point`, on the
host: no cycle is counted for them.
"""

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, in_threads, kernel
from compressor.types.coded import CodedTensor
from eie_sim.arch import ArchConfig
from eie_sim.fixed_point import FixedPoint, multiply, quantise, saturate

_DIMENSIONS = 4  # of the kernel (outputs, inputs, height, width), and of the images (images, channels, height, width)


def convolve(images: NDArray[np.floating], tensor: CodedTensor, arch: ArchConfig) -> NDArray[np.floating]:
    """Convolve `images` with a coded kernel, stride 1, no padding, one group.

    Every product is rounded (fixed point: shifted) before it is added, products in C order of the kernel, zeros of the
    kernel left out; the accumulator begins at the bias, which is not coded here. In fixed point the fraction bits of
    the inputs are chosen for each image, as the machine does for each input vector.

    Parameters
    ----------
    images : ndarray of float, shape (B, channels, height, width)
    tensor : CodedTensor
        Of kind "conv" and shape (outputs, channels, kernel height, kernel width).
    arch : ArchConfig
        Its arithmetic.

    Returns
    -------
    ndarray of float32, or of float64 in fixed point, shape (B, outputs, height - kernel height + 1, ...)
        Sums before the activation function.

    Raises
    ------
    ValueError
        When the shapes do not go together.
    """
    if tensor.kind != "conv" or len(tensor.shape) != _DIMENSIONS:
        raise ValueError(f"tensor: {tensor.name!r} is {tensor.kind} of shape {tensor.shape}, but no 2-D convolution")
    if images.ndim != _DIMENSIONS or images.shape[1] != tensor.shape[1]:
        raise ValueError(f"images: shape {images.shape}, but {tensor.name!r} takes (B, {tensor.shape[1]}, rows, cols)")
    if images.shape[2] < tensor.shape[2] or images.shape[3] < tensor.shape[3]:
        raise ValueError(f"images: {images.shape[2:]} pixels, but the kernel of {tensor.name!r} has {tensor.shape[2:]}")
    if not np.isfinite(images).all():
        raise ValueError("images: a value is not finite")
    n_images, _, height, width = images.shape
    outputs, _, kernel_height, kernel_width = tensor.shape
    shape = (n_images, outputs, height - kernel_height + 1, width - kernel_width + 1)
    # Zeros are left out, as a packed layer leaves them out; argwhere keeps the C order in which sums are defined.
    taps = np.argwhere(tensor.codes.reshape(tensor.shape))
    codes = tensor.codes[tensor.codes != 0].astype(np.int64)
    bias = np.zeros(outputs, np.float32) if tensor.bias is None else tensor.bias
    sums = np.empty(shape, np.float32 if arch.number_bits is None else np.float64)

    def one(number: int) -> None:
        if arch.number_bits is None:
            sums[number] = bias[:, None, None]
            image = images[number].astype(np.float32)
            _convolve_float32(image, taps, tensor.codebook[codes], sums[number])
        else:
            sums[number] = _in_fixed_point(images[number].astype(np.float64), tensor, arch, taps, codes, bias)

    in_threads(one, range(n_images))
    return sums


def max_pool(images: NDArray[np.floating], size: int = 2) -> NDArray[np.floating]:
    """The largest value of each `size` x `size` field, fields side by side; what does not fill a field is left out.

    Parameters
    ----------
    images : ndarray of float, shape (B, channels, height, width)
    size : int

    Returns
    -------
    ndarray, shape (B, channels, height // size, width // size)
    """
    height, width = (length // size * size for length in images.shape[-2:])
    fields = images[..., :height, :width].reshape(*images.shape[:-2], height // size, size, width // size, size)
    pooled: NDArray[np.floating] = fields.max(axis=(-3, -1))
    return pooled


def _in_fixed_point(
    image: NDArray[np.float64],
    tensor: CodedTensor,
    arch: ArchConfig,
    taps: NDArray[np.int64],
    codes: NDArray[np.int64],
    bias: NDArray[np.float32],
) -> NDArray[np.float64]:
    fixed = FixedPoint.of(arch, tensor.codebook, image, has_bias=False)
    rows, cols = (a - b + 1 for a, b in zip(image.shape[1:], tensor.shape[2:], strict=True))
    start = quantise(bias, fixed.acc_bits, fixed.act_frac_bits)
    totals = np.broadcast_to(start[:, None, None], (tensor.shape[0], rows, cols)).copy()
    rule = (fixed.weight_frac_bits, fixed.half_even, fixed.acc_bits)
    _convolve_fixed(fixed.activations(image), taps, fixed.weights(tensor.codebook)[codes], rule, totals)
    return fixed.values(totals)


@kernel
def _convolve_float32(image: Arg, taps: Arg, weights: Arg, sums: Arg) -> None:
    for tap in range(len(taps)):
        out, channel, down, right = taps[tap]
        for y in range(sums.shape[1]):
            for x in range(sums.shape[2]):
                # Rounded before it is added, as in the machine: no fused multiply-add.
                sums[out, y, x] += np.float32(weights[tap] * image[channel, y + down, x + right])


@kernel
def _convolve_fixed(image: Arg, taps: Arg, weights: Arg, rule: Arg, totals: Arg) -> None:
    shift, half_even, acc_bits = rule
    for tap in range(len(taps)):
        out, channel, down, right = taps[tap]
        for y in range(totals.shape[1]):
            for x in range(totals.shape[2]):
                product = multiply(weights[tap], image[channel, y + down, x + right], shift, half_even)
                totals[out, y, x] = saturate(totals[out, y, x] + product, acc_bits)
