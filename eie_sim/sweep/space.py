"""The space of a sweep: axes over everything that determines a row, how points are taken from it, and conditions."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, Strict, ValidationError

from eie_sim.arch import ArchConfig, FieldsDisagree, preset
from eie_sim.cost import CALIBRATIONS
from eie_sim.cost.calibrations import DEFAULT as DEFAULT_CALIBRATION
from eie_sim.cost.technology import SCALINGS
from eie_sim.networks import DEFAULT_FIT, FITS, published_layers
from eie_sim.studies.permutation import STRATEGIES
from eie_sim.sweep.columns import CONDITIONS, INPUTS, KNOWN_BEFORE, MACHINE, NO_BASELINE
from eie_sim.sweep.expressions import Condition, condition

MAX_POINTS = 20_000_000
"""Points of one space: what a computer's memory holds with ease."""

LARGEST = 2**63 - 1
"""Largest whole number on an axis: the largest that a store holds."""

ALL_LAYERS = "all"
"""A workload that stands for the nine layers of the paper."""

Value = int | float | str | None

DEFAULTS: Mapping[str, Value] = {
    "fit": DEFAULT_FIT,
    "seed": 0,
    "order": STRATEGIES[0],
    "calibration": DEFAULT_CALIBRATION,
    "scaling_rule": next(iter(SCALINGS)),
    "baseline": NO_BASELINE,
    "batch": 1,
}
"""What stands where there is no axis; fields of the machine come from the machine, and a workload must be given."""

_NAMED: Mapping[str, Sequence[str]] = {
    "fit": tuple(FITS),
    "order": STRATEGIES,
    "calibration": tuple(CALIBRATIONS),
    "scaling_rule": tuple(SCALINGS),
}

_WHOLE_AXES = frozenset({"seed", "batch"})


_Number = Annotated[int, Strict()] | Annotated[float, Strict()]


_Scalar = _Number | Annotated[str, Strict()]


class Range(BaseModel):
    """Values between two ends.

    Attributes
    ----------
    start, stop : int or float
        ``from`` and ``to`` in a file; both belong to it.
    step : int or float or None
        To the next value, added.
    factor : int or float or None
        To the next value, multiplied.
    scale : {"linear", "log"}
        How values are drawn from it where neither step nor factor is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: _Number = Field(alias="from")
    stop: _Number = Field(alias="to")
    step: _Number | None = None
    factor: _Number | None = None
    scale: Literal["linear", "log"] = "linear"

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        given = (self.start, self.stop, 1 if self.step is None else self.step)
        return all(isinstance(value, int) for value in given)

    def check(self, name: str) -> None:
        """Refuse a range without values; a ValueError names the axis."""
        for told, value in (("from", self.start), ("to", self.stop), ("step", self.step), ("factor", self.factor)):
            if value is not None and not abs(value) <= LARGEST:  # NaN is not
                raise ValueError(f"axes: {name}: {told} {value}, but at most {LARGEST}")
        if name in _WHOLE_AXES:
            if not self.whole or self.factor is not None or self.scale == "log":
                raise ValueError(
                    f"axes: {name}: from {self.start} to {self.stop}, but it has whole numbers, a step apart"
                )
            _check_value(name, self.start)
        if self.stop < self.start:
            raise ValueError(f"axes: {name}: from {self.start} to {self.stop} there is nothing")
        if (self.step is not None and self.step <= 0) or (self.factor is not None and self.factor <= 1):
            raise ValueError(
                f"axes: {name}: step {self.step}, factor {self.factor}; from one value to the next it rises"
            )
        if self.step is not None and self.factor is not None:
            raise ValueError(f"axes: {name}: step and factor, but only one of them can lead to the next value")
        if (self.factor is not None or self.scale == "log") and self.start <= 0:
            raise ValueError(f"axes: {name}: from {self.start}, but a logarithmic range begins above 0")

    def values(self, name: str) -> tuple[int | float, ...]:
        """All values of a grid, in order.

        Raises
        ------
        ValueError
            When they are too many, or nothing says how to get from one to the next.
        """
        if self.factor is not None:
            steps = (math.log(self.stop) - math.log(self.start)) / math.log(self.factor)
        elif self.step is not None or self.whole:
            steps = float(self.stop - self.start) / (self.step or 1)
        else:
            raise ValueError(f"axes: {name}: a grid needs step or factor between {self.start} and {self.stop}")
        if steps >= MAX_POINTS:
            raise ValueError(f"axes: {name}: {steps + 1:.0f} values, but a space has at most {MAX_POINTS} points")
        count, factor = math.floor(steps + 1e-9) + 1, self.factor
        if factor is not None:
            found = list(accumulate(range(count - 1), lambda value, _: value * factor, initial=self.start))
            return tuple(dict.fromkeys(round(v) if self.whole else float(v) for v in found))
        if self.whole:
            return tuple(self.start + at * (self.step or 1) for at in range(count))
        # As they are written: 0.1 + 2 x 0.1 is 0.3, not 0.30000000000000004, which would be another machine.
        start, step = Decimal(repr(self.start)), Decimal(repr(self.step))
        return tuple(float(start + at * step) for at in range(count))

    def at(self, share: NDArray[np.float64]) -> list[int | float]:
        """Values at shares 0 .. 1 of it; whole ones where its ends are."""
        if self.scale == "log":
            low, high = math.log(self.start), math.log(self.stop)
            drawn = np.exp(low + share * (high - low))
        elif self.whole:
            drawn = self.start - 0.5 + share * (self.stop - self.start + 1)
        else:
            drawn = self.start + share * (self.stop - self.start)
        clipped = np.clip(drawn, self.start, self.stop).tolist()
        return [min(max(round(value), self.start), self.stop) for value in clipped] if self.whole else clipped


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
        for name, codes in zip([n for n in names if n in self.codes], varying, strict=True):
            _, combined = np.unique(combined * len(self.values[name]) + codes, return_inverse=True)
        _, first, which = np.unique(combined, return_index=True, return_inverse=True)
        return which.astype(np.int64), first.astype(np.int64)

    def kept(self, wanted: NDArray[np.bool_]) -> "Points":
        """The points for which `wanted` is true."""
        return Points(self.values, {name: codes[wanted] for name, codes in self.codes.items()}, int(wanted.sum()))


class Space(BaseModel):
    """What a sweep goes over.

    Attributes
    ----------
    name : str
    preset, arch : str or None
        The machine whose fields stand where there is no axis: a named one (default ``eie-64pe-45nm``), or a TOML file.
    axes : mapping of str to list, number, text or Range
        By column: any field of `ArchConfig`, ``workload``, ``fit``, ``seed``, ``order``, ``calibration``,
        ``scaling_rule``, ``baseline``, ``batch``.
    sampling : {"grid", "random", "latin_hypercube"}
    samples : int or None
        Points of a random or Latin-hypercube sample.
    sampling_seed : int
    point : list of mappings
        Explicit points instead of sampling; what one leaves out is that of the axes, which then have one value each.
    where : list of str
        Conditions. Points that do not meet one that is known beforehand are left out; the others hold for what is
        shown of the sweep.
    acts : str or None
        Inputs of files: a .npy of shape (n_cols,); else drawn.
    act_density : float
        Share of active inputs where they are drawn for a file.

    Raises
    ------
    ValueError
        One line that names the field, the value and the limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "sweep"
    preset: str | None = None
    arch: str | None = None
    axes: dict[str, Range | list[_Scalar] | _Scalar] = Field(default_factory=dict)
    sampling: Literal["grid", "random", "latin_hypercube"] = "grid"
    samples: int | None = Field(None, ge=1, le=MAX_POINTS, strict=True)
    sampling_seed: int = Field(0, ge=0, strict=True)
    point: list[dict[str, _Scalar]] = Field(default_factory=list)
    where: list[str] = Field(default_factory=list)
    acts: str | None = None
    act_density: float = Field(1.0, ge=0, le=1)
    _folder: Path = PrivateAttr(default=Path())

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ValueError("; ".join(dict.fromkeys(_one_line(e) for e in _told(error)))) from None
        _check(self)

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> Self:
        """A space from a TOML file; files it names are looked for beside it.

        Raises
        ------
        ValueError
            When it is no TOML file, or as for the class.
        OSError
            When it cannot be read.
        """
        try:
            fields = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: no TOML file: {error}") from None
        try:
            space = cls(**{"name": Path(path).stem, **fields})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        space._folder = Path(path).parent
        return space

    def with_points(self, points: Sequence[Mapping[str, Value]]) -> "Space":
        """The same space with explicit points in place of its axes, and without conditions."""
        other = Space(
            name=self.name, preset=self.preset, arch=self.arch, point=[dict(one) for one in points],
            acts=self.acts, act_density=self.act_density,
        )  # fmt: skip
        other._folder = self._folder
        return other

    @property
    def folder(self) -> Path:
        """Where the files it names are."""
        return self._folder

    @property
    def machine(self) -> ArchConfig:
        """The machine whose fields stand where there is no axis.

        Raises
        ------
        ValueError, OSError
            As for `preset` and `ArchConfig.from_toml`.
        """
        if self.arch is not None:
            return ArchConfig.from_toml(self.folder / self.arch)
        return preset(self.preset or "eie-64pe-45nm")

    def workloads(self) -> tuple[Value, ...]:
        """What runs, by name."""
        on_axis = self._axis("workload") if "workload" in self.axes else ()
        assert not isinstance(on_axis, Range)
        return tuple(dict.fromkeys([*on_axis, *(one["workload"] for one in self.point if "workload" in one)]))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of `where`, parsed."""
        return tuple(condition(text, CONDITIONS) for text in self.where)

    def points(self) -> Points:
        """All points, those left out that do not meet a condition known beforehand.

        Raises
        ------
        ValueError
            When there is none, or a value can stand in no machine.
        """
        machine = self.machine.model_dump()
        if machine["strict_capacity"]:
            raise ValueError(
                f"sweep {self.name!r}: {self.arch}: strict_capacity = true, but a sweep tells in fits_sram whether "
                "a point fits; take it out and give the condition 'fits_sram'"
            )
        constant: dict[str, Value] = {**{name: machine[name] for name in MACHINE}, **DEFAULTS}
        found = self._listed(constant) if self.point else self._sampled(constant)
        found = self._meeting(found)
        if not len(found):
            raise ValueError(f"sweep {self.name!r}: no point of the space meets {' and '.join(map(repr, self.where))}")
        return found

    def _axis(self, name: str) -> Range | tuple[Value, ...]:
        given = self.axes[name]
        if isinstance(given, Range):
            return given
        values: list[Value] = list(given) if isinstance(given, list) else [given]
        if name == "workload":
            values = [workload for value in values for workload in _workloads(value)]
        return tuple(dict.fromkeys(values))

    def _sampled(self, constant: Mapping[str, Value]) -> Points:
        axes = {name: self._axis(name) for name in self.axes}
        if self.sampling == "grid":
            grid = {name: axis.values(name) if isinstance(axis, Range) else axis for name, axis in axes.items()}
            n = math.prod(len(values) for values in grid.values())
            if n > MAX_POINTS:
                raise ValueError(f"sweep {self.name!r}: {n} points, but a space has at most {MAX_POINTS}")
            codes, before = {}, n
            for name, values in grid.items():
                before //= len(values)
                codes[name] = (np.arange(n) // before % len(values)).astype(np.int32)
            return _points(constant, grid, codes, n)
        assert self.samples is not None
        shares = _shares(self.sampling, self.samples, len(axes), np.random.default_rng(self.sampling_seed))
        rows: list[list[Value]] = []
        for at, axis in enumerate(axes.values()):
            if isinstance(axis, Range) and axis.step is None and axis.factor is None:
                rows.append(list(axis.at(shares[at])))
            else:
                values = axis.values(list(axes)[at]) if isinstance(axis, Range) else axis
                rows.append([values[int(share * len(values))] for share in shares[at]])
        # A sample may hit a point twice; it is one point.
        distinct = list(dict.fromkeys(zip(*rows, strict=True))) if rows else [()]
        return _of_rows(constant, tuple(axes), distinct)

    def _listed(self, constant: Mapping[str, Value]) -> Points:
        fixed: dict[str, Value] = {}
        for name in self.axes:
            axis = self._axis(name)
            values = axis.values(name) if isinstance(axis, Range) else axis
            if len(values) != 1:
                raise ValueError(f"axes: {name}: {len(values)} values, but explicit points leave one to an axis")
            fixed[name] = values[0]
        base = {**constant, **fixed}
        names = tuple(dict.fromkeys([*fixed, *(name for one in self.point for name in one)]))
        missing = [n for n in names if n not in base and any(n not in one for one in self.point)]
        if missing or ("workload" not in names):
            raise ValueError("point: each needs a workload, or the axes one for all")
        listed = [expanded for one in self.point for expanded in _expanded(one)]
        rows = [tuple(one.get(name, base.get(name)) for name in names) for one in listed]
        return _of_rows(constant, names, list(dict.fromkeys(rows)))

    def _meeting(self, points: Points) -> Points:
        beforehand = [one for one in self.conditions if one.names <= KNOWN_BEFORE]
        for one in beforehand:
            names = sorted((one.names - {"area_mm2"}) | (set(_AREA) if "area_mm2" in one.names else set()))
            which, first = points.groups(names)
            holds = np.array([one.holds(_known(points.row(int(at)), one.names)) for at in first], np.bool_)
            points = points.kept(holds[which])
        return points


_AREA = (*MACHINE, "scaling_rule")


def _known(row: Mapping[str, Value], names: frozenset[str]) -> Mapping[str, Value]:
    """A row with the area, where it is asked for; None where there is no such machine or no area."""
    if "area_mm2" not in names:
        return row
    from eie_sim.cost import area

    try:
        machine = ArchConfig(**{name: row[name] for name in MACHINE})
        return {**row, "area_mm2": area(machine, str(row["scaling_rule"])).total_mm2}
    except ValueError:
        return {**row, "area_mm2": None}


def _workloads(name: Value) -> Sequence[Value]:
    return tuple(published_layers()) if name == ALL_LAYERS else (name,)


def _expanded(point: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    return [{**point, "workload": name} for name in _workloads(point["workload"])] if "workload" in point else [point]


def _points(
    constant: Mapping[str, Value],
    values: Mapping[str, tuple[Value, ...]],
    codes: Mapping[str, NDArray[np.int32]],
    n: int,
) -> Points:
    every = {name: tuple(values[name]) if name in values else (constant[name],) for name in INPUTS}
    return Points(every, {name: one for name, one in codes.items() if len(every[name]) > 1}, n)


def _of_rows(constant: Mapping[str, Value], names: Sequence[str], rows: Sequence[tuple[Value, ...]]) -> Points:
    values: dict[str, tuple[Value, ...]] = {}
    codes: dict[str, NDArray[np.int32]] = {}
    for at, name in enumerate(names):
        place = {value: code for code, value in enumerate(dict.fromkeys(row[at] for row in rows))}
        values[name] = tuple(place)
        codes[name] = np.array([place[row[at]] for row in rows], np.int32)
    return _points(constant, values, codes, len(rows))


def _shares(sampling: str, samples: int, axes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """For each axis, where in it each point lies, 0 .. 1 (1 excluded); float64 (axes, samples)."""
    drawn = rng.random((axes, samples))
    if sampling == "random":
        return drawn
    # Latin hypercube (McKay, Beckman, Conover, 1979): each of n equal parts of each axis holds one point.
    parts = np.array([rng.permutation(samples) for _ in range(axes)]).reshape(axes, samples)
    return np.minimum((parts + drawn) / samples, np.nextafter(1, 0))


def _check(space: Space) -> None:
    if space.preset is not None and space.arch is not None:
        raise ValueError("preset and arch: give one of them")
    preset(space.preset or "eie-64pe-45nm")
    for name in [*space.axes, *(name for one in space.point for name in one)]:
        if name not in INPUTS:
            raise ValueError(f"axes: unknown {name!r}; there are {', '.join(INPUTS)}")
    if "workload" not in space.axes and not space.point:
        raise ValueError(f"axes: workload is missing: what runs, such as 'Alex-7', {ALL_LAYERS!r} or 'model.eie'")
    for name, given in space.axes.items():
        if isinstance(given, Range):
            if name not in MACHINE and name not in _WHOLE_AXES:
                raise ValueError(f"axes: {name}: has no range, but a list of names")
            given.check(name)
        else:
            values = given if isinstance(given, list) else [given]
            if not values:
                raise ValueError(f"axes: {name}: has no values")
            for value in values:
                _check_value(name, value)
    for one in space.point:
        for name, value in one.items():
            _check_value(name, value)
    if (space.sampling != "grid") != (space.samples is not None) or (space.point and space.samples is not None):
        raise ValueError("samples: is for sampling random or latin_hypercube, and needed there")
    _ = space.conditions


def _check_value(name: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"axes: {name}: {value}, but it must be finite")
    if isinstance(value, int) and value > LARGEST:
        raise ValueError(f"axes: {name}: {value}, but at most {LARGEST}")
    if name in _NAMED and value not in _NAMED[name]:
        raise ValueError(f"axes: {name}: {value!r}, but it must be one of {', '.join(_NAMED[name])}")
    least = {"seed": 0, "batch": 1}.get(name)
    if least is not None and (type(value) is not int or value < least):
        raise ValueError(f"axes: {name}: {value!r}, but it must be a whole number of at least {least}")
    if name in ("workload", "baseline") and not isinstance(value, str):
        raise ValueError(f"axes: {name}: {value!r}, but it must be a text")


def check_alone(points: Points, machine: ArchConfig) -> None:
    """Refuse an axis value that no machine can have, whatever stands on the other axes.

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


def _told(error: ValidationError) -> list[Any]:
    """Of a table on an axis only what is wrong with it as a range; else all that is wrong."""
    found: list[Any] = list(error.errors(include_url=False))
    of_ranges = [one for one in found if "Range" in one["loc"]]
    tables = {one["loc"][:2] for one in of_ranges if one["type"] != "model_type"}
    return [one for one in found if one["loc"][:2] not in tables or one in of_ranges]


def _one_line(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"][:2])
    if "Range" in error["loc"] and error["type"] in ("extra_forbidden", "missing"):
        told = "unknown" if error["type"] == "extra_forbidden" else "missing"
        return f"{where}: {error['loc'][-1]}: {told}; a range has from, to, step, factor and scale"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown; a space has {', '.join(Space.model_fields)}"
    return f"{where}: {error['input']!r}: {error['msg']}"
