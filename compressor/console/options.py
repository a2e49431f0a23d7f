"""How an option is declared, and what several commands take."""

from typing import Annotated, Any

import typer

OUTPUT_PANEL = "Results"


def option(panel: str, text: str, metavar: str | None, *names: str, **more: Any) -> Any:
    """An option of `panel`; what happens without it is told in `text`, for most defaults are no value that could be."""
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, show_default=False, **more)


Json = Annotated[bool, option(OUTPUT_PANEL, "Print JSON on stdout, and nothing else there.", None, "--json")]
