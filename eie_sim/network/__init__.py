"""Whole networks on the machine: a graph and inputs in; answers, cycles and energy out.

`plan_network` cuts the graph of a model in two: operators whose weights the machine has, lowered to matrices
(`compressor.lowering`) and packed, and segments of all others, which ONNX Runtime computes on the host. `run_network`
runs samples through both.
"""

from eie_sim.network.node import NodeResult
from eie_sim.network.plan import MachineNode, NetworkPlan
from eie_sim.network.planning import plan_network
from eie_sim.network.result import HostResult, NetworkResult, joined
from eie_sim.network.run import calibrate, record_products, run_network
from eie_sim.network.uncompressed import run_uncompressed

__all__ = [
    "HostResult",
    "MachineNode",
    "NetworkPlan",
    "NetworkResult",
    "NodeResult",
    "calibrate",
    "joined",
    "plan_network",
    "record_products",
    "run_network",
    "run_uncompressed",
]
