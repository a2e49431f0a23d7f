"""Technology: memories as CACTI has them, energies of operations, and what a smaller node changes.

The paper's own figures (Tables I and II, the leading-non-zero unit) stand in `eie_sim.paper`. Those here are our
measurements with a named tool, or published ones, and every one has its unit, source and node.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log
from types import MappingProxyType

from eie_sim.arch import ArchConfig

NODE_NM = 45.0
"""Node in nm of every value here unless it says otherwise (EIE, section V: TSMC 45 nm GP)."""


@dataclass(frozen=True)
class Quantity:
    """A number with what it means.

    Attributes
    ----------
    value : float
    unit : str
    source : str
    node_nm : float
    """

    value: float
    unit: str
    source: str
    node_nm: float = NODE_NM


# Memories -------------------------------------------------------------------------------------------------------------

CACTI = "our runs of hwcomponents-cacti 1.0.40: CACTI 7, cells and periphery itrs-lstp, 300 K, best energy x delay^2"
"""The objective matters: that alone moves a read of 128 KB by a factor of four."""


@dataclass(frozen=True)
class Memory:
    """One memory in `CACTI`, one port for reading and writing.

    Attributes
    ----------
    n_bytes, width_bits : int
    read_pj, write_pj : float
        Energy of one access of that width.
    leakage_mw : float
    area_mm2 : float
    """

    n_bytes: int
    width_bits: int
    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float


MEMORIES = (
    Memory(131072, 32, 25.3, 16.9, 0.0034, 0.417),
    Memory(131072, 64, 32.3, 26.1, 0.0033, 0.430),
    Memory(131072, 128, 50.3, 47.0, 0.0033, 0.413),
    Memory(131072, 256, 73.8, 88.2, 0.0033, 0.474),
    Memory(131072, 512, 97.8, 198.0, 0.0033, 0.391),
    Memory(16384, 16, 7.66, 5.64, 0.0005, 0.053),
    Memory(2048, 16, 1.86, 2.43, 0.0001, 0.0066),
    Memory(128, 16, 0.437, 0.718, 0.0, 0.0005),
)
"""Measured; the last one is a register file of 64 x 16 bits, taken as an SRAM."""

_NARROWEST_BITS = 32  # below it the tool scales: energy by 0.7 w / 32 + 0.3, area by w / 32


@lru_cache(maxsize=4096)  # a sweep asks for the same few memories a hundred thousand times
def memory(n_bytes: float, width_bits: float) -> Memory:
    """A memory of any size and width, from those that were measured.

    Between sizes, and between widths at 128 KB, a power law through the two measured neighbours; the same beyond the
    outermost. Size and width are taken as independent. Leakage is that of 128 KB, a byte at a time.

    Parameters
    ----------
    n_bytes, width_bits : float
        Above 0.
    """
    values = {}
    largest = MEMORIES[0].n_bytes
    for name in ("read_pj", "write_pj", "area_mm2"):
        of_width: dict[int, float] = {m.width_bits: getattr(m, name) for m in MEMORIES if m.n_bytes == largest}
        # The small ones were measured at 16 bits: the tool's own rule makes them as wide as the narrowest large one.
        of_size = {m.n_bytes: getattr(m, name) / _narrow(name, m.width_bits) for m in MEMORIES if m.width_bits <= 32}
        width = max(width_bits, _NARROWEST_BITS)
        factor = _power_law(of_width, width) / of_width[_NARROWEST_BITS] * _narrow(name, width_bits)
        values[name] = _power_law(of_size, n_bytes) * factor
    return Memory(
        round(n_bytes), round(width_bits), **values, leakage_mw=MEMORIES[0].leakage_mw * n_bytes / MEMORIES[0].n_bytes
    )


def _narrow(name: str, width_bits: float) -> float:
    share = min(width_bits / _NARROWEST_BITS, 1.0)
    return share if name == "area_mm2" else 0.7 * share + 0.3


def _power_law(points: Mapping[int, float], at: float) -> float:
    # A straight line between logarithms; beyond the outermost points, the line through the last two.
    places: Sequence[int] = sorted(points)
    right = min(max(bisect_right(places, at), 1), len(places) - 1)
    low, high = places[right - 1], places[right]
    share = (log(at) - log(low)) / (log(high) - log(low))
    return exp((1 - share) * log(points[low]) + share * log(points[high]))


# Operations -----------------------------------------------------------------------------------------------------------

MULTIPLY_8 = Quantity(
    0.2, "pJ", "M. Horowitz, ISSCC 2014, Fig. 1.1.9, by transcriptions: int mult, 8 bits; EIE, Fig. 10: 0.19"
)
ADD_8 = Quantity(0.03, "pJ", "M. Horowitz, ISSCC 2014, Fig. 1.1.9, by transcriptions: int add, 8 bits, 0.9 V")
MULTIPLY_16 = Quantity(0.62, "pJ", "EIE, Fig. 10: a fifth of the 3.1 pJ of an int32 multiplication (Table I)")
ADD_16 = Quantity(0.05, "pJ", "M. Horowitz, ISSCC 2014, Fig. 1.1.9, by transcriptions: int add, 16 bits, 0.9 V")
MULTIPLY_32 = Quantity(3.1, "pJ", "EIE, Table I: int32 multiply")
ADD_32 = Quantity(0.1, "pJ", "EIE, Table I: int32 add")
DRAM_BIT = Quantity(ArchConfig().dram_pj_per_bit, "pJ", "EIE, Table I: 640 pJ for 32 bits of DRAM")

MULTIPLY_ADD_PJ: Mapping[int, float] = MappingProxyType(
    {
        8: MULTIPLY_8.value + ADD_8.value,
        16: MULTIPLY_16.value + ADD_16.value,
        32: MULTIPLY_32.value + ADD_32.value,
    }
)
"""A multiplication and an addition of integers, by their bits; pJ."""

# Nodes ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaling:
    """What going from 45 nm to 28 nm multiplies.

    Attributes
    ----------
    area, energy, delay : float or None
        Of a circuit, of an operation, of a path; None where the source does not say.
    source : str
    """

    area: float | None
    energy: float
    delay: float | None
    source: str

    @property
    def power(self) -> float:
        """Of what runs at the speed that `delay` allows; leakage, and a constant power, are taken to follow it.

        Where the source gives no delay, the paper's clock, 1.5 times that of 45 nm, stands for it.
        """
        return self.energy / (PAPER_DELAY if self.delay is None else self.delay)


PAPER_DELAY = 800 / 1200
"""Of a path at 28 nm over one at 45 nm (EIE, Table V: 800 MHz become 1200)."""

TARGET_NM = 28.0
"""The node that the rules lead to."""

SCALINGS: Mapping[str, Scaling] = MappingProxyType(
    {
        "paper": Scaling(
            (28 / 45) ** 2,
            PAPER_DELAY,
            PAPER_DELAY,
            "EIE, Table V: linear frequency, quadratic area, constant power of a PE",
        ),
        "deepscaletool": Scaling(None, 0.37 / 0.63, 0.67 / 0.81, "Sarangi and Baas 2021, by a public transcription"),
        "stillmaker-1.0V": Scaling(
            0.377, 0.542, None, "Stillmaker and Baas 2017, by open implementations, HP, between 32 and 20 nm; 1.0 V"
        ),
        "stillmaker-0.9V": Scaling(0.377, 0.432, None, "the same; 1.0 V becomes 0.9 V"),
        "hwcomponents": Scaling(0.377, 0.51, 0.62, "hwcomponents 1.0.114, tech_node functions"),
        "cacti": Scaling(0.414, 0.429, 0.70, "128 KB of 64 bits in CACTI 7 LSTP, between 32 and 22 nm"),
    }
)
"""By name; the paper's own rule is the default, the others make the band: published ones, and CACTI by our own runs."""


def scaling(node_nm: float, rule: str = "paper") -> Scaling:
    """The factors from 45 nm to a node.

    Raises
    ------
    ValueError
        When there is no such rule, or the node is neither 45 nor 28 nm.
    """
    if rule not in SCALINGS:
        raise ValueError(f"scaling: {rule!r}, but it must be one of {', '.join(SCALINGS)}")
    if node_nm == NODE_NM:
        return Scaling(1.0, 1.0, 1.0, "the node of the calibration")
    if node_nm != TARGET_NM:
        raise ValueError(f"technology_nm: {node_nm:g}, but costs are known at {NODE_NM:g} and {TARGET_NM:g} nm alone")
    return SCALINGS[rule]
