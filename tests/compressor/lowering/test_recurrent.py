"""Recurrent operators as products of each step, against the operator computed sample by sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from products import Computed, use_of

from benchmarks.operators import computed, last_states
from compressor.lowering import lowering_of
from compressor.types.dense import DenseTensor
from tests.examples import examples

N_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
N_FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
NAMES = [
    "Sigmoid", "Tanh", "Relu", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",
    "Softsign", "Softplus",
]  # fmt: skip


class RandomLayer:
    """A recurrent operator with options at random, its tensors and operands."""

    def __init__(self, seed, with_lengths=True):
        rng = np.random.default_rng(seed)
        self.operator = str(rng.choice(list(N_GATES)))
        direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
        self.n_directions = 1 + (direction == "bidirectional")
        self.steps, self.samples, self.n_in, self.units = (int(rng.integers(1, most)) for most in (5, 4, 5, 4))
        rows = N_GATES[self.operator] * self.units
        n_functions = N_FUNCTIONS[self.operator] * self.n_directions
        self.attributes = {
            "hidden_size": self.units,
            "direction": direction,
            "layout": int(rng.integers(2)),
            "activations": [str(name) for name in rng.choice(NAMES, n_functions)],
            "activation_alpha": [0.3] * int(rng.integers(0, 3)),
            "activation_beta": [0.4] * int(rng.integers(0, 3)),
        }
        if rng.random() < 0.3:
            self.attributes["clip"] = float(rng.choice([0.5, 2]))
        if self.operator == "GRU":
            self.attributes["linear_before_reset"] = int(rng.integers(2))
        if self.operator == "LSTM":
            self.attributes["input_forget"] = int(rng.integers(2))
        self.tensors = [rng.normal(size=(rows, self.n_in + self.units)) for _ in range(self.n_directions)]
        states = (self.n_directions, self.samples, self.units)
        states = (self.samples, self.n_directions, self.units) if self.attributes["layout"] else states
        x = (self.samples, self.steps) if self.attributes["layout"] else (self.steps, self.samples)
        lengths = rng.integers(1, self.steps + 1, self.samples) if with_lengths and rng.random() < 0.5 else None
        # Numbers that float32 holds, and their sums too: a ThresholdedRelu may make any other difference a large one.
        self.biases = np.rint(64 * rng.normal(size=(self.n_directions, 2 * rows))) / 64
        optional = [
            rng.normal(size=states),
            rng.normal(size=states),
            rng.normal(size=(self.n_directions, 3 * self.units)),
        ]
        self.operands = [
            rng.normal(size=(*x, self.n_in)), None, None, self.biases, lengths,
            *(one if rng.random() < 0.5 else None for one in optional),
        ]  # fmt: skip
        self.lowering = lowering_of(use_of(self.operator, self.attributes), (1, rows, self.n_in))

    def wanted(self):
        tensors = [DenseTensor("t", tensor.astype(np.float32), "rnn") for tensor in self.tensors]
        self.tensors = [tensor.weights for tensor in tensors]
        return computed(self.operator, self.attributes, tensors, self.operands)


@settings(deadline=None, max_examples=examples(200))
@given(seed=st.integers(0, 2**32), on_the_machine=st.booleans())
def test_every_step_is_what_the_operator_computes(seed, on_the_machine):
    layer = RandomLayer(seed)
    wanted = layer.wanted()
    operands, biases = list(layer.operands), None
    if on_the_machine:
        operands[3], biases = None, [halves.reshape(2, -1) for halves in layer.biases]
    found = Computed(layer.lowering, layer.tensors, operands, biases)
    assert np.allclose(found.results[0], wanted, rtol=1e-5, atol=1e-5)
    if operands[4] is None:
        assert np.allclose(found.results[1], last_states(wanted, layer.attributes), rtol=1e-5, atol=1e-5)
    assert len(found.results) == (3 if layer.operator == "LSTM" else 2)


@settings(deadline=None, max_examples=examples(50))
@given(seed=st.integers(0, 2**32))
def test_matrices_are_cut_from_codes_and_give_the_tensor_back(seed):
    layer = RandomLayer(seed)
    tensors = [np.random.default_rng(seed).integers(0, 9, tensor.shape).astype(np.uint8) for tensor in layer.tensors]
    cuts = layer.lowering.matrices(tensors)
    for number, tensor in enumerate(tensors):
        own = [cut.entries for cut in cuts if cut.tensor == number]
        assert sum(cut.n_weights for cut in cuts if cut.tensor == number) == tensor.size
        if len(own) == 3:  # W and R of the candidate are apart
            own[1:] = [np.concatenate(own[1:], axis=1)]
        assert np.array_equal(np.concatenate(own), tensor)


def test_there_is_a_product_for_each_step_of_each_sample_and_matrix():
    for operator, resets_after, matrices in (("LSTM", 0, 1), ("GRU", 0, 2), ("GRU", 1, 3), ("RNN", 0, 1)):
        attributes = {
            "hidden_size": 2, "direction": "bidirectional", "layout": 0, "linear_before_reset": resets_after,
            "activations": ["Tanh"] * N_FUNCTIONS[operator] * 2,
        }  # fmt: skip
        tensors = [np.ones((2 * N_GATES[operator], 5))] * 2
        lengths = np.array([3, 0, 1])
        operands = [np.ones((3, 3, 3)), None, None, None, lengths, np.ones((2, 3, 2))]
        found = Computed(lowering_of(use_of(operator, attributes), (2, 2, 3)), tensors, operands)
        assert found.products == dict.fromkeys(range(2 * matrices), 4)
        y, y_h = found.results[:2]
        # A sample without a step has no state, whatever it began with; what ends early has its last one.
        assert not y_h[:, 1].any()
        assert not y[1:, :, 2].any()
        assert np.array_equal(y_h[0, 2], y[0, 0, 2])
        assert np.array_equal(y_h[1, 0], y[0, 1, 0])


def test_lengths_beyond_the_steps_are_refused():
    attributes = {"hidden_size": 1, "direction": "forward", "layout": 0, "activations": ["Tanh"]}
    lowering = lowering_of(use_of("RNN", attributes), (1, 1, 1))
    with pytest.raises(ValueError, match=r"sequence_lens: \[3\], but 1 samples have 2 steps"):
        next(lowering.run([np.ones((2, 1, 1)), None, None, None, np.array([3])]))


def test_an_unknown_activation_function_is_refused_by_name():
    attributes = {"hidden_size": 1, "direction": "forward", "layout": 0, "activations": ["Swish"]}
    lowering = lowering_of(use_of("RNN", attributes), (1, 1, 1))
    with pytest.raises(ValueError, match="activations: 'swish', but it must be one of sigmoid, tanh"):
        next(lowering.run([np.ones((1, 1, 1))]))
