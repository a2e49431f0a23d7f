"""What ONNX Runtime's profiler wrote: the time of every kernel in every run, led back to the operators of the graph.

ONNX Runtime optimises a graph before it runs it: operators are fused, and others are put in that change the layout of
images. It derives the names of what it makes from names that were there, so operators are named by numbers first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from compressor.importers.onnx_graph import all_nodes, called, result_of
from compressor.types.network import PRODUCTS

if TYPE_CHECKING:
    from onnx import ModelProto

_KERNEL, _RUN = "_kernel_time", "model_run"
_NUMBER = re.compile(r"eie-sim node (\d+) ")
_BLOCKED = "_nchwc"
"""What is after the name of a result, or of an operator, in that of a kernel on images in blocks of channels."""

_MOST_FUSED = 8  # operators in a row that one kernel computes


class Kernel(NamedTuple):
    """A kernel of an optimised graph.

    Attributes
    ----------
    name, operator : str
        As ONNX Runtime calls them.
    """

    name: str
    operator: str


class GraphNode(NamedTuple):
    """An operator of a graph as it was before.

    Attributes
    ----------
    name : str
        Its own, or its operator and its result.
    operator : str
    inputs, outputs : tuple of str
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class NumberedGraph:
    """The operators of a model, graphs within it included, which are then named by their numbers.

    Parameters
    ----------
    model : ModelProto
        Its operators are named anew.

    Attributes
    ----------
    nodes : list of GraphNode
    """

    def __init__(self, model: "ModelProto") -> None:
        self.nodes: list[GraphNode] = []
        for number, node in enumerate(all_nodes(model.graph.node)):
            name = node.name or f"{called(node)} {result_of(node)}"
            self.nodes.append(GraphNode(name, node.op_type, tuple(node.input), tuple(filter(None, node.output))))
            node.name = f"eie-sim node {number} "
        self._producers = {output: at for at, node in enumerate(self.nodes) for output in node.outputs}

    def with_names(self, text: str) -> str:
        """A message of ONNX Runtime with the operators' own names."""
        return _NUMBER.sub(lambda match: self.nodes[int(match[1])].name, text)

    def number_of(self, kernel: Kernel) -> int | None:
        """The number of the operator that a kernel computes, of several the first; None of one that was put in."""
        name = kernel.name.removesuffix(_BLOCKED)
        match = _NUMBER.search(name)
        if match and int(match[1]) < len(self.nodes):
            last = int(match[1])
        elif name in self._producers:
            last = self._producers[name]
        else:
            return None
        # A product has its own name, also where its kernel is called otherwise, such as Gemm for MatMul and Add.
        return last if self.nodes[last].operator in PRODUCTS else self.nearest(last, kernel.operator)

    def by_result(self, result: str, operator: str) -> int | None:
        """The number of an operator by its result, or by that of what is folded into it, such as BatchNormalization."""
        return self.nearest(self._producers[result], operator) if result in self._producers else None

    def nearest(self, last: int, operator: str) -> int:
        """The nearest operator of a kind on the way to the one of number `last`; where there is none, `last`."""
        now, seen = [last], {last}
        for _ in range(_MOST_FUSED):
            for at in now:
                if self.nodes[at].operator == operator:
                    return at
            before = (self._producers[name] for at in now for name in self.nodes[at].inputs if name in self._producers)
            now = [at for at in dict.fromkeys(before) if at not in seen]
            seen.update(now)
        return last


def kernel_times(profile: Sequence[Mapping[str, Any]]) -> list[dict[Kernel, int]]:
    """The time of each kernel in each run, in microseconds, without that of the kernels of graphs within it.

    Parameters
    ----------
    profile : sequence of mapping
        Events as ONNX Runtime writes them; what is after the end of the last run is left out.
    """
    runs: list[dict[Kernel, int]] = []
    events: list[Mapping[str, Any]] = []
    for event in profile:
        if event["name"] == _RUN:
            runs.append(_own_times(events))
            events = []
        elif event["cat"] == "Node" and event["name"].endswith(_KERNEL):
            events.append(event)
    return runs


def _own_times(events: Iterable[Mapping[str, Any]]) -> dict[Kernel, int]:
    own: dict[Kernel, int] = {}
    around: list[tuple[int, Kernel]] = []  # the ends of the kernels that an event may be within
    for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
        kernel = Kernel(event["name"].removesuffix(_KERNEL), event["args"]["op_name"])
        while around and around[-1][0] <= event["ts"]:
            around.pop()
        if around:
            own[around[-1][1]] -= event["dur"]
        own[kernel] = own.get(kernel, 0) + event["dur"]
        around.append((event["ts"] + event["dur"], kernel))
    return own


def times_by_node(
    runs: Sequence[Mapping[Kernel, int]], graph: NumberedGraph
) -> Iterator[tuple[int | None, Kernel, list[float]]]:
    """The times of each operator in each run, in the order in which they ran.

    Yields
    ------
    int or None
        Number of the operator; None of kernels that were put in, those of one kind together.
    Kernel
        The first that computes it.
    list of float
        Microseconds, one for each run.
    """
    groups: dict[int | str, list[Kernel]] = {}
    for kernel in dict.fromkeys(kernel for run in runs for kernel in run):
        number = graph.number_of(kernel)
        groups.setdefault(kernel.operator if number is None else number, []).append(kernel)
    for key, kernels in groups.items():
        times = [float(sum(run.get(kernel, 0) for kernel in kernels)) for run in runs]
        yield key if isinstance(key, int) else None, kernels[0], times
