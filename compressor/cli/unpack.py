"""``eie-compress unpack``: decoded weights, back in a file that other programs read."""

from pathlib import Path
from typing import Annotated, Any

from compressor.cli.options import INPUT_PANEL, OUTPUT_PANEL, PROGRAM, Compressed, Json, MaxMemory, Shapes, option

_OUT = "The file to write: .npz, .safetensors, .pt, .pth, .bin, .ckpt, .onnx or .net."
_LIKE = (
    "The original: its other contents, names and types are kept. Needed for .pt, and for .onnx where the file has no "
    "graph; possible for all but .net."
)


def unpack(
    file: Compressed,
    out: Annotated[Path, option(OUTPUT_PANEL, _OUT, "FILE", "--out", "-o")],
    like: Annotated[Path | None, option(INPUT_PANEL, _LIKE, "FILE")] = None,
    shapes: Shapes = None,
    max_memory: MaxMemory = None,
    as_json: Json = False,
) -> None:
    """Decode the weights of a compressed model into a file for other programs."""
    from compressor.cli.sources import check_like, read_compressed, write_weights
    from compressor.console.printer import Printer, plural
    from compressor.console.targets import check_target_file

    printer = Printer(PROGRAM)
    check_like(out, like, has_graph=True)
    check_target_file("--out", out)
    model = read_compressed(file, shapes, max_memory)
    write_weights(model, out, like)
    printer.note(f"wrote {out}")
    document: dict[str, Any] = {
        "source": str(file),
        "file": str(out),
        "file_bytes": out.stat().st_size,
        "layers": [tensor.name for tensor in model.tensors],
        "weights": sum(tensor.codes.size for tensor in model.tensors),
        "others": list(model.others),
    }
    if as_json:
        printer.json(document)
    else:
        sizes = f"{plural(len(model.tensors), 'layer')}, {plural(document['weights'], 'weight')}"
        printer.lines([f"{sizes}; {plural(len(model.others), 'other parameter')}; {document['file_bytes']:,} bytes"])
