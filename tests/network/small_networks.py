"""Small networks of every kind, compressed without loss, and what ONNX Runtime makes of them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.onnx_layers import session_of
from compressor import compress_model
from compressor.importers import read_onnx
from compressor.importers.onnx import decoded_onnx


def compressed(model, folder, density=1.0, weight_bits=8, **hints):
    """A model as a file that is read and compressed."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return compress_model(read_onnx(path, **hints), density, weight_bits=weight_bits)


def answers(model, feeds):
    """The outputs of ONNX Runtime, by name: of a model of ONNX, or of the decoded weights of a compressed one."""
    session = session_of(model if isinstance(model, onnx.ModelProto) else decoded_onnx(model))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def agree(found, wanted, within, nearby=None):
    """Whether outputs are the same to a fraction of the larger of 1 and their largest magnitude.

    `nearby` are those of inputs that differ in the last bit: where a recurrence makes much of little, outputs may
    differ by ten times what ONNX Runtime's own do.
    """
    assert found.keys() == wanted.keys()
    for name, numbers in wanted.items():
        assert found[name].shape == numbers.shape, name
        assert found[name].dtype == numbers.dtype, name
        error = np.abs(found[name].astype(np.float64) - numbers).max(initial=0)
        room = 0.0 if nearby is None else 10 * np.abs(nearby[name].astype(np.float64) - numbers).max(initial=0)
        assert error <= room + within * max(1, np.abs(numbers).max(initial=0)), name


def with_another_last_bit(feeds):
    """Inputs of which every float is the next one."""
    return {
        name: np.nextafter(numbers, np.float32(np.inf)) if numbers.dtype == np.float32 else numbers
        for name, numbers in feeds.items()
    }


def same_result(one, other):
    """Whether two results are the same in every number that is not a measured time, outputs in every bit."""
    assert one.rows() == other.rows()
    assert one.summary() == other.summary()
    assert one.latency_cycles.tolist() == other.latency_cycles.tolist()
    assert one.energy_uj.tobytes() == other.energy_uj.tobytes()
    assert {name: y.tobytes() for name, y in one.outputs.items()} == {n: y.tobytes() for n, y in other.outputs.items()}
    for name, node in one.nodes.items():
        for counter, value in vars(node.counts).items():
            assert np.array_equal(value, getattr(other.nodes[name].counts, counter)), counter


def few(seed, *shape):
    """Weights of few values, so that 8 bits hold them and their products."""
    return (np.random.default_rng(seed).integers(-3, 4, shape) / 4).astype(np.float32)


def made(nodes, constants, inputs, outputs, opset=17):
    """A model of nodes; inputs and outputs are shapes by name."""
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in one.items()]
        for one in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "network", *ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def residual():
    """A convolution, a branch of two more, what goes round them added, and a matrix over the mean."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "k1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "k2"], ["c2"], "depthwise", pads=[1, 1, 1, 1], group=4),
        node("Conv", ["c2", "k3"], ["c3"], "pointwise"),
        node("Add", ["c3", "r1"], ["sum"]),
        node("GlobalAveragePool", ["sum"], ["mean"]),
        node("Flatten", ["mean"], ["flat"]),
        node("Gemm", ["flat", "w", "b"], ["y"], "fc", transB=1),
    ]
    constants = {
        "k1": few(1, 4, 2, 3, 3), "b1": few(2, 4), "k2": few(3, 4, 1, 3, 3), "k3": few(4, 4, 4, 1, 1),
        "w": few(5, 3, 4), "b": few(6, 3),
    }  # fmt: skip
    return made(nodes, constants, {"x": ["n", 2, 6, 5]}, {"y": ["n", 3]})


def with_state():
    """An LSTM of one step whose states are inputs and outputs, as in a detector of speech."""
    node = helper.make_node
    nodes = [
        node("Unsqueeze", ["x", "axis"], ["steps"]),
        node("LSTM", ["steps", "W", "R", "B", "", "h", "c"], ["", "hn", "cn"], "lstm", hidden_size=3),
        node("Squeeze", ["hn", "axis"], ["last"]),
        node("MatMul", ["last", "w"], ["y"], "fc"),
    ]
    constants = {
        "W": few(1, 1, 12, 4), "R": few(2, 1, 12, 3), "B": few(3, 1, 24), "w": few(4, 3, 2),
        "axis": np.zeros(1, np.int64),
    }  # fmt: skip
    state = {"h": [1, 1, 3], "c": [1, 1, 3]}
    return made(nodes, constants, {"x": ["n", 4], **state}, {"y": ["n", 2], "hn": [1, 1, 3], "cn": [1, 1, 3]})


_FUNCTIONS = [
    "Sigmoid", "Tanh", "Relu", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",
    "Softsign", "Softplus",
]  # fmt: skip
N_FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}


def any_recurrent(seed):
    """A recurrent operator with lengths, states, all of its results and any function, and its inputs."""
    rng = np.random.default_rng(seed)
    operator = str(rng.choice(["LSTM", "GRU", "RNN"]))
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    n_directions = 1 + (direction == "bidirectional")
    rows_of_unit = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator]
    n_steps, n_samples, n_inputs, n_units = (int(rng.integers(1, most)) for most in (6, 5, 5, 4))
    rows, states = rows_of_unit * n_units, (n_directions, n_samples, n_units)
    constants = {
        "W": few(seed, n_directions, rows, n_inputs),
        "R": few(seed + 1, n_directions, rows, n_units),
        "B": few(seed + 2, n_directions, 2 * rows),
        "P": few(seed + 3, n_directions, 3 * n_units),
    }
    feeds = {
        "x": rng.normal(size=(n_steps, n_samples, n_inputs)).astype(np.float32),
        "lengths": rng.integers(0, n_steps + 1, n_samples).astype(np.int32),
        "h": few(seed + 4, *states),
        "c": few(seed + 5, *states),
    }
    optional = ["B", "lengths", "h", *(["c", "P"] if operator == "LSTM" else [])]
    inputs = ["x", "W", "R", *(name if rng.random() < 0.6 else "" for name in optional)]
    if "B" in inputs and rng.random() < 0.2:  # biases that are computed
        feeds["B"] = constants.pop("B")
    attributes = {"direction": direction, "hidden_size": n_units}
    if rng.random() < 0.3:
        attributes["clip"] = float(rng.choice([0.5, 2]))
    if operator == "GRU":
        attributes["linear_before_reset"] = int(rng.integers(2))
    if operator == "LSTM" and "P" not in inputs and rng.random() < 0.3:
        attributes["input_forget"] = 1
    if rng.random() < 0.5:
        attributes["activations"] = [str(name) for name in rng.choice(_FUNCTIONS, N_FUNCTIONS[operator] * n_directions)]
        if n_given := int(rng.integers(0, 3)):
            attributes |= {"activation_alpha": [0.25] * n_given, "activation_beta": [0.5]}
    outputs = {"y": [n_steps, *states[:1], *states[1:]], "last": states, "cell": states}
    names = list(outputs)[: 3 if operator == "LSTM" else 2]
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, names, "rnn", **attributes)],
        "recurrent",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in feeds.items()
            if name in inputs
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, outputs[name]) for name in names],
        [numpy_helper.from_array(array, name) for name, array in constants.items() if name in inputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return model, {name: array for name, array in feeds.items() if name in inputs}


def any_convolution(seed):
    """A Conv or a ConvTranspose with any of its attributes, and its input; ONNX Runtime may refuse it."""
    rng = np.random.default_rng(seed)

    def drawn(least, most, n):
        return [int(size) for size in rng.integers(least, most + 1, n)]

    n_axes, groups = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    kernel, strides, dilations, sizes = (drawn(1, most, n_axes) for most in (3, 3, 2, 7))
    n_inputs, per_group = groups * int(rng.integers(1, 3)), int(rng.integers(1, 3))
    is_conv = rng.random() < 0.5
    attributes = {"group": groups, "strides": strides, "dilations": dilations}
    auto_pad = str(rng.choice(["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    attributes |= {"pads": drawn(0, 2, 2 * n_axes)} if auto_pad == "NOTSET" else {"auto_pad": auto_pad}
    if not is_conv and rng.random() < 0.4:
        attributes["output_padding"] = [int(rng.integers(0, max(one))) for one in zip(strides, dilations, strict=True)]
    if not is_conv and rng.random() < 0.3:
        full = [s * (n - 1) + d * (k - 1) + 1 for s, n, d, k in zip(strides, sizes, dilations, kernel, strict=True)]
        attributes["output_shape"] = [
            max(1, size + change) for size, change in zip(full, drawn(-2, 2, n_axes), strict=True)
        ]
        attributes.pop("pads", None)
    shape = (groups * per_group, n_inputs // groups) if is_conv else (n_inputs, per_group)
    constants = {"w": few(seed, *shape, *kernel), "b": few(seed + 1, groups * per_group)}
    inputs = ["x", "w", "b"][: int(rng.integers(2, 4))]
    node = helper.make_node("Conv" if is_conv else "ConvTranspose", inputs, ["y"], "conv", **attributes)
    constants = {name: constants[name] for name in inputs[1:]}
    model = made([node], constants, {"x": [2, n_inputs, *sizes]}, {"y": [f"y_{at}" for at in range(n_axes + 2)]})
    return model, {"x": rng.normal(size=(2, n_inputs, *sizes)).astype(np.float32)}


def any_product(seed):
    """A Gemm or a MatMul with weights on either side, of one axis, two or a stack of matrices, and its input."""
    rng = np.random.default_rng(seed)
    side, depth, n, n_vectors = (int(rng.integers(0, 2)), *(int(size) for size in rng.integers(1, 5, 3)))
    if rng.random() < 0.4:
        flipped = rng.integers(0, 2, 2).tolist()
        sizes = [(n, depth), (depth, n_vectors)] if side == 0 else [(n_vectors, depth), (depth, n)]
        shapes = [shape[::-1] if turned else shape for shape, turned in zip(sizes, flipped, strict=True)]
        attributes = {"transA": flipped[0], "transB": flipped[1]}
        attributes |= {"alpha": float(rng.choice([1, 0.5, -1])), "beta": float(rng.choice([1, 2, 0]))}
        y = (sizes[0][0], sizes[1][1])
        added = [(), (1,), y[1:], (1, y[1]), (y[0], 1), y][int(rng.integers(0, 6))]
        more = [few(seed + 1, *added)] if rng.random() < 0.6 else []
        operator = "Gemm"
    else:
        leading = tuple(int(size) for size in rng.integers(1, 4, int(rng.integers(0, 3))))

        def shape_of(rows, columns, is_left):
            """One axis alone, or two after some of the leading ones, each whole or 1."""
            if rng.random() < 0.2:
                return (columns if is_left else rows,)
            own = leading[int(rng.integers(0, len(leading) + 1)) :]
            return *(size if rng.random() < 0.7 else 1 for size in own), rows, columns

        rows, columns = (n, n_vectors) if side == 0 else (n_vectors, n)
        shapes = [shape_of(rows, depth, True), shape_of(depth, columns, False)]
        attributes, more, operator = {}, [], "MatMul"
        y = np.matmul(*map(np.zeros, shapes)).shape
    names = ["w", "x"] if side == 0 else ["x", "w"]
    constants = dict(zip(["w", "c"], [few(seed, *shapes[side]), *more], strict=False))
    node = helper.make_node(operator, [*names, "c"][: 2 + len(more)], ["y"], "product", **attributes)
    x = rng.normal(size=shapes[1 - side]).astype(np.float32)
    return made([node], constants, {"x": list(x.shape)}, {"y": list(y)}), {"x": x}


def any_convolution_of_3_by_3(seed):
    """A Conv that Winograd's transform fits, with any pads, and its input."""
    rng = np.random.default_rng(seed)
    n_inputs, n_outputs, height, width, n_images = (int(size) for size in rng.integers(1, [4, 4, 7, 7, 3]))
    pads = rng.integers(0, 3, 4).tolist()
    height, width = max(height, 3 - pads[0] - pads[2]), max(width, 3 - pads[1] - pads[3])
    constants = {"w": few(seed, n_outputs, n_inputs, 3, 3), "b": few(seed + 1, n_outputs)}
    inputs = ["x", "w", "b"][: int(rng.integers(2, 4))]
    node = helper.make_node("Conv", inputs, ["y"], "conv", pads=pads)
    x = rng.normal(size=(n_images, n_inputs, height, width)).astype(np.float32)
    y = [n_images, n_outputs, height + pads[0] + pads[2] - 2, width + pads[1] + pads[3] - 2]
    constants = {name: constants[name] for name in inputs[1:]}
    return made([node], constants, {"x": list(x.shape)}, {"y": y}), {"x": x}
