"""The energy of a run: its counts times a table, after the run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np

from compressor.checks import whole_number
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import POINTER_BYTES
from compressor.types.packed_model import PackedModel
from eie_sim import paper
from eie_sim.arch import ArchConfig, preset
from eie_sim.capacity import stored_pointers
from eie_sim.cost.calibrations import CALIBRATIONS, DEFAULT, calibration
from eie_sim.cost.prices import LNZD, CostTable
from eie_sim.cost.technology import MULTIPLY_ADD_PJ, SCALINGS, TARGET_NM, Memory, memory, scaling
from eie_sim.result import BatchResult, BatchTotal, Counts, ModelResult, SimResult

CLOCK, LEAKAGE, SCAN, DRAM = "clock", "leakage", "scan", "dram"
"""Causes of energy that are no events of a unit."""

BIAS_WRITES = "bias_writes"
"""An event that has no price of its own: it is an accumulator write."""

NJ_A_PJ = 1e-3


@dataclass(frozen=True)
class EnergyRow:
    """One cause of energy in one unit.

    Attributes
    ----------
    unit, cause : str
        `cause` is an event, or one of the causes that are none.
    count : float
        Events, PE-cycles (clock), node-cycles (scan), microseconds of a PE (leakage) or bits (DRAM).
    each_pj : float
        Energy of one of them in pJ.
    """

    unit: str
    cause: str
    count: float
    each_pj: float

    @property
    def nj(self) -> float:
        """Energy in nJ."""
        return self.count * self.each_pj * NJ_A_PJ


@dataclass(frozen=True)
class EnergyReport:
    """The energy of a run of one layer: of one input vector, or of all those of a batch.

    Attributes
    ----------
    layer : str
    calibration : str
        Which table made it, with the scaling where the node is another.
    rows : tuple of EnergyRow
    time_us : float
    macs : int
        Useful multiplications: of weights that are no fillers.
    assumptions : tuple of str
    """

    layer: str
    calibration: str
    rows: tuple[EnergyRow, ...]
    time_us: float
    macs: int
    assumptions: tuple[str, ...]

    @cached_property
    def total_nj(self) -> float:
        """All rows, in nJ."""
        return sum(row.nj for row in self.rows)

    @property
    def by_unit_nj(self) -> Mapping[str, float]:
        """Energy of each unit in nJ."""
        return _added({row.unit: row.nj} for row in self.rows)

    @property
    def by_cause_nj(self) -> Mapping[str, float]:
        """Energy of each event and of what is none, in nJ."""
        return _added({row.cause: row.nj} for row in self.rows)

    @property
    def power_w(self) -> float:
        """Mean power in W."""
        return self.total_nj / self.time_us * 1e-3

    @property
    def pj_per_mac(self) -> float | None:
        """Energy of one useful multiplication in pJ; None without one."""
        return self.total_nj / NJ_A_PJ / self.macs if self.macs else None

    @property
    def edp_nj_us(self) -> float:
        """Energy-delay product in nJ us."""
        return self.total_nj * self.time_us


@dataclass(frozen=True)
class ModelEnergyReport:
    """The energy of one inference of the layers of a model, one after another.

    Attributes
    ----------
    layers : tuple of EnergyReport
        One after another, by one calibration.
    """

    layers: tuple[EnergyReport, ...]

    @cached_property
    def total_nj(self) -> float:
        """All layers, in nJ."""
        return sum(layer.total_nj for layer in self.layers)

    @property
    def time_us(self) -> float:
        """Time of all layers, in microseconds."""
        return sum(layer.time_us for layer in self.layers)

    @property
    def by_unit_nj(self) -> Mapping[str, float]:
        """Energy of each unit in nJ, over all layers."""
        return _added(layer.by_unit_nj for layer in self.layers)

    @property
    def by_cause_nj(self) -> Mapping[str, float]:
        """Energy of each event and of what is none in nJ, over all layers."""
        return _added(layer.by_cause_nj for layer in self.layers)

    @property
    def power_w(self) -> float:
        """Mean power in W."""
        return self.total_nj / self.time_us * 1e-3

    @property
    def pj_per_mac(self) -> float | None:
        """Energy of one useful multiplication in pJ; None without one."""
        macs = sum(layer.macs for layer in self.layers)
        return self.total_nj / NJ_A_PJ / macs if macs else None

    @property
    def edp_nj_us(self) -> float:
        """Energy-delay product in nJ us, of the whole inference."""
        return self.total_nj * self.time_us


def _added(parts: Iterable[Mapping[str, float]]) -> Mapping[str, float]:
    sums: dict[str, float] = {}
    for part in parts:
        for key, value in part.items():
            sums[key] = sums.get(key, 0.0) + value
    return sums


def energy(
    result: SimResult | BatchTotal | BatchResult,
    table: CostTable | str = DEFAULT,
    rule: str = "paper",
    dram_bytes: int = 0,
) -> EnergyReport:
    """The energy of a run, or of all vectors of a batch together.

    Parameters
    ----------
    result : SimResult, BatchTotal, or BatchResult with ``counts="sum"``
    table : CostTable or str
        Prices for the paper's PE at 45 nm, or the name of a calibration. SRAMs, registers and arithmetic of another
        size or width are scaled from it.
    rule : str
        How energies shrink at 28 nm; one of `eie_sim.cost.technology.SCALINGS`.
    dram_bytes : int
        Bytes that are read from DRAM in all, where a model does not fit the SRAMs; `missing_bytes` counts those of one
        input vector.

    Raises
    ------
    ValueError
        When the result is neither that of a run nor a total, there is no such calibration or rule, the node is neither
        45 nor 28 nm, or `dram_bytes` is not an integer of at least 0.
    """
    if isinstance(result, BatchResult) and result.kept == "sum":
        result = result.total()
    if not isinstance(result, SimResult | BatchTotal):
        hint = "of one run or of a total: batch[i] is a run of a batch, batch.total() all of it"
        raise ValueError(f"result: a {type(result).__name__}, but energy is {hint}")
    events = {event: int(np.sum(getattr(result.counts, event))) for event in (*Counts.EVENTS, BIAS_WRITES)}
    return energy_of_events(result.layer, result.arch, result.cycles, events, table, rule, dram_bytes)


def energy_of_events(
    layer: str,
    arch: ArchConfig,
    cycles: int,
    events: Mapping[str, int],
    table: CostTable | str = DEFAULT,
    rule: str = "paper",
    dram_bytes: int = 0,
) -> EnergyReport:
    """The energy of a run of which only the counts are left, such as a row of a results file.

    Parameters
    ----------
    layer : str
    arch : ArchConfig
    cycles : int
    events : mapping of str to int
        Number of each of `eie_sim.result.Counts.EVENTS`, over all PEs, and of `bias_writes` where there are any.
    table, rule, dram_bytes
        As for `energy`.

    Raises
    ------
    ValueError
        As for `energy`, or when an event is missing.
    """
    if not isinstance(table, (CostTable, str)):
        raise ValueError(f"table: {table!r}, but it must be a CostTable or the name of a calibration")
    whole_number("dram_bytes", dram_bytes, 0)
    if missing := [event for event in Counts.EVENTS if event not in events]:
        raise ValueError(f"events: {missing[0]!r} is missing")
    chosen = calibration(table) if isinstance(table, str) else table
    name, priced = chosen.name, table_for(chosen, arch, rule)
    if arch.technology_nm != preset(paper.MACHINE).technology_nm:
        name = f"{name}, {arch.technology_nm:g} nm by {rule}"
    time_us = cycles / arch.clock_hz * 1e6
    rows = []
    for price in priced.prices:
        # A broadcast is an event of the machine, and an entry in the queue of every PE.
        count = events[price.event] * (arch.n_pe if price.event == "broadcasts" else 1)
        rows.append(EnergyRow(price.unit, price.event, count, price.pj))
        if price.event == "acc_writes" and events.get(BIAS_WRITES):
            rows.append(EnergyRow(price.unit, BIAS_WRITES, events[BIAS_WRITES], price.pj))
    rows += [EnergyRow(unit, CLOCK, cycles * arch.n_pe, pj) for unit, pj in priced.clock_pj.items()]
    # 1 mW for 1 us is 1 nJ.
    rows += [EnergyRow(unit, LEAKAGE, time_us * arch.n_pe, mw * 1e3) for unit, mw in priced.leak_mw.items()]
    rows.append(EnergyRow(LNZD, SCAN, cycles * lnzd_nodes(arch), priced.lnzd_pj))
    if dram_bytes:
        rows.append(EnergyRow(DRAM, DRAM, 8 * dram_bytes, arch.dram_pj_per_bit))
    # One accumulator is written for each entry that is no filler.
    return EnergyReport(layer, name, tuple(rows), time_us, events["acc_writes"], priced.assumptions)


def model_energy(
    result: ModelResult, table: CostTable | str = DEFAULT, rule: str = "paper", dram_bytes: Sequence[int] = ()
) -> ModelEnergyReport:
    """The energy of the layers of a model.

    Parameters
    ----------
    result : ModelResult
    table, rule
        As for `energy`.
    dram_bytes : sequence of int
        Of each layer; empty for none.

    Raises
    ------
    ValueError
        As for `energy`, or when `dram_bytes` has another length than the layers.
    """
    given = tuple(dram_bytes) or (0,) * len(result.layers)
    if len(given) != len(result.layers):
        raise ValueError(f"dram_bytes: {len(given)} values for {len(result.layers)} layers")
    return ModelEnergyReport(tuple(energy(one, table, rule, b) for one, b in zip(result.layers, given, strict=True)))


def by_calibration(result: SimResult, rule: str = "paper") -> Mapping[str, EnergyReport]:
    """The energy of a run by every calibration, side by side."""
    return {name: energy(result, name, rule) for name in CALIBRATIONS}


def band(result: SimResult, table: CostTable | str = DEFAULT) -> Mapping[str, EnergyReport]:
    """The energy of a run at 28 nm by every published scaling rule; the first is the paper's.

    The rules differ by a factor of 1.6 in the energy of an event: a figure at 28 nm without its rule says little.

    Raises
    ------
    ValueError
        When the run was not of a machine at 28 nm.
    """
    if result.arch.technology_nm != TARGET_NM:
        node = f"{result.arch.technology_nm:g}"
        raise ValueError(f"technology_nm: {node}, but the rules lead to {TARGET_NM:g} nm; arch.replace(...) moves it")
    return {rule: energy(result, table, rule) for rule in SCALINGS}


def missing_bytes(layers: PackedLayer | PackedModel, arch: ArchConfig) -> tuple[int, ...]:
    """Bytes of entries and pointers of each layer, over all PEs, for which the SRAMs have no place.

    The layers of a model lie in the SRAMs at once (EIE section V): the first ones take what place there is. What has
    none is taken to come from DRAM once for every input vector, columns of zero inputs too.

    Parameters
    ----------
    layers : PackedLayer or PackedModel
    arch : ArchConfig

    Returns
    -------
    tuple of int
        One number a layer; `energy` and `model_energy` take it as `dram_bytes`.
    """
    entry_bits = arch.weight_bits + arch.index_bits
    places, pointers, *_ = arch.sram_limits
    free = np.full(arch.n_pe, places, np.int64)  # entries differ from PE to PE; pointers are as many in each
    missing = []
    for layer in (layers,) if isinstance(layers, PackedLayer) else layers.layers:
        stored = stored_pointers(layer, arch)
        entries = np.asarray(stored[-1], np.int64)
        entry_bytes = int(np.sum(-(-np.maximum(entries - free, 0) * entry_bits // 8)))
        n_pointers = len(stored)
        missing.append(entry_bytes + max(n_pointers - pointers, 0) * POINTER_BYTES * layer.n_pe)
        free, pointers = np.maximum(free - entries, 0), max(pointers - n_pointers, 0)
    return tuple(missing)


def lnzd_nodes(arch: ArchConfig) -> int:
    """Nodes of the leading-non-zero tree: 21 over 64 PEs (EIE, section IV)."""
    nodes, leaves = 0, arch.n_pe
    while leaves > 1:
        leaves = -(-leaves // arch.lnzd_fanin)
        nodes += leaves
    return nodes


def table_for(table: CostTable, arch: ArchConfig, rule: str = "paper") -> CostTable:
    """A table for the paper's PE, scaled to the memories, numbers and node of `arch`.

    Each memory by the ratio of its energy in CACTI to that of the paper's, which cancels what the two differ by; the
    arithmetic by its multiplication and addition. Clock and codebook are those of the paper's PE.
    """
    usual = preset(paper.MACHINE)

    def ratio(of: Callable[[ArchConfig], Memory], *what: str) -> float:
        ours, theirs = of(arch), of(usual)
        return cast(float, sum(getattr(ours, name) for name in what) / sum(getattr(theirs, name) for name in what))

    by_event = {
        "spmat_row_reads": ratio(_spmat, "read_pj"),
        "ptr_reads": ratio(_pointer_bank, "read_pj"),
        "broadcasts": ratio(_queue, "read_pj", "write_pj"),
        "acc_reads": ratio(_registers, "read_pj"),
        "acc_writes": ratio(_registers, "write_pj"),
        "entries": MULTIPLY_ADD_PJ[8 * arch.number_bytes] / MULTIPLY_ADD_PJ[8 * usual.number_bytes],
    }
    leakage_of = {"spmat_read": ratio(_spmat, "leakage_mw"), "ptr_read": ratio(_pointer_bank, "leakage_mw")}
    shrunk = scaling(arch.technology_nm, rule)
    priced = table.scaled(shrunk.energy, shrunk.power, by_event, leakage_of)
    if arch.technology_nm == usual.technology_nm:
        return priced
    told = (
        f"{arch.technology_nm:g} nm by the rule {rule}: energy of an event x {shrunk.energy:.3g}, power x "
        f"{shrunk.power:.3g} of those at {usual.technology_nm:g} nm"
    )
    return replace(priced, assumptions=(*priced.assumptions, told))


def _spmat(arch: ArchConfig) -> Memory:
    return memory(arch.spmat_bytes, arch.spmat_width_bits)


def _pointer_bank(arch: ArchConfig) -> Memory:
    return memory(arch.ptr_bytes / 2, 8 * POINTER_BYTES)


def _queue(arch: ArchConfig) -> Memory:
    """An entry is an activation and its column, 32 bits together."""
    return memory(arch.act_queue_depth * 4, 32)


def _registers(arch: ArchConfig) -> Memory:
    return memory(arch.act_regfile_entries * arch.number_bytes, 8 * arch.number_bytes)
