"""Whole networks as what a sweep runs: the metrics of a point are sums over all products of all inferences."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compressor.types.coded import CompressedModel
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.baselines.network_roofline import network_roofline
from eie_sim.capacity import model_capacity_report
from eie_sim.columns import Row
from eie_sim.cost.energy import BIAS_WRITES, ModelEnergyReport, energy_of_events, missing_bytes
from eie_sim.network import NetworkPlan, NetworkResult, NodeResult, plan_network, run_network
from eie_sim.result import PER_PE, Counts
from eie_sim.sources.contents import sha256_of
from eie_sim.sources.network_file import network_inputs, read_network
from eie_sim.sweep.baseline import Baseline
from eie_sim.sweep.columns import METRICS


@dataclass(frozen=True)
class NetworkFiles:
    """A network and its inputs, as files.

    Attributes
    ----------
    model : Path
    inputs, photo : Path or None
        One of them is given.
    """

    model: Path
    inputs: Path | None = None
    photo: Path | None = None

    def content(self) -> dict[str, object]:
        """All that decides what runs, for a digest."""
        content: dict[str, object] = {"network": sha256_of(self.model), "kind": self.model.suffix.lower()}
        named = {"inputs": self.inputs, "photo": self.photo}
        return content | {name: sha256_of(file) for name, file in named.items() if file is not None}

    def read(self) -> "NetworkWork":
        """The network and its inputs.

        Raises
        ------
        ValueError, OSError, ImportError
            If they cannot be read, or are not a network with a graph and inputs.
        """
        model = read_network(self.model)
        return NetworkWork(self.model.name, model, network_inputs(model, self.inputs, self.photo))


@dataclass(frozen=True, eq=False)
class NetworkWork:
    """A network with its inputs, for the points of a sweep.

    Attributes
    ----------
    name : str
    model : CompressedModel or PackedModel
    inputs : dict of str to ndarray, or ndarray
    """

    name: str
    model: CompressedModel | PackedModel
    inputs: Any

    def run(self, arch: ArchConfig) -> "NetworkRun":
        """Run all inferences on a machine."""
        plan = plan_network(self.model, arch)
        result = run_network(plan, self.inputs)
        if not len(result):
            raise ValueError(f"{self.name}: its inputs hold no inference")
        return NetworkRun(plan, result)


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """A network that ran, of which points that differ in nothing that timing depends on take their metrics."""

    plan: NetworkPlan
    result: NetworkResult

    def metrics(self, arch: ArchConfig, calibration: str, scaling_rule: str, baseline: Baseline | None) -> Row:
        """The metrics of a point, but for the area.

        Parameters
        ----------
        arch : ArchConfig
            A machine of the same cycles as the one that ran.
        calibration, scaling_rule : str
            Of the energy.
        baseline : Baseline or None
            Compared with at batch 1.
        """
        result = self.result
        nodes = list(result.nodes.values())
        counts = {name: sum(int(getattr(node.counts, name).sum()) for node in nodes) for name in PER_PE}
        counts |= {name: sum(int(getattr(node.counts, name)) for node in nodes) for name in Counts.SCALARS}
        cycles = sum(node.cycles for node in nodes)
        time_us = cycles / arch.clock_hz * 1e6
        theoretical_us = counts["entries"] / arch.n_pe / arch.clock_hz * 1e6
        real = counts["entries"] - counts["fillers"]
        spent = ModelEnergyReport(
            tuple(
                energy_of_events(node.name, arch, node.cycles, events, calibration, scaling_rule)
                for node, events in zip(nodes, map(_events, nodes), strict=True)
            )
        )
        together = self.plan.together
        found: Row = dict.fromkeys(METRICS)
        found |= {
            **counts,
            "layers": len(nodes),
            "cycles": cycles,
            "time_us": time_us,
            "theoretical_us": theoretical_us,
            "load_balance": theoretical_us / time_us if time_us else 1.0,
            "real_work": real / counts["entries"] if counts["entries"] else 1.0,
            "gops": 2 * real / time_us * 1e-3 if time_us else 0.0,
            "dense_gops": 2 * sum(node.macs_dense for node in nodes) / time_us * 1e-3 if time_us else 0.0,
            "energy_nj": spent.total_nj,
            "power_w": spent.power_w,
            "pj_per_mac": spent.pj_per_mac,
            "edp_nj_us": spent.edp_nj_us,
            "fits_sram": int(all(need.fits for need in model_capacity_report(together, arch))),
            "missing_bytes": sum(missing_bytes(together, arch)),
        }
        if baseline is not None:
            roof = network_roofline(self.plan, result, [baseline.device])
            (total,) = [one for one in roof.totals() if one.kind == baseline.kind]
            count = len(result)
            found |= {
                "baseline_us": total.time_us * count,
                "speedup": total.time_us * count / time_us if time_us else None,
                "baseline_uj": total.energy_uj * count,
                "energy_ratio": total.energy_uj * count / (spent.total_nj * 1e-3) if spent.total_nj else None,
            }
        return found


def _events(node: NodeResult) -> dict[str, int]:
    """What energy is priced by."""
    return {name: int(np.sum(getattr(node.counts, name))) for name in (*Counts.EVENTS, BIAS_WRITES)}
