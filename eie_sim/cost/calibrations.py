"""Named calibrations: how the published power of a PE becomes prices of events.

Table II gives the power of each unit at some activity that the paper does not state. A calibration states one: so many
events of each kind in so many cycles. A price is then what is left of the unit's power after clock and leakage, times
those cycles, over its events, and at that activity the units sum to the paper's 9.158 mW whatever it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from eie_sim import paper
from eie_sim.arch import ACT_BYTES, preset
from eie_sim.cost.prices import UNITS, CostTable, Price
from eie_sim.cost.technology import ADD_16, MULTIPLY_16, memory

DEFAULT = "table2-8cycle"

_NS_A_CYCLE = 1e9 / preset(paper.MACHINE).clock_hz
_EVENTS_OF = {
    "act_queue": ("broadcasts",),
    "ptr_read": ("ptr_reads",),
    "spmat_read": ("spmat_row_reads",),
    "arithmetic": ("entries",),
    "act_rw": ("acc_reads", "acc_writes"),
}
"""The events of each unit."""


@dataclass(frozen=True)
class Activity:
    """What one PE does in some cycles of the run that Table II is taken to be of.

    Attributes
    ----------
    cycles : float
    events : mapping of str to float
        Number of each event in them.
    source : str
    """

    cycles: float
    events: Mapping[str, float]
    source: str


EVERY_8_CYCLES = Activity(
    8.0,
    MappingProxyType(
        {
            "broadcasts": 1.0,
            "ptr_reads": 1.0,
            "spmat_row_reads": 1.0,
            "entries": 8.0,
            "acc_reads": 8.0,
            "acc_writes": 8.0,
        }
    ),
    "EIE, section V: in the steady state both SRAMs are accessed every 8 cycles; no stall, filler or bypass",
)

ALEX_7 = Activity(
    5.76,
    MappingProxyType(
        {
            "broadcasts": 1.0,
            "ptr_reads": 1.0,
            "spmat_row_reads": 1.23,
            "entries": 5.76,
            "acc_reads": 5.76,
            "acc_writes": 5.76,
        }
    ),
    "a column of Alex-7 by its printed density, 4,096 x 9 % / 64 entries, rows kept between columns, as the engines "
    "count; without fillers, empty columns and stalls, of which a simulated Alex-7 has some",
)


def clock_fraction() -> float:
    """Share of a PE's power in its clock network (Table II, by kind of cell)."""
    return _table_ii("clock network") / _table_ii("total")


def _table_ii(row: str) -> float:
    return paper.TABLE_II.given(row, "power_mw")


def _lnzd_pj() -> float:
    return paper.LNZD_UNIT.given("lnzd", "power_mw") * _NS_A_CYCLE


def _shared_out(name: str, activity: Activity, clock: float, leak: float) -> CostTable:
    """Prices that make up Table II at `activity`."""
    prices, clock_pj, leak_mw = [], {}, {}
    for unit in UNITS:
        power = _table_ii(unit)
        clock_pj[unit], leak_mw[unit] = power * clock * _NS_A_CYCLE, power * leak
        # What the clock and leakage leave of the unit's energy in the cycles of the activity, over the events in them.
        left = power * (1 - clock - leak) * activity.cycles * _NS_A_CYCLE
        happened = sum(activity.events[event] for event in _EVENTS_OF[unit])
        prices += [Price(event, unit, left / happened, "EIE, Table II") for event in _EVENTS_OF[unit]]
    assumed = (
        f"activity of Table II: {activity.source}",
        f"clock: {clock:.1%} of the power of every unit, in every cycle; leakage: {leak:.1%} of it, at all times",
        "a read of a destination register costs what a write does",
        "wires of the broadcast and of the leading-non-zero tree are not given and not counted",
    )
    return CostTable(name, tuple(prices), clock_pj, leak_mw, _lnzd_pj(), assumed)


def _bottom_up(name: str, clock: float, leak: float) -> CostTable:
    """Memories by CACTI, arithmetic by the energies of its operations; the clock is Table II's."""
    machine = preset(paper.MACHINE)
    bank = memory(machine.ptr_bytes / 2, 16)
    rows = memory(machine.spmat_bytes, machine.spmat_width_bits)
    registers = memory(machine.act_regfile_entries * ACT_BYTES, 8 * ACT_BYTES)
    codebook = memory((1 << machine.weight_bits) * ACT_BYTES, 8 * ACT_BYTES)
    queue = memory(machine.act_queue_depth * 4, 32)
    operation = MULTIPLY_16.value + ADD_16.value + codebook.read_pj
    prices = (
        Price("broadcasts", "act_queue", queue.read_pj + queue.write_pj, "CACTI: a queue of 32-bit entries"),
        Price("ptr_reads", "ptr_read", 2 * bank.read_pj, "CACTI: both banks"),
        Price("spmat_row_reads", "spmat_read", rows.read_pj, "CACTI"),
        Price("entries", "arithmetic", operation, f"{MULTIPLY_16.source}; {ADD_16.source}; codebook by CACTI"),
        Price("acc_reads", "act_rw", registers.read_pj, "CACTI"),
        Price("acc_writes", "act_rw", registers.write_pj, "CACTI"),
    )
    clocks = {unit: _table_ii(unit) * clock * _NS_A_CYCLE for unit in UNITS}
    leaks = {unit: _table_ii(unit) * leak for unit in UNITS}
    leaks["ptr_read"] += 2 * bank.leakage_mw
    leaks["spmat_read"] += rows.leakage_mw
    assumed = (
        f"clock: {clock:.1%} of Table II's power of every unit, in every cycle",
        f"leakage: CACTI's of the memories, and {leak:.1%} of Table II's power of every unit",
        "pipeline registers and control are not counted",
    )
    return CostTable(name, prices, clocks, leaks, _lnzd_pj(), assumed)


def _constant(name: str, power_w: float, source: str) -> CostTable:
    """One power at all times, shared out over the units as Table II does."""
    pe_mw, all_units = power_w * 1e3 / preset(paper.MACHINE).n_pe, sum(map(_table_ii, UNITS))
    prices = tuple(Price(event, unit, 0.0, source) for unit in UNITS for event in _EVENTS_OF[unit])
    # As leakage: the only cause of energy that asks for nothing but time.
    leaks = {unit: pe_mw * _table_ii(unit) / all_units for unit in UNITS}
    assumed = (f"{power_w:g} W for 64 PEs whatever they do: {source}", "the leading-non-zero tree is part of it")
    return CostTable(name, prices, {}, leaks, 0.0, assumed)


Make = Callable[[str, float, float], CostTable]

CALIBRATIONS: Mapping[str, Make] = MappingProxyType(
    {
        DEFAULT: lambda name, clock, leak: _shared_out(name, EVERY_8_CYCLES, clock, leak),
        "table2-alex7": lambda name, clock, leak: _shared_out(name, ALEX_7, clock, leak),
        "bottom-up": _bottom_up,
        "paper-constant": lambda name, _clock, _leak: _constant(
            name, paper.FIG_7_EIE_POWER_W, "what Fig. 7 and Table IV imply"
        ),
        "paper-constant-table5": lambda name, _clock, _leak: _constant(
            name, paper.TABLE_V.given("power_w", "EIE 64 PEs"), "EIE, Table V"
        ),
    }
)
"""By name; the first is the default. The last two are the paper's own method, constant power x time."""


def calibration(name: str = DEFAULT, clock: float | None = None, leak: float = 0.0) -> CostTable:
    """The prices of a named calibration for the paper's PE at 45 nm.

    Parameters
    ----------
    name : str
        One of `CALIBRATIONS`.
    clock : float or None
        Share of every unit's power that its clock takes in every cycle, 0 .. 1; None: that of Table II, 20.5 %.
    leak : float
        Share that leaks at all times; the paper does not give it, and CACTI's low-power cells leak next to nothing.
        Neither share has a meaning in ``paper-constant``.

    Raises
    ------
    ValueError
        When there is no such calibration, or the shares are negative or come to more than 1.
    """
    if name not in CALIBRATIONS:
        raise ValueError(f"calibration: {name!r}, but it must be one of {', '.join(CALIBRATIONS)}")
    share = clock_fraction() if clock is None else clock
    if not (share >= 0 and leak >= 0 and share + leak <= 1):
        raise ValueError(f"clock, leak: {share}, {leak}, but they must be shares that come to at most 1")
    called = name if clock is None and not leak else f"{name}, clock {share:.1%}, leakage {leak:.1%}"
    return CALIBRATIONS[name](called, share, leak)
