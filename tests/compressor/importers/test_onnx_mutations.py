"""Damaged and forged ONNX files: each is one clear error or a model that passes every check, in bounded memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from damage import DAMAGES, accepted_within_limits
from onnx_models import model_of, small

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


def dequantised():
    """A matrix of 20 MB in 8 bits, dequantised and transposed."""
    model = chain("MatMul", 1, ["w"])
    helper, stored = onnx.helper, onnx.numpy_helper.from_array
    model.graph.initializer[0].CopyFrom(stored(np.ones((4500, 4500), np.int8), "q"))
    model.graph.initializer.append(stored(np.float32(0.5), "s"))
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["q", "s"], ["d"]))
    model.graph.node.insert(1, helper.make_node("Transpose", ["d"], ["w"]))
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


def test_large_weights_of_8_bits_are_not_taken_for_an_attack(tmp_path):
    """As float32 they take four times the bytes that the file has."""
    path = tmp_path / "model.onnx"
    path.write_bytes(dequantised().SerializeToString())
    (tensor,) = read_onnx(path).tensors
    assert tensor.shape == (4500, 4500)
    assert (tensor.weights == 0.5).all()


# What is computed while a model is read -------------------------------------------------------------------------------


def with_weights(nodes, initialisers, functions=(), domains=()):
    """A product with weights ``w`` that other nodes compute."""
    product = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], "fc")
    model = model_of([*nodes, product], initialisers, (1, 2), None, 17)
    model.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in domains)
    model.functions.extend(functions)
    return model


def integers(*values):
    return np.array(values, np.int64)


def enormous():
    """Weights of terabytes of a few bytes, by every operator that makes much of little."""
    node = onnx.helper.make_node
    size, one = integers(2**20, 2**20), np.ones((1, 1), np.float32)
    yield "Expand", with_weights([node("Expand", ["v", "s"], ["w"])], {"v": one, "s": size})
    yield "Tile", with_weights([node("Tile", ["v", "s"], ["w"])], {"v": one, "s": size})
    yield "ConstantOfShape", with_weights([node("ConstantOfShape", ["s"], ["w"])], {"s": size})
    yield (
        "Pad",
        with_weights(
            [node("Pad", ["v", "p"], ["w"])],
            {"v": one, "p": integers(0, 0, 2**20, 2**20)},
        ),
    )
    yield "Resize", with_weights([node("Resize", ["v", "", "", "s"], ["w"])], {"v": one, "s": size})
    products = [node("MatMul", [f"p{i}", f"p{i}"], [f"p{i + 1}"]) for i in range(60)]
    yield "powers", with_weights([*products, node("Identity", ["p60"], ["w"])], {"p0": np.ones((900, 900), np.float32)})
    doubled = [node("Concat", [f"p{i}", f"p{i}"], [f"p{i + 1}"], axis=0) for i in range(40)]
    yield "doubled", with_weights([*doubled, node("Identity", ["p40"], ["w"])], {"p0": one})
    outer = [node("Einsum", ["v", "v"], ["w"], equation="i,j->ij")]
    yield "outer product", with_weights(outer, {"v": np.ones(2**20, np.float32)})
    ranges = [node("Range", ["a", "b", "c"], ["r"]), node("Unsqueeze", ["r", "axes"], ["w"])]
    limits = {"a": np.float32(0), "b": np.float32(2**40), "c": np.float32(1), "axes": integers(0)}
    yield "Range", with_weights(ranges, limits)


def wild():
    """Indices and sizes that no tensor has."""
    node = onnx.helper.make_node
    v = np.ones((2, 2), np.float32)
    for at, size in enumerate(EVIL_NUMBERS):
        yield f"Reshape {at}", with_weights([node("Reshape", ["v", "s"], ["w"])], {"v": v, "s": integers(size, -1)})
        bounds = {"v": v, "s": integers(size), "e": integers(min(-size, 2**63 - 1)), "a": integers(0)}
        yield f"Slice {at}", with_weights([node("Slice", ["v", "s", "e", "a", "s"], ["w"])], bounds)
        yield f"Gather {at}", with_weights([node("Gather", ["v", "s"], ["w"])], {"v": v, "s": integers(size)})
        yield f"Unsqueeze {at}", with_weights([node("Unsqueeze", ["v", "s"], ["w"])], {"v": v, "s": integers(size)})


def function(name, nodes, domain="evil"):
    return onnx.helper.make_function(
        domain, name, ["a"], ["b"], nodes, [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("evil", 1)]
    )


def calling():
    """Functions that make much of little."""
    node = onnx.helper.make_node
    call = [node("f40", ["v"], ["w"], domain="evil")]
    v = {"v": np.ones((2, 2), np.float32)}

    def twice(i):
        return [node(f"f{i}", ["a"], ["t"], domain="evil"), node(f"f{i}", ["t"], ["b"], domain="evil")]

    doubling = [function("f0", [node("Relu", ["a"], ["b"])])] + [function(f"f{i + 1}", twice(i)) for i in range(40)]
    yield "doubling", with_weights(call, v, doubling, ["evil"])
    circle = [function("f40", [node("f41", ["a"], ["b"], domain="evil")])]
    circle.append(function("f41", [node("f40", ["a"], ["b"], domain="evil")]))
    yield "circle", with_weights(call, v, circle, ["evil"])
    itself = [function("f40", [node("f40", ["a"], ["b"], domain="evil")])]
    yield "itself", with_weights(call, v, itself, ["evil"])
    deep = [function("f0", [node("Relu", ["a"], ["b"])])]
    deep += [function(f"f{i + 1}", [node(f"f{i}", ["a"], ["b"], domain="evil")]) for i in range(3000)]
    yield "deep", with_weights([node("f3000", ["v"], ["w"], domain="evil")], v, deep, ["evil"])
    constant = onnx.numpy_helper.from_array(np.ones((1000, 1000), np.float32), "c")
    heavy = [node("Constant", [], ["c"], value=constant), node("Identity", ["a"], ["b"])]
    often = [node("f", [f"h{i}"], [f"h{i + 1}"], domain="evil") for i in range(1000)]
    yield (
        "heavy",
        with_weights([*often, node("Identity", ["h1000"], ["w"])], {"h0": v["v"]}, [function("f", heavy)], ["evil"]),
    )


def branching():
    """Conditions within conditions, and after conditions."""
    node = onnx.helper.make_node

    def graph(nodes, output):
        ends = [onnx.helper.make_tensor_value_info(output, 1, None)]
        return onnx.helper.make_graph(nodes, "branch", [], ends)

    truth = np.array(True)
    inner = [node("Identity", ["v"], ["b0"])]
    for i in range(25):
        other = graph([node("Neg", ["v"], [f"n{i}"])], f"n{i}")
        inner = [node("If", ["t"], [f"b{i + 1}"], then_branch=graph(inner, f"b{i}"), else_branch=other)]
    v = np.ones((2, 2), np.float32)
    yield "deep", with_weights([*inner, node("Identity", ["b25"], ["w"])], {"t": truth, "v": v})
    many = []
    for i in range(2000):
        branch = graph([node("Identity", [f"b{i}"], ["same"])], "same")
        many.append(node("If", ["t"], [f"b{i + 1}"], "if", then_branch=branch, else_branch=branch))
    yield "many", with_weights([*many, node("Identity", ["b2000"], ["w"])], {"t": truth, "b0": v})
    body = onnx.helper.make_graph(
        [node("Identity", ["c_in"], ["c_out"]), node("Add", ["a_in", "a_in"], ["a_out"])],
        "body",
        [
            onnx.helper.make_tensor_value_info("i", 7, []),
            onnx.helper.make_tensor_value_info("c_in", 9, []),
            onnx.helper.make_tensor_value_info("a_in", 1, None),
        ],
        [onnx.helper.make_tensor_value_info("c_out", 9, []), onnx.helper.make_tensor_value_info("a_out", 1, None)],
    )
    loop = node("Loop", ["n", "t", "v"], ["w"], body=body)
    yield "loop", with_weights([loop], {"n": integers(2**62).reshape(()), "t": truth, "v": v})


def backwards(n):
    """A chain of `n` nodes of which every link is a weight, the longest way first."""
    passing = [onnx.helper.make_node("Neg", [f"w{i}"], [f"w{i + 1}"]) for i in range(n)]
    products = [onnx.helper.make_node("MatMul", [f"p{i + 1}", f"w{i}"], [f"p{i}"]) for i in reversed(range(1, n))]
    model = with_weights([*passing, *products], {"w0": np.ones((2, 2), np.float32)})
    model.graph.node[-1].input[0], model.graph.node[n].input[0] = "p1", "x"
    model.graph.node[-1].input[1] = "w0"
    return model


def scaling():
    """One matrix of 10 MB, and a thousand operators that scale what it gives, or that multiply with it and scale."""
    w = {"w": np.ones((1600, 1600), np.float32), "f": np.float32([1.001])}
    follow = [onnx.helper.make_node("Mul", [f"m{i}" if i else "m", "f"], [f"m{i + 1}"]) for i in range(5000)]
    product = onnx.helper.make_node("MatMul", ["x", "w"], ["m"])
    last = onnx.helper.make_node("Neg", ["m5000"], ["y"])
    yield "followers", model_of([product, *follow, last], w, (1, 1600), None, 17)
    gemms = [
        onnx.helper.make_node("Gemm", [f"h{i}" if i else "x", "w"], [f"h{i + 1}"], alpha=1 + i / 1000)
        for i in range(1, 1000)
    ]
    gemms[0].input[0], gemms[-1].output[0] = "x", "y"
    yield "factors", model_of(gemms, w, (1, 1600), None, 17)


@proc
@pytest.mark.parametrize("attack", [scaling, enormous, wild, calling, branching], ids=lambda attack: attack.__name__)
def test_what_is_computed_of_constants_is_bounded(attack, content, tmp_path):
    files = {name: model.SerializeToString() for name, model in attack()}
    accepted_within_limits("read_onnx", content, files, tmp_path)


@proc
def test_a_chain_of_weights_takes_no_time_that_grows_with_its_square(content, tmp_path):
    files = {"backwards": backwards(3000).SerializeToString()}
    accepted_within_limits("read_onnx", content, files, tmp_path, seconds=20)


# The graph that a compressed model carries ----------------------------------------------------------------------------


def forge_network(rng, content, network):
    """The graph of a network with a damaged or a forged model in it, or with uses that it does not have."""
    what = rng.integers(3)
    if what == 0:
        return replace(network, onnx=DAMAGES[rng.integers(len(DAMAGES))](rng, network.onnx))
    if what == 1:
        return replace(network, onnx=FORGERIES[rng.integers(len(FORGERIES))](rng, network.onnx))
    uses = [network.uses[i] for i in rng.integers(0, len(network.uses), 3)]
    uses[0] = replace(uses[0], result=str(rng.choice(NAMES)), tensors=uses[-1].tensors)
    return replace(network, uses=tuple(uses))


@sizes
def test_a_forged_graph_of_a_compressed_model_is_refused_or_written(cases, content, tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(content)
    model = compress_model(read_onnx(path), 0.5, weight_bits=2)
    messages = []
    for case in range(cases):
        forged = replace(model, network=forge_network(np.random.default_rng([200, case]), content, model.network))
        try:
            write_onnx(forged, None, tmp_path / "new.onnx")
        except ValueError as error:
            messages.append(str(error))
        else:
            onnx.load(tmp_path / "new.onnx")
    assert 0 < len(messages) < cases
    assert all(len(message) < 600 and "\n" not in message for message in messages)


def test_a_graph_whose_tensors_are_larger_than_the_model_is_refused(content, tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(content)
    model = compress_model(read_onnx(path), 0.5, weight_bits=2)
    forged = onnx.ModelProto.FromString(model.network.onnx)
    next(tensor for tensor in forged.graph.initializer if tensor.name == "W").dims[:] = [2, 4, 2**40]
    network = replace(model.network, onnx=forged.SerializeToString())
    with pytest.raises(ValueError, match="network: its tensors have more numbers than the model"):
        write_onnx(replace(model, network=network), None, tmp_path / "new.onnx")
