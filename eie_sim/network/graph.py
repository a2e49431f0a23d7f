"""The graph of a network cut in two: operators that the machine runs, and segments between them for the host.

The cut follows the flow of data. Every value has a level: how many times the machine has had its turn before it can be
known. A segment is all host operators of one level, and runs before the machine operators of that level; so a value
that goes round a machine operator, as in a residual network, needs no care.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from compressor.importers.onnx_branches import fix_inputs
from compressor.importers.onnx_file import OnnxFile
from compressor.importers.onnx_fold import Constants, NotFolded, constant_of
from compressor.importers.onnx_graph import called, copy_of, result_of, taken_by
from compressor.importers.onnx_normal import Idle, Normal
from compressor.importers.onnx_operators import Operators
from compressor.samples import end_of
from compressor.types.network import RECURRENT, Network, Use

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TypeProto
    from onnxruntime import InferenceSession

Array = NDArray[Any]

_B = 3
"""The operand of a recurrent operator that holds its biases."""


class Operator(NamedTuple):
    """An operator that the machine runs.

    Attributes
    ----------
    use : Use
    inputs : tuple of str
        Values it takes; "" where one is left out, holds the weights, or is a bias that the machine adds.
    outputs : tuple of str
        Values it gives, the first with its bias; "" where one is left out.
    shape : tuple of int
        Of the weights as the operator takes them.
    biases : ndarray or None
        Constant Wb and Rb of a recurrent operator, one row for each direction.
    level : int
    """

    use: Use
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: tuple[int, ...]
    biases: Array | None
    level: int


@dataclass
class Segment:
    """Host operators of one level, and the ONNX Runtime session that computes them.

    Attributes
    ----------
    nodes : tuple of str
        What its operators are called.
    model : bytes
        Its own ONNX model.
    inputs, outputs : tuple of str
    """

    nodes: tuple[str, ...]
    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    _session: "InferenceSession | None" = field(default=None, repr=False)

    @property
    def session(self) -> "InferenceSession":
        """The session, made when it is first needed: it does not travel to other processes."""
        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            # One thread: results must not depend on how many there are.
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            self._session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        return self._session

    def run(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that it gives, from those that it takes.

        Raises
        ------
        ValueError
            If ONNX Runtime refuses them.
        """
        feeds = {name: values[name] for name in self.inputs}
        try:
            results = self.session.run(list(self.outputs), feeds)
        except Exception as error:  # ONNX Runtime's errors share no class but this one
            first = str(error).strip().partition("\n")[0]
            raise ValueError(f"host: ONNX Runtime refuses {', '.join(self.nodes):.100}: {first:.300}") from None
        return dict(zip(self.outputs, results, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}


class NetworkGraph:
    """A network with its numbers, cut into machine operators and segments.

    Parameters
    ----------
    model : ModelProto
        As `compressor.importers.onnx.decoded_onnx` gives it; changed.
    network : Network
    biased : set of str
        Names of tensors whose bias the machine adds.
    fix : mapping of str to object
        Values of inputs.

    Attributes
    ----------
    operators : list of Operator
        In the order of the graph.
    segments : list of Segment
        By level; one may have no operators.
    inputs : tuple of End
        Without those that are fixed.
    outputs : tuple of End
    constants : dict of str to ndarray
        Values that operators take, or that are outputs, and that follow from constants.

    Raises
    ------
    ValueError
        If an input is unknown, or ONNX Runtime refuses an operator of the host.
    """

    def __init__(self, model: "ModelProto", network: Network, biased: set[str], fix: Mapping[str, Any]) -> None:
        fix_inputs(model, fix)
        self._file = OnnxFile.of_model(model, Path("network"))
        self._constants = Constants(self._file)
        normal = Normal(self._file, self._constants, Idle(model.graph))
        self._finder = Operators(normal)
        self._graph = normal.graph
        self._nodes = list(model.graph.node)
        self.constants: dict[str, Array] = {}
        stored = self._constants.stored
        self.inputs = tuple(end_of(value) for value in model.graph.input if value.name not in stored)
        self.outputs = tuple(end_of(value) for value in model.graph.output)
        self._results = {output.name for output in self.outputs}
        self._types = {value.name: value.type for value in model.graph.input if value.name not in stored}
        drafts = self._drafts(network, biased)
        levels = self._levels(drafts)
        self.operators = [draft._replace(level=levels[result]) for result, draft in drafts.items()]
        for name in self._results:
            if self._is_constant(name):
                self.constants[name] = self._constants.array(name)
        self.segments = self._segments(levels, set(drafts))

    # Machine operators ------------------------------------------------------------------------------------------------

    def _drafts(self, network: Network, biased: set[str]) -> dict[str, Operator]:
        """The machine operators by their first results; their levels are not known yet."""
        nodes = {result_of(node): node for node in self._nodes}
        self._absorbed: set[str] = set()  # results of nodes that add what the machine adds
        found = {}
        for use in network.uses:
            node = nodes[use.result]
            parts = self._finder.parts(node)
            assert not isinstance(parts, str)  # decoded_onnx has looked
            inputs, outputs, biases = list(node.input), list(node.output), None
            has_bias = use.tensors[0] in biased
            weights = (1, 2) if use.operator in RECURRENT else (use.operand,)
            for at in weights:
                inputs[at] = ""
            if use.operator in RECURRENT:
                if len(inputs) > _B and self._is_constant(inputs[_B]):
                    biases, inputs[_B] = self._constants.array(inputs[_B]), ""
            elif has_bias and node.output[0] in self._finder.with_bias:
                outputs[0] = self._finder.with_bias[node.output[0]]
                self._absorbed.add(outputs[0])
            elif has_bias:
                inputs[2] = ""
            shape = self._finder.weights_shape(node, use.operand, parts)
            for name in filter(None, inputs):
                if self._is_constant(name):
                    self.constants[name] = self._constants.array(name)
            found[use.result] = Operator(use, tuple(inputs), tuple(outputs), shape, biases, 0)
        return found

    # The cut ----------------------------------------------------------------------------------------------------------

    def _is_constant(self, name: str) -> bool:
        """Whether a value follows from constants, and its numbers are known."""
        if not self._constants.is_constant(name):
            return False
        try:
            self._constants.array(name)
        except NotFolded:
            return False
        return True

    def _levels(self, drafts: Mapping[str, Operator]) -> dict[str, int]:
        """The level of every operator that computes at a run, by its first result."""
        known_at = {one.name: 0 for one in self.inputs}
        levels: dict[str, int] = {}
        for node in self._nodes:
            result = result_of(node)
            if not result or result in self._absorbed or constant_of(node) is not None or self._is_constant(result):
                continue
            draft = drafts.get(result)
            taken: Iterable[str] = taken_by(node) if draft is None else draft.inputs
            level = levels[result] = max((known_at.get(name, 0) for name in taken), default=0)
            outputs = node.output if draft is None else draft.outputs
            known_at.update(dict.fromkeys(outputs, level + (draft is not None)))
        return levels

    def _segments(self, levels: Mapping[str, int], machine: set[str]) -> list[Segment]:
        host = [node for node in self._nodes if result_of(node) in levels and result_of(node) not in machine]
        by_level: list[list[NodeProto]] = [[] for _ in range(1 + max(levels.values(), default=0))]
        for node in host:
            by_level[levels[result_of(node)]].append(node)
        wanted = {name for operator in self.operators for name in operator.inputs} | self._results
        takers: dict[str, set[int]] = {}
        for node in host:
            for name in taken_by(node):
                takers.setdefault(name, set()).add(levels[result_of(node)])
        segments = []
        for level, nodes in enumerate(by_level):
            made = [name for node in nodes for name in node.output if name]
            outputs = [name for name in made if name in wanted or takers.get(name, set()) - {level}]
            segments.append(self._segment(nodes, made, outputs))
            for operator in self.operators:  # whose results have the type of their data
                if operator.level == level:
                    self._types.update(dict.fromkeys(filter(None, operator.outputs), self._type_of_data(operator)))
        return segments

    def _type_of_data(self, operator: Operator) -> "TypeProto":
        data = operator.inputs[1 if operator.use.operand == 0 and operator.use.operator not in RECURRENT else 0]
        if data not in self._types:
            from onnx import helper

            kind = helper.np_dtype_to_tensor_dtype(self.constants[data].dtype)
            self._types[data] = helper.make_tensor_type_proto(kind, None)
        found: TypeProto = self._types[data]
        return found

    def _segment(self, nodes: "Sequence[NodeProto]", made: Sequence[str], outputs: Sequence[str]) -> Segment:
        from onnx import ModelProto, numpy_helper

        model = ModelProto(ir_version=max(4, self._file.model.ir_version))
        model.opset_import.extend(self._file.model.opset_import)
        graph = model.graph
        graph.name = "segment"
        inputs = []
        for name in dict.fromkeys(name for node in nodes for name in taken_by(node) if name not in made):
            if name in self._types:
                inputs.append(name)
                kind = graph.input.add(name=name).type
                kind.CopyFrom(self._types[name])
                if kind.HasField("tensor_type"):
                    kind.tensor_type.ClearField("shape")  # any number of axes
            elif name in self._constants.stored:
                tensor = copy_of(self._file.embedded(self._constants.stored[name]))
                tensor.name = name
                graph.initializer.append(tensor)
            elif self._is_constant(name):
                graph.initializer.append(numpy_helper.from_array(self._constants.array(name), name))
        graph.node.extend(nodes)
        for name in outputs:
            graph.output.add(name=name)
        segment = Segment(
            tuple(called(node) for node in nodes), model.SerializeToString(), tuple(inputs), tuple(outputs)
        )
        if outputs:
            try:
                found = segment.session.get_outputs()
            except Exception as error:  # ONNX Runtime's errors share no class but this one
                first = str(error).strip().partition("\n")[0]
                raise ValueError(f"model: ONNX Runtime refuses a part of it: {first:.300}") from None
            self._types.update({value.name: _type_of(value.type, value.name) for value in found})
        return segment

    @cached_property
    def last_levels(self) -> dict[str, int]:
        """The level after which a value is not needed any more; outputs of the graph are not in it."""
        last: dict[str, int] = {}
        for level, segment in enumerate(self.segments):
            last.update(dict.fromkeys(segment.inputs, level))
        for operator in self.operators:
            for name in filter(None, operator.inputs):
                last[name] = max(last.get(name, 0), operator.level)
        return {name: level for name, level in last.items() if name not in self._results}


_NAMES = {"float": "FLOAT", "double": "DOUBLE", "float16": "FLOAT16", "bfloat16": "BFLOAT16", "bool": "BOOL"}
_TYPE = re.compile(r"(?:(?P<wrapper>seq|optional)\()?tensor\((?P<element>\w+)\)\)?")


def _type_of(text: str, name: str) -> "TypeProto":
    """The type that ONNX Runtime writes as ``tensor(float)`` or ``seq(tensor(float))``."""
    from onnx import TensorProto, helper

    match = _TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"model: {name!r} is a {text}, which is not passed between host and machine")
    element = match["element"]
    kind = helper.make_tensor_type_proto(TensorProto.DataType.Value(_NAMES.get(element, element.upper())), None)
    wrap = {"seq": helper.make_sequence_type_proto, "optional": helper.make_optional_type_proto}.get(match["wrapper"])
    found: TypeProto = kind if wrap is None else wrap(kind)
    return found
