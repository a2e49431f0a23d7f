"""``eie-compress info``: what is in a file, of trained weights, compressed or packed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor.cli.options import PROGRAM, Fix, Json, Kept, MaxMemory, Shape, Shapes

if TYPE_CHECKING:
    from compressor.console.grid import Group
    from compressor.console.printer import Printer
    from compressor.types.coded import CompressedModel
    from compressor.types.dense import DenseModel, DenseTensor
    from compressor.types.network import Network

_FILE = "Any model: .dcz, .net, .eie, .onnx, .pt, .pth, .bin, .ckpt, .safetensors or .npz."


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_FILE, show_default=False)],
    shapes: Shapes = None,
    fix: Fix = None,
    shape: Shape = None,
    kept: Kept = False,
    max_memory: MaxMemory = None,
    as_json: Json = False,
) -> None:
    """Show what is in the file of a model: its layers, where it is from, and the parts of the file."""
    from compressor.cli.sources import (
        COMPRESSED_FILES,
        DENSE_FILES,
        NO_GRAPH,
        read_compressed,
        read_dense,
        refuse_shapes,
        suffix_of,
    )
    from compressor.console.coverage import kept_lines, model_bytes
    from compressor.console.packed_layers import packed_row
    from compressor.console.printer import Printer
    from compressor.storage.packed_file import load_model
    from compressor.types.network import Kept as KeptPart

    printer = Printer(PROGRAM)
    suffix = suffix_of(file, (*COMPRESSED_FILES, ".eie", *DENSE_FILES))
    if suffix != ".net":
        refuse_shapes(shapes)
    if suffix != ".dcz" and max_memory is not None:
        raise ValueError("--max-memory: is for .dcz files")
    if suffix == ".eie":
        packed = load_model(file)
        rows = [packed_row(layer, act) for layer, act in zip(packed.layers, packed.activations, strict=True)]
        document: dict[str, Any] = {"layers": rows, "provenance": dict(packed.provenance)}
        document |= _graph(packed.network, [layer.name for layer in packed.layers])
    elif suffix == ".dcz":
        document = _stored(file, max_memory)
    else:
        is_compressed = suffix in COMPRESSED_FILES
        document = _model(read_compressed(file, shapes) if is_compressed else read_dense(file, fix=fix, shape=shape))
    document = {"file": str(file), "file_bytes": model_bytes(file), **document}
    if as_json:
        printer.json(document)
    else:
        _print(document, printer)
        if suffix == ".net" and "network" not in document:
            printer.remark(f"{NO_GRAPH[:1].upper()}{NO_GRAPH[1:]}.")
        if kept and "network" in document:
            printer.lines(["", *kept_lines([KeptPart(**one) for one in document["network"]["kept"]])])


def _stored(file: Path, max_memory: int | None) -> dict[str, Any]:
    """A .dcz file, with the bytes of its parts."""
    from compressor.cli.sources import memory_bytes
    from compressor.storage.coded_file import read_stored

    stored = read_stored(file, memory_bytes(max_memory))
    document = _model(stored.model)
    for row, streams in zip(document["layers"], stored.streams, strict=True):
        row["index_bits"] = streams.index_bits
        row["coders"] = [stream.coder for stream in (streams.codes, streams.runs) if stream is not None]
    parts = {
        "header": stored.header_bytes,
        "codebooks": sum(tensor.codebook.nbytes for tensor in stored.model.tensors),
        "biases": sum(tensor.bias.nbytes for tensor in stored.model.tensors if tensor.bias is not None),
        "tables": sum(streams.table_bytes for streams in stored.streams),
        "codes": sum(len(streams.codes.data) for streams in stored.streams),
        "runs": sum(streams.run_bytes for streams in stored.streams),
        "others": sum(array.nbytes for array in stored.model.others.values()),
        "graph": 0 if stored.model.network is None else len(stored.model.network.onnx),
    }
    return {**document, "parts": parts}


def _model(model: "CompressedModel | DenseModel") -> dict[str, Any]:
    import numpy as np

    from compressor.types.coded import CodedTensor

    tensors: Sequence[CodedTensor | DenseTensor] = model.tensors
    layers = []
    for tensor, activation in zip(tensors, model.activations, strict=True):
        coded = tensor if isinstance(tensor, CodedTensor) else None
        cells = tensor.codes if isinstance(tensor, CodedTensor) else tensor.weights
        row = {
            "name": tensor.name,
            "kind": tensor.kind,
            "shape": list(tensor.shape),
            "gates": list(tensor.gates),
            "weights": cells.size,
            "nonzeros": int(np.count_nonzero(cells)),
            "density": int(np.count_nonzero(cells)) / cells.size,
            "has_bias": tensor.bias is not None,
            "weight_bits": None if coded is None else coded.weight_bits,
            "activation": activation,
        }
        layers.append(row)
    others = {name: list(array.shape) for name, array in model.others.items()}
    document = {"layers": layers, "others": others, "provenance": dict(model.provenance)}
    return document | _graph(model.network, [tensor.name for tensor in tensors])


def _graph(network: "Network | None", names: Sequence[str]) -> dict[str, Any]:
    from compressor.console.coverage import coverage_document, kept_line

    if network is None:
        return {}
    return {"network": coverage_document(network, names), "graph": [str(network.coverage(names)), kept_line(network)]}


def _print(document: dict[str, Any], printer: "Printer") -> None:
    from rich.text import Text

    from compressor.console.grid import grid
    from compressor.console.packed_layers import packed_groups
    from compressor.console.printer import plural
    from compressor.importers.named_arrays import READING_KEYS, assumed_functions, reading_notes
    from compressor.messages import printable

    layers = document["layers"]
    title = f"{plural(len(layers), 'layer')}, {plural(document['file_bytes'], 'byte')}"
    assumed = assumed_functions(document["provenance"])
    groups = packed_groups(layers) if "entries" in layers[0] else _groups(layers, assumed)
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([Text.assemble((printable(document["file"]), "bold"), ": ", title), "", *table.lines, ""])
    if left_out := table.remark("--json"):
        printer.remark(left_out)
    if parts := document.get("parts"):
        printer.remark(f"Bytes: {', '.join(f'{name} {count:,}' for name, count in parts.items())}.")
    if graph := document.get("graph"):
        coverage, left = graph
        printer.remark(f"Compressed: {coverage}.")
        if left:
            printer.remark(f"{left[:1].upper()}{left[1:]}.")
        if between := document["network"]["between"]:
            printer.remark(f"Not a chain: {printable(between)}.")
    elif others := document.get("others"):
        names = [f"{printable(name)} {_shape(shape)}" for name, shape in others.items()]
        more = f" and {len(names) - _SHOWN} more (all in --json)" if len(names) > _SHOWN else ""
        printer.remark(f"Not compressed: {', '.join(names[:_SHOWN])}{more}.")
    for note in reading_notes(document["provenance"]):
        printer.remark(printable(f"{note[:1].upper()}{note[1:]}."))
    for key, value in document["provenance"].items():
        if key in READING_KEYS:
            continue
        printer.remark(f"{printable(key)}: {printable(value)}")


_SHOWN = 8  # names of parameters that are not compressed; a large network has hundreds


def _shape(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))


def _groups(layers: list[dict[str, Any]], assumed: Sequence[str]) -> list["Group"]:
    from compressor.console.grid import column
    from compressor.console.printer import short

    groups = [
        column("layer", [short(x["name"]) for x in layers], left=True),
        column("kind", [" ".join([x["kind"], *x["gates"]]) for x in layers], left=True),
        column("shape", [_shape(x["shape"]) + (" + bias" if x["has_bias"] else "") for x in layers], left=True),
        column("weights", [f"{x['weights']:,}" for x in layers]),
        column("density %", [f"{100 * x['density']:.2f}" for x in layers]),
    ]
    if layers[0]["weight_bits"] is not None:
        # Of a code, and of a run where there is an index.
        bits = [f"{x['weight_bits']}" + (f"+{x['index_bits']}" if x.get("index_bits") else "") for x in layers]
        groups.append(column("bits", bits, 1))
    if "coders" in layers[0]:
        groups.append(column("coded", [" + ".join(x["coders"]) for x in layers], 3, left=True))
    functions = [x["activation"] + (" (assumed)" if x["name"] in assumed else "") for x in layers]
    groups.append(column("activation", functions, 2, left=True))
    return groups
