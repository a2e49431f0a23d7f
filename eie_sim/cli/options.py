"""Options that several commands of `eie-sim` share."""

from pathlib import Path
from typing import Annotated

from compressor.console.options import OUTPUT_PANEL, Json, option

__all__ = ["INPUT_PANEL", "MACHINE_PANEL", "OUTPUT_PANEL", "Arch", "Json", "Preset", "Set", "option"]

MACHINE_PANEL = "The machine"
INPUT_PANEL = "What to simulate"

Preset = Annotated[
    str | None,
    option(MACHINE_PANEL, "A named machine; `eie-sim presets` lists them. Default: eie-64pe-45nm.", "NAME"),
]
Arch = Annotated[Path | None, option(MACHINE_PANEL, "A machine from a TOML file of parameters.", "FILE.toml")]
Set = Annotated[
    list[str] | None,
    option(
        MACHINE_PANEL,
        "Change one parameter, such as n_pe=128 or arithmetic=fixed16; may be repeated.",
        "NAME=VALUE",
        "--set",
    ),
]
