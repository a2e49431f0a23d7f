"""``eie-sim info``: what is in a packed file, and whether a machine can hold it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eie_sim.cli.options import Arch, Json, Preset, Set

if TYPE_CHECKING:
    from compressor.packed import PackedLayer, PackedModel
    from eie_sim.arch import ArchConfig
    from eie_sim.capacity import Need
    from eie_sim.cli.console import Printer


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE.eie", help="A packed model.", show_default=False)],
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Show the layers of a packed model, their sizes, and the SRAM of a PE they use against what there is."""
    from compressor.packed_file import load_model
    from eie_sim.cli.console import Printer
    from eie_sim.cli.machine import chosen_machine

    machine = chosen_machine(preset, arch, settings)
    model = load_model(file)
    printer = Printer()
    packings = {(layer.n_pe, layer.index_bits) for layer in model.layers}
    asked = preset or arch or any(setting.startswith(("n_pe=", "index_bits=")) for setting in settings or ())
    if asked and packings != {(machine.n_pe, machine.index_bits)}:
        model = model.repack(machine.n_pe, machine.index_bits)
        printer.note(f"as repacked for {machine.n_pe} PEs and {machine.index_bits}-bit runs")
    document = {
        "file": str(file),
        "file_bytes": file.stat().st_size,
        "machine": machine.name,
        "layers": [_layer(layer, act, machine) for layer, act in zip(model.layers, model.activations, strict=True)],
        "sram_per_pe_of_all_layers": _of_all_layers(model, machine),
        "provenance": dict(model.provenance),
    }
    if as_json:
        printer.json(document)
    else:
        _print(document, printer)


def _of_all_layers(model: "PackedModel", machine: "ArchConfig") -> list[dict[str, Any]]:
    """What the layers need together, on a machine with the packing of the first."""
    from eie_sim.capacity import model_capacity_report

    return [_need(need) for need in model_capacity_report(model, _machine_for(model.layers[0], machine))]


def _machine_for(layer: "PackedLayer", machine: "ArchConfig") -> "ArchConfig":
    width = max(machine.spmat_width_bits, layer.weight_bits + layer.index_bits)
    n_pe, weight_bits, index_bits = layer.packing
    return machine.replace(n_pe=n_pe, weight_bits=weight_bits, index_bits=index_bits, spmat_width_bits=width)


def _need(need: "Need") -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(need), "fits": need.fits}


def _layer(layer: "PackedLayer", activation: str, machine: "ArchConfig") -> dict[str, Any]:
    from eie_sim.capacity import capacity_report

    needs = capacity_report(layer, _machine_for(layer, machine))
    per_pe = layer.entries_per_pe
    return {
        "name": layer.name,
        "n_rows": layer.n_rows,
        "n_cols": layer.n_cols,
        **dict(zip(("n_pe", "weight_bits", "index_bits"), layer.packing, strict=True)),
        "has_bias": layer.has_bias,
        "permuted": layer.row_permutation is not None,
        "activation": activation,
        "density": layer.density,
        "entries": layer.n_entries,
        "fillers": layer.n_fillers,
        "entries_per_pe": {"min": int(per_pe.min()), "mean": float(per_pe.mean()), "max": int(per_pe.max())},
        "sram_per_pe": [_need(need) for need in needs],
    }


def _print(document: dict[str, Any], printer: "Printer") -> None:
    from rich.text import Text

    from eie_sim.cli.console import printable
    from eie_sim.cli.grid import grid

    layers = document["layers"]
    count = f"{len(layers)} layer{'s' if len(layers) > 1 else ''}, {document['file_bytes']:,} bytes"
    printer.lines([Text.assemble((printable(document["file"]), "bold"), ": ", count), ""])
    contents, sram = (
        grid(groups(layers), printer.out.width, printer.out) for groups in (_content_groups, _sram_groups)
    )
    printer.lines([*contents.lines, "", f"The fullest PE, used of what {printable(document['machine'])} has:", ""])
    printer.lines([*sram.lines, ""])
    if len(layers) > 1:
        needs = document["sram_per_pe_of_all_layers"]
        texts = [f"{need['used']:,} of {need['available']:,} {need['unit']}" for need in needs]
        printer.lines([f"All layers together: {', '.join(texts)}", ""])
    for key, value in document["provenance"].items():
        printer.remark(f"{printable(key)}: {printable(value)}")


def _content_groups(layers: list[dict[str, Any]]) -> list[Any]:
    from rich.text import Text

    from eie_sim.cli.console import short
    from eie_sim.cli.grid import Group

    def column(title: str, texts: list[str], rank: int = 0, left: bool = False) -> Group:
        return Group(title, ("",), [[Text(text)] for text in texts], rank, left)

    return [
        column("layer", [short(x["name"]) for x in layers], left=True),
        column("outputs", [f"{x['n_rows']:,}" for x in layers]),
        column("inputs", [f"{x['n_cols']:,}{' + bias' if x['has_bias'] else ''}" for x in layers]),
        column("density %", [f"{100 * x['density']:.2f}" for x in layers]),
        column("entries", [f"{x['entries']:,}" for x in layers]),
        column("fillers %", [f"{100 * x['fillers'] / max(1, x['entries']):.2f}" for x in layers], 1),
        column("PEs", [str(x["n_pe"]) for x in layers]),
        column("bits", [f"{x['weight_bits']}+{x['index_bits']}" for x in layers], 2),
        column("activation", [x["activation"] + (", permuted" if x["permuted"] else "") for x in layers], 3, left=True),
    ]


def _sram_groups(layers: list[dict[str, Any]]) -> list[Any]:
    from rich.text import Text

    from eie_sim.cli.console import short
    from eie_sim.cli.grid import Group

    titles = {"spmat_bytes": "spmat bytes", "ptr_bytes": "pointers", "activations": "inputs", "accumulators": "outputs"}
    groups = [Group("layer", ("",), [[Text(short(x["name"]))] for x in layers], left=True)]
    for at, need in enumerate(layers[0]["sram_per_pe"]):
        needs = [x["sram_per_pe"][at] for x in layers]
        cells = [
            [
                Text(f"{n['used']:,}"),
                Text(f"{n['available']:,}", "dim"),
                Text(f"{100 * n['used'] / n['available']:.0f}%", "green" if n["fits"] else "red"),
            ]
            for n in needs
        ]
        groups.append(Group(titles[need["memory"]], ("used", "of", ""), cells))
    return groups
