"""`CostTable`: what each event, each cycle and each microsecond costs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType

from eie_sim.result import Counts

UNITS = ("act_queue", "ptr_read", "spmat_read", "arithmetic", "act_rw")
"""Units of a PE, as Table II names them."""

LNZD = "lnzd"
"""The leading-non-zero tree, outside the PEs."""


@dataclass(frozen=True)
class Price:
    """What one event costs, and where.

    Attributes
    ----------
    event : str
        One of `eie_sim.result.Counts.EVENTS`.
    unit : str
        One of `UNITS`.
    pj : float
        Energy of one event in pJ; of ``broadcasts``, in each PE.
    source : str
    """

    event: str
    unit: str
    pj: float
    source: str


@dataclass(frozen=True)
class CostTable:
    """Prices for one machine; every event has one.

    Attributes
    ----------
    name : str
        Of the calibration.
    prices : tuple of Price
    clock_pj : mapping of str to float
        Energy of a cycle of the clock in each unit of a PE, whether it works or waits, in pJ.
    leak_mw : mapping of str to float
        Leakage of each unit of a PE in mW.
    lnzd_pj : float
        Energy of a cycle of one node of the leading-non-zero tree, in pJ.
    assumptions : tuple of str
        What the prices rest on besides their sources.

    Raises
    ------
    ValueError
        When an event has no price or two, a unit is unknown, or a value is negative or not finite.
    """

    name: str
    prices: tuple[Price, ...]
    clock_pj: Mapping[str, float] = field(default_factory=dict)
    leak_mw: Mapping[str, float] = field(default_factory=dict)
    lnzd_pj: float = 0.0
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "clock_pj", MappingProxyType(dict(self.clock_pj)))
        object.__setattr__(self, "leak_mw", MappingProxyType(dict(self.leak_mw)))
        priced = Counter(price.event for price in self.prices)
        for event in Counts.EVENTS:
            if priced[event] != 1:
                raise ValueError(f"prices: {event!r} has {priced[event]} prices, but every event must have one")
        if strangers := sorted(set(priced) - set(Counts.EVENTS)):
            raise ValueError(f"prices: {strangers[0]!r}, but the events are {', '.join(Counts.EVENTS)}")
        for unit in (*(price.unit for price in self.prices), *self.clock_pj, *self.leak_mw):
            if unit not in UNITS:
                raise ValueError(f"unit: {unit!r}, but it must be one of {', '.join(UNITS)}")
        values = {f"price of {price.event}": price.pj for price in self.prices} | {"lnzd_pj": self.lnzd_pj}
        values |= {f"clock_pj of {unit}": value for unit, value in self.clock_pj.items()}
        values |= {f"leak_mw of {unit}": value for unit, value in self.leak_mw.items()}
        for name, value in values.items():
            if not isfinite(value) or value < 0:
                raise ValueError(f"{name}: {value}, but it must be finite and not negative")

    def scaled(
        self,
        energy: float,
        power: float,
        by_event: Mapping[str, float] | None = None,
        leakage_of: Mapping[str, float] | None = None,
    ) -> "CostTable":
        """The table with energies times `energy` and leakage times `power`, and further factors of some of them.

        Parameters
        ----------
        energy : float
            Factor of the energy of every event and every cycle of the clock.
        power : float
            Factor of the leakage.
        by_event : mapping of str to float, or None
            Further factors of the prices of some events.
        leakage_of : mapping of str to float, or None
            Further factors of the leakage of some units.
        """
        factors, leaks = by_event or {}, leakage_of or {}
        return replace(
            self,
            prices=tuple(replace(p, pj=p.pj * energy * factors.get(p.event, 1.0)) for p in self.prices),
            clock_pj={unit: value * energy for unit, value in self.clock_pj.items()},
            leak_mw={unit: value * power * leaks.get(unit, 1.0) for unit, value in self.leak_mw.items()},
            lnzd_pj=self.lnzd_pj * energy,
        )
