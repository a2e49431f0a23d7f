"""A cycle-exact simulator of EIE, the accelerator that runs fully connected layers from their compressed form.

The package is the block diagram of the EIE paper (Han et al., ISCA 2016): `machine` has one file for each unit and is
the executable specification; `engines` runs it (``reference``) or an independent fast answer to the same cycle contract
(``fast``); `arch` says what can be varied; `result` what comes back.

Public names are loaded on first use: ``import eie_sim`` loads no simpy, torch, dask or matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from compressor._version import __version__

if TYPE_CHECKING:
    from eie_sim.arch import PRESETS, ArchConfig, preset
    from eie_sim.capacity import CapacityError, CapacityWarning, capacity_report, model_capacity_report
    from eie_sim.engines.base import simulate, simulate_batch
    from eie_sim.engines.chain import simulate_model
    from eie_sim.network import NetworkPlan, NetworkResult, plan_network, run_network
    from eie_sim.origin import Origin
    from eie_sim.result import BatchResult, BatchTotal, ModelResult, Schedule, SimResult, UnitCounts
    from eie_sim.sources import Job, load
    from eie_sim.workload import Workload, calibrated_layer, random_layer

_HOMES = {
    "ArchConfig": "eie_sim.arch",
    "BatchResult": "eie_sim.result",
    "BatchTotal": "eie_sim.result",
    "CapacityError": "eie_sim.capacity",
    "CapacityWarning": "eie_sim.capacity",
    "ModelResult": "eie_sim.result",
    "NetworkPlan": "eie_sim.network.plan",
    "NetworkResult": "eie_sim.network.result",
    "PRESETS": "eie_sim.arch",
    "Schedule": "eie_sim.result",
    "SimResult": "eie_sim.result",
    "UnitCounts": "eie_sim.result",
    "Job": "eie_sim.sources.job",
    "Origin": "eie_sim.origin",
    "capacity_report": "eie_sim.capacity",
    "load": "eie_sim.sources.loading",
    "model_capacity_report": "eie_sim.capacity",
    "Workload": "eie_sim.workload",
    "calibrated_layer": "eie_sim.workload",
    "random_layer": "eie_sim.workload",
    "plan_network": "eie_sim.network.planning",
    "preset": "eie_sim.arch",
    "run_network": "eie_sim.network.run",
    "simulate": "eie_sim.engines.base",
    "simulate_batch": "eie_sim.engines.base",
    "simulate_model": "eie_sim.engines.chain",
}

__all__ = [
    "PRESETS",
    "ArchConfig",
    "BatchResult",
    "BatchTotal",
    "CapacityError",
    "CapacityWarning",
    "Job",
    "ModelResult",
    "NetworkPlan",
    "NetworkResult",
    "Origin",
    "Schedule",
    "SimResult",
    "UnitCounts",
    "Workload",
    "__version__",
    "calibrated_layer",
    "capacity_report",
    "load",
    "model_capacity_report",
    "plan_network",
    "preset",
    "random_layer",
    "run_network",
    "simulate",
    "simulate_batch",
    "simulate_model",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'eie_sim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
