"""What a run costs: energy from its counts, area from the machine; an engine knows of neither.

Energy is events times prices, cycles times the clock, and time times leakage. Prices come from a *calibration*: the
power of Table II shared out over the events of a stated activity, bottom-up from CACTI and the energies of operations,
or the paper's own constant power. None of them is more than its assumptions, so that a report names the one that made
it.
"""

from eie_sim.cost.area import AreaReport, area, area_band
from eie_sim.cost.calibrations import CALIBRATIONS, calibration
from eie_sim.cost.energy import (
    EnergyReport,
    EnergyRow,
    ModelEnergyReport,
    band,
    by_calibration,
    energy,
    energy_of_events,
    missing_bytes,
    model_energy,
)
from eie_sim.cost.prices import CostTable, Price
from eie_sim.cost.technology import SCALINGS

__all__ = [
    "CALIBRATIONS",
    "SCALINGS",
    "AreaReport",
    "CostTable",
    "EnergyReport",
    "EnergyRow",
    "ModelEnergyReport",
    "Price",
    "area",
    "area_band",
    "band",
    "by_calibration",
    "calibration",
    "energy",
    "energy_of_events",
    "missing_bytes",
    "model_energy",
]
