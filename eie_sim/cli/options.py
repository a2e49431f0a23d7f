"""Options that several commands share, and how an option is declared."""

from pathlib import Path
from typing import Annotated, Any

import typer

MACHINE_PANEL = "The machine"
INPUT_PANEL = "What to simulate"
OUTPUT_PANEL = "Results"


def option(panel: str, text: str, metavar: str | None, *names: str, **more: Any) -> Any:
    """An option of `panel`; what happens without it is told in `text`, for most defaults are no value that could be."""
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, show_default=False, **more)


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
Json = Annotated[bool, option(OUTPUT_PANEL, "Print JSON on stdout, and nothing else there.", None, "--json")]
