"""What an ONNX graph says in one place and means in another: local functions, and ``If`` with a known condition.

Afterwards the operators of functions, and of the branches that are taken, are in the graph itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor.importers.onnx_fold import STANDARD_DOMAINS, Constants, NotFolded, inferred_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

    from compressor.importers.onnx_file import OnnxFile

_MOST_NODES = 1_000_000  # after functions are inlined
_LONGEST_TEXT = 1000  # of a value that is fixed


def inline_functions(model: "ModelProto") -> None:
    """Put the operators of local functions in the place of their calls.

    Raises
    ------
    ValueError
        If a function calls itself, or too many operators come of them.
    """
    if not model.functions:
        return
    # Attack: forty functions, each of which calls the one before twice.
    sizes: dict[tuple[str, str], int] = {}
    bodies = {(function.domain, function.name): function.node for function in model.functions}

    def size_of(nodes: Any, calls: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in _all_nodes(nodes):
            key = (node.domain, node.op_type)
            if key in bodies and key not in sizes:
                if key in calls or len(calls) > len(bodies):
                    raise ValueError(f"function {key[1]!r} calls itself")
                sizes[key] = size_of(bodies[key], (*calls, key))
            total += sizes.get(key, 1)
            if total > _MOST_NODES:
                raise ValueError(f"functions: more than {_MOST_NODES} operators come of them")
        return total

    try:
        size_of(model.graph.node, ())
    except RecursionError:
        raise ValueError("functions: they call one another too deep") from None
    from onnx.inliner import inline_local_functions

    model.CopyFrom(inline_local_functions(model))


def fix_inputs(model: "ModelProto", fix: Mapping[str, Any]) -> None:
    """Make inputs of the graph constants.

    Parameters
    ----------
    fix : mapping of str to number, bool, sequence or str
        Values by the names of inputs; a str is read as numbers separated by commas.

    Raises
    ------
    ValueError
        If there is no such input, or the value is none for it.
    """
    from onnx import helper, numpy_helper

    for name, value in fix.items():
        found = _input_named(model, name, "fix")
        kind = helper.tensor_dtype_to_np_dtype(found.type.tensor_type.elem_type)
        shown = f"{value!r:.100}"
        try:
            numbers = _numbers_in(value) if isinstance(value, str) else value
            array = np.asarray(numbers)
            fits = array.dtype.kind in "biuf" and np.array_equal(array.astype(kind), array)
        except (ValueError, TypeError, OverflowError):
            fits = False
        if not fits:
            raise ValueError(f"fix: {name}={shown}, but the input holds numbers of type {np.dtype(kind).name}")
        sizes = [d.dim_value if d.HasField("dim_value") else 1 for d in found.type.tensor_type.shape.dim]
        if array.size != prod(sizes):
            raise ValueError(f"fix: {name}={shown} has {array.size} numbers, but the input has shape {sizes}")
        model.graph.initializer.append(numpy_helper.from_array(array.astype(kind).reshape(sizes), name))
        model.graph.input.remove(found)


def set_shapes(model: "ModelProto", shapes: Mapping[str, Sequence[int]]) -> None:
    """Give inputs of the graph their sizes.

    Raises
    ------
    ValueError
        If there is no such input, or it has other sizes.
    """
    for name, sizes in shapes.items():
        shape = _input_named(model, name, "shape").type.tensor_type.shape
        if not all(isinstance(size, int) and size >= 0 for size in sizes):
            raise ValueError(f"shape: {name}={sizes!r:.100}, but it must be sizes such as 1x576")
        if shape.dim and len(shape.dim) != len(sizes):
            raise ValueError(f"shape: {name} has {len(shape.dim)} axes, but {'x'.join(map(str, sizes))} {len(sizes)}")
        for at, size in enumerate(sizes):
            dim = shape.dim[at] if at < len(shape.dim) else shape.dim.add()
            if dim.HasField("dim_value") and dim.dim_value != size:
                raise ValueError(f"shape: axis {at} of {name} is {dim.dim_value}, not {size}")
            dim.dim_value = size


def take_branches(file: "OnnxFile", constants: Constants) -> None:
    """Put the branch that is taken in the place of every ``If`` whose condition follows from constants."""
    graph = file.model.graph
    while True:
        found = _first_known(file, constants)
        if found is None:
            return
        at, branch = found
        node = graph.node[at]
        prefix = f"{node.name or node.output[0]}/"
        inside = _renamed(branch, prefix, {name for other in graph.node for name in other.output})
        ends = {output.name: wanted for output, wanted in zip(inside.output, node.output, strict=True)}
        before, after = list(graph.node[:at]), list(graph.node[at + 1 :])
        nodes = list(inside.node)
        from onnx import helper

        # An output of a branch may be a value from outside, or come twice: it is passed on by name.
        nodes += [helper.make_node("Identity", [inner], [outer]) for inner, outer in ends.items() if outer]
        twice = [(o.name, w) for o, w in zip(inside.output, node.output, strict=True) if w and ends[o.name] != w]
        nodes += [helper.make_node("Identity", [inner], [outer]) for inner, outer in twice]
        kept = [_copy(one) for one in (*before, *nodes, *after)]
        initialisers = [_copy(tensor) for tensor in inside.initializer]
        del graph.node[:]
        graph.node.extend(kept)
        graph.initializer.extend(initialisers)
        constants.rebuild()


def _first_known(file: "OnnxFile", constants: Constants) -> "tuple[int, GraphProto] | None":
    """The first ``If`` of the graph whose condition is known, and the branch that is taken."""
    conditional = [
        (at, node)
        for at, node in enumerate(file.model.graph.node)
        if node.op_type == "If" and node.domain in STANDARD_DOMAINS
    ]
    for inferred in (False, True):
        if inferred and conditional:  # sizes may decide: they are looked for only where something waits for them
            constants.shapes |= known_shapes(file)
            constants.rebuild()
        for at, node in conditional:
            if not constants.is_constant(node.input[0]):
                continue
            try:
                condition = constants.array(node.input[0])
            except NotFolded:
                continue
            if condition.size == 1:
                wanted = "then_branch" if condition.reshape(-1)[0] else "else_branch"
                branch = next((a.g for a in node.attribute if a.name == wanted), None)
                if branch is not None and len(branch.output) == len(node.output):
                    return at, branch
    return None


def known_shapes(file: "OnnxFile") -> dict[str, tuple[int, ...]]:
    """The shapes of values whose sizes are all known."""
    found = {}
    for name, (_, sizes) in inferred_types(file.without_numbers()).items():
        known = tuple(size for size in sizes if size is not None)
        if len(known) == len(sizes):
            found[name] = known
    return found


def _renamed(branch: "GraphProto", prefix: str, taken: set[str]) -> "GraphProto":
    """A copy of a branch in which no value has a name of the graph around it."""
    inside: GraphProto = _copy(branch)
    own = {tensor.name for tensor in inside.initializer} | {o for node in inside.node for o in node.output if o}
    while any(prefix + name in taken for name in own):
        prefix += "_"
    names = {name: prefix + name for name in own}
    for node in _all_nodes(inside.node):
        for field in (node.input, node.output):
            for at, name in enumerate(field):
                if name in names:
                    field[at] = names[name]
        for attribute in node.attribute:
            for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                for output in graph.output:
                    output.name = names.get(output.name, output.name)
    for tensor in inside.initializer:
        tensor.name = names[tensor.name]
    for output in inside.output:
        output.name = names.get(output.name, output.name)
    return inside


def _all_nodes(nodes: Any) -> "Iterator[NodeProto]":
    waiting = [nodes]
    while waiting:
        for node in waiting.pop():
            yield node
            for attribute in node.attribute:
                waiting += [attribute.g.node] if attribute.HasField("g") else []
                waiting += [graph.node for graph in attribute.graphs]


def _input_named(model: "ModelProto", name: str, option: str) -> "ValueInfoProto":
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    found: ValueInfoProto | None = next((value for value in inputs if value.name == name), None)
    if found is None:
        names = ", ".join(value.name for value in inputs)
        raise ValueError(f"{option}: {name!r} is not an input of the graph, which has {names:.300}")
    return found


def _numbers_in(text: str) -> list[float | int | bool] | float | int | bool:
    words: dict[str, float | int | bool] = {"true": True, "false": False}
    parts = text[:_LONGEST_TEXT].split(",")
    numbers = [words[p.strip().lower()] if p.strip().lower() in words else _number(p) for p in parts]
    return numbers[0] if len(numbers) == 1 else numbers


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _copy(message: Any) -> Any:
    new = type(message)()
    new.CopyFrom(message)
    return new
