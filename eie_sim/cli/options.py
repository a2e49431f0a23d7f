"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

MACHINE_PANEL = "The machine"
INPUT_PANEL = "What to simulate"
OUTPUT_PANEL = "Results"

Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A named machine; `eie-sim presets` lists them. Default: eie-64pe-45nm.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
Arch = Annotated[
    Path | None,
    typer.Option(metavar="FILE.toml", help="A machine from a TOML file of parameters.", rich_help_panel=MACHINE_PANEL),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change one parameter, such as n_pe=128 or arithmetic=fixed16; may be repeated.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON on stdout, and nothing else there.", rich_help_panel=OUTPUT_PANEL),
]
