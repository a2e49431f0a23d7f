"""Damaged and forged ONNX files: each is one clear error or a model that passes every check, in bounded memory."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from damage import DAMAGES, accepted_within_limits
from onnx_models import small

from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.storage.files import FormatError

FEW, MANY = 120, 2000  # cases of each kind: in the plain run, and in the slow one
EVIL_NUMBERS = [0, 1, 2, 3, -1, 7, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)]
NAMES = ["", "x", "y", "k", "w", "b", "v", "W", "R", "B", "scale", "nothing", "\0", "x" * 1000]
OPERATORS = ["Gemm", "MatMul", "Conv", "LSTM", "GRU", "Add", "Relu", "Identity", "Transpose", "DequantizeLinear", ""]


@pytest.fixture(scope="module")
def content():
    return small().SerializeToString()


def outcome(path, content):
    """The model, or None when it was refused as it should be; anything else is an error of the test."""
    path.write_bytes(content)
    try:
        return read_onnx(path)
    except FormatError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    assert "\n" not in message
    return None


def keeps_its_promises(model, path):
    """What was accepted is finite and in shape, can be compressed, and is written so that it reads the same."""
    for tensor in model.tensors:
        assert np.isfinite(tensor.weights).all()
        assert tensor.bias is None or np.isfinite(tensor.bias).all()
    if all(np.abs(t.weights).max() < 1e4 for t in model.tensors) and len(model.tensors) < 10:
        coded = compress_model(model, 0.5, weight_bits=2)
        target = path.with_name("again.onnx")
        try:
            write_onnx(coded, path, target)
        except FormatError as error:
            if "layers share it" in str(error):  # two nodes that were made to share a tensor
                return
            raise
        for one, other in zip(read_onnx(target).tensors, coded.tensors, strict=True):
            wanted = other.dense()
            with np.errstate(over="ignore"):
                half = wanted.astype(np.float16).astype(np.float32)  # where the source is
            assert np.array_equal(one.weights, wanted) or np.array_equal(one.weights, half)


def run(kind, make, content, tmp_path, cases):
    """`cases` seeded cases; returns how many were accepted."""
    accepted = 0
    for case in range(cases):
        rng = np.random.default_rng([kind, case])
        path = tmp_path / "case.onnx"
        model = outcome(path, make(rng, content))
        if model is not None:
            accepted += 1
            keeps_its_promises(model, path)
    return accepted


sizes = pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


@sizes
@pytest.mark.parametrize("make", DAMAGES, ids=lambda make: make.__name__)
def test_damage_is_refused_or_leaves_a_sound_model(make, cases, content, tmp_path):
    run(DAMAGES.index(make), make, content, tmp_path, cases)


def test_most_truncations_are_refused(content, tmp_path):
    assert all(outcome(tmp_path / "case.onnx", content[:length]) is None for length in range(0, len(content) - 60, 7))


# Forgeries: whole messages with evil values ---------------------------------------------------------------------------


def forge_tensor(rng, content):
    """A tensor of another shape, type, length or place."""
    model = onnx.ModelProto.FromString(content)
    tensors = model.graph.initializer
    tensor = tensors[rng.integers(len(tensors))]
    for _ in range(rng.integers(1, 3)):
        what = rng.integers(6)
        if what == 0 and len(tensor.dims):
            tensor.dims[rng.integers(len(tensor.dims))] = int(rng.choice(EVIL_NUMBERS))
        elif what == 1:
            tensor.dims.insert(rng.integers(len(tensor.dims) + 1), int(rng.choice(EVIL_NUMBERS[:4])))
        elif what == 2:
            tensor.data_type = int(rng.integers(0, 28))
        elif what == 3:
            tensor.raw_data = rng.bytes(rng.integers(0, 40))
        elif what == 4:
            tensor.name = str(rng.choice(NAMES[:-2]))
        else:
            tensor.data_location = 1
            locations = ["case.onnx", "../case.onnx", "/dev/zero", "/dev/stdin", "", ".", "missing"]
            tensor.external_data.add(key="location", value=str(rng.choice(locations)))
            tensor.external_data.add(key="offset", value=str(rng.choice(["0", "4", "-4", "1e9", "9" * 30, ""])))
            tensor.external_data.add(key="length", value=str(rng.choice(["0", "8", "16", "-1", "9" * 19, "x"])))
    return model.SerializeToString()


def forge_node(rng, content):
    """A node of another operator, with other inputs, outputs or attributes."""
    model = onnx.ModelProto.FromString(content)
    for _ in range(rng.integers(1, 3)):
        node = model.graph.node[rng.integers(len(model.graph.node))]
        what = rng.integers(6)
        if what == 0:
            node.op_type = str(rng.choice(OPERATORS))
        elif what == 1 and node.input:
            node.input[rng.integers(len(node.input))] = str(rng.choice(NAMES))
        elif what == 2 and node.output:
            node.output[rng.integers(len(node.output))] = str(rng.choice(NAMES))
        elif what == 3 and node.input:
            del node.input[rng.integers(len(node.input))]
        elif what == 4 and node.attribute:
            attribute = node.attribute[rng.integers(len(node.attribute))]
            attribute.type = int(rng.integers(0, 15))
            attribute.i = int(rng.choice(EVIL_NUMBERS))
            attribute.f = float(rng.choice([0, -1, np.nan, np.inf, 1e38]))
            attribute.s = rng.bytes(4)
        else:
            node.name = str(rng.choice(NAMES))
    return model.SerializeToString()


def forge_attribute(rng, content):
    model = onnx.ModelProto.FromString(content)
    nodes = [node for node in model.graph.node if node.attribute]
    node = nodes[rng.integers(len(nodes))]
    attribute = node.attribute[rng.integers(len(node.attribute))]
    attribute.i = int(rng.choice(EVIL_NUMBERS))
    attribute.f = float(rng.choice([0, -1, 1, np.nan, np.inf, 1e38, 1e-38]))
    if attribute.s:
        attribute.s = [b"forward", b"reverse", b"sideways", b"\xff"][rng.integers(4)]
    return model.SerializeToString()


def forge_order(rng, content):
    """Nodes and initialisers in another order, repeated or gone."""
    model = onnx.ModelProto.FromString(content)
    part = [model.graph.node, model.graph.initializer][rng.integers(2)]
    kept = [part[i] for i in rng.integers(0, len(part), len(part))]
    copies = [type(message).FromString(message.SerializeToString()) for message in kept]
    del part[:]
    part.extend(copies)
    return model.SerializeToString()


FORGERIES = [forge_tensor, forge_node, forge_attribute, forge_order]


@sizes
@pytest.mark.parametrize("make", FORGERIES, ids=lambda make: make.__name__)
def test_a_forgery_is_refused_or_is_a_sound_model(make, cases, content, tmp_path):
    accepted = run(100 + FORGERIES.index(make), make, content, tmp_path, cases)
    assert accepted < cases


# Memory and time ------------------------------------------------------------------------------------------------------


def part(number, content):
    """A field of protobuf that holds a message, a text or packed numbers."""
    length, digits = len(content), b""
    while length > 127:
        digits += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + digits + bytes([length]) + content


GRAPH, NODE, INITIALISER, ATTRIBUTE, TENSOR = 7, 1, 5, 5, 5  # numbers of fields in onnx.proto


def message_bombs(n):
    """Files of little but `n` of the smallest things there are."""
    bombs = {
        "nodes": part(GRAPH, part(NODE, b"") * n),
        "initialisers": part(GRAPH, part(INITIALISER, b"") * n),
        "values": part(GRAPH, part(13, b"") * n),
        "sparse": part(GRAPH, part(15, b"") * n),
        "attributes": part(GRAPH, part(NODE, part(ATTRIBUTE, b"") * n)),
        "inputs": part(GRAPH, part(NODE, part(1, b"") * n)),
        "graphs in an attribute": part(GRAPH, part(NODE, part(ATTRIBUTE, part(11, b"") * n))),
        "texts in an attribute": part(GRAPH, part(NODE, part(ATTRIBUTE, part(9, b"") * n))),
        "external entries": part(GRAPH, part(INITIALISER, part(13, b"") * n)),
        "functions": b"\xca\x01\0" * n,
        "operator sets": part(8, b"") * n,
        "properties": part(14, b"") * n,
        "packed numbers": part(GRAPH, part(INITIALISER, part(7, b"\1" * n))),
        "sizes": part(GRAPH, part(INITIALISER, part(1, b"\1" * n))),
        "sizes one by one": part(GRAPH, part(INITIALISER, b"\x08\1" * n)),
        "unknown numbers": b"\xf8\x07\1" * n,
        "unknown texts": b"\xfa\x07\0" * n,
    }
    return {name: b"\x08\x08" + bomb for name, bomb in bombs.items()}


def nested(depth):
    graph = b""
    for _ in range(depth):
        graph = part(NODE, part(ATTRIBUTE, part(6, graph)))
    return b"\x08\x08" + part(GRAPH, graph)


def chain(op, n, initialisers):
    """`n` nodes one after another."""
    nodes = [onnx.helper.make_node(op, [str(i), *initialisers], [str(i + 1)]) for i in range(n)]
    model = small()
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.input[0].name, model.graph.output[0].name = "0", str(n)
    model.graph.node.extend(nodes)
    for name in initialisers:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, 1), np.float32), name))
    return model


def many_matrices(n):
    model = chain("MatMul", n, ())
    for i, node in enumerate(model.graph.node):
        node.input.append(f"w{i}")
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, 1), np.float32), f"w{i}"))
    return model


def behind_identities(n):
    """`n` products with one matrix that `n` nodes pass on, and one with the matrix itself."""
    model = chain("MatMul", n, ["w"])
    for node in model.graph.node[1:]:
        node.input[1] = f"i{n}"
    passing = [onnx.helper.make_node("Identity", [f"i{i}" if i else "w"], [f"i{i + 1}"]) for i in range(n)]
    nodes = [*passing, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def large(dtype):
    """A matrix of 20 MB, transposed."""
    size = int((20_000_000 // np.dtype(dtype).itemsize) ** 0.5)
    model = chain("MatMul", 1, ["w"])
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.ones((size, size), dtype), "w"))
    return model


proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured through /proc")


@proc
@pytest.mark.parametrize("n", [50_000, pytest.param(1_500_000, marks=pytest.mark.slow)])
def test_many_small_parts_take_neither_memory_nor_time(n, content, tmp_path):
    bombs = message_bombs(n) | {"nested": nested(3000), "deep": nested(30)}
    assert accepted_within_limits("read_onnx", content, bombs, tmp_path) == set()


@proc
def test_large_models_are_read_within_the_limits(content, tmp_path):
    models = {
        "many nodes": chain("Identity", 10_000, ()),  # and no weights
        "one matrix many times": chain("MatMul", 5_000, ["w"]),
        "a long way to a matrix": behind_identities(5_000),
        "many matrices": many_matrices(1_000),
        "too many matrices": many_matrices(10_001),
        "float16": large(np.float16),
        "float32": large(np.float32),
        "float64": large(np.float64),
    }
    files = {name: model.SerializeToString() for name, model in models.items()}
    accepted = accepted_within_limits("read_onnx", content, files, tmp_path)
    assert accepted == set(models) - {"many nodes", "too many matrices"}
