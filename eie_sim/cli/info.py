"""``eie-sim info``: what is in a packed file, and whether a machine can hold it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eie_sim.cli.options import Arch, Fix, Json, Kept, Preset, Set, Shape

if TYPE_CHECKING:
    from compressor.types.packed import PackedLayer
    from eie_sim.arch import ArchConfig
    from eie_sim.capacity import Need
    from eie_sim.cli.console import Printer


_FILE = "A packed model (.eie); or an ONNX model (.onnx) or a compressed one (.dcz, .net), to see what of it would run."


_DENSE = "not a packed model; eie-compress info shows a trained network, eie-compress compress FILE -o X.eie packs it"
_CURES = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".npz", ".safetensors"), _DENSE),
    ".csv": "not a packed model; eie-sim run simulates a topology of SCALE-Sim",
    ".mtx": "not a packed model; eie-sim run simulates a sparse matrix",
}
"""What to do with files that are not packed models."""


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_FILE, show_default=False)],
    fix: Fix = None,
    shape: Shape = None,
    kept: Kept = False,
    preset: Preset = None,
    arch: Arch = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Show the layers of a packed model, their sizes, and the SRAM of a PE they use against what there is.

    Of an ONNX model, or of a compressed one with its graph: which of its products run on the machine, and which do not.
    """
    from compressor.console.packed_layers import packed_row
    from compressor.storage.packed_file import load_model
    from eie_sim.capacity import capacity_report, model_capacity_report
    from eie_sim.cli.console import Printer
    from eie_sim.cli.machine import chosen_machine

    if file.suffix.lower() in (".onnx", ".dcz", ".net"):
        from eie_sim.cli.products import show_products

        if preset or arch or settings:
            raise ValueError(f"{file}: what runs of it does not depend on the machine; leave out its options")
        show_products(file, fix, shape, kept, as_json)
        return
    if fix or shape or kept:
        raise ValueError(f"{file}: --fix, --shape and --kept are for ONNX models and compressed ones")
    printer = Printer()
    machine = chosen_machine(preset, arch, settings, printer.note)
    try:
        model = load_model(file)
    except ValueError:
        if (cure := _CURES.get(file.suffix.lower())) is None:
            raise
        raise ValueError(f"{file}: {cure}") from None
    packings = {(layer.n_pe, layer.index_bits) for layer in model.layers}
    asked = preset or arch or any(setting.startswith(("n_pe=", "index_bits=")) for setting in settings or ())
    if asked and packings != {(machine.n_pe, machine.index_bits)}:
        model = model.repack(machine.n_pe, machine.index_bits)
        printer.note(f"as repacked for {machine.n_pe} PEs and {machine.index_bits}-bit runs")
    document = {
        "file": str(file),
        "file_bytes": file.stat().st_size,
        "machine": machine.name,
        "layers": [
            {
                **packed_row(layer, activation),
                "sram_per_pe": _needs(capacity_report(layer, _machine_for(layer, machine))),
            }
            for layer, activation in zip(model.layers, model.activations, strict=True)
        ],
        # Together: on a machine with the packing of the first layer.
        "sram_per_pe_of_all_layers": _needs(model_capacity_report(model, _machine_for(model.layers[0], machine))),
        "provenance": dict(model.provenance),
    }
    if as_json:
        printer.json(document)
    else:
        _print(document, printer)


def _machine_for(layer: "PackedLayer", machine: "ArchConfig") -> "ArchConfig":
    # A row must hold an entry, or there is no such machine; the file's entries may be wider than this one's rows.
    width = max(machine.spmat_width_bits, layer.weight_bits + layer.index_bits)
    n_pe, weight_bits, index_bits = layer.packing
    return machine.replace(n_pe=n_pe, weight_bits=weight_bits, index_bits=index_bits, spmat_width_bits=width)


def _needs(needs: "tuple[Need, ...]") -> list[dict[str, Any]]:
    return [{**asdict(need), "fits": need.fits} for need in needs]


def _print(document: dict[str, Any], printer: "Printer") -> None:
    from rich.text import Text

    from compressor.console.grid import grid
    from compressor.console.packed_layers import packed_groups
    from compressor.console.printer import plural
    from eie_sim.cli.console import printable

    layers = document["layers"]
    count = f"{plural(len(layers), 'layer')}, {plural(document['file_bytes'], 'byte')}"
    printer.lines([Text.assemble((printable(document["file"]), "bold"), ": ", count), ""])
    contents, sram = (grid(groups(layers), printer.out.width, printer.out) for groups in (packed_groups, _sram_groups))
    printer.lines([*contents.lines, "", f"The fullest PE, used of what {printable(document['machine'])} has:", ""])
    printer.lines([*sram.lines, ""])
    if len(layers) > 1:
        needs = document["sram_per_pe_of_all_layers"]
        texts = [f"{need['used']:,} of {need['available']:,} {need['unit']}" for need in needs]
        printer.lines([f"All layers together: {', '.join(texts)}", ""])
    for key, value in document["provenance"].items():
        printer.remark(f"{printable(key)}: {printable(value)}")


def _sram_groups(layers: list[dict[str, Any]]) -> list[Any]:
    from rich.text import Text

    from compressor.console.grid import Group, column
    from eie_sim.cli.console import short

    titles = {"spmat_bytes": "spmat bytes", "ptr_bytes": "pointers", "activations": "inputs", "accumulators": "outputs"}
    groups = [column("layer", [short(x["name"]) for x in layers], left=True)]
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
