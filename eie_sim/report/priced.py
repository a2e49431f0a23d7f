"""The rows of results, checked and priced: what every table of a report is made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eie_sim.arch import ArchConfig
from eie_sim.columns import Row
from eie_sim.cost import EnergyReport, energy_of_events
from eie_sim.cost.energy import BIAS_WRITES
from eie_sim.report.results_file import Results
from eie_sim.result import Counts

_POSITIVE = ("n_rows", "n_cols", "n_pe", "cycles")
_NUMBERS = ("time_us", "theoretical_us", "load_balance", "real_work", "gops", "dense_gops")


@dataclass(frozen=True)
class PricedRow:
    """A row of results with its energy.

    Attributes
    ----------
    row : dict
        As `eie_sim.report.tables.result_row` makes it.
    energy : EnergyReport
    weight_density : float or None
        Of the packed layer, or of the columns that were processed where the results do not say; None where none was.
    missing_bytes : int or None
        Entries and pointers that do not fit the SRAMs; None where the results do not say.
    dram_bytes : int
        Those that are read from DRAM, for every input vector anew.
    """

    row: Row
    energy: EnergyReport
    weight_density: float | None
    missing_bytes: int | None
    dram_bytes: int

    @property
    def layer(self) -> str:
        """Name of the layer."""
        return str(self.row["layer"])

    @property
    def n_inputs_n_outputs(self) -> tuple[int, int]:
        """Columns and rows of the weight matrix."""
        return int(number(self.row, "n_cols")), int(number(self.row, "n_rows"))

    @property
    def vectors(self) -> int:
        """Input vectors whose sums the row has."""
        return int(self.row.get("vectors") or 1)

    @property
    def act_density(self) -> float:
        """Active inputs over inputs; a bias is broadcast too, so that the quotient could exceed 1."""
        return min(number(self.row, "broadcasts") / (self.vectors * number(self.row, "n_cols")), 1.0)


def number(row: Row, name: str) -> float:
    """A number of a row.

    Raises
    ------
    ValueError
        If it is not a number; it names the layer.
    """
    value = row.get(name)
    if not isinstance(value, (int, float)):
        raise ValueError(f"{_of(row)} has {name} {value!r}, but a report needs a number")
    return value


def _of(row: Row) -> str:
    return f"results: layer {row.get('layer')!r}"


def check_rows(results: Results, arch: ArchConfig) -> None:
    """Refuse results that a report would turn into nonsense: a file may come from anywhere.

    Raises
    ------
    ValueError
        If there are no rows, or a row lacks a number or contradicts the machine.
    """
    if not results.rows:
        raise ValueError("results: there are no rows, so that there is nothing to report")
    for row in results.rows:
        # Files of versions that had no preloaded bias lack its counter.
        for name in (*_POSITIVE, *Counts.EVENTS, "fillers", "bypasses", *({BIAS_WRITES} & row.keys())):
            value, least = row.get(name), int(name in _POSITIVE)
            if type(value) is not int or value < least:
                raise ValueError(f"{_of(row)} has {name} {value!r}, but it must be a whole number of at least {least}")
        for name in _NUMBERS:
            if not math.isfinite(number(row, name)) or number(row, name) < 0:
                raise ValueError(f"{_of(row)} has {name} {row[name]!r}, but it must be at least 0")
        expected = number(row, "cycles") / arch.clock_hz * 1e6
        if not math.isclose(number(row, "time_us"), expected, rel_tol=1e-6):
            raise ValueError(
                f"{_of(row)} has time_us {row['time_us']}, but its cycles take {expected:g} us at this clock"
            )
        if row["n_pe"] != arch.n_pe:
            raise ValueError(f"{_of(row)} has n_pe {row['n_pe']}, but the machine has {arch.n_pe}")


def priced_rows(results: Results, arch: ArchConfig, calibration: str, rule: str, dram: bool) -> list[PricedRow]:
    """Every row with its energy; `dram`: what does not fit the SRAMs is read from DRAM for every input vector."""
    priced = []
    for row in results.rows:
        facts = results.layers.get(str(row["layer"]))
        density = walked_density(row) if facts is None else facts.weight_density
        missing = None if facts is None else facts.missing_bytes
        read = (missing or 0) * int(row.get("vectors") or 1) if dram else 0
        priced.append(PricedRow(row, energy_of_row(row, arch, calibration, rule, read), density, missing, read))
    return priced


def energy_of_row(row: Row, arch: ArchConfig, calibration: str, rule: str, dram_bytes: int) -> EnergyReport:
    """The energy of a row of results by any calibration and rule."""
    events = {event: int(number(row, event)) for event in (*Counts.EVENTS, *({BIAS_WRITES} & row.keys()))}
    return energy_of_events(str(row["layer"]), arch, int(number(row, "cycles")), events, calibration, rule, dram_bytes)


def walked_density(row: Row) -> float | None:
    """Fraction of weights that are not zero among the columns that were processed; None when none was."""
    cells = number(row, "n_rows") * number(row, "broadcasts")
    return min(number(row, "acc_writes") / cells, 1.0) if cells else None


def by_input(ran: Sequence[PricedRow]) -> dict[int, list[int]]:
    """For each input vector the positions of its layers in `ran`, in order."""
    places: dict[int, list[int]] = {}
    for at, one in enumerate(ran):
        places.setdefault(int(number(one.row, "input")), []).append(at)
    return places
