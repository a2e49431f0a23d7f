"""What an ONNX graph says in one place and means in another: local functions, and ``If`` with a known condition.

Afterwards the operators of functions, and of the branches that are taken, are in the graph itself.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor.checks import whole_number
from compressor.importers.onnx_fold import Constants, NotFolded, settled_shapes
from compressor.importers.onnx_graph import all_nodes, copy_of, graphs_in, inner_graphs, is_standard, result_of
from compressor.importers.onnx_scan import COPIES
from compressor.importers.onnx_tensors import is_float_type
from compressor.storage.files import memory_limit

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

    from compressor.importers.onnx_file import OnnxFile

_NODE_BYTES = 600  # of memory that a node takes at least
_LARGEST = 2**31 - 1  # size of an axis that may be given
_MOST_ROUNDS = 100  # of shape inference; attack: a chain of conditions, of which each depends on a shape after the last
_LONGEST_TEXT = 1000  # of a value that is fixed
_NO_NUMBERS = (0, 8)  # types of elements: undefined, strings


def inline_functions(model: "ModelProto", size: int) -> None:
    """Put the operators of local functions in the place of their calls.

    Parameters
    ----------
    model : ModelProto
        Changed in place.
    size : int
        Bytes of its file.

    Raises
    ------
    ValueError
        If a function calls itself, or they take too much memory.
    """
    if not model.functions:
        return
    # Attack: forty functions, each of which calls the one before twice; or one with many constants, called often.
    limit = memory_limit(size) // COPIES
    sizes: dict[tuple[str, str], int] = {}
    bodies = {(function.domain, function.name): function.node for function in model.functions}

    def size_of(nodes: Any, calls: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in all_nodes(nodes):
            key = (node.domain, node.op_type)
            if key in bodies and key not in sizes:
                if key in calls:
                    raise ValueError(f"function {key[1]!r} calls itself")
                sizes[key] = size_of(bodies[key], (*calls, key))
            total += sizes[key] if key in bodies else _NODE_BYTES + node.ByteSize()
            if total > limit:
                raise ValueError(f"functions: inlined, they take more than the {limit} bytes of memory allowed")
        return total

    try:
        size_of(model.graph.node, ())
    except RecursionError:
        raise ValueError("functions: their calls are nested too deeply") from None
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
        if not found.type.HasField("tensor_type") or found.type.tensor_type.elem_type in _NO_NUMBERS:
            kind_of = str(found.type.WhichOneof("value")).removesuffix("_type")
            raise ValueError(
                f"fix: {name} is a {'string' if kind_of == 'tensor' else kind_of}, but only numbers can be fixed"
            )
        kind = helper.tensor_dtype_to_np_dtype(found.type.tensor_type.elem_type)
        shown = f"{value!r:.100}"
        try:
            numbers = numbers_in(value) if isinstance(value, str) else value
            array = np.asarray(numbers)
            with np.errstate(all="ignore"):
                rounded = array.astype(kind)
                if is_float_type(found.type.tensor_type.elem_type):  # any number, as long as it is not out of range
                    same = not np.isnan(array).any() and np.array_equal(np.isinf(rounded), np.isinf(array))
                else:
                    same = np.array_equal(rounded, array)
            fits = array.dtype.kind in "biuf" and same
        except (ValueError, TypeError, OverflowError):
            fits = False
        if not fits:
            raise ValueError(f"fix: {name}={shown}, but the input holds numbers of type {np.dtype(kind).name}")
        sizes = [d.dim_value if d.HasField("dim_value") else 1 for d in found.type.tensor_type.shape.dim]
        if array.size != prod(sizes):
            raise ValueError(f"fix: {name}={shown} has {array.size} numbers, but the input has shape {sizes}")
        model.graph.initializer.append(numpy_helper.from_array(array.astype(kind).reshape(sizes), name))
        model.graph.input.remove(found)
        allow_initialisers(model)


def allow_initialisers(model: "ModelProto") -> None:
    """Let initialisers be no inputs, as they may be since version 4 of the format."""
    model.ir_version = max(model.ir_version, 4)


def set_shapes(model: "ModelProto", shapes: Mapping[str, Sequence[int]]) -> None:
    """Give inputs of the graph their sizes.

    Raises
    ------
    ValueError
        If there is no such input, or it has other sizes.
    """
    for name, sizes in shapes.items():
        shape = _input_named(model, name, "shape").type.tensor_type.shape
        try:
            sizes = [whole_number(name, size, 0, _LARGEST) for size in sizes]
        except (TypeError, ValueError):
            raise ValueError(f"shape: {name}={sizes!r:.100}, but it must be sizes such as 1x576") from None
        if shape.dim and len(shape.dim) != len(sizes):
            raise ValueError(f"shape: {name} has {len(shape.dim)} axes, but {'x'.join(map(str, sizes))} {len(sizes)}")
        for at, size in enumerate(sizes):
            dim = shape.dim[at] if at < len(shape.dim) else shape.dim.add()
            if dim.HasField("dim_value") and dim.dim_value not in (size, -1):  # some exporters write -1 for any
                raise ValueError(f"shape: axis {at} of {name} is {dim.dim_value}, not {size}")
            dim.dim_value = size


def take_branches(file: "OnnxFile", constants: Constants) -> None:
    """Put the branch that is taken in the place of every ``If`` whose condition follows from constants."""
    graph = file.model.graph
    rounds = 0
    while any(is_standard(node, "If") for node in graph.node):
        taken = {at: branch for at, node in enumerate(graph.node) if (branch := _branch_taken(node, constants))}
        if taken:
            names = _all_names(graph)
            labels = {node.name: 1 for node in graph.node}
            nodes: list[NodeProto] = []
            for at, node in enumerate(graph.node):
                nodes += _inlined(node, taken[at], graph, names, labels) if at in taken else [copy_of(node)]
            del graph.node[:]
            graph.node.extend(nodes)
        else:  # sizes may decide: they are looked for only where something waits for them
            known = len(constants.shapes)
            settled_shapes(file.without_numbers(), constants)
            rounds += 1
            if rounds == _MOST_ROUNDS or len(constants.shapes) == known:
                return
        constants.rebuild()


def _branch_taken(node: "NodeProto", constants: Constants) -> "GraphProto | None":
    """The branch of an ``If`` whose condition is known."""
    if not is_standard(node, "If") or not constants.is_constant(node.input[0]):
        return None
    try:
        condition = constants.array(node.input[0])
    except NotFolded:
        return None
    wanted = "then_branch" if condition.any() else "else_branch"
    branch = next((attribute.g for attribute in node.attribute if attribute.name == wanted), None)
    is_sound = branch is not None and condition.size == 1 and len(branch.output) == len(node.output)
    return branch if is_sound else None


def _inlined(
    node: "NodeProto", branch: "GraphProto", graph: "GraphProto", names: set[str], labels: dict[str, int]
) -> "list[NodeProto]":
    """The operators of the branch that is taken; its initialisers go to `graph`.

    Names of its values go to `names`, those of its operators to `labels`, with the last number after them.
    """
    from onnx import helper

    inside = _renamed(branch, f"{node.name or result_of(node)}/", names)
    for one in inside.node:  # ONNX Runtime refuses two operators of one name
        first, number = one.name, labels.get(one.name, 0)
        while first and one.name in labels:
            number += 1
            one.name = f"{first}_{number}"
        labels[first] = number  # attack: ten thousand operators of one name
        labels.setdefault(one.name, 1)
    graph.initializer.extend(inside.initializer)
    # An output of a branch may be a value from outside, or come twice: it is passed on by name.
    passed = [(inner.name, outer) for inner, outer in zip(inside.output, node.output, strict=True) if outer]
    return [*map(copy_of, inside.node), *(helper.make_node("Identity", [inner], [outer]) for inner, outer in passed)]


def _all_names(graph: "GraphProto") -> set[str]:
    """Names of the values of a graph and of those within it."""
    graphs = [graph, *inner_graphs(graph)]
    names = {value.name for one in graphs for value in (*one.input, *one.initializer)}
    return names | {name for node in all_nodes(graph.node) for name in node.output}


def _renamed(branch: "GraphProto", prefix: str, taken: set[str]) -> "GraphProto":
    """A copy of a branch in which no value has a name that is taken; its own are added to these."""
    inside: GraphProto = copy_of(branch)
    own = {tensor.name for tensor in inside.initializer} | {o for node in inside.node for o in node.output if o}
    while any(prefix + name in taken for name in own):
        prefix += "_"
    taken.update(prefix + name for name in own)
    names = {name: prefix + name for name in own}
    for node in all_nodes(inside.node):
        for field in (node.input, node.output):
            for at, name in enumerate(field):
                if name in names:
                    field[at] = names[name]
        for graph in graphs_in(node):
            for output in graph.output:
                output.name = names.get(output.name, output.name)
    for tensor in inside.initializer:
        tensor.name = names[tensor.name]
    for output in inside.output:
        output.name = names.get(output.name, output.name)
    return inside


def _input_named(model: "ModelProto", name: str, option: str) -> "ValueInfoProto":
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    found: ValueInfoProto | None = next((value for value in inputs if value.name == name), None)
    if found is None:
        names = ", ".join(value.name for value in inputs)
        raise ValueError(f"{option}: {name!r} is not an input of the graph, which has {names:.300}")
    return found


def numbers_in(text: str) -> list[float | int | bool] | float | int | bool:
    """The numbers of a string, which commas separate; true and false are numbers too."""
    words: dict[str, float | int | bool] = {"true": True, "false": False}
    parts = text[:_LONGEST_TEXT].split(",")
    numbers = [words[p.strip().lower()] if p.strip().lower() in words else _number(p) for p in parts]
    return numbers[0] if len(numbers) == 1 else numbers


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        return float(text)
