"""The space of a sweep as users write it: axes, how points are taken from them, and conditions."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from compressor.messages import shown
from compressor.storage.toml_file import read_toml
from eie_sim.arch import ArchConfig, preset
from eie_sim.limits import MOST_STORED
from eie_sim.networks import published_layers
from eie_sim.sweep.axes import ALL_LAYERS, DEFAULTS, MAX_POINTS, WHOLE_AXES, Axis, Range, Scalar, Value, check_value
from eie_sim.sweep.columns import CONDITIONS, INPUTS, MACHINE
from eie_sim.sweep.expressions import Condition, condition
from eie_sim.sweep.points import Points, grid, listed, meeting, sample


class Space(BaseModel):
    """What a sweep goes over.

    Attributes
    ----------
    name : str
    preset, arch : str or None
        The machine whose fields are used where there is no axis: a named one (default ``eie-64pe-45nm``), or a
        TOML file.
    axes : mapping of str to list, number, string or Range
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
        Fraction of active inputs where they are drawn for a file.
    inputs, photo : str or None
        Inputs of whole networks: an .npz of arrays by name or a .npy, or a photo. A file with a graph (.dcz, .net,
        .eie) then runs from them to its answers; metrics are sums over all products of all inferences.

    Raises
    ------
    ValueError
        One line that names the field, the value and the limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "sweep"
    preset: str | None = None
    arch: str | None = None
    axes: dict[str, Range | list[Scalar] | Scalar] = Field(default_factory=dict)
    sampling: Literal["grid", "random", "latin_hypercube"] = "grid"
    samples: int | None = Field(None, ge=1, le=MAX_POINTS, strict=True)
    sampling_seed: int = Field(0, ge=0, le=MOST_STORED, strict=True)
    point: list[dict[str, Scalar]] = Field(default_factory=list)
    where: list[str] = Field(default_factory=list)
    acts: str | None = None
    act_density: float = Field(1.0, ge=0, le=1)
    inputs: str | None = None
    photo: str | None = None
    _folder: Path = PrivateAttr(default=Path())

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ValueError("; ".join(dict.fromkeys(_lines(error)))) from None
        _check(self)

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> Self:
        """A space from a TOML file; files it names are looked for beside it.

        Raises
        ------
        ValueError
            If it is not a TOML file, or as for the class.
        OSError
            When it cannot be read.
        """
        fields = read_toml(path)
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
            acts=self.acts, act_density=self.act_density, inputs=self.inputs, photo=self.photo,
        )  # fmt: skip
        other._folder = self._folder
        return other

    @property
    def folder(self) -> Path:
        """Where the files it names are."""
        return self._folder

    @property
    def machine(self) -> ArchConfig:
        """The machine whose fields are used where there is no axis.

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
            If there is none, or the machine has ``strict_capacity``.
        """
        machine = self.machine
        if machine.strict_capacity:
            raise ValueError(
                f"sweep {self.name!r}: {self.arch}: strict_capacity = true, but a sweep tells in fits_sram whether "
                "a point fits; take it out and give the condition 'fits_sram'"
            )
        constant: dict[str, Value] = {**{name: getattr(machine, name) for name in MACHINE}, **DEFAULTS}
        axes = {name: self._axis(name) for name in self.axes}
        if self.point:
            given = [
                {**one, "workload": name} if name is not None else one
                for one in self.point
                for name in _workloads(one.get("workload"))
            ]
            found = listed(constant, axes, given)
        elif self.sampling == "grid":
            found = grid(constant, axes, self.name)
        else:
            assert self.samples is not None
            found = sample(constant, axes, self.sampling, self.samples, self.sampling_seed)
        found = meeting(found, self.conditions)
        if not len(found):
            raise ValueError(f"sweep {self.name!r}: no point of the space meets {' and '.join(map(repr, self.where))}")
        return found

    def _axis(self, name: str) -> Axis:
        given = self.axes[name]
        if isinstance(given, Range):
            return given
        values: list[Value] = list(given) if isinstance(given, list) else [given]
        if name == "workload":
            values = [workload for value in values for workload in _workloads(value)]
        return tuple(dict.fromkeys(values))


def _workloads(name: Value) -> Sequence[Value]:
    return tuple(published_layers()) if name == ALL_LAYERS else (name,)


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
            if name not in MACHINE and name not in WHOLE_AXES:
                raise ValueError(f"axes: {name}: has no range, but a list of names")
            given.check(name)
        else:
            values = given if isinstance(given, list) else [given]
            if not values:
                raise ValueError(f"axes: {name}: has no values")
            for value in values:
                check_value(name, value)
    for one in space.point:
        for name, value in one.items():
            check_value(name, value)
    if (space.sampling != "grid") != (space.samples is not None) or (space.point and space.samples is not None):
        raise ValueError("samples: is for sampling random or latin_hypercube, and needed there")
    _ = space.conditions


def _lines(error: ValidationError) -> Iterator[str]:
    """What is wrong, a line for each: of a table on an axis only what is wrong with it as a range, else everything."""
    found: list[Any] = list(error.errors(include_url=False))
    of_ranges = [one for one in found if "Range" in one["loc"]]
    tables = {one["loc"][:2] for one in of_ranges if one["type"] != "model_type"}
    for one in found:
        if one["loc"][:2] in tables and one not in of_ranges:
            continue
        where = ".".join(str(part) for part in one["loc"][:2])
        if "Range" in one["loc"] and one["type"] in ("extra_forbidden", "missing"):
            what = "unknown" if one["type"] == "extra_forbidden" else "missing"
            yield f"{where}: {one['loc'][-1]}: {what}; a range has from, to, step, factor and scale"
        elif one["type"] == "extra_forbidden":
            yield f"{where}: unknown; a space has {', '.join(Space.model_fields)}"
        else:
            yield f"{where}: {shown(one['input'])}: {one['msg']}"
