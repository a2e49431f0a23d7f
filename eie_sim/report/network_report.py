"""A network on the machine beside the baselines: rooflines of devices, and this host measured."""

from dataclasses import dataclass
from typing import Any

from eie_sim.baselines.network_measurement import NetworkMeasurement
from eie_sim.baselines.network_roofline import NetworkRoofline
from eie_sim.columns import Row
from eie_sim.network import NetworkResult
from eie_sim.report.report_columns import Definitions

BASELINES: Definitions = {
    "device": {"unit": "", "definition": "What the network is computed on."},
    "kind": {"unit": "", "definition": "dense or sparse weights; of a measurement, dense."},
    "figure": {"unit": "", "definition": "modelled: a roofline of the nodes on the machine; measured: on this host."},
    "time_us": {"unit": "us", "definition": "Of an inference, batch 1: the mean."},
    "speedup": {"unit": "x", "definition": "time_us over that of the machine."},
    "energy_uj": {"unit": "uJ", "definition": "Of an inference, by the power of the device; empty where unknown."},
    "energy_ratio": {"unit": "x", "definition": "energy_uj over that of the machine."},
}  # fmt: skip
"""Columns of the table of baselines."""

LIMITS = (
    "Modelled figures are of the nodes that the machine runs, without launching a framework; sparse convolutions "
    "extrapolate the gathers of EIE Table IV. Measured figures are of the whole network, host nodes included, with hot "
    "caches. What the host computes between the nodes of the machine is in no figure of the machine."
)
"""What a reader of the table must know."""


@dataclass(frozen=True, eq=False)
class NetworkReport:
    """A run of a network, and what it is compared with.

    Attributes
    ----------
    name : str
        Of the network.
    result : NetworkResult
        Of at least one inference.
    roofline : NetworkRoofline
    measured : NetworkMeasurement or None
        Of this host.
    notes : tuple of str
    """

    name: str
    result: NetworkResult
    roofline: NetworkRoofline
    measured: NetworkMeasurement | None
    notes: tuple[str, ...] = ()

    @property
    def time_us(self) -> float:
        """Time of the machine for an inference: the mean."""
        return float(self.result.latency_us.mean())

    @property
    def energy_uj(self) -> float:
        """Energy of the machine for an inference: the mean."""
        return float(self.result.energy_uj.mean())

    def baselines(self) -> list[Row]:
        """A row for each device and kind, and each number of threads that was measured, as `BASELINES`."""
        rows = [
            self._row(one.device, one.kind, "modelled", one.time_us, one.energy_uj) for one in self.roofline.totals()
        ]
        if self.measured is not None:
            for threads in self.measured.threads:
                device = f"this host, {threads} thread{'s' * (threads > 1)}"
                rows.append(self._row(device, "dense", "measured", self.measured.median_us(threads), None))
        return rows

    def _row(self, device: str, kind: str, figure: str, time_us: float, energy_uj: float | None) -> Row:
        ratio = energy_uj / self.energy_uj if energy_uj is not None and self.energy_uj else None
        faster = time_us / self.time_us if self.time_us else None
        cells = (device, kind, figure, time_us, faster, energy_uj, ratio)
        return dict(zip(BASELINES, cells, strict=True))

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it; the outputs are not among it."""
        return {
            **self.result.plain(),
            "file": self.name,
            "notes": list(self.notes),
            "baselines": self.baselines(),
            "baseline_columns": dict(BASELINES),
            "baseline_nodes": self.roofline.rows(),
        }
