"""Random small graphs: machine operators on constants that come in many ways, and what follows them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class RandomGraph:
    """A chain of machine operators and followers on one input.

    Attributes
    ----------
    model : ModelProto
    x : array
        An input for it.
    """

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.ranks = [], {}, {}
        self.shape = self._first_shape()
        self.x = self.rng.normal(size=self.shape).astype(np.float32)
        self.at = "x"
        for _ in range(self._up_to(1, 4)):
            row_axis = self._convolution() if self.n_axes else self._product()
            for _ in range(self._up_to(0, 3)):
                self._follower(row_axis)
        self.model = self._made()

    def _first_shape(self):
        self.n_axes = max(0, self._up_to(-2, 3))  # of convolutions; 0: products of matrices
        if self.n_axes:
            return [self._up_to(1, 2), 2 * self._up_to(1, 2), *(self._up_to(4, 6) for _ in range(self.n_axes))]
        return [*([self._up_to(1, 2)] if self._perhaps(0.3) else []), self._up_to(1, 3), self._up_to(2, 5)]

    def _up_to(self, least, most):
        return int(self.rng.integers(least, most + 1))

    def _perhaps(self, probability=0.5):
        return self.rng.random() < probability

    def _few(self, *shape):
        """Values of which there are few, so that 8 bits hold them and what they are scaled to."""
        return self.rng.integers(-2, 3, shape).astype(np.float32) / 2

    def _value(self):
        return f"v{len(self.nodes)}"

    def _node(self, operator, inputs, **attributes):
        name = self._value()
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _stored(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(array)
        return name

    def _constant(self, array):
        """A constant as it is, or as something computes it."""
        way = self._up_to(0, 9)
        if way == 0:
            return self._node("Constant", [], value=numpy_helper.from_array(array))
        if way == 1 and array.ndim == 2:
            return self._node("Transpose", [self._stored(array.T)], perm=[1, 0])
        if way == 2:
            shape = self._stored(np.array(array.shape, np.int64))
            return self._node("Reshape", [self._stored(array.reshape(-1)), shape])
        if way == 3:
            mask = self.rng.integers(0, 2, array.shape).astype(np.float32)
            return self._node("Mul", [self._stored(array), self._stored(mask)])
        if way == 4:
            return self._node("Identity", [self._stored(array)])
        if way == 5 and array.ndim and len(array) > 1:
            return self._node("Concat", [self._stored(array[:1]), self._stored(array[1:])], axis=0)
        if way == 6:
            return self._node("Cast", [self._stored(array.astype(np.float16))], to=TensorProto.FLOAT)
        if way == 7:
            scale, zero = self._stored(np.float32(0.5)), self._stored(np.int8(1))
            return self._node("DequantizeLinear", [self._stored((2 * array + 1).astype(np.int8)), scale, zero])
        return self._stored(array)

    # Operators: each sets the shape and gives the axis of the result along which the rows of its matrix are -----------

    def _convolution(self):
        groups = self._up_to(1, 2) if self.shape[1] % 2 == 0 else 1
        n_out = groups * self._up_to(1, 2)
        kernel, strides, dilations = ([self._up_to(1, most) for _ in range(self.n_axes)] for most in (3, 2, 2))
        pads = [self._up_to(0, 1) for _ in range(2 * self.n_axes)]
        attributes = {"group": groups, "strides": strides, "dilations": dilations, "pads": pads}
        extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        padded = [n + a + b for n, a, b in zip(self.shape[2:], pads[: self.n_axes], pads[self.n_axes :], strict=True)]
        if self._perhaps() and all(n >= e for n, e in zip(padded, extents, strict=True)):
            operator, weights = "Conv", self._few(n_out, self.shape[1] // groups, *kernel)
            sizes = [(n - e) // s + 1 for n, e, s in zip(padded, extents, strides, strict=True)]
        else:
            operator, weights = "ConvTranspose", self._few(self.shape[1], n_out // groups, *kernel)
            attributes["pads"] = [0] * 2 * self.n_axes
            attributes["output_padding"] = extra = [self._up_to(0, s - 1) for s in strides]
            sizes = [s * (n - 1) + e + o for s, n, e, o in zip(strides, self.shape[2:], extents, extra, strict=True)]
        inputs = [self.at, self._constant(weights)]
        inputs += [self._constant(self._few(n_out))] if self._perhaps() else []
        self._now(self._node(operator, inputs, **attributes), [self.shape[0], n_out, *sizes])
        return -1 - self.n_axes

    def _product(self):
        if len(self.shape) == 2 and self._perhaps():
            return self._gemm()
        n = self._up_to(1, 5)
        if self._perhaps(0.4):
            weights = self._constant(self._few(n, self.shape[-2]))
            self._now(self._node("MatMul", [weights, self.at]), [*self.shape[:-2], n, self.shape[-1]])
            return -2
        stack = [self.shape[0]] if len(self.shape) == 3 and self._perhaps(0.4) else []
        weights = self._constant(self._few(*stack, self.shape[-1], n))
        self._now(self._node("MatMul", [self.at, weights]), [*self.shape[:-1], n])
        return -1

    def _gemm(self):
        side, n = self._up_to(0, 1), self._up_to(1, 5)  # which operand the weights are, and their rows
        flipped = [self._up_to(0, 1), self._up_to(0, 1)]
        others, depth = self.shape if flipped[1 - side] ^ side else self.shape[::-1]
        weights = self._constant(self._few(*((n, depth) if flipped[side] ^ (1 - side) else (depth, n))))
        shape = [others, n] if side else [n, others]
        inputs = [self.at, weights] if side else [weights, self.at]
        attributes = dict(zip(("transA", "transB"), flipped, strict=True))
        if self._perhaps():
            attributes |= {"alpha": float(self.rng.choice([0.5, 2, -1])), "beta": float(self.rng.choice([0.5, 2, 0]))}
        if self._perhaps(0.6):
            shapes = [(), (1,), (shape[1],), (1, shape[1]), (shape[0], 1), shape]
            inputs.append(self._constant(self._few(*shapes[self._up_to(0, 5)])))
        self._now(self._node("Gemm", inputs, **attributes), shape)
        return -1 if side else -2

    def _follower(self, row_axis):
        kind = self._up_to(0, 5)
        if kind == 0:
            self._now(self._node(str(self.rng.choice(["Relu", "Tanh", "Sigmoid", "Abs"])), [self.at]), self.shape)
        elif kind == 1:
            parameters = [self._few(self.shape[1]) for _ in range(3)] + [np.abs(self._few(self.shape[1])) + 0.5]
            inputs = [self.at, *map(self._constant, parameters)]
            self._now(self._node("BatchNormalization", inputs, epsilon=0.1), self.shape)
        else:
            sizes = [1] * len(self.shape)
            axis = row_axis if self._perhaps(0.7) else self._up_to(-len(sizes), -1)
            sizes[axis] = self.shape[axis] if self._perhaps(0.8) else 1
            sizes = sizes[axis:] if self._perhaps() else sizes
            inputs = [self.at, self._constant(self._few(*sizes))]
            inputs = inputs if self._perhaps() else inputs[::-1]
            self._now(self._node(str(self.rng.choice(["Mul", "Add", "Sub"])), inputs), self.shape)

    def _now(self, name, shape):
        self.at, self.shape = name, list(shape)
        self.ranks[name] = len(self.shape)

    def _made(self):
        """The model; now and then a value on the way is an output too, or a size is open."""
        more = [name for name in self.ranks if name != self.at and self._perhaps(0.1)]
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{name}_{i}" for i in range(self.ranks[name])])
            for name in [self.at, *more]
        ]
        sizes = [f"x_{i}" if self._perhaps(0.2) else size for i, size in enumerate(self.x.shape)]
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
            outputs,
            [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def random_recurrent(seed):
    """A recurrent operator with options at random, and its inputs."""
    rng = np.random.default_rng(seed)
    operator = str(rng.choice(["LSTM", "GRU", "RNN"]))
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    n_gates, n_directions = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator], 1 + (direction == "bidirectional")
    n_steps, n_samples, n_inputs, n_units = (int(rng.integers(1, most + 1)) for most in (4, 3, 4, 3))
    states = (n_directions, n_samples, n_units)
    arrays = {
        "W": rng.normal(size=(n_directions, n_gates * n_units, n_inputs)),
        "R": rng.normal(size=(n_directions, n_gates * n_units, n_units)),
        "B": rng.normal(size=(n_directions, 2 * n_gates * n_units)),
        "h0": rng.normal(size=states),
        "c0": rng.normal(size=states),
        "P": rng.normal(size=(n_directions, 3 * n_units)),
    }
    optional = ["B", "", "h0", *(["c0", "P"] if operator == "LSTM" else [])]
    inputs = ["x", "W", "R", *(name if name and rng.random() < 0.5 else "" for name in optional)]
    attributes = {"direction": direction, "hidden_size": n_units}
    if rng.random() < 0.3:
        attributes["clip"] = float(rng.choice([0.5, 2]))
    if operator == "GRU":
        attributes["linear_before_reset"] = int(rng.integers(2))
    if operator == "LSTM" and "P" not in inputs and rng.random() < 0.3:
        attributes["input_forget"] = 1
    if rng.random() < 0.5:
        n_functions = {"LSTM": 3, "GRU": 2, "RNN": 1}[operator] * n_directions
        attributes["activations"] = [str(name) for name in rng.choice(["Sigmoid", "Tanh", "Relu"], n_functions)]
    y = [n_steps, n_directions, n_samples, n_units]
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], "rnn", **attributes)],
        "recurrent",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [n_steps, n_samples, n_inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)],
        [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items() if n in inputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return model, {"x": rng.normal(size=(n_steps, n_samples, n_inputs)).astype(np.float32)}
