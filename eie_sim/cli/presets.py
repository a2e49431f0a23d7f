"""``eie-sim presets``: the named machines, and every parameter with its unit and source."""

from eie_sim.cli.options import Json


def presets(as_json: Json = False) -> None:
    """List the named machines and every parameter: value, unit, and where the paper gives it."""
    from rich.table import Table

    from eie_sim.arch import PRESETS, ArchConfig
    from eie_sim.cli.console import Printer

    printer = Printer()
    descriptions = {name: str(field.description) for name, field in ArchConfig.model_fields.items()}
    if as_json:
        values = {name: machine.model_dump() for name, machine in PRESETS.items()}
        printer.json({"presets": values, "parameters": descriptions})
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("parameter", no_wrap=True)
    for name in PRESETS:
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("what it is, its unit and source")
    for field, description in descriptions.items():
        if field != "name":
            found = [getattr(machine, field) for machine in PRESETS.values()]
            # A clock of 800,000,000 Hz would fill the column.
            cells = [(f"{v:,g}" if v < 1e5 else f"{v:.4g}") if isinstance(v, float) else str(v) for v in found]
            table.add_row(field, *cells, description)
    printer.table(table)
    printer.remark(
        "Change any of them with --set NAME=VALUE, or in a TOML file for --arch that may begin with a preset."
    )
