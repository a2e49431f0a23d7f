"""The platforms of EIE Table V as published: throughput, power and area on AlexNet's FC7, without a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from eie_sim.paper import TABLE_V, TABLE_V_KINDS


@dataclass(frozen=True)
class Platform:
    """One column of Table V.

    Attributes
    ----------
    name : str
    kind : str
        CPU, GPU, mobile GPU, FPGA or ASIC.
    technology_nm, power_w, frames_per_s, frames_per_j : float
        `frames_per_j` as printed.
    clock_mhz, area_mm2 : float or None
        None: asynchronous, or not published.
    source : str
    note : str
        How to read the numbers, where they are no measurement of FC7.
    """

    name: str
    kind: str
    technology_nm: float
    clock_mhz: float | None
    area_mm2: float | None
    power_w: float
    frames_per_s: float
    frames_per_j: float
    source: str
    note: str = ""

    @property
    def time_us(self) -> float:
        """Time of one frame, microseconds: 1e6 / frames_per_s."""
        return 1e6 / self.frames_per_s

    @property
    def energy_uj(self) -> float:
        """Energy of one frame, microjoule: power x time."""
        return self.power_w * self.time_us


_NOTES = {
    "DaDianNao": "estimated by the EIE authors from its peak bandwidth",
    "TrueNorth": "an LSTM on TIMIT, not FC7",
    "EIE 256 PEs": "projected by the EIE authors from 64 PEs at 45 nm",
}


@cache
def platforms() -> Mapping[str, Platform]:
    """All platforms of Table V by name, in its order: three processors, an FPGA, two ASICs and two sizes of EIE."""
    found = {
        name: Platform(
            name,
            kind=kind,
            technology_nm=TABLE_V.given("technology_nm", name),
            clock_mhz=TABLE_V.at("clock_mhz", name),  # TrueNorth has no clock
            area_mm2=TABLE_V.at("area_mm2", name),
            power_w=TABLE_V.given("power_w", name),
            frames_per_s=TABLE_V.given("frames_per_s", name),
            frames_per_j=TABLE_V.given("frames_per_j", name),
            source=TABLE_V.source,
            note=_NOTES.get(name, ""),
        )
        for name, kind in TABLE_V_KINDS.items()
    }
    return MappingProxyType(found)
