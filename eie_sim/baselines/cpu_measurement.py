"""`CpuMeasurement`: what `measure_cpu` found, and its JSON file."""

import json
import statistics
from collections.abc import Sequence
from itertools import product
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from compressor._version import __version__
from compressor.storage.files import errors_name, replacing
from eie_sim.baselines.cpu_methods import PAIRS, MethodKind
from eie_sim.baselines.energy_sources import EnergySource
from eie_sim.baselines.host import Blas, Host, HostRecord
from eie_sim.text_formats import JsonKind

KIND = JsonKind("CPU measurement", "eie-sim-cpu", version=1, most_bytes=2**28)

LEAST_SAMPLES = 20
"""Quiet samples that a time needs before it is set beside others."""

CacheState = Literal["cold", "hot"]
CACHE_STATES: tuple[CacheState, ...] = ("cold", "hot")

_Time = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Energy = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[int, Field(ge=1)]
_Key = tuple[str, str, int, int, str]


class MeasuredLayer(HostRecord):
    """A layer that was computed."""

    name: str
    n_rows: _Positive
    n_cols: _Positive
    weight_density: float = Field(ge=0, le=1, description="Share of weights that are stored.")
    act_density: float = Field(ge=0, le=1, description="Share of inputs that are not zero.")
    origin: str


class MeasuredMethod(HostRecord):
    """A library's way to compute it."""

    name: str
    library: str
    version: str
    kernel: str
    kind: MethodKind


class MeasuringProcess(HostRecord):
    """The process of one number of threads."""

    threads: _Positive
    blas: tuple[Blas, ...]


class MeasuredCell(HostRecord):
    """Times of one layer under one condition, in us of wall clock for one input vector.

    A batch's time is divided by its size. Median and quartiles are None where no sample was quiet.
    """

    layer: str
    method: str
    batch: _Positive
    threads: _Positive
    cache: CacheState
    samples_us: tuple[_Time, ...] = Field(description="The quiet samples, in the order of time.")
    thrown_away: _Count = Field(description="Samples in which the system took a core away.")
    median_us: _Time | None
    q1_us: _Time | None
    q3_us: _Time | None
    energy_uj: _Energy | None = Field(description="Of one input vector; None: no source, or not measurable.")

    @model_validator(mode="after")
    def _check_summary(self) -> Self:
        for name, stated, found in zip(
            ("q1_us", "median_us", "q3_us"),
            (self.q1_us, self.median_us, self.q3_us),
            quartiles(self.samples_us),
            strict=True,
        ):
            if (stated is None) != (found is None) or (
                stated is not None and found is not None and abs(stated - found) > 1e-6 * found + 1e-9
            ):
                raise ValueError(f"{name}: {stated}, but the samples of {self.condition} have {found}")
        return self

    @classmethod
    def of_samples(cls, samples_us: Sequence[float], **fields: Any) -> "MeasuredCell":
        """A cell with the summary of its samples."""
        q1_us, median_us, q3_us = quartiles(samples_us)
        return cls(samples_us=tuple(samples_us), q1_us=q1_us, median_us=median_us, q3_us=q3_us, **fields)

    @property
    def key(self) -> _Key:
        """What tells it from the other cells."""
        return self.layer, self.method, self.batch, self.threads, self.cache

    @property
    def condition(self) -> str:
        """The same, for a reader."""
        return _condition(self.key)


def _condition(key: _Key) -> str:
    layer, method, batch, threads, cache = key
    return f"{layer} {method}, batch {batch}, {threads} thread{'s' if threads > 1 else ''}, {cache}"


def quartiles(samples: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """First quartile, median and third quartile; None of no samples."""
    if not samples:
        return None, None, None
    q1, q3 = (float(q) for q in np.quantile(np.asarray(samples), (0.25, 0.75)))
    return q1, statistics.median(samples), q3


class CpuMeasurement(HostRecord):
    """Times of layers on one host, for every method, batch, number of threads and state of the caches.

    Raises
    ------
    ValueError
        When the cells are not exactly those of the conditions; it names the first that is missing.
    """

    eie_sim_version: str = __version__
    host: Host
    processes: tuple[MeasuringProcess, ...]
    quiet_by: str = Field(description="What tells that a sample was not disturbed.")
    flush_bytes: _Count = Field(description="Memory that went through the caches before each round of cold samples.")
    samples_wanted: _Positive
    limit_s: float = Field(gt=0, description="Seconds that sampling a cell could take.")
    energy: EnergySource | None = Field(description="Where energies come from; None: nobody named a source.")
    absent: dict[str, str] = Field(description="Libraries that are not installed, and how to get them.")
    layers: tuple[MeasuredLayer, ...]
    methods: tuple[MeasuredMethod, ...]
    batches: tuple[_Positive, ...]
    threads: tuple[_Positive, ...]
    caches: tuple[CacheState, ...]
    cells: tuple[MeasuredCell, ...]

    @model_validator(mode="after")
    def _check_cells(self) -> Self:
        found = [cell.key for cell in self.cells]
        wanted: dict[_Key, None] = dict.fromkeys(
            product(
                (x.name for x in self.layers), (x.name for x in self.methods), self.batches, self.threads, self.caches
            )
        )
        if len(set(found)) != len(found):
            twice = next(key for at, key in enumerate(found) if key in found[:at])
            raise ValueError(f"cells: {_condition(twice)} is there twice")
        there = set(found)
        for key in wanted:
            if key not in there:
                raise ValueError(f"cells: {_condition(key)} is missing")
        for key in found:
            if key not in wanted:
                raise ValueError(f"cells: {_condition(key)} is there, but is none of the conditions")
        return self

    def cell(self, layer: str, method: str, batch: int = 1, threads: int = 1, cache: str = "cold") -> MeasuredCell:
        """The cell of one condition.

        Raises
        ------
        ValueError
            When it was not measured.
        """
        key = (layer, method, batch, threads, cache)
        for cell in self.cells:
            if cell.key == key:
                return cell
        raise ValueError(f"cpu: {_condition(key)} was not measured")

    def pairs(self) -> list[tuple[str, str]]:
        """Dense and sparse methods of one library kind that were both measured, the paper's library first."""
        names = {method.name for method in self.methods}
        return [pair for pair in PAIRS if set(pair) <= names]

    def ratio(self, layer: str, pair: tuple[str, str], batch: int = 1, threads: int = 1, cache: str = "cold") -> float:
        """How many times longer the dense method of `pair` takes than the sparse one: a ratio of medians.

        Raises
        ------
        ValueError
            When one was not measured, or has no quiet sample.
        """
        dense, sparse = (self.median_us(layer, method, batch, threads, cache) for method in pair)
        return dense / sparse

    def median_us(self, layer: str, method: str, batch: int = 1, threads: int = 1, cache: str = "cold") -> float:
        """Median time of one input vector, in us.

        Raises
        ------
        ValueError
            When it was not measured, or has no quiet sample.
        """
        cell = self.cell(layer, method, batch, threads, cache)
        if cell.median_us is None:
            raise ValueError(f"cpu: {cell.condition} has no quiet sample")
        return cell.median_us

    def short_cells(self, least: int | None = None) -> list[MeasuredCell]:
        """Cells with fewer than `least` quiet samples; None: fewer than were wanted."""
        wanted = self.samples_wanted if least is None else least
        return [cell for cell in self.cells if len(cell.samples_us) < wanted]

    def check_samples(self, least: int = LEAST_SAMPLES) -> None:
        """Check that every cell has `least` quiet samples.

        Raises
        ------
        ValueError
            When one has fewer; it names the first.
        """
        if short := self.short_cells(least):
            cell, more = short[0], len(short) - 1
            others = f", and {more} more like it" if more else ""
            raise ValueError(f"cells: {cell.condition} has {len(cell.samples_us)} quiet samples of {least}{others}")

    def to_json(self) -> str:
        """The measurement as a JSON document."""
        document = {**KIND.head, **self.model_dump(mode="json")}
        return json.dumps(document, indent=1, allow_nan=False)


def write_cpu_measurement(measurement: CpuMeasurement, path: str | PathLike[str]) -> None:
    """Write a measurement to `path`, whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    with replacing(Path(path)) as file:
        file.write((measurement.to_json() + "\n").encode())


def read_cpu_measurement(path: str | PathLike[str], least_samples: int = LEAST_SAMPLES) -> CpuMeasurement:
    """Read and check a file of `write_cpu_measurement` or ``eie-sim measure --out``.

    Parameters
    ----------
    path : str or path
    least_samples : int
        Quiet samples that every cell must have; a file of ``eie-sim measure --quick`` has fewer than the default.

    Raises
    ------
    FormatError
        When it is no such file or a number in it cannot be; a ValueError that names the file and the thing.
    OSError
        When it cannot be read.
    """
    with errors_name(Path(path)):
        content = KIND.read(path)
        if "eie_sim_version" not in content:  # the model would fill in this version
            raise ValueError("eie_sim_version: is missing")
        try:
            # As JSON, for pydantic's strict mode takes its lists for tuples, and no string for a number.
            measurement = CpuMeasurement.model_validate_json(json.dumps(content), strict=True)
        except ValidationError as error:
            raise ValueError(_first_message(error)) from None
        measurement.check_samples(least_samples)
        return measurement


def _first_message(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, ValueError):
        return str(own)
    where = ".".join(map(str, first["loc"]))
    given = repr(first["input"])
    return f"{where}: {given if len(given) <= 60 else given[:60] + ' ...'}: {first['msg']}"
