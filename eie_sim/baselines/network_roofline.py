"""A network on the baselines' devices: the roofline of each of its nodes, dense and sparse, and their sum.

A node is what a library would compute for one inference (batch 1 of the network):

- A convolution is one matrix product (im2col): kernel matrix times one column for each output position. Groups and the
  elements of Winograd's transform are equally large products of one batched call. A transposed convolution has a column
  for each input position.
- A product of a matrix is one call with all vectors of the inference as columns: with one column, matrix times vector.
- A recurrent layer is a matrix-vector call for each matrix and step, for no step can begin before the one before ends.

The efficiency of a call is that of the largest fitted batch of its device that is at most the number of columns: on the
built-in devices batch 1 (matrix times vector) up to 63 columns, and batch 64 from there on. Bytes are those of
`roofline`: every matrix once a call, its columns and results in float32; sparse, an input is gathered for each weight
and column. A matrix comes from memory, because other layers ran since it was used; only where a recurrent layer has
several steps is what fits the last-level cache still there (`Efficiency.cache_gain`).

Left out are whatever the host computes (`NetworkRoofline.host`), unfolding an image into columns and folding it back,
biases, gates and activation functions. Efficiencies were fitted to fully connected layers: for convolutions they are an
extrapolation, and the sparse ones are slow as the paper's sparse libraries were at batch 64 (EIE Table IV).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import TYPE_CHECKING, Literal

from compressor.types.network import RECURRENT
from eie_sim.baselines.devices import Device, Efficiency, Kind, devices
from eie_sim.baselines.roofline import RooflineWork, dense_work, frame_time, sparse_work
from eie_sim.columns import Row
from eie_sim.text_formats import JsonKind, csv_text

if TYPE_CHECKING:
    from eie_sim.network.node import NodeResult
    from eie_sim.network.plan import MachineNode, NetworkPlan
    from eie_sim.network.result import NetworkResult

JSON = JsonKind("network roofline", "eie-sim-network-roofline", version=1, most_bytes=2**28)
"""Of the JSON that rooflines are written as."""

KINDS: tuple[Kind, ...] = ("dense", "sparse")


@dataclass(frozen=True)
class NodeRoofline:
    """One node on one device, for one inference.

    Attributes
    ----------
    node, operator : str
    device : str
    kind : str
        ``"dense"`` or ``"sparse"``.
    calls : float
        Calls of the library; a mean where inferences have different numbers of steps.
    columns : int
        Vectors of one call; a rounded mean where inferences have different numbers.
    launch_us, memory_us, arithmetic_us : float
        As of `eie_sim.baselines.roofline.RooflineTime`, of all calls.
    time_us : float
        Launch and the longer of the other two.
    energy_uj : float
        Time times the power of the device.
    """

    node: str
    operator: str
    device: str
    kind: Kind
    calls: float
    columns: int
    launch_us: float
    memory_us: float
    arithmetic_us: float
    time_us: float
    energy_uj: float

    @property
    def bound(self) -> Literal["memory", "arithmetic"]:
        """Which side of the roofline the node is on."""
        return "memory" if self.memory_us >= self.arithmetic_us else "arithmetic"


@dataclass(frozen=True)
class NetworkTotal:
    """All nodes of a network on one device, for one inference.

    Attributes
    ----------
    device, kind : str
    time_us, energy_uj : float
        Sums over the nodes.
    """

    device: str
    kind: Kind
    time_us: float
    energy_uj: float


@dataclass(frozen=True)
class NetworkRoofline:
    """The rooflines of a network.

    Attributes
    ----------
    nodes : tuple of NodeRoofline
        Node by node, each with all devices, dense before sparse.
    host : tuple of str
        Operators that no time is modelled for: those that the machine leaves to the host.
    """

    nodes: tuple[NodeRoofline, ...]
    host: tuple[str, ...]

    def totals(self) -> list[NetworkTotal]:
        """The network on each device, dense before sparse."""
        found: dict[tuple[str, Kind], list[NodeRoofline]] = {}
        for node in self.nodes:
            found.setdefault((node.device, node.kind), []).append(node)
        return [
            NetworkTotal(device, kind, sum(node.time_us for node in nodes), sum(node.energy_uj for node in nodes))
            for (device, kind), nodes in found.items()
        ]

    def time_us(self, device: str, kind: Kind) -> float:
        """Time of an inference on a device, in microseconds.

        Raises
        ------
        ValueError
            If there is no such device or kind.
        """
        totals = {(total.device, total.kind): total.time_us for total in self.totals()}
        if (device, kind) not in totals:
            known = ", ".join(f"{of_device} {of_kind}" for of_device, of_kind in totals) or "none"
            raise ValueError(f"roofline: {device} {kind}, but there are: {known}")
        return totals[device, kind]

    def rows(self) -> list[Row]:
        """A row for each node, device and kind."""
        return [{**asdict(node), "bound": node.bound} for node in self.nodes]

    def to_csv(self) -> str:
        """The rows as CSV."""
        return csv_text([*(one.name for one in fields(NodeRoofline)), "bound"], self.rows())

    def to_json(self) -> str:
        """Rows, totals and what is outside, as JSON."""
        totals = [asdict(total) for total in self.totals()]
        document = {**JSON.head, "totals": totals, "nodes": self.rows(), "host": list(self.host)}
        return json.dumps(document, indent=1, allow_nan=False)


def network_roofline(
    plan: "NetworkPlan", result: "NetworkResult", on: Sequence[Device] | None = None
) -> NetworkRoofline:
    """The rooflines of the machine's nodes of a network, for one inference.

    Parameters
    ----------
    plan : NetworkPlan
    result : NetworkResult
        A run of the plan, whose inferences say how many products there are: their mean is modelled.
    on : sequence of Device or None
        None: the CPU, the GPU and the mobile GPU of the EIE paper.

    Raises
    ------
    ValueError
        If a device has no efficiency for a number of columns, or `result` has no inference or is of another plan.
    """
    if not len(result):
        raise ValueError("result: has no inference, but the number of products is that of one")
    if result.nodes.keys() != plan.nodes.keys():
        raise ValueError("result: has other nodes than the plan; give a run of this plan")
    chosen = tuple(devices().values()) if on is None else tuple(on)
    nodes = [
        _node_roofline(node, result.nodes[name], len(result), device, kind)
        for name, node in plan.nodes.items()
        for device in chosen
        for kind in KINDS
    ]
    return NetworkRoofline(tuple(nodes), tuple(name for segment in plan.segments for name in segment.nodes))


def _node_roofline(node: "MachineNode", ran: "NodeResult", n_samples: int, device: Device, kind: Kind) -> NodeRoofline:
    # All matrices of a node multiply equally many vectors: those of an inference.
    vectors = ran.macs_dense / (ran.n_weights * n_samples)
    is_recurrent = node.use.operator in RECURRENT
    columns = 1 if is_recurrent else max(1, round(vectors))
    calls = vectors if is_recurrent else float(vectors > 0)
    launch_us = memory_us = arithmetic_us = 0.0
    if calls:
        model = _efficiency(device, kind, columns)
        if calls <= 1:
            model = model.model_copy(update={"cache_gain": 1.0})
        works = [_work(node, number, kind, columns) for number in range(len(node.matrices))]
        for work in works if is_recurrent else [_together(works)]:
            frame = frame_time(device, work, model)
            launch_us += frame.launch_us * columns * calls
            memory_us += frame.memory_us * columns * calls
            arithmetic_us += frame.arithmetic_us * columns * calls
    time_us = launch_us + max(memory_us, arithmetic_us)
    return NodeRoofline(
        node.name, node.use.operator, device.name, kind, calls * (len(node.matrices) if is_recurrent else 1), columns,
        launch_us, memory_us, arithmetic_us, time_us, time_us * device.power_w,
    )  # fmt: skip


def _efficiency(device: Device, kind: Kind, columns: int) -> Efficiency:
    fitted = [case.batch for case in device.efficiencies if case.kind == kind and case.batch <= columns]
    return device.efficiency(kind, max(fitted, default=columns))


def _work(node: "MachineNode", number: int, kind: Kind, columns: int) -> RooflineWork:
    """What a library moves and computes for one of the matrices of a node."""
    layer, attributes = node.matrices[number], node.use.attributes
    groups = attributes.get("group", 1)
    outputs, inputs = layer.n_rows // groups, layer.n_cols // groups
    if node.use.operator == "ConvTranspose":  # the machine's matrix is that of a convolution over inserted zeros
        kernel = prod(attributes["kernel_shape"])
        outputs, inputs = outputs * kernel, inputs // kernel
    if kind == "dense":
        work = dense_work(inputs, outputs, columns)
    else:  # a matrix without weights still has pointers; sparse_work takes one weight at least
        work = sparse_work(inputs, outputs, max(1, node.n_kept[number]) / node.n_weights[number], columns)
    return _together([work] * groups)


def _together(works: Sequence[RooflineWork]) -> RooflineWork:
    """The work of one batched call."""
    return RooflineWork(
        sum(work.matrix_bytes for work in works),
        sum(work.vector_bytes for work in works),
        sum(work.flops for work in works),
        works[0].batch,
    )
