"""Options that several commands of `eie-sim` share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from compressor.cli.options import PER_LAYER
from compressor.console.app import OUTPUT_PANEL, Json, option

__all__ = [
    "INPUT_PANEL",
    "MACHINE_PANEL",
    "NETWORK_PANEL",
    "OUTPUT_PANEL",
    "ActDensity",
    "Acts",
    "Against",
    "Arch",
    "BatchAxis",
    "Chain",
    "Chunk",
    "Classes",
    "Compression",
    "Dask",
    "Density",
    "DrawnFile",
    "EieSimulator",
    "Feedback",
    "Fit",
    "Fix",
    "InputFile",
    "Inputs",
    "Jobs",
    "Json",
    "Kept",
    "Labels",
    "Layers",
    "Lowering",
    "MaxVectors",
    "MeasuredFile",
    "Name",
    "Node",
    "Output",
    "Photo",
    "Preset",
    "Product",
    "Rows",
    "Seed",
    "Set",
    "Shape",
    "TracedFile",
    "WeightBits",
    "WeightDensity",
    "Yes",
    "all_vectors_or",
    "option",
]  # fmt: skip

MACHINE_PANEL = "The machine"
INPUT_PANEL = "What to simulate"

Preset = Annotated[
    str | None,
    option(MACHINE_PANEL, "A named machine; `eie-sim presets` lists them. Default: eie-64pe-45nm.", "NAME"),
]
Arch = Annotated[
    Path | None, option(MACHINE_PANEL, "A machine from a TOML file of parameters, or from SCALE-Sim's .cfg.", "FILE")
]
Set = Annotated[
    list[str] | None,
    option(
        MACHINE_PANEL,
        "Change one parameter, such as n_pe=128 or arithmetic=fixed16; may be repeated.",
        "NAME=VALUE",
        "--set",
    ),
]

# What to simulate -----------------------------------------------------------------------------------------------------

_FILE = (
    "A packed model (.eie), a compressed one (.dcz), a SCALE-Sim topology (.csv, GEMM or convolutions), a sparse "
    "matrix (MatrixMarket .mtx), a published layer (Alex-7), a packaged network (lenet-5) or random:ROWSxCOLS. With "
    "--inputs or --photo a whole network: .dcz, .eie, .onnx, or the authors' SqueezeNet (.net)."
)
_NINE = "the nine layers of the EIE paper."
_NAME = "Name of the layer; a published one, such as Alex-8, sets the paper's figures beside it."
_FIX = "Value of an input of an ONNX graph, such as sr=16000: what follows from it is constant; may be repeated."
_SHAPE = "Sizes of an input of an ONNX graph, so that what follows from them is known; may be repeated."
_CHAIN = (
    "Run these layers one after another, each on the activated output of the one before. Default: as the graph of the "
    "file says; without one, each layer alone."
)
_ACTS = "Inputs of shape (n_cols,), or (B, n_cols) for B vectors. Default: drawn."
_ACT_DENSITY = "Fraction of active inputs where they are drawn. Default: 1."
_WEIGHT_DENSITY = "Weight density of a random layer (default 0.1), and of a topology's layers without Sparsity (1)."
_MAX_VECTORS = "Of a topology, the first N input vectors of each layer. Default: all, if they take 10 minutes at most."
_YES = "Run all input vectors of a topology, however long it takes."
_FIT = "What the nine layers were fitted to: all figures (default), or those of the 64-PE machine alone."


def _file(without_it: str) -> Any:
    """The argument FILE: a string, for `./Alex-7` is a file or a folder, and `Alex-7` a published layer."""
    return typer.Argument(metavar="FILE", help=f"{_FILE} Without it: {without_it}", show_default=False)


InputFile = Annotated[str | None, _file(f"a trained network on real digits, then {_NINE}")]
DrawnFile = Annotated[str | None, _file(_NINE)]
MeasuredFile = Annotated[str | None, _file(f"{_NINE} Each layer is measured alone, with drawn inputs.")]
TracedFile = Annotated[str | None, _file("one of the paper's nine layers, with --layers.")]
EieSimulator = Annotated[Path | None, option(INPUT_PANEL, "A data folder of the EIE authors' own simulator.", "DIR")]
Rows = Annotated[int | None, option(INPUT_PANEL, "Outputs of the layer in that folder. Default: 1000.", "N", min=1)]
Name = Annotated[str | None, option(INPUT_PANEL, _NAME, "NAME")]
Chain = Annotated[str | None, option(INPUT_PANEL, _CHAIN, "A,B,...")]
Fix = Annotated[list[str] | None, option(INPUT_PANEL, _FIX, "NAME=VALUE", "--fix")]
Shape = Annotated[list[str] | None, option(INPUT_PANEL, _SHAPE, "NAME=1x576", "--shape")]
Kept = Annotated[bool, option(OUTPUT_PANEL, "List everything that is not compressed, with its reason.", None, "--kept")]
Layers = Annotated[str | None, option(INPUT_PANEL, "These layers only; one with a comma in double quotes.", "A,B,...")]
Acts = Annotated[Path | None, option(INPUT_PANEL, _ACTS, "FILE.npy")]
ActDensity = Annotated[float | None, option(INPUT_PANEL, _ACT_DENSITY, "0..1", min=0, max=1)]
WeightDensity = Annotated[float | None, option(INPUT_PANEL, _WEIGHT_DENSITY, "0..1", min=0, max=1)]
Seed = Annotated[int, option(INPUT_PANEL, "Seed of everything drawn. Default: 0.", "N", min=0)]
Fit = Annotated[str | None, option(INPUT_PANEL, _FIT, "all_points|pe64")]
MaxVectors = Annotated[int | None, option(INPUT_PANEL, _MAX_VECTORS, "N", min=1)]
Yes = Annotated[bool, option(INPUT_PANEL, _YES, None, "--yes")]


# A whole network ------------------------------------------------------------------------------------------------------

NETWORK_PANEL = "A whole network, from its inputs to its answers"

_INPUTS = (
    "Inputs of the network: arrays by the names of its inputs (.npz), or the array of its only input (.npy). Samples "
    "are along axis 0."
)
_PHOTO = "A photo as the input of SqueezeNet 1.0 (extra photos)."
_LABELS = "Right classes, int (B,): accuracy of the first output, or of --output."
_CLASSES = "Names of the classes, one a line: the five best of each answer are named."
_OUTPUT = "The output that holds a score for each class. Default: the first."
_AGAINST = "The uncompressed network, with which the answers are compared; an .onnx FILE is compared with itself."
_DENSITY = "Of an .onnx FILE, the fraction of the weights to keep, as `eie-compress compress` takes it."
_BITS = "Of an .onnx FILE, bits of the shared weights, as `eie-compress compress` takes them. Default: 4."
_COMPRESSION = "Of an .onnx FILE, all options of `eie-compress compress` from a file, as its --settings."
_LOWERING = "How 3 x 3 convolutions become products: im2col (default) or winograd."
_BATCH_AXIS = (
    "The axis of the samples of an input or output, where it is not 0; none: the same for all; may be repeated."
)
_FEEDBACK = "An output that the next sample takes as an input: a state; may be repeated."
_JOBS = "Processes that inferences are divided among. Default: 1, with a thread for each core."
_CHUNK = "Inferences that run together. Default: as many as take some hundred megabytes."
_DASK = "Address of a Dask scheduler (extra distributed), such as tcp://host:8786, whose workers compute."
_NODE = "A node of the network: one of its products is shown."
_PRODUCT = "Which product of the node in the inference, counted from 0. Default: 0."

Inputs = Annotated[Path | None, option(NETWORK_PANEL, _INPUTS, "FILE.npz")]
Photo = Annotated[Path | None, option(NETWORK_PANEL, _PHOTO, "FILE")]
Labels = Annotated[Path | None, option(NETWORK_PANEL, _LABELS, "FILE.npy")]
Classes = Annotated[Path | None, option(NETWORK_PANEL, _CLASSES, "FILE.txt")]
Output = Annotated[str | None, option(NETWORK_PANEL, _OUTPUT, "NAME", "--output")]
Against = Annotated[Path | None, option(NETWORK_PANEL, _AGAINST, "FILE.onnx")]
Density = Annotated[str | None, option(NETWORK_PANEL, _DENSITY, PER_LAYER)]
WeightBits = Annotated[str | None, option(NETWORK_PANEL, _BITS, PER_LAYER)]
Compression = Annotated[Path | None, option(NETWORK_PANEL, _COMPRESSION, "FILE.toml")]
Lowering = Annotated[str | None, option(NETWORK_PANEL, _LOWERING, "NAME")]
BatchAxis = Annotated[list[str] | None, option(NETWORK_PANEL, _BATCH_AXIS, "NAME=N")]
Feedback = Annotated[list[str] | None, option(NETWORK_PANEL, _FEEDBACK, "OUTPUT=INPUT")]
Jobs = Annotated[int | None, option(NETWORK_PANEL, _JOBS, "N", min=1)]
Chunk = Annotated[int | None, option(NETWORK_PANEL, _CHUNK, "N", min=1)]
Dask = Annotated[str | None, option(NETWORK_PANEL, _DASK, "URL")]
Node = Annotated[str | None, option(NETWORK_PANEL, _NODE, "NAME")]
Product = Annotated[int | None, option(NETWORK_PANEL, _PRODUCT, "N", min=0)]


def all_vectors_or(max_vectors: int | None, yes: bool) -> int | None:
    """What `load` is given for ``--max-vectors`` and ``--yes``.

    Raises
    ------
    ValueError
        If both are given.
    """
    if yes and max_vectors is not None:
        raise ValueError("--yes and --max-vectors: all input vectors or the first N; give one of them")
    from eie_sim.sources.options import ALL_VECTORS

    return ALL_VECTORS if yes else max_vectors
