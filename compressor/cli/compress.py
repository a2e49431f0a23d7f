"""``eie-compress compress``: a trained network becomes a compressed one, or layers for the machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor.cli.options import (
    CALIBRATION_PANEL,
    CODING_PANEL,
    INPUT_PANEL,
    OUTPUT_PANEL,
    PER_LAYER,
    PROGRAM,
    PRUNING_PANEL,
    SHARING_PANEL,
    Coder,
    Fix,
    Init,
    Json,
    Kept,
    MaxMemory,
    Shape,
    Shapes,
    WeightBits,
    option,
)

if TYPE_CHECKING:
    from compressor.cli.settings import Settings
    from compressor.console.printer import Printer
    from compressor.types.coded import CompressedModel
    from compressor.types.dense import DenseModel

_FILE = (
    "A trained network: ONNX (.onnx), PyTorch weights (.pt, .pth, .bin, .ckpt), .safetensors or .npz; or a compressed "
    "model (.dcz, .net), to be coded anew or packed."
)
_OUT = "The file to write: .dcz, a compressed model; .eie, its matrices packed for the machine."
_DENSITY = (
    "Fraction of the weights to keep. NAME: a layer, a kind (conv) or a pattern (fc*); the last one that fits counts, "
    "and X alone is for all that none fits. A name with a comma is put into double quotes."
)
_QUALITY = "Keep what is at least so many standard deviations of its layer."
_KEEP = "Patterns of layers to leave as they are; may be repeated."
_TAKE = "Patterns of arrays that are layers, whatever names such as embedding say; may be repeated."
_CHAIN = (
    "Layers of a .eie file, one after another, each on the activated output of the one before. Default: as the graph "
    "says."
)
_INDEX = "Bits of a run of zeros, 2 to 8; none: no index; best (default of .dcz): the smallest, measured. .eie: 4."
_ACTIVATION = (
    "Activation function after a layer: none, relu, sigmoid or tanh. Only ONNX files tell; of others relu is assumed, "
    "but none after the last layer and after recurrent ones."
)
_CALIBRATE = (
    "Inputs of an ONNX network by their names, .npz: weights are pruned and shared so that its outputs on them change "
    "least, and it is judged at once on those that are held out."
)
_LABELS = "Right classes of the inputs of --calibrate, .npy: the accuracy before and after is printed."
_HOLDOUT = "Judge on every Nth input of --calibrate, which is not calibrated on. Default: 5."
_DAMPING = "Added to the diagonals of the layers' Hessians, as a fraction of their means. Default: 0.01."
_AXIS = "Axis of an input of --calibrate along which samples are, or none: the same for all; may be repeated."
_FEEDBACK = "An output that the next sample of --calibrate takes as an input; may be repeated."
_SETTINGS = "These options from a file, each a value or a table of values by NAME; what the command line has wins."


def compress(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_FILE, show_default=False)],
    out: Annotated[Path, option(OUTPUT_PANEL, _OUT, "FILE", "--out", "-o")],
    density: Annotated[str | None, option(PRUNING_PANEL, _DENSITY, PER_LAYER)] = None,
    threshold: Annotated[
        str | None, option(PRUNING_PANEL, "Keep what is at least so large, in place of a density.", PER_LAYER)
    ] = None,
    quality: Annotated[str | None, option(PRUNING_PANEL, _QUALITY, PER_LAYER)] = None,
    keep: Annotated[list[str] | None, option(PRUNING_PANEL, _KEEP, "A,B,...")] = None,
    take: Annotated[list[str] | None, option(PRUNING_PANEL, _TAKE, "A,B,...")] = None,
    activation: Annotated[str | None, option(INPUT_PANEL, _ACTIVATION, PER_LAYER)] = None,
    settings: Annotated[Path | None, option(PRUNING_PANEL, _SETTINGS, "FILE.toml")] = None,
    weight_bits: WeightBits = None,
    init: Init = None,
    seed: Annotated[
        int | None, option(SHARING_PANEL, "Seed of the initialisation forgy. Default: 0.", "N", min=0)
    ] = None,
    calibrate: Annotated[Path | None, option(CALIBRATION_PANEL, _CALIBRATE, "FILE.npz")] = None,
    labels: Annotated[Path | None, option(CALIBRATION_PANEL, _LABELS, "FILE.npy")] = None,
    holdout: Annotated[int | None, option(CALIBRATION_PANEL, _HOLDOUT, "N", min=2)] = None,
    damping: Annotated[float | None, option(CALIBRATION_PANEL, _DAMPING, "X")] = None,
    batch_axis: Annotated[list[str] | None, option(CALIBRATION_PANEL, _AXIS, "NAME=N", "--batch-axis")] = None,
    feedback: Annotated[list[str] | None, option(CALIBRATION_PANEL, _FEEDBACK, "OUTPUT=INPUT", "--feedback")] = None,
    coder: Coder = None,
    index_bits: Annotated[str | None, option(CODING_PANEL, _INDEX, PER_LAYER)] = None,
    chain: Annotated[str | None, option(CODING_PANEL, _CHAIN, "A,B,...")] = None,
    n_pe: Annotated[int | None, option(CODING_PANEL, "PEs of the machine, for .eie. Default: 64.", "N", min=1)] = None,
    shapes: Shapes = None,
    fix: Fix = None,
    shape: Shape = None,
    kept: Kept = False,
    max_memory: MaxMemory = None,
    as_json: Json = False,
) -> None:
    """Prune a trained network, share its weights and code them.

    Nothing is trained in between: --calibrate makes up for what is pruned on inputs of the network and says what it
    costs in accuracy; `train` retrains. The tables printed are those of `report`.
    """
    from compressor.cli.calibration import UNKNOWN, Asked, compressed_on_inputs
    from compressor.cli.settings import settings_of
    from compressor.cli.sources import (
        COMPRESSED_FILES,
        DENSE_FILES,
        NO_GRAPH,
        read_compressed,
        read_dense,
        refuse_shapes,
        suffix_of,
    )
    from compressor.console.coverage import coverage_document, kept_lines
    from compressor.console.printer import Printer
    from compressor.console.targets import check_target_file

    printer = Printer(PROGRAM)
    given = settings_of(
        {
            "density": density,
            "threshold": threshold,
            "quality": quality,
            "weight_bits": weight_bits,
            "init": init,
            "index_bits": index_bits,
            "activation": activation,
            "coder": coder,
            "keep": keep,
            "take": take,
            "seed": seed,
        },
        settings,
    )
    is_packed = suffix_of(out, (".dcz", ".eie"), "--out") == ".eie"
    if is_packed and given.coder:
        raise ValueError("--coder: means nothing for a .eie file, which is not coded")
    if not is_packed and chain is not None:
        raise ValueError("--chain: is for .eie files; eie-sim run --chain is for .dcz files")
    if not is_packed and n_pe is not None:
        raise ValueError("--n-pe: means nothing for a .dcz file, which is for any machine")
    if is_packed:
        _one_width(given)  # before minutes go into what it is for
    asked = Asked(calibrate, labels, holdout, damping, batch_axis, feedback)
    asked.check(file, given)
    check_target_file("--out", out)
    given.check_coder()
    document: dict[str, Any] = {"source": str(file), "file": str(out)}
    if suffix_of(file, (*DENSE_FILES, *COMPRESSED_FILES)) in COMPRESSED_FILES:
        given.refuse(
            f"means nothing for {file}, whose weights are pruned and shared", "coder", "index_bits", "activation"
        )
        model = given.with_activations(read_compressed(file, shapes, max_memory))
        if file.suffix.lower() == ".net" and model.network is None:
            printer.note(NO_GRAPH)
    else:
        refuse_shapes(shapes)
        if max_memory is not None:
            raise ValueError("--max-memory: is for .dcz files")
        given.check_pruning()
        network = given.with_activations(read_dense(file, given.keep, given.take, fix, shape))
        if asked.inputs is None:
            model = compressed(network, given, printer)
            if network.network is not None:
                printer.note(UNKNOWN)
        else:
            _note_reading(network, given, printer)
            model, document["calibration"] = compressed_on_inputs(network, given, asked, printer)
    if model.network is not None:
        document["network"] = coverage_document(model.network, [tensor.name for tensor in model.tensors])
    if is_packed:
        _pack(model, given, n_pe, chain, out, document, printer, as_json)
    else:
        save_dcz(model, given, out, document, printer, as_json)
    if kept and model.network is not None and not as_json:
        printer.lines(kept_lines(model.network.kept))


def compressed(network: "DenseModel", given: "Settings", printer: "Printer") -> "CompressedModel":
    """Compress a network, with a progress bar; what a user should know goes to `printer`.

    Raises
    ------
    ValueError
        If settings do not fit the network.
    """
    from compressor.pipeline import compress_model

    arguments = given.of_model(network)
    _note_reading(network, given, printer)
    names = [tensor.name for tensor in network.tensors]
    with printer.progress(len(names)) as advance:
        advance(names[0])
        return compress_model(
            network, **arguments, progress=lambda _, done, total: advance(names[min(done, total - 1)], done=1)
        )


def _note_reading(network: "DenseModel", given: "Settings", printer: "Printer") -> None:
    """Say what was read of a network, before minutes go into it."""
    from compressor.console.coverage import kept_line
    from compressor.importers.named_arrays import assumed_functions, reading_notes

    given.index_bits({tensor.name: tensor.kind for tensor in network.tensors})  # before minutes go into the rest
    if network.network is not None:
        printer.note(f"compressed: {network.network.coverage([tensor.name for tensor in network.tensors])}")
        if left := kept_line(network.network):
            printer.note(left)
    for note in reading_notes(network.provenance):
        printer.note(note)
    if assumed := assumed_functions(network.provenance):
        first = ", ".join(assumed[:_NAMED]) + (f" and {len(assumed) - _NAMED} more" if len(assumed) > _NAMED else "")
        printer.note(
            f"the file does not say which activation functions it has: relu is assumed after {first}; "
            "--activation says others"
        )


def save_dcz(
    model: "CompressedModel",
    given: "Settings",
    out: Path,
    document: dict[str, Any],
    printer: "Printer",
    as_json: bool,
) -> None:
    """Write a .dcz file and print its accounting, which is that of the file as it is read again."""
    from compressor.accounting import account_file
    from compressor.cli.accounts import accounting_document, print_accounting
    from compressor.storage.coded_file import save_compressed

    kinds = {tensor.name: tensor.kind for tensor in model.tensors}
    save_compressed(model, out, given.coder or "huffman", given.index_bits(kinds))
    account = account_file(out, max_memory_bytes=_OWN_FILE_BYTES)
    printer.note(f"wrote {out}")
    if as_json:
        printer.json({**document, **accounting_document(account)})
    else:
        print_accounting(account, printer)


_OWN_FILE_BYTES = 2**62  # a file that was just written from memory fits into it


def _pack(
    model: "CompressedModel",
    given: "Settings",
    n_pe: int | None,
    chain: str | None,
    out: Path,
    document: dict[str, Any],
    printer: "Printer",
    as_json: bool,
) -> None:
    """Write the matrices of `model` as a .eie file and print what they are."""
    from compressor.checks import separated
    from compressor.console.grid import grid
    from compressor.console.packed_layers import packed_groups, packed_row
    from compressor.storage.packed_file import save_model

    matrices = [tensor.name for tensor in model.tensors if tensor.kind != "conv"]
    left_out = [tensor.name for tensor in model.tensors if tensor.kind == "conv"]
    if not matrices:
        raise ValueError(
            f"{document['source']}: all of its layers are convolutions, but the machine runs matrices only"
        )
    chosen = model.select(*matrices)
    packed = chosen.pack(n_pe or _N_PE, _one_width(given))
    if chain is not None:
        packed = packed.chain(*filter(None, separated(chain)))
    save_model(packed, out)
    printer.note(f"wrote {out}")
    if left_out:
        printer.note(f"left out, for the machine runs matrices only: {', '.join(left_out)}")
    if (widths := sorted({layer.weight_bits for layer in packed.layers})) != [_WEIGHT_BITS]:
        bits = " and ".join(map(str, widths))
        other = f"eie-sim run --set weight_bits={bits}, or " if len(widths) == 1 else ""
        printer.note(
            f"codes of {bits} bits: the paper's machine takes {_WEIGHT_BITS} ({other}--weight-bits {_WEIGHT_BITS} here)"
        )
    rows = [packed_row(layer, act) for layer, act in zip(packed.layers, packed.activations, strict=True)]
    if as_json:
        error = float(packed.provenance["largest_bias_error"])
        printer.json(
            {**document, "file_bytes": out.stat().st_size, "layers": rows, "left_out": left_out, "bias_error": error}
        )
        return
    table = grid(packed_groups(rows), printer.out.width, printer.out)
    printer.lines([*table.lines, ""])
    printer.remark(_remark(chosen, out))


_NAMED = 4  # layers of a note
_N_PE, _WEIGHT_BITS, _INDEX_BITS = 64, 4, 4  # the machine of the paper (EIE, section III and Table II)


def _one_width(given: "Settings") -> int:
    """Bits of a run in all layers of a .eie file."""
    widths = {value for _, value in given.pairs.get("index_bits", ())}
    if len(widths) > 1 or not all(isinstance(width, int) for width in widths):
        raise ValueError("--index-bits: must be one number for a .eie file, 2 to 8")
    return widths.pop() if widths else _INDEX_BITS


def _remark(model: "CompressedModel", out: Path) -> str:
    size = f"{out.stat().st_size:,} bytes (pointers of 32 bits, where the machine's have 16)"
    biased = [(tensor.bias_error(), tensor.name, tensor.bias) for tensor in model.tensors if tensor.bias is not None]
    if not biased:
        return f"{size}."
    error, name, bias = max(biased, key=lambda one: one[0])
    return (
        f"{size}; density without the bias, fillers with it. A bias is coded as the nearest shared weight or 0 "
        f"(largest error {error:.4g}, in {name!r}, where biases are up to {float(abs(bias).max()):.4g})."
    )
