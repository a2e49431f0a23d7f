"""Constant folding: the values of an ONNX graph that follow from constants, and their numbers.

A value is a constant where it is stored (an initialiser, a ``Constant`` node), or where a node computes it from
constants alone. Its numbers are computed by ONNX Runtime, or where that lacks the operator by ONNX's reference
evaluator; how many there will be is known from ONNX's shape inference first.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx_scan import COPIES
from compressor.importers.onnx_tensors import is_float, is_large, shape_of, stored_type
from compressor.storage.files import memory_limit

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

    from compressor.importers.onnx_file import OnnxFile

STANDARD_DOMAINS = ("", "ai.onnx")
"""Where ONNX's own operators are."""

_DRAWN = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_COPY_BYTES = 24  # of a number: as stored twice, exact until it is read, as it is read, and on the way
_NODE_BYTES = 2000  # of memory that a node stands for; attack: a chain of nodes of which every link is a weight
_SIZED = {
    **dict.fromkeys(("ConstantOfShape", "Range"), 0),
    **dict.fromkeys(("Expand", "Pad", "Reshape", "Resize", "Slice"), 1),
    **dict.fromkeys(("Split", "Squeeze", "Tile", "TopK", "Unsqueeze"), 1),
}
"""Operators whose results have sizes that inputs say, and the first of these inputs."""
_MOST_ROUNDS = 20  # of shape inference; attack: a long chain of sizes, each of which follows from the one before
_SAME_SHAPE = ("QuantizeLinear", "DequantizeLinear")  # in com.microsoft too, which shape inference does not know


TOO_MUCH = "more memory than a file of this size may"


class NotFolded(ValueError):
    """A value follows from constants, but its numbers cannot be computed; the message says why."""


class _Closure(NamedTuple):
    """What a constant value follows from."""

    nodes: tuple[int, ...]  # numbers of nodes in the graph, in its order
    leaves: frozenset[str]  # stored values


class Constants:
    """The constants of a graph.

    Parameters
    ----------
    file : OnnxFile
        After a change of its graph, `rebuild` must be called.
    shapes : mapping of str to tuple of int
        Values whose shape is known, so that ``Shape`` of them is a constant.
    """

    def __init__(self, file: "OnnxFile", shapes: Mapping[str, Sequence[int]] | None = None) -> None:
        self._file = file
        self.shapes: dict[str, Sequence[int]] = dict(shapes or {})
        self._arrays: dict[str, NDArray[Any] | NotFolded] = {}
        self._sizes: dict[str, NDArray[Any]] = {}
        # Attack: Expand and ConstantOfShape make terabytes of a few bytes.
        self._left = memory_limit(file.size) - COPIES * file.size
        self.rebuild()

    def rebuild(self) -> None:
        """Look at the graph anew, after it has changed."""
        graph = self._file.model.graph
        self.stored: dict[str, TensorProto] = stored_tensors(graph)
        self.nodes = list(graph.node)
        self.producers = {output: at for at, node in enumerate(self.nodes) for output in node.output if output}
        self._known: dict[str, bool] = {}

    def put(self, name: str, tensor: "TensorProto", numbers: NDArray[Any]) -> None:
        """Take a value as stored in `tensor`; its numbers may be more exact than the tensor's type."""
        self.stored[name] = tensor
        self._arrays.pop(name, None)
        if not is_float(tensor) or numbers.dtype != stored_type(tensor):
            self._arrays[name] = numbers
        self._known[name] = True

    def take(self, n_bytes: int, name: str) -> None:
        """Take memory for the numbers of a value.

        Raises
        ------
        NotFolded
            If a file of this size may not take so much.
        """
        # Attack: a chain of weights. What is refused counts too, so that the rest is refused without a look at it.
        self._left -= n_bytes
        if self._left < 0:
            raise NotFolded(f"{name!r} follows from constants, but takes {TOO_MUCH}")

    def take_copy(self, name: str) -> None:
        """Take memory for a copy of a stored constant; one that is refused leaves the memory to others.

        Raises
        ------
        NotFolded
            If a file of this size may not take so much.
        """
        n_bytes = _COPY_BYTES * prod(self.stored[name].dims)
        if n_bytes > self._left:
            raise NotFolded(f"a copy of {name!r} takes {TOO_MUCH}")
        self._left -= n_bytes

    def producer(self, name: str) -> "NodeProto | None":
        """The node that computes a value."""
        at = self.producers.get(name)
        return None if at is None else self.nodes[at]

    def is_constant(self, name: str) -> bool:
        """Whether a value follows from constants."""
        return bool(name) and (name in self.stored or self._follows(name))

    def sources(self, name: str) -> frozenset[str]:
        """The stored constants that a constant value follows from."""
        return self._closure(name).leaves if self.is_constant(name) else frozenset()

    def array(self, name: str) -> NDArray[Any]:
        """The numbers of a constant; bfloat16 comes as float32.

        Raises
        ------
        NotFolded
            If they cannot be computed.
        """
        if name not in self._arrays:
            try:
                self._arrays[name] = self._computed(name)
            except NotFolded as error:
                self._arrays[name] = NotFolded(str(error))  # without its traceback, which would keep what it took
        found = self._arrays[name]
        if isinstance(found, NotFolded):
            raise found
        return found

    def _computed(self, name: str) -> NDArray[Any]:
        if name in self.stored:
            return self._file.numbers(self.stored[name])
        if (sizes := self._shape_result(name)) is not None:
            return sizes
        if not self.is_constant(name):
            raise NotFolded(f"{name!r} is not a constant")
        self.take(0, name)
        # Sizes first, in the order of the graph: shape inference must know their numbers.
        for at in self._closure(name).nodes:
            for size in set(self.computed_sizes(self.nodes[at])) - self._sizes.keys():
                self._sizes[size] = self.array(size)
        closure = self._closure(name)
        self._check_sizes(closure, name)
        model = self._model_of(closure, name)
        try:
            return _with_onnx_runtime(model)
        except Exception as error:  # ONNX Runtime's errors share no class but this one
            first = str(error).partition("\n")[0]
        try:
            from onnx.reference import ReferenceEvaluator

            outputs: Any = ReferenceEvaluator(model).run(None, {})
            return np.asarray(outputs[0])
        except Exception:
            raise NotFolded(f"{name!r} follows from constants, but ONNX Runtime cannot compute it: {first}") from None

    def computed_sizes(self, node: "NodeProto") -> list[str]:
        """Inputs of a node that say sizes and are computed from constants."""
        names = filter(None, node.input[_SIZED.get(node.op_type, len(node.input)) :])
        return [name for name in names if name not in self.stored and self.is_constant(name)]

    def _shape_result(self, name: str) -> NDArray[Any] | None:
        """The result of a ``Shape`` whose input's shape is known."""
        node = self.producer(name)
        if node is None or node.op_type != "Shape" or node.domain not in STANDARD_DOMAINS:
            return None
        sizes = self.shapes.get(node.input[0])
        if sizes is None and node.input[0] in self.stored:
            sizes = shape_of(self.stored[node.input[0]])
        if sizes is None:
            return None
        bounds = {a.name: a.i for a in node.attribute}
        return np.array(list(sizes)[bounds.get("start", 0) : bounds.get("end", len(sizes))], np.int64)

    def _follows(self, name: str) -> bool:
        """Whether a value is stored or follows from constants alone."""
        # A list of what is still to be looked at in place of a recursion: a forged graph may be any depth.
        waiting = [name]
        while waiting:
            value = waiting[-1]
            if value not in self._known:
                node = self.producer(value)
                if node is None or not _can_be_folded(node):
                    self._known[value] = value in self.stored
                elif self._shape_result(value) is not None:
                    self._known[value] = True
                else:
                    inputs = [one for one in node.input if one and one not in self.stored]
                    unknown = [one for one in inputs if one not in self._known]
                    # Most graphs compute from their inputs: one value that is not constant settles it.
                    if unknown and all(self._known.get(one, True) for one in inputs):
                        waiting.append(unknown[0])
                        continue
                    self._known[value] = not unknown and all(self._known[one] for one in inputs)
            waiting.pop()
        return self._known[name]

    def _closure(self, name: str) -> _Closure:
        """What a constant value that is not stored follows from."""
        nodes: set[int] = set()
        leaves: set[str] = set()
        waiting = [name]
        while waiting:
            value = waiting.pop()
            if value in self.stored or value in self._sizes or self._shape_result(value) is not None:
                leaves.add(value)
            elif self.producers[value] not in nodes:
                nodes.add(self.producers[value])
                waiting += filter(None, self.nodes[self.producers[value]].input)
        return _Closure(tuple(sorted(nodes)), frozenset(leaves))

    def _leaf(self, name: str) -> "TensorProto":
        """A stored constant, or the sizes that a ``Shape`` gives, as a tensor of that name."""
        from onnx import TensorProto, numpy_helper

        if name in self.stored:
            tensor = TensorProto()
            tensor.CopyFrom(self._file.embedded(self.stored[name]))
            tensor.name = name
            return tensor
        sizes = self._sizes[name] if name in self._sizes else self._shape_result(name)
        assert sizes is not None
        return numpy_helper.from_array(sizes, name)

    def _model_of(self, closure: _Closure, name: str, without: Iterable[str] = ()) -> "ModelProto":
        """A model of the nodes that a constant follows from; the leaves `without` are inputs and not constants."""
        from onnx import ModelProto, helper

        out = set(without)
        inputs = []
        for leaf in sorted(out):
            tensor = self.stored[leaf]
            inputs.append(helper.make_tensor_value_info(leaf, tensor.data_type, shape_of(tensor)))
        nodes = []
        for at in closure.nodes:
            node = type(self.nodes[at])()
            node.CopyFrom(self.nodes[at])
            # ONNX Runtime crashes on some nodes with an output that has no name (Split).
            node.output[:] = [output or f"{name}/{at}/{number}" for number, output in enumerate(node.output)]
            nodes.append(node)
        graph = helper.make_graph(
            nodes,
            "constants",
            inputs,
            [helper.make_empty_tensor_value_info(name)],
            [self._leaf(leaf) for leaf in sorted(closure.leaves - out)],
        )
        # Before version 4 every initialiser had to be an input.
        model = ModelProto(ir_version=max(4, self._file.model.ir_version), graph=graph)
        model.opset_import.extend(self._file.model.opset_import)
        return model

    def _check_sizes(self, closure: _Closure, name: str) -> None:
        """Refuse to compute more than the memory that a file of this size may take."""
        large = [leaf for leaf in closure.leaves if leaf in self.stored and is_large(self.stored[leaf])]
        inferred = inferred_types(self._model_of(closure, name, large))
        for leaf in closure.leaves:
            if leaf in self.stored:
                inferred[leaf] = (self.stored[leaf].data_type, tuple(self.stored[leaf].dims))
        at_once = n_numbers = 0
        for at in closure.nodes:
            node = self.nodes[at]
            if node.op_type in _SAME_SHAPE and node.input[0] in inferred:
                inferred.setdefault(node.output[0], (1, inferred[node.input[0]][1]))
            for output in filter(None, node.output):
                data_type, shape = inferred.get(output, (0, None))
                if shape is None or any(size is None for size in shape):
                    raise NotFolded(f"{name!r} follows from constants, but the size of {output!r} is unknown")
                n_numbers = prod(int(size or 0) for size in shape)
                at_once += n_numbers * _number_bytes(data_type)
        if at_once > self._left:
            self.take(at_once, name)
        # What is on the way is not kept.
        self.take(_NODE_BYTES * len(closure.nodes) + 8 * n_numbers, name)


Shape = tuple[int | None, ...]


def inferred_types(model: "ModelProto") -> dict[str, tuple[int, Shape]]:
    """Element types and shapes of the values of a model by ONNX's shape inference, None for each unknown size."""
    import onnx

    try:
        # Without its propagation of data, which for a Range in the right place counts to any number.
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # its errors share no class; what is unknown stays unknown
        graph = model.graph
    found: dict[str, tuple[int, Shape]] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.HasField("shape"):
            # Some exporters write -1 for a size that is open.
            known = [d.HasField("dim_value") and d.dim_value >= 0 for d in tensor.shape.dim]
            sizes = tuple(d.dim_value if k else None for d, k in zip(tensor.shape.dim, known, strict=True))
            found[value.name] = (tensor.elem_type, sizes)
    return found


def settled_shapes(model: "ModelProto", constants: Constants) -> dict[str, Shape]:
    """Shapes of the values of a model, also where they depend on sizes that are computed from other shapes.

    Parameters
    ----------
    model : ModelProto
        That of `constants` without its large numbers, maybe with more sizes of its inputs; it is changed.
    constants : Constants
        The shapes that are found become constants of it.
    """
    from onnx import numpy_helper

    for _ in range(_MOST_ROUNDS):
        found = {name: sizes for name, (_, sizes) in inferred_types(model).items()}
        for name, sizes_or_none in found.items():
            known = tuple(size for size in sizes_or_none if size is not None)
            if len(known) == len(sizes_or_none):
                constants.shapes[name] = known
        constants.rebuild()
        known_here = {tensor.name for tensor in model.graph.initializer}
        sizes = {}
        for name in [name for node in model.graph.node for name in constants.computed_sizes(node)]:
            if name not in known_here:
                with suppress(NotFolded):
                    sizes[name] = constants.array(name)
        if not sizes:
            break
        nodes = [type(node).FromString(node.SerializeToString()) for node in model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(node for node in nodes if not sizes.keys() & set(node.output))
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in sizes.items())
    return found


def stored_tensors(graph: "GraphProto") -> "dict[str, TensorProto]":
    """Initialisers and values of ``Constant`` nodes, by the names that nodes know.

    Raises
    ------
    ValueError
        If two initialisers have one name.
    """
    stored: dict[str, TensorProto] = {}
    for tensor in graph.initializer:
        if tensor.name in stored:
            raise ValueError(f"initialiser {tensor.name!r} is there twice")
        stored[tensor.name] = tensor
    for node in graph.node:
        tensor = constant_of(node)
        if tensor is not None:
            if node.output[0] in stored:
                raise ValueError(f"initialiser {node.output[0]!r} is there twice")
            stored[node.output[0]] = tensor
    return stored


def constant_of(node: "NodeProto") -> "TensorProto | None":
    """The tensor of a ``Constant`` node; None of other nodes, and of strings and sparse tensors."""
    if node.op_type != "Constant" or node.domain not in STANDARD_DOMAINS:
        return None
    for attribute in node.attribute:
        if attribute.name == "value":
            tensor: TensorProto = attribute.t
            return tensor
        if attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
            from onnx import numpy_helper

            single = not attribute.name.endswith("s")
            kind = np.float32 if "float" in attribute.name else np.int64
            given = getattr(attribute, {"value_float": "f", "value_int": "i"}.get(attribute.name, attribute.name[6:]))
            numbers = given if single else list(given)
            made: TensorProto = numpy_helper.from_array(np.array(numbers, kind), node.output[0])
            return made
    return None


def _number_bytes(data_type: int) -> int:
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(data_type).itemsize if data_type else 8


def _can_be_folded(node: "NodeProto") -> bool:
    if node.op_type in _DRAWN or not node.input or (node.op_type == "Dropout" and len(node.input) > 2):
        return False
    return not any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)


def _with_onnx_runtime(model: "ModelProto") -> NDArray[Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {})[0])
