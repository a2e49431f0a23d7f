"""Where a figure of energy comes from: counters of the processor, the paper's power, or a power that the user names.

There is no default. A host without counters has no measured energy, and what is not measured says whose number it is.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from compressor.checks import real_number
from eie_sim.paper import TABLE_V

SourceName = Literal["rapl", "paper", "tdp"]

SOURCES: tuple[SourceName, ...] = ("rapl", "paper", "tdp")

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of the processor (RAPL, running average power limit)."""

PAPER_CPU = "i7-5930K"
"""The processor of the paper's baseline: a column of Table V."""

MOST_POWER_W = 1e6

_ZONE = re.compile(r"intel-rapl:\d+")  # AMD's processors have the same name; parts of a package have one number more


class EnergySource(BaseModel):
    """What the energy of a measurement stands on.

    Raises
    ------
    ValueError
        When a constant power is missing, or given where energy is measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: SourceName
    power_w: float | None = Field(gt=0, le=MOST_POWER_W, description="Constant power in W; None: energy is measured.")
    note: str

    @model_validator(mode="after")
    def _check_power(self) -> Self:
        if (self.power_w is None) != (self.source == "rapl"):
            raise ValueError(f"power_w: {self.power_w}, but source {self.source!r} {_POWER_OF[self.source]}")
        return self

    def energy_uj(self, time_us: float) -> float | None:
        """Energy of `time_us` at the constant power, in uJ; None where energy is measured and not computed."""
        return None if self.power_w is None else self.power_w * time_us


_POWER_OF = {"rapl": "measures energy", "paper": "needs a power", "tdp": "needs a power"}


def paper_power(device: str = PAPER_CPU) -> EnergySource:
    """The power of a device of EIE Table V, as the paper measured it.

    Raises
    ------
    ValueError
        When Table V has no such device.
    """
    note = f"constant power of the {device} of {TABLE_V.source}, not of this host"
    return EnergySource(source="paper", power_w=TABLE_V.given("power_w", device), note=note)


def tdp_power(power_w: float) -> EnergySource:
    """A constant power that the user gives, in W; as a rule the thermal design power of the processor.

    Raises
    ------
    ValueError
        When it is no number above 0 and up to `MOST_POWER_W`.
    """
    watts = real_number("tdp_watts", power_w)
    if not 0 < watts <= MOST_POWER_W:
        raise ValueError(f"tdp_watts: {watts:g}, but it must be above 0 and at most {MOST_POWER_W:g}")
    return EnergySource(source="tdp", power_w=watts, note="constant power that the user gave; nothing was measured")


def rapl_energy(powercap: Path = POWERCAP) -> EnergySource:
    """The counters of this host, once it is known that they are there.

    Raises
    ------
    ValueError
        When there are none.
    PermissionError
        When they cannot be read.
    """
    packages = len(Rapl(powercap).packages)
    note = f"counters of {packages} processor package{'s' if packages > 1 else ''}, all that ran on them included"
    return EnergySource(source="rapl", power_w=None, note=note)


def energy_source(name: str | None, tdp_watts: float | None = None, powercap: Path = POWERCAP) -> EnergySource | None:
    """The source called `name`; None for None, for energy is never guessed.

    Raises
    ------
    ValueError
        When there is no such source, `tdp` lacks its watts, or another has them.
    PermissionError
        When the counters of `rapl` cannot be read.
    """
    if name is not None and name not in SOURCES:
        raise ValueError(f"energy: {name!r}, but it must be one of {', '.join(SOURCES)}")
    if (tdp_watts is not None) != (name == "tdp"):
        said = "needs tdp_watts" if name == "tdp" else "takes no tdp_watts"
        raise ValueError(f"energy: {name!r} {said}")
    if tdp_watts is not None:
        return tdp_power(tdp_watts)
    if name is None:
        return None
    return rapl_energy(powercap) if name == "rapl" else paper_power()


@dataclass(frozen=True)
class Package:
    """The energy counter of one processor package."""

    folder: Path
    range_uj: int
    """Where the counter begins again at 0."""

    def read_uj(self) -> int:
        """The counter."""
        return _counter(self.folder / "energy_uj")


class Rapl:
    """The energy counters of all processor packages of this host (RAPL, by Linux powercap).

    The counters move about once a millisecond, and run over after some minutes to an hour.

    Parameters
    ----------
    powercap : Path

    Raises
    ------
    ValueError
        When there is no counter, or it holds no number.
    PermissionError
        When one cannot be read: on most systems root alone may.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self.packages = []
        for zone in sorted(powercap.glob("intel-rapl:*")):
            name = ""
            if _ZONE.fullmatch(zone.name):
                with suppress(OSError):
                    name = (zone / "name").read_text("ascii").strip()
            if name.startswith("package"):  # psys has the package in it: together they would count it twice
                self.packages.append(Package(zone, _counter(zone / "max_energy_range_uj")))
        if not self.packages:
            others = "paper and tdp are the alternatives"
            raise ValueError(f"energy: rapl, but {powercap} has no counter of a processor package; {others}")
        self.read_uj()

    def read_uj(self) -> list[int]:
        """The counter of every package, in uJ."""
        return [package.read_uj() for package in self.packages]

    def since_uj(self, before: Sequence[int]) -> int:
        """Energy of all packages since `before`, in uJ; a counter may have run over once."""
        return sum(
            now - then if now >= then else now - then + package.range_uj
            for now, then, package in zip(self.read_uj(), before, self.packages, strict=True)
        )


def _counter(file: Path) -> int:
    text = file.read_text("ascii").strip()
    if not text.isdecimal():
        raise ValueError(f"{file}: {text!r}, but an energy counter is a whole number of uJ")
    return int(text)
