"""ONNX operators in plain NumPy, computed in float64 from the weight tensors that `read_onnx` gives.

A slow, obvious truth beside the importer: `computed` takes the matrices of a layer and what else a node takes, and
gives what the node does (network contract, section 2). ONNX Runtime on the same node must agree.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.types.dense import DenseTensor

Array = NDArray[Any]
Operands = Sequence[Array | None]
"""The inputs of a node, None where one is left out; of weights the shape alone is looked at."""


def computed(operator: str, attributes: Mapping[str, Any], tensors: Sequence[DenseTensor], operands: Operands) -> Array:
    """The first result of an operator; of a recurrent one all steps (Y).

    Parameters
    ----------
    operator : str
    attributes : mapping of str to object
        As of `compressor.types.network.Use`.
    tensors : sequence of DenseTensor
        Those of the use; a bias in them is added.
    operands : sequence of array or None
        Inputs of the node, and which of them holds the weights: that operand is None.
    """
    if operator == "Gemm":
        return _gemm(attributes, tensors[0], operands)
    if operator == "Conv":
        return _conv(attributes, tensors[0], _given(operands[0]))
    if operator == "ConvTranspose":
        return _conv_transpose(attributes, tensors[0], _given(operands[0]))
    return _recurrent(operator, attributes, tensors, operands)


def matmul(tensors: Sequence[DenseTensor], data: Array, side: int, shape: Sequence[int]) -> Array:
    """The result of a MatMul whose operand `side` holds weights of `shape`."""
    data = data.astype(np.float64)
    if len(shape) == 1:
        (row,) = _matrix(tensors[0])
        return data @ row if side else row @ data
    stack = np.array([_matrix(tensor) for tensor in tensors])
    matrices = stack.reshape(*shape[:-2], *stack.shape[1:])
    result: Array = data @ matrices.swapaxes(-1, -2) if side else matrices @ data
    bias = tensors[0].bias
    if bias is not None:
        result = result + (bias.astype(np.float64) if side else bias.astype(np.float64)[:, None])
    return result


def _gemm(attributes: Mapping[str, Any], tensor: DenseTensor, operands: Operands) -> Array:
    side = 1 if operands[1] is None else 0
    data = _given(operands[1 - side])
    data = data.T if attributes["transB" if side == 0 else "transA"] else data
    result = matmul([tensor], data, side, (2, 2))
    if tensor.bias is None and len(operands) > 2 and operands[2] is not None:
        result = result + attributes["beta"] * operands[2].astype(np.float64)
    return result


def _conv(attributes: Mapping[str, Any], tensor: DenseTensor, data: Array) -> Array:
    _, strides, dilations = _sizes(attributes)
    pads = _pads(attributes, data.shape[2:])
    return _correlated(data, tensor, attributes["group"], strides, dilations, pads)


def _correlated(
    data: Array, tensor: DenseTensor, groups: int, strides: Sequence[int], dilations: Sequence[int], pads: list[Any]
) -> Array:
    """Convolution without a flip of the kernel, position by position of the kernel; pads below zero crop."""
    kernel = tensor.shape[2:]
    data = np.pad(data.astype(np.float64), [(0, 0), (0, 0), *((max(0, a), max(0, b)) for a, b in pads)])
    crop = tuple(slice(max(0, -a), size - max(0, -b)) for (a, b), size in zip(pads, data.shape[2:], strict=True))
    data = data[(slice(None), slice(None), *crop)]
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    sizes = [(n - e) // s + 1 for n, e, s in zip(data.shape[2:], extents, strides, strict=True)]
    images = data.reshape(data.shape[0], groups, -1, *data.shape[2:])
    weights = tensor.weights.astype(np.float64).reshape(groups, -1, *tensor.shape[1:])
    result = np.zeros((data.shape[0], groups, weights.shape[1], prod(sizes)))
    for at in product(*map(range, kernel)):
        begins = [a * d for a, d in zip(at, dilations, strict=True)]
        window = tuple(slice(b, b + s * (n - 1) + 1, s) for b, s, n in zip(begins, strides, sizes, strict=True))
        part = images[(..., *window)].reshape(*images.shape[:3], -1)
        result += weights[(slice(None), slice(None), slice(None), *at)] @ part
    result = result.reshape(data.shape[0], tensor.shape[0], *sizes)
    if tensor.bias is not None:
        result += tensor.bias.astype(np.float64).reshape(-1, *[1] * len(sizes))
    return result


def _conv_transpose(attributes: Mapping[str, Any], tensor: DenseTensor, data: Array) -> Array:
    """As a convolution of stride 1 over the input with zeros between its values."""
    kernel, strides, dilations = _sizes(attributes)
    n_axes = len(kernel)
    extra = attributes.get("output_padding") or [0] * n_axes
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    full = [
        s * (n - 1) + e + o for s, n, e, o in zip(strides, data.shape[2:], extents, extra, strict=True)
    ]  # without pads
    wanted, auto = attributes.get("output_shape"), attributes["auto_pad"]
    if wanted is None and auto.startswith("SAME"):
        wanted = [n * s for n, s in zip(data.shape[2:], strides, strict=True)]
    if wanted is not None:
        totals = [max(0, f - w) for f, w in zip(full, wanted[-n_axes:], strict=True)]
        short = [max(0, w - f) for f, w in zip(full, wanted[-n_axes:], strict=True)]
        first = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals]
        begins, ends = first, [t - f for t, f in zip(totals, first, strict=True)]
        extra = [o + n for o, n in zip(extra, short, strict=True)]
    else:
        pads = [0] * 2 * n_axes if auto == "VALID" else attributes["pads"]
        begins, ends = pads[:n_axes], pads[n_axes:]
    spread = np.zeros((*data.shape[:2], *(s * (n - 1) + 1 for s, n in zip(strides, data.shape[2:], strict=True))))
    spread[(slice(None), slice(None), *(slice(None, None, s) for s in strides))] = data
    around = [(e - 1 - b, e - 1 - end + o) for e, b, end, o in zip(extents, begins, ends, extra, strict=True)]
    return _correlated(spread, tensor, attributes["group"], [1] * n_axes, dilations, around)


def _sizes(attributes: Mapping[str, Any]) -> tuple[list[int], list[int], list[int]]:
    return attributes["kernel_shape"], attributes["strides"], attributes["dilations"]


def _pads(attributes: Mapping[str, Any], sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros before and after each axis of a Conv."""
    kernel, strides, dilations = _sizes(attributes)
    auto = attributes["auto_pad"]
    if auto == "NOTSET":
        pads = attributes["pads"]
        return list(zip(pads[: len(kernel)], pads[len(kernel) :], strict=True))
    if auto == "VALID":
        return [(0, 0)] * len(kernel)
    found = []
    for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
        small, large = total // 2, total - total // 2
        found.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return found


# Recurrent operators --------------------------------------------------------------------------------------------------

Function = Callable[[Array], Array]


def _function(name: str, alpha: float | None, beta: float | None) -> Function:
    def of(given: float | None, usual: float) -> float:
        return usual if given is None else given

    a, b = alpha, beta
    functions: dict[str, Function] = {
        "sigmoid": lambda x: 1 / (1 + np.exp(np.minimum(-x, 700))),  # exp would overflow
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "affine": lambda x: of(a, 0.0) * x + of(b, 0.0),
        "leakyrelu": lambda x: np.where(x < 0, of(a, 0.01) * x, x),
        "thresholdedrelu": lambda x: np.where(x >= of(a, 0.0), x, 0),
        "scaledtanh": lambda x: of(a, 0.0) * np.tanh(of(b, 0.0) * x),
        "hardsigmoid": lambda x: np.clip(of(a, 0.2) * x + of(b, 0.5), 0, 1),
        "elu": lambda x: np.where(x >= 0, x, of(a, 1.0) * (np.exp(np.minimum(x, 0)) - 1)),
        "softsign": lambda x: x / (1 + np.abs(x)),
        "softplus": lambda x: np.logaddexp(0, x),
    }
    return functions[name.lower()]


_WITH_ALPHA = ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu")
_WITH_BETA = ("affine", "scaledtanh", "hardsigmoid")


def _functions(attributes: Mapping[str, Any]) -> list[Function]:
    alphas, betas = (iter(attributes.get(f"activation_{what}") or ()) for what in ("alpha", "beta"))
    found = []
    for name in attributes["activations"]:
        alpha = next(alphas, None) if name.lower() in _WITH_ALPHA else None
        beta = next(betas, None) if name.lower() in _WITH_BETA else None
        found.append(_function(name, alpha, beta))
    return found


def _recurrent(
    operator: str, attributes: Mapping[str, Any], tensors: Sequence[DenseTensor], operands: Operands
) -> Array:
    """All steps: (steps, directions, samples, units), or with layout 1 (samples, steps, directions, units)."""
    given = [None if one is None else one.astype(np.float64) for one in [*operands, *[None] * (8 - len(operands))]]
    batch_first = bool(attributes["layout"])
    data = _given(given[0])
    data = data.swapaxes(0, 1) if batch_first else data
    n_steps, n_samples = data.shape[:2]
    lengths = np.full(n_samples, n_steps) if given[4] is None else given[4].astype(np.int64)
    functions = _functions(attributes)
    each = len(functions) // len(tensors)
    all_steps = []
    for at, tensor in enumerate(tensors):
        n_units = tensor.shape[1] - data.shape[2]
        states = [
            np.zeros((n_samples, n_units)) if one is None else (one[:, at] if batch_first else one[at])
            for one in (given[5], given[6])
        ]
        backwards = attributes["direction"] == "reverse" or at == 1
        second = None if tensor.bias is not None or given[3] is None else given[3][at]
        peepholes = np.zeros(3 * n_units) if given[7] is None or operator != "LSTM" else given[7][at]
        clip = attributes.get("clip")

        def bounded(gates: Array, clip: float | None = clip) -> Array:
            return gates if clip is None else np.clip(gates, -clip, clip)

        steps = np.zeros((n_steps, n_samples, n_units))
        cell = _Cell(operator, attributes, tensor, second, peepholes, functions[at * each : (at + 1) * each], bounded)
        for sample, length in enumerate(lengths):
            h, c = states[0][sample], states[1][sample]
            order = range(length - 1, -1, -1) if backwards else range(length)
            for step in order:
                h, c = cell.step(data[step, sample], h, c)
                steps[step, sample] = h
        all_steps.append(steps)
    result = np.stack(all_steps, axis=1)
    return result.transpose(2, 0, 1, 3) if batch_first else result


def last_states(steps: Array, attributes: Mapping[str, Any]) -> Array:
    """Y_h of a recurrent operator from Y, where every sample has all steps."""
    batch_first = bool(attributes["layout"])
    steps = steps.transpose(1, 2, 0, 3) if batch_first else steps
    ends = [0 if at == 1 or attributes["direction"] == "reverse" else -1 for at in range(steps.shape[1])]
    last = np.stack([steps[end, at] for at, end in enumerate(ends)])
    return last.swapaxes(0, 1) if batch_first else last


class _Cell:
    """One step of a recurrent operator, from its tensor [W R]."""

    def __init__(
        self,
        operator: str,
        attributes: Mapping[str, Any],
        tensor: DenseTensor,
        biases: Array | None,
        peepholes: Array,
        functions: Sequence[Function],
        bounded: Function,
    ) -> None:
        self.operator, self.attributes, self.functions, self.bounded = operator, attributes, functions, bounded
        self.matrix = _matrix(tensor)
        n_rows = len(self.matrix)
        self.bias = np.zeros(n_rows) if tensor.bias is None else tensor.bias.astype(np.float64)
        # Wb and Rb apart, where the operator does not simply add them.
        self.biases = np.zeros((2, n_rows)) if biases is None else biases.reshape(2, n_rows)
        self.peepholes = np.split(peepholes, 3)

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        n = len(h)
        both = self.matrix @ np.concatenate([x, h]) + self.bias
        if self.operator == "RNN":
            return self.functions[0](self.bounded(both + self.biases.sum(axis=0))), c
        if self.operator == "GRU":
            return self._gru(x, h, n, both), c
        f, g, last = self.functions
        p_i, p_o, p_f = self.peepholes
        i, o, forget, new = np.split(both + self.biases.sum(axis=0), 4)
        i = f(self.bounded(i + p_i * c))
        forget = 1 - i if self.attributes["input_forget"] else f(self.bounded(forget + p_f * c))
        c = forget * c + i * g(self.bounded(new))
        return f(self.bounded(o + p_o * c)) * last(c), c

    def _gru(self, x: Array, h: Array, n: int, both: Array) -> Array:
        f, g = self.functions
        z, r = (f(self.bounded(part)) for part in np.split((both + self.biases.sum(axis=0))[: 2 * n], 2))
        of_x, of_h = self.matrix[2 * n :, : len(x)], self.matrix[2 * n :, len(x) :]
        wb, rb = self.biases[:, 2 * n :]
        if self.attributes["linear_before_reset"]:
            new = of_x @ x + wb + r * (of_h @ h + rb)
        else:
            new = of_x @ x + of_h @ (r * h) + self.bias[2 * n :] + wb + rb
        new = g(self.bounded(new))
        return (1 - z) * new + z * h


def _matrix(tensor: DenseTensor) -> Array:
    return tensor.weights.astype(np.float64)


def _given(operand: Array | None) -> Array:
    assert operand is not None
    return operand
