"""`ArchConfig`: every parameter of the machine, its unit, and where the paper gives it.

Defaults are the 64-PE machine of the EIE paper (ISCA 2016) at 45 nm. A configuration is frozen and checked at birth;
``replace`` makes the validated change; an unknown field is an error.
"""

import warnings
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from compressor.storage.toml_file import read_toml
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import POINTER_BYTES
from eie_sim import limits
from eie_sim.records import FieldsDisagree, Record

Arithmetic = Literal["float32", "fixed8", "fixed16", "fixed32"]
Rounding = Literal["half_even", "truncate"]
Bias = Literal["column", "preload"]

ACT_BYTES = 2
"""One activation in the register files and the activation SRAM (EIE section IV: 16 bits)."""

# The accumulator is int64 inside the engines: a sum of two numbers of 62 bits cannot overflow it.
MAX_ACC_BITS = 62

LEAST_CLOCK_HZ = 1e6
"""Slower clocks are taken for a number of MHz or GHz."""

NETWORK_LEVEL = ("dram_bytes_per_s", "dram_pj_per_bit", "n_chips", "link_bytes_per_s", "link_pj_per_bit")
"""Fields that say what is around a machine when it runs a whole network; no product depends on them."""

LATER = (*NETWORK_LEVEL, "broadcast_latency")
"""Fields that a file names only where they are not at their defaults."""

UNTIMED = (
    *("clock_hz", "spmat_bytes", "ptr_bytes", "act_regfile_entries", "act_sram_bytes", "lnzd_fanin"),
    *("technology_nm", "name", "strict_capacity"),
    *NETWORK_LEVEL,
)
"""Fields of a machine on which no cycle, no count and no output depends."""


def _plain_int(value: object) -> object:
    return int(value) if isinstance(value, np.integer) else value


_WholeNumber = Annotated[int, BeforeValidator(_plain_int), Field(strict=True)]
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
_Energy = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class ClockWarning(UserWarning):
    """A clock so slow that its unit is in doubt."""


class ArchConfig(Record):
    """One EIE machine. All sizes are per PE unless they say otherwise."""

    name: str = Field("eie", description="What reports call the machine.")
    n_pe: _WholeNumber = Field(64, ge=1, le=limits.MOST_PES, description="Processing elements (section V: 64).")
    clock_hz: float = Field(
        800e6,
        ge=1,
        le=1e15,
        allow_inf_nan=False,
        strict=True,
        description="Clock in Hz (section VI: 800 MHz; the critical path is 1.15 ns).",
    )
    act_queue_depth: _WholeNumber = Field(
        8,
        ge=1,
        le=limits.MOST_OUTSTANDING,
        description="Activation-queue depth as the paper labels it (Fig. 8: 8): that many activations can be "
        "outstanding in a PE, one of them in service.",
    )
    broadcast_latency: _WholeNumber = Field(
        0,
        ge=0,
        le=limits.MOST_BROADCAST_LATENCY,
        description="Cycles between the leading-non-zero unit and the activation queues, and back, with "
        "back-pressure by credits; its registers are not priced. Not in the paper, which broadcasts in the same cycle.",
    )
    spmat_width_bits: _WholeNumber = Field(
        64,
        ge=1,
        le=limits.MOST_ROW_BITS,
        description="Bits of one row of the sparse-matrix SRAM (Fig. 9: 64), any number that holds an entry.",
    )
    spmat_bytes: _WholeNumber = Field(
        131072, ge=1, le=limits.MOST_SRAM_BYTES, description="Sparse-matrix SRAM in bytes (section IV: 128 KB)."
    )
    ptr_bytes: _WholeNumber = Field(
        32768,
        ge=1,
        le=limits.MOST_SRAM_BYTES,
        description="Pointer SRAM in bytes, both banks (section IV: 32 KB, 16-bit pointers).",
    )
    act_regfile_entries: _WholeNumber = Field(
        64,
        ge=1,
        le=limits.MOST_ACTIVATIONS,
        description="Activations in each of the two register files (section IV: 64, 4K over 64 PEs).",
    )
    act_sram_bytes: _WholeNumber = Field(
        2048, ge=0, le=limits.MOST_SRAM_BYTES, description="Activation SRAM in bytes (section IV: 2 KB)."
    )
    weight_bits: _WholeNumber = Field(4, ge=1, le=8, description="Bits of a weight code (section III: 4).")
    index_bits: _WholeNumber = Field(4, ge=2, le=8, description="Bits of a zero run (section III: 4).")
    arithmetic: Arithmetic = Field(
        "float32",
        description="Numbers of the arithmetic unit; the authors' simulator computes in float32, the chip in 16-bit "
        "fixed point (section IV).",
    )
    weight_frac_bits: _WholeNumber | None = Field(
        None,
        ge=-128,
        le=256,
        description="Fraction bits of the codebook; None: the most that still hold it. Not in the paper.",
    )
    act_frac_bits: _WholeNumber | None = Field(
        None,
        ge=-128,
        le=256,
        description="Fraction bits of activations; None: the most that still hold a call's inputs. Not in the paper.",
    )
    rounding: Rounding = Field(
        "half_even", description="Rounding of the shift after a product: to nearest even, or the low bits dropped."
    )
    acc_bits: _WholeNumber | None = Field(
        None, ge=2, le=MAX_ACC_BITS, description="Bits of the saturating accumulator; None: those of `arithmetic`."
    )
    bias: Bias | None = Field(
        None,
        description="Where a layer's bias comes from: a column of codes that is broadcast as one more input, as in the "
        "authors' simulator, or preloaded accumulators, which take no cycle. None: the default of the call, a column "
        "in `simulate`.",
    )
    lnzd_fanin: _WholeNumber = Field(
        4,
        ge=2,
        le=limits.MOST_FANIN,
        description="Children of a node of the leading-non-zero tree (section IV: 4; 21 nodes for 64 PEs). "
        "For area and energy; its latency is not modelled, so cycles do not depend on it.",
    )
    technology_nm: float = Field(
        45.0,
        gt=0,
        allow_inf_nan=False,
        description="Process node in nm (section V: TSMC 45 nm GP). For area and energy; cycles do not depend on it.",
    )
    strict_capacity: bool = Field(
        False, strict=True, description="Whether a layer that does not fit the SRAMs is an error instead of a warning."
    )
    dram_bytes_per_s: _Rate | None = Field(
        None,
        description="Bandwidth of the DRAM of each chip in bytes/s, from which a network's weights are loaded that do "
        "not fit the SRAMs. None: everything is resident, as in the paper.",
    )
    dram_pj_per_bit: _Energy = Field(
        640 / 32, description="Energy of a bit from DRAM in pJ (Table I: 640 pJ for 32 bits)."
    )
    n_chips: _WholeNumber = Field(
        1,
        ge=1,
        le=limits.MOST_CHIPS,
        description="Machines that share a network: each holds consecutive rows of every matrix and takes every input "
        "vector. The paper has one.",
    )
    link_bytes_per_s: _Rate | None = Field(
        None,
        description="Bandwidth of the link over which the outputs of several chips are gathered, in bytes/s. None: "
        "gathering takes no time. Not in the paper.",
    )
    link_pj_per_bit: _Energy = Field(
        10.0,
        description="Energy of a bit over that link in pJ (between packages on a board: Arunkumar et al., ISCA 2017, "
        "table 2). Not in the paper.",
    )

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields of `LATER` only where they are not at their defaults: files from before them do not have them."""
        fields: dict[str, Any] = handler(self)
        usual = {name: type(self).model_fields[name].default for name in LATER}
        return {name: value for name, value in fields.items() if name not in usual or value != usual[name]}

    @model_validator(mode="after")
    def _row_holds_an_entry(self) -> Self:
        entry = self.weight_bits + self.index_bits
        if self.spmat_width_bits < entry:
            raise FieldsDisagree(f"spmat_width_bits: {self.spmat_width_bits}, but one entry has {entry} bits")
        return self

    @model_validator(mode="after")
    def _clock_is_in_hz(self) -> Self:
        if self.clock_hz < LEAST_CLOCK_HZ:
            unit, factor = ("GHz", 1e9) if self.clock_hz < 20 else ("MHz", 1e6) if self.clock_hz < 2e4 else ("kHz", 1e3)
            meant = f"{self.clock_hz * factor:.6g}".replace("e+0", "e")
            warnings.warn(
                f"clock_hz: {self.clock_hz:g} Hz, below 1 MHz; if {self.clock_hz:g} {unit} is meant, give {meant}",
                ClockWarning,
                stacklevel=2,
            )
        return self

    @cached_property
    def packing(self) -> tuple[int, int, int]:
        """What a layer must share with the machine: n_pe, weight_bits, index_bits."""
        return self.n_pe, self.weight_bits, self.index_bits

    @cached_property
    def timed_by(self) -> tuple[Any, ...]:
        """What cycles, counts and outputs depend on: all fields but `UNTIMED`."""
        return tuple(getattr(self, name) for name in type(self).model_fields if name not in UNTIMED)

    @cached_property
    def preloads_bias(self) -> bool:
        """Whether accumulators start at the bias, so that no column is broadcast for it."""
        return self.bias == "preload"

    def broadcasts_bias(self, layer: PackedLayer) -> bool:
        """Whether one more column of `layer` is its bias and is broadcast."""
        return layer.has_bias and not self.preloads_bias

    @cached_property
    def sram_limits(self) -> tuple[int, int, int, int]:
        """What a PE can hold: entries, pointers, inputs, outputs."""
        activations = self.act_regfile_entries + self.act_sram_bytes // ACT_BYTES
        entries = self.spmat_bytes * 8 // self.spmat_width_bits * self.entries_per_spmat_row
        return entries, self.ptr_bytes // POINTER_BYTES, activations, activations

    @cached_property
    def entries_per_spmat_row(self) -> int:
        """Entries in one row of the sparse-matrix SRAM."""
        return self.spmat_width_bits // (self.weight_bits + self.index_bits)

    @cached_property
    def number_bits(self) -> int | None:
        """Bits of the fixed-point numbers; None for float32."""
        return None if self.arithmetic == "float32" else int(self.arithmetic.removeprefix("fixed"))

    @cached_property
    def number_bytes(self) -> int:
        """Bytes of an activation; the float32 of the authors' simulator stands for the chip's 16 bits."""
        return ACT_BYTES if self.number_bits is None else self.number_bits // 8

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """A configuration from a mapping of field to value, the rest at their defaults.

        Raises
        ------
        ValueError
            One line that names the field, the value and the limit.
        """
        return cls(**fields)

    @classmethod
    def from_toml(cls, path: str | PathLike[str], **changes: Any) -> Self:
        """A configuration from a TOML file of its fields.

        The file may begin from a named machine with ``preset = "eie-256pe-28nm"``; `changes` come last. Where it gives
        no ``name``, the machine is called as the file is.

        Raises
        ------
        ValueError
            When the file is no TOML, or as for `from_dict`.
        OSError
            When the file cannot be read.
        """
        fields = read_toml(path)
        try:
            base = preset(fields.pop("preset")).model_dump() if "preset" in fields else {}
            # A preset's name alone would promise the preset's parameters.
            return cls.from_dict({**base, "name": Path(path).stem, **fields, **changes})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


PRESETS: dict[str, ArchConfig] = {
    "eie-64pe-45nm": ArchConfig(name="eie-64pe-45nm"),
    # Table V, last column: projected to 28 nm, 256 PEs at 1200 MHz.
    "eie-256pe-28nm": ArchConfig(name="eie-256pe-28nm", n_pe=256, clock_hz=1200e6, technology_nm=28.0),
}
"""The machines by name."""


def preset(name: str) -> ArchConfig:
    """The machine called `name`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"preset: {name!r}, but it must be one of {', '.join(PRESETS)}")
    return PRESETS[name]
