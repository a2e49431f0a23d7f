"""The points of a space: taken from its axes as a grid or a sample, or listed one by one; and those to be left out."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eie_sim.arch import ArchConfig
from eie_sim.cost import area
from eie_sim.records import FieldsDisagree
from eie_sim.sweep.axes import MAX_POINTS, Axis, Range, Value
from eie_sim.sweep.columns import INPUTS, KNOWN_BEFORE, MACHINE
from eie_sim.sweep.expressions import Condition


class Points:
    """The points of a space: for each varying axis its values, and for each point which of them.

    Attributes
    ----------
    values : mapping of str to tuple
        Of every column of `INPUTS`.
    codes : mapping of str to ndarray of int32, shape (n,)
        Which of the values; only for columns of more than one.
    """

    def __init__(self, values: Mapping[str, tuple[Value, ...]], codes: Mapping[str, NDArray[np.int32]], n: int) -> None:
        self.values, self.codes, self._n = dict(values), dict(codes), n

    def __len__(self) -> int:
        return self._n

    def value(self, name: str, at: int) -> Value:
        """One input of one point."""
        codes = self.codes.get(name)
        return self.values[name][0 if codes is None else int(codes[at])]

    def row(self, at: int) -> dict[str, Value]:
        """All inputs of one point."""
        return {name: self.value(name, at) for name in INPUTS}

    def groups(self, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which combination of some columns each point has, and the first point of every combination."""
        varying = [self.codes[name] for name in names if name in self.codes]
        if not varying:
            return np.zeros(self._n, np.int64), np.zeros(min(1, self._n), np.int64)
        combined = np.zeros(self._n, np.int64)
        # Numbered anew after each column: the product of all their sizes would not fit 64 bits.
        for name, codes in zip([n for n in names if n in self.codes], varying, strict=True):
            _, combined = np.unique(combined * len(self.values[name]) + codes, return_inverse=True)
        _, first, which = np.unique(combined, return_index=True, return_inverse=True)
        return which.astype(np.int64), first.astype(np.int64)

    def kept(self, wanted: NDArray[np.bool_]) -> "Points":
        """The points for which `wanted` is true."""
        return Points(self.values, {name: codes[wanted] for name, codes in self.codes.items()}, int(wanted.sum()))


def grid(constant: Mapping[str, Value], axes: Mapping[str, Axis], sweep: str) -> Points:
    """Every combination of the values of the axes.

    Parameters
    ----------
    constant : mapping of str to Value
        Values where there is no axis.
    axes : mapping of str to Axis
    sweep : str
        Its name, for messages.

    Raises
    ------
    ValueError
        If they are too many, or a range has no step.
    """
    every = {name: axis.values(name) if isinstance(axis, Range) else axis for name, axis in axes.items()}
    n = math.prod(len(values) for values in every.values())
    if n > MAX_POINTS:
        raise ValueError(f"sweep {sweep!r}: {n} points, but a space has at most {MAX_POINTS}")
    codes, before = {}, n
    for name, values in every.items():
        before //= len(values)  # the last axis changes fastest
        codes[name] = (np.arange(n) // before % len(values)).astype(np.int32)
    return _points(constant, every, codes, n)


def sample(
    constant: Mapping[str, Value],
    axes: Mapping[str, Axis],
    sampling: Literal["random", "latin_hypercube"],
    samples: int,
    seed: int,
) -> Points:
    """Points drawn from the axes; one that is drawn twice is one point."""
    rng = np.random.default_rng(seed)
    # For each axis, where in it each point is: 0 .. 1, with 1 excluded.
    fractions = rng.random((len(axes), samples))
    if sampling == "latin_hypercube":
        # McKay, Beckman and Conover, 1979: each of n equal parts of each axis holds one point.
        parts = np.array([rng.permutation(samples) for _ in axes]).reshape(len(axes), samples)
        fractions = np.minimum((parts + fractions) / samples, np.nextafter(1, 0))
    columns: list[list[Value]] = []
    for (name, axis), fraction in zip(axes.items(), fractions, strict=True):
        if isinstance(axis, Range) and axis.step is None and axis.factor is None:
            columns.append(list(axis.at(fraction)))
        else:
            values = axis.values(name) if isinstance(axis, Range) else axis
            columns.append([values[int(one * len(values))] for one in fraction])
    return _of_rows(constant, tuple(axes), list(dict.fromkeys(zip(*columns, strict=True))) if columns else [()])


def listed(constant: Mapping[str, Value], axes: Mapping[str, Axis], given: Sequence[Mapping[str, Value]]) -> Points:
    """Points that are given one by one; what one leaves out is that of the axes, which have one value each.

    Raises
    ------
    ValueError
        If an axis has several values, or a point lacks what it needs.
    """
    fixed: dict[str, Value] = {}
    for name, axis in axes.items():
        values = axis.values(name) if isinstance(axis, Range) else axis
        if len(values) != 1:
            raise ValueError(f"axes: {name}: {len(values)} values, but explicit points leave one to an axis")
        fixed[name] = values[0]
    base = {**constant, **fixed}
    names = tuple(dict.fromkeys([*fixed, *(name for one in given for name in one)]))
    missing = [n for n in names if n not in base and any(n not in one for one in given)]
    if missing or ("workload" not in names):
        raise ValueError("point: each needs a workload, or the axes one for all")
    rows = [tuple(one.get(name, base.get(name)) for name in names) for one in given]
    return _of_rows(constant, names, list(dict.fromkeys(rows)))


def _of_rows(constant: Mapping[str, Value], names: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> Points:
    values: dict[str, tuple[Value, ...]] = {}
    codes: dict[str, NDArray[np.int32]] = {}
    for at, name in enumerate(names):
        place = {value: code for code, value in enumerate(dict.fromkeys(row[at] for row in rows))}
        values[name] = tuple(place)
        codes[name] = np.array([place[row[at]] for row in rows], np.int32)
    return _points(constant, values, codes, len(rows))


def _points(
    constant: Mapping[str, Value],
    values: Mapping[str, tuple[Value, ...]],
    codes: Mapping[str, NDArray[np.int32]],
    n: int,
) -> Points:
    every = {name: tuple(values[name]) if name in values else (constant[name],) for name in INPUTS}
    return Points(every, {name: one for name, one in codes.items() if len(every[name]) > 1}, n)


def meeting(points: Points, conditions: Sequence[Condition]) -> Points:
    """The points that meet every condition on what is known before a simulation; other conditions are for later."""
    for condition in conditions:
        if not condition.names <= KNOWN_BEFORE:
            continue
        of_area = "area_mm2" in condition.names
        # Asked once for all points that agree in what decides it.
        deciding = (condition.names - {"area_mm2"}) | (set(_DECIDE_AREA) if of_area else set())
        which, first = points.groups(sorted(deciding))
        holds = []
        for at in first.tolist():
            row = points.row(at)
            if of_area:
                try:
                    machine = ArchConfig.from_dict({name: row[name] for name in MACHINE})
                    row["area_mm2"] = area(machine, str(row["scaling_rule"])).total_mm2
                except ValueError:  # there is no such machine, or the rule gives it no area
                    row["area_mm2"] = None
            holds.append(condition.holds(row))
        points = points.kept(np.array(holds, np.bool_)[which])
    return points


_DECIDE_AREA = (*MACHINE, "scaling_rule")


def check_alone(points: Points, machine: ArchConfig) -> None:
    """Refuse an axis value that no machine can have, whatever the other axes have.

    Raises
    ------
    ValueError
        What `ArchConfig` says of it.
    """
    for name in MACHINE:
        for value in points.values[name]:
            try:
                machine.replace(**{name: value})
            except FieldsDisagree:
                continue  # with another value of the other field there may be such a machine
            except ValueError as error:
                raise ValueError(f"axes: {error}") from None
