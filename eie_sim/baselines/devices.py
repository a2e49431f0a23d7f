"""`Device`: a processor as the roofline sees it, read from a TOML file; every number has its unit and its source.

A device of one's own is a file like those beside this module:

    name = "My card"
    kind = "GPU"
    peak_flops_per_s = 10e12
    bandwidth_bytes_per_s = 500e9
    launch_us = 4.0
    power_w = 200.0

    [sources]
    peak_flops_per_s = "data sheet"
    bandwidth_bytes_per_s = "data sheet"
    launch_us = "measured"
    power_w = "board power, data sheet"

    [[efficiencies]]
    kind = "dense"
    batch = 1
    efficiency = 0.8
    source = "guess"
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from compressor.storage.files import replacing
from compressor.storage.toml_file import read_toml
from eie_sim.limits import MOST_SRAM_BYTES, MOST_VECTORS
from eie_sim.paper import TABLE_IV_PLATFORMS, TABLE_V
from eie_sim.records import Record
from eie_sim.text_formats import assignments

Kind = Literal["dense", "sparse"]

FILES = ("i7-5930k", "titan-x", "tegra-k1")
"""Files of the built-in devices, in the order of EIE Table V."""

MAX_CACHE_GAIN = 1000.0
"""Greatest gain of a cache that is accepted; far beyond any."""

_Text = Annotated[str, Field(min_length=1, strict=True)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Sources(Record):
    """Where each number of a device comes from: a document, or how it is derived or assumed."""

    peak_flops_per_s: _Text = Field(description="the source of the peak rate")
    bandwidth_bytes_per_s: _Text = Field(description="the source of the memory bandwidth")
    launch_us: _Text = Field(description="the source of the launch cost")
    power_w: _Text = Field(description="the source of the power")
    cache_bytes: _Text | None = Field(None, description="the source of the cache size, where one is given")


class Efficiency(Record):
    """The fitted parameters of one model: a device's library for `kind` layers at one batch size."""

    kind: Kind = Field(description="dense (GEMV, GEMM) or sparse (CSR: CSRMV, CSRMM)")
    batch: int = Field(strict=True, ge=1, le=MOST_VECTORS, description="input vectors of one call")
    efficiency: _Number = Field(gt=0, le=1, description="the share of the roofline that is reached, 0 to 1")
    cache_gain: _Number = Field(
        1.0,
        ge=1,
        le=MAX_CACHE_GAIN,
        description="how many times faster than memory the part of the matrix comes that stays in the last-level cache "
        "from one call to the next; 1: no faster",
    )
    source: _Text = Field(description="what the numbers were fitted to, or where they are from")


class Device(Record):
    """One processor: peak rate, bandwidth, cache, launch cost, power, and what its libraries reach of the roofline."""

    name: _Text = Field(description="what tables call the device")
    kind: _Text = Field(description="the sort of processor: CPU, GPU, mobile GPU ...")
    # The lower limits refuse a number in GFLOP/s or GB/s.
    peak_flops_per_s: _Number = Field(
        ge=1e6, le=1e21, description="the peak float32 rate, flop/s; a multiply-add is two"
    )
    bandwidth_bytes_per_s: _Number = Field(ge=1e6, le=1e18, description="the memory bandwidth, byte/s")
    cache_bytes: int = Field(
        0, strict=True, ge=0, le=MOST_SRAM_BYTES, description="the last-level cache, bytes; 0: not modelled"
    )
    launch_us: _Number = Field(ge=0, le=1e6, description="the cost of one call before any work, microseconds")
    power_w: _Number = Field(
        gt=0, le=1e6, description="the power while working, W; from EIE Table V where published_as names its column"
    )
    published_as: _Text | None = Field(
        None, description="its column in EIE Table V, when published times are to stand beside the model's; else none"
    )
    sources: Sources = Field(description="the source of each number, a table of texts")
    efficiencies: tuple[Efficiency, ...] = Field((), description="the fitted parameters, one a kind and batch size")

    @model_validator(mode="before")
    @classmethod
    def _power_of_table_v(cls, fields: Any) -> Any:
        """Table V's number has one home: a file that names its column leaves the power out."""
        if isinstance(fields, dict) and "power_w" not in fields and fields.get("published_as") in TABLE_IV_PLATFORMS:
            return {**fields, "power_w": TABLE_V.at("power_w", fields["published_as"])}
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.published_as is not None and self.published_as not in TABLE_IV_PLATFORMS:
            known = ", ".join(TABLE_IV_PLATFORMS)
            raise ValueError(f"published_as: {self.published_as!r}, but published times are those of {known}")
        if self.cache_bytes and self.sources.cache_bytes is None:
            raise ValueError("sources.cache_bytes: missing; it is the source of the cache size")
        cases = [(case.kind, case.batch) for case in self.efficiencies]
        twice = sorted({case for case in cases if cases.count(case) > 1})
        if twice:
            raise ValueError(f"efficiencies: {twice[0][0]} batch {twice[0][1]} more than once, but it must be once")
        return self

    def efficiency(self, kind: str, batch: int) -> Efficiency:
        """The fitted parameters of `kind` layers at that batch size.

        Raises
        ------
        ValueError
            When the device has none.
        """
        for case in self.efficiencies:
            if (case.kind, case.batch) == (kind, batch):
                return case
        there = ", ".join(f"{case.kind} batch {case.batch}" for case in self.efficiencies) or "none"
        raise ValueError(f"{self.name}: no efficiency for {kind} batch {batch}; there are: {there}")


@cache
def devices() -> Mapping[str, Device]:
    """The three processors of the EIE paper by name, in the order of Table V."""
    folder = files(__package__)
    found = [Device(**tomllib.loads(folder.joinpath(f"{file}.toml").read_text(encoding="utf-8"))) for file in FILES]
    return MappingProxyType({one.name: one for one in found})


def device(name: str) -> Device:
    """The built-in device called `name`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    if name not in devices():
        raise ValueError(f"device: {name!r}, but it must be one of {', '.join(devices())}, or be read from a file")
    return devices()[name]


def read_device(path: str | PathLike[str]) -> Device:
    """A device from a TOML file of the fields of `Device`.

    Raises
    ------
    ValueError
        One line that names the file, the field, the value and the limit.
    OSError
        When the file cannot be read.
    """
    fields = read_toml(path)
    try:
        return Device(**fields)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_device(path: str | PathLike[str], one: Device) -> None:
    """Write a device as a TOML file that `read_device` reads back as the same.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    fields = one.model_dump(exclude_none=True)
    sources, efficiencies = fields.pop("sources"), fields.pop("efficiencies")
    parts = [assignments(fields), "[sources]\n" + assignments(sources)]
    parts += ["[[efficiencies]]\n" + assignments(case) for case in efficiencies]
    with replacing(Path(path)) as file:
        file.write("\n".join(parts).encode())
