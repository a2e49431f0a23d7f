"""Picks rows of a sweep: those that meet conditions, the best machines, the front between several objectives."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from eie_sim.columns import Cell, Row
from eie_sim.sweep.columns import INPUTS, METRICS, PRICING
from eie_sim.sweep.expressions import Condition
from eie_sim.sweep.pareto import front

OBJECTIVES: Mapping[str, str] = {
    "latency": "time_us",
    "energy": "energy_nj",
    "edp": "edp_nj_us",
    "area": "area_mm2",
    "power": "power_w",
}
"""Short names of metrics that are to be small."""

LARGER_IS_BETTER = frozenset(
    {"load_balance", "real_work", "gops", "dense_gops", "speedup", "energy_ratio", "fits_sram"}
)

_DRAWS = ("workload", "fit", "seed")
"""Inputs over which a machine is judged as a whole."""

MACHINE_AND_PRICES = tuple(name for name in INPUTS if name not in _DRAWS)

IDENTITY = "workload_sha256"
"""Column by which it is known what ran, whatever it was called then."""


def metric(name: str) -> str:
    """The column that a name stands for.

    Raises
    ------
    ValueError
        If the metric is unknown.
    """
    column = OBJECTIVES.get(name, name)
    if column not in METRICS:
        raise ValueError(f"{name!r}: is no metric; there are {', '.join([*OBJECTIVES, *METRICS])}")
    return column


def matching(rows: Iterable[Row], conditions: Sequence[Condition]) -> list[Row]:
    """The rows that meet every condition."""
    return [row for row in rows if all(one.holds(row) for one in conditions)]


def in_order(rows: Iterable[Row], column: str, descending: bool = False) -> list[Row]:
    """Rows sorted by a column; those where it is empty come last, and equal ones stay in their order."""
    known: list[tuple[Any, Row]] = []
    empty: list[Row] = []
    for row in rows:
        if row[column] is None:
            empty.append(row)
        else:
            known.append((row[column], row))
    known.sort(key=itemgetter(0), reverse=descending)
    return [*(row for _, row in known), *empty]


def one_price(rows: Sequence[Row], order: Mapping[str, Sequence[Cell]]) -> tuple[list[Row], list[str]]:
    """Rows of one calibration, one scaling rule, one baseline and one batch size, for prices are no machines.

    Parameters
    ----------
    rows : sequence of dict
    order : mapping of str to sequence
        For each of these columns the values of the sweep, in its order; the first one that there is is taken.

    Returns
    -------
    list of dict
        Those of the first value of each column.
    list of str
        What was left out, a string for each column with several values.
    """
    kept, notes = list(rows), []
    for name in PRICING:
        there = {row[name] for row in kept}
        if len(there) > 1:
            first = next((value for value in order.get(name, ()) if value in there), None) or sorted(there, key=str)[0]
            others = sorted(str(value) for value in there - {first})
            # The batch is the one price that is a number.
            such_as = f'"{name} == {others[0]}"' if name == "batch" else f"\"{name} == '{others[0]}'\""
            notes.append(f"by {name} {first}; for others ({', '.join(others)}) give a condition, such as {such_as}")
            kept = [row for row in kept if row[name] == first]
    return kept, notes


@dataclass(frozen=True)
class Candidate:
    """A machine with its prices, over everything that ran on it.

    Attributes
    ----------
    inputs : dict
        What distinguishes it from the others.
    values : mapping of str to float
        Geometric means of some metrics over its rows.
    rows : int
    fits : bool
        Whether its SRAMs hold everything that ran on it; what they do not hold was simulated as if they did.
    """

    inputs: Row
    values: Mapping[str, float]
    rows: int
    fits: bool = True


def candidates(
    rows: Iterable[Row],
    metrics: Sequence[str],
    conditions: Sequence[Condition] = (),
    shown: Sequence[str] = (),
) -> list[Candidate]:
    """Machines, each over all workloads and seeds that ran on it.

    Parameters
    ----------
    rows : iterable of dict
        Of a store; those that failed have no metrics.
    metrics : sequence of str
        Columns that a machine must have.
    shown : sequence of str
        Columns that it may have.
    conditions : sequence of Condition
        Those on workloads and seeds alone pick rows. A machine is left out where a row does not meet one of the others.

    Returns
    -------
    list of Candidate
        Only machines on which everything ran that ran on any: means over other workloads compare with nothing.

    Raises
    ------
    ValueError
        When a metric is not above 0, so that it has no geometric mean; or two rows are of the same machine and of the
        same workload.
    """
    picking = [one for one in conditions if one.names <= set(_DRAWS)]
    judging = [one for one in conditions if one not in picking]
    groups: dict[tuple[Cell, ...], list[Row]] = {}
    for row in matching(rows, picking):
        groups.setdefault(tuple(row[name] for name in MACHINE_AND_PRICES), []).append(row)
    ran = {
        # By contents, so that a file that was renamed is the same workload, and one that was changed another.
        key: {row.get(IDENTITY) or tuple(row[name] for name in _DRAWS) for row in members}
        for key, members in groups.items()
    }
    everything = set().union(*ran.values())
    if any(len(ran[key]) < len(members) for key, members in groups.items()):
        raise ValueError(
            "several rows are of one machine and one workload, and differ in what no column tells, such as a "
            "baseline's file or the version of eie-sim; look at the last sweep alone, or sweep into a new store"
        )
    found = []
    for key, members in groups.items():
        complete = ran[key] == everything and all(row[name] is not None for row in members for name in metrics)
        if complete and all(one.holds(row) for row in members for one in judging):
            there = [name for name in shown if all(row[name] is not None for row in members)]
            values = {name: _mean(name, members) for name in (*metrics, *there)}
            fits = all(row.get("fits_sram") != 0 for row in members)
            found.append(Candidate(dict(zip(MACHINE_AND_PRICES, key, strict=True)), values, len(members), fits))
    return found


def _mean(name: str, rows: Sequence[Row]) -> float:
    values = [float(value) for row in rows if isinstance(value := row[name], (int, float))]
    if len(set(values)) == 1:
        return values[0]
    if min(values) <= 0:
        raise ValueError(f"{name}: {min(values):g} among its values, which have no geometric mean")
    return statistics.geometric_mean(values)


def cell_order(value: Cell) -> tuple[bool, bool, Any]:
    """What cells of one column are sorted by: numbers, then strings, then where there is none."""
    return value is None, isinstance(value, str), 0 if value is None else value


def best(machines: Sequence[Candidate], by: str, count: int) -> list[Candidate]:
    """The best by one metric, the best first; of equal ones, those that come first in their inputs."""
    sign = -1 if by in LARGER_IS_BETTER else 1
    return sorted(machines, key=lambda one: (sign * one.values[by], *map(cell_order, one.inputs.values())))[:count]


def pareto(machines: Sequence[Candidate], metrics: Sequence[str]) -> list[Candidate]:
    """The front between several metrics, in the order of the first one."""
    if not machines:
        return []
    signs = np.array([-1.0 if name in LARGER_IS_BETTER else 1.0 for name in metrics])
    values = np.array([[one.values[name] for name in metrics] for one in machines]) * signs
    kept = [one for one, on_front in zip(machines, front(values), strict=True) if on_front]
    return sorted(kept, key=lambda one: [one.values[name] for name in metrics])


def varying(machines: Sequence[Candidate]) -> list[str]:
    """Inputs that are not the same for all."""
    return [name for name in MACHINE_AND_PRICES if len({one.inputs[name] for one in machines}) > 1]
