"""RNN, LSTM and GRU as products: one, two or three for each step and sample; gates and states on the host.

The host computes in float64. ONNX Runtime is followed where ONNX's text leaves a choice: what `clip` bounds, which
activation functions take alpha and beta, and what a sample shorter than others has after its end.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.lowering.product import Array, Call, Cut, Operands, Run, Vectors, as_type_of, given, needed

Function = Callable[[Array], Array]
State = tuple[Array, Array]
"""h and C of the samples, of shape (samples, units); C of an LSTM only."""

Step = Generator[Call, Array, State]

_WITH_ALPHA: Mapping[str, float] = {
    "affine": 0.0,
    "leakyrelu": 0.01,
    "thresholdedrelu": 0.0,
    "scaledtanh": 0.0,
    "hardsigmoid": 0.2,
    "elu": 1.0,
}
"""Activation functions that take an alpha, and ONNX Runtime's where none is given: 0 where ONNX's text has none."""

_WITH_BETA: Mapping[str, float] = {"affine": 0.0, "scaledtanh": 0.0, "hardsigmoid": 0.5}


def _function(name: str, alpha: float, beta: float) -> Function:
    functions: dict[str, Function] = {
        "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),  # exp(-x) would overflow
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "affine": lambda x: alpha * x + beta,
        "leakyrelu": lambda x: np.where(x < 0, alpha * x, x),
        "thresholdedrelu": lambda x: np.where(x >= alpha, x, 0),
        "scaledtanh": lambda x: alpha * np.tanh(beta * x),
        "hardsigmoid": lambda x: np.clip(alpha * x + beta, 0, 1),
        "elu": lambda x: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
        "softsign": lambda x: x / (1 + np.abs(x)),
        "softplus": lambda x: np.logaddexp(0, x),
    }
    if name not in functions:
        raise ValueError(f"activations: {name!r}, but it must be one of {', '.join(functions)}")
    return functions[name]


def functions_of(attributes: Mapping[str, Any]) -> list[Function]:
    """The activation functions of all directions; those that take an alpha or a beta take the next one that is given.

    Raises
    ------
    ValueError
        If one is unknown.
    """
    alphas, betas = (iter(attributes.get(f"activation_{what}") or ()) for what in ("alpha", "beta"))
    found = []
    for name in map(str.lower, attributes["activations"]):
        alpha = next(alphas, _WITH_ALPHA[name]) if name in _WITH_ALPHA else 0.0
        beta = next(betas, _WITH_BETA[name]) if name in _WITH_BETA else 0.0
        found.append(_function(name, alpha, beta))
    return found


@dataclass(frozen=True)
class Recurrent:
    """A recurrent operator.

    Attributes
    ----------
    operator : str
        "RNN", "LSTM" or "GRU".
    attributes : mapping of str to object
        As of `compressor.types.network.Use`.
    n_inputs : int
        Numbers of an input vector, without the state.
    """

    operator: str
    attributes: Mapping[str, Any]
    n_inputs: int

    @property
    def _resets_after(self) -> bool:
        """Whether a GRU multiplies with r after the product with the state."""
        return self.operator == "GRU" and bool(self.attributes["linear_before_reset"])

    @property
    def _n_matrices(self) -> int:
        """Of a direction."""
        return 1 if self.operator != "GRU" else 3 if self._resets_after else 2

    def matrices(self, tensors: Sequence[Array]) -> list[Cut]:
        """[W R] of each direction; of a GRU those of z and r, then that of the candidate, or its W and R apart."""
        found = []
        for number, tensor in enumerate(tensors):
            parts = [tensor]
            if self.operator == "GRU":
                gates = 2 * (len(tensor) // 3)
                parts = [tensor[:gates], tensor[gates:]]
                if self._resets_after:
                    parts[1:] = [tensor[gates:, : self.n_inputs], tensor[gates:, self.n_inputs :]]
            found += [Cut(number, part, part.size) for part in parts]
        return found

    def biases(self, tensors: Sequence[Array | None]) -> list[NDArray[np.float32] | None]:
        """Wb + Rb; where a GRU resets after the product, Wbh and Rbh start the products of W and R."""
        found: list[NDArray[np.float32] | None] = []
        for bias in tensors:
            if bias is None:
                found += [None] * self._n_matrices
                continue
            both = bias.astype(np.float64).reshape(-1, bias.shape[-1])
            summed, gates = both.sum(axis=0), len(bias.T) // 3 * 2
            parts = [summed] if self.operator != "GRU" else [summed[:gates], summed[gates:]]
            if self._resets_after:  # then the importer has the two apart, for they are not added
                parts[1:] = both[:, gates:]
            found += [part.astype(np.float32) for part in parts]
        return found

    def run(self, operands: Operands) -> Run:
        """All steps of the forward direction, then all of the reverse one: Y, Y_h and of an LSTM Y_c."""
        data = needed(operands, 0)
        batch_first = bool(self.attributes["layout"])
        inputs = data.swapaxes(0, 1) if batch_first else data
        n_steps, n_samples = inputs.shape[:2]
        lengths = np.full(n_samples, n_steps) if (counts := given(operands, 4)) is None else counts.astype(np.int64)
        if lengths.shape != (n_samples,) or lengths.min(initial=0) < 0 or lengths.max(initial=0) > n_steps:
            raise ValueError(f"sequence_lens: {lengths.tolist()}, but {n_samples} samples have {n_steps} steps")
        direction = self.attributes["direction"]
        functions = functions_of(self.attributes)
        n_directions = 2 if direction == "bidirectional" else 1
        each = len(functions) // n_directions
        steps, last = [], []
        for number in range(n_directions):
            states = [_of_direction(given(operands, at), number, batch_first) for at in (5, 6)]
            biases, peepholes = (_of_direction(given(operands, at), number, False) for at in (3, 7))
            cell = _Cell(self, number, functions[number * each : (number + 1) * each], biases, peepholes)
            backwards = direction == "reverse" or number == 1
            found = yield from self._direction(cell, inputs, lengths, states, backwards)
            steps.append(found[0])
            last.append(found[1:])
        y = np.stack(steps, axis=1)
        if batch_first:
            y = y.transpose(2, 0, 1, 3)
        ends = [np.stack([one[at] for one in last], axis=1 if batch_first else 0) for at in (0, 1)]
        results = [y, *ends[: 2 if self.operator == "LSTM" else 1]]
        return [as_type_of(result, data) for result in results]

    def _direction(
        self, cell: "_Cell", inputs: Array, lengths: NDArray[np.int64], states: list[Array | None], backwards: bool
    ) -> Generator[Call, Array, tuple[Array, Array, Array]]:
        """All steps of a direction, and the states after the last step of each sample; 0 where it has none."""
        n_steps, n_samples = inputs.shape[:2]
        h, c = (np.zeros((n_samples, cell.n_units)) if one is None else one.astype(np.float64) for one in states)
        steps = np.zeros((n_steps, n_samples, cell.n_units))
        for step in range(lengths.max(initial=0)):
            active = np.flatnonzero(lengths > step)
            at = lengths[active] - 1 - step if backwards else np.full(len(active), step)
            h[active], c[active] = yield from cell.step(inputs[at, active], h[active], c[active])
            steps[at, active] = h[active]
        h[lengths == 0] = c[lengths == 0] = 0
        return steps, h, c


class _Cell:
    """One step of a direction, for any number of samples."""

    def __init__(
        self,
        layer: Recurrent,
        direction: int,
        functions: Sequence[Function],
        biases: Array | None,
        peepholes: Array | None,
    ) -> None:
        attributes = layer.attributes
        self.n_units = int(attributes["hidden_size"])
        self.functions = functions
        self._first = direction * layer._n_matrices
        self._clip = attributes.get("clip")
        self._forgets_input = bool(attributes.get("input_forget", 0))
        self._resets_after = layer._resets_after
        self.step = {"RNN": self._rnn, "LSTM": self._lstm, "GRU": self._gru}[layer.operator]
        # What the machine does not add, Wb and Rb, is added here.
        n_gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[layer.operator]
        added = np.zeros((2, n_gates * self.n_units)) if biases is None else biases.astype(np.float64).reshape(2, -1)
        self._wb, self._rb = added
        self._peepholes = np.zeros((3, self.n_units)) if peepholes is None else peepholes.reshape(3, -1)

    def _product(self, matrix: int, *parts: Array) -> Generator[Call, Array, Array]:
        vectors = Vectors.of(np.concatenate(parts, axis=1))
        sums = yield Call(self._first + matrix, vectors, len(vectors))
        return sums.astype(np.float64)

    def _bounded(self, gate: Array) -> Array:
        return gate if self._clip is None else np.clip(gate, -self._clip, self._clip)

    def _rnn(self, x: Array, h: Array, c: Array) -> Step:
        sums = yield from self._product(0, x, h)
        return self.functions[0](self._bounded(sums + (self._wb + self._rb))), c

    def _lstm(self, x: Array, h: Array, c: Array) -> Step:
        sums = yield from self._product(0, x, h)
        i, o, f, new = np.split(sums + (self._wb + self._rb), 4, axis=1)
        of_gate, of_new, of_state = self.functions
        for_i, for_o, for_f = self._peepholes
        i = of_gate(self._bounded(i + for_i * c))
        f = 1 - i if self._forgets_input else of_gate(self._bounded(f + for_f * c))
        c = f * c + i * of_new(self._bounded(new))
        return of_gate(self._bounded(o + for_o * c)) * of_state(c), c

    def _gru(self, x: Array, h: Array, c: Array) -> Step:
        gates = 2 * self.n_units
        both = self._wb + self._rb
        sums = yield from self._product(0, x, h)
        z, r = np.split(self.functions[0](self._bounded(sums + both[:gates])), 2, axis=1)
        if self._resets_after:
            of_x = yield from self._product(1, x)
            of_h = yield from self._product(2, h)
            new = of_x + self._wb[gates:] + r * (of_h + self._rb[gates:])
        else:
            new = (yield from self._product(1, x, r * h)) + both[gates:]
        new = self.functions[1](self._bounded(new))
        return (1 - z) * new + z * h, c


def _of_direction(operand: Array | None, number: int, batch_first: bool) -> Array | None:
    return None if operand is None else operand[:, number] if batch_first else operand[number]
