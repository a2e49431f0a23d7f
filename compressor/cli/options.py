"""Options that several commands of `eie-compress` share."""

from pathlib import Path
from typing import Annotated

import typer

from compressor.console.app import OUTPUT_PANEL, Json, option

__all__ = [
    "CALIBRATION_PANEL",
    "CODING_PANEL",
    "INPUT_PANEL",
    "OUTPUT_PANEL",
    "PER_LAYER",
    "PROGRAM",
    "PRUNING_PANEL",
    "SHARING_PANEL",
    "Coder",
    "Compressed",
    "Fix",
    "Init",
    "Json",
    "Kept",
    "MaxMemory",
    "Shape",
    "Shapes",
    "Threads",
    "WeightBits",
    "option",
]

PROGRAM = "eie-compress"
"""What messages begin with."""

INPUT_PANEL = "The file"
PRUNING_PANEL = "Pruning"
SHARING_PANEL = "Weight sharing"
CALIBRATION_PANEL = "Calibration"
CODING_PANEL = "Coding"

PER_LAYER = "X|NAME=X,..."
"""What an option takes that may differ from layer to layer; `per_layer` reads it."""

_SHAPES = (
    "The layers of a .net file, which does not name them: those of a network, or of a TOML file that gives a list of "
    "sizes to each, outputs and inputs first. Default: squeezenet-1.0."
)
_FIX = "Value of an input of an ONNX graph, such as sr=16000: what follows from it is constant; may be repeated."
_SHAPE = "Sizes of an input of an ONNX graph, so that what follows from them is known; may be repeated."
_MAX_MEMORY = (
    "Memory that reading a .dcz file may take, for one from a source you trust. Default: 100 MB and ten times its size."
)
_WEIGHT_BITS = "Bits of a code, 1 to 8. Default: 4, the machine's."
_INIT = "Where the k-means begins: linear (default), density, forgy or exact."
_THREADS = "Threads of PyTorch. Default: 1; another number gives other last bits, and so another model."
_CODER = "huffman (default) or fixed; of several, a,b, each stream takes the best."

Compressed = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A compressed model: .dcz, or the authors' .net.", show_default=False),
]
Shapes = Annotated[str | None, option(INPUT_PANEL, _SHAPES, "NETWORK|FILE.toml")]
Fix = Annotated[list[str] | None, option(INPUT_PANEL, _FIX, "NAME=VALUE", "--fix")]
Shape = Annotated[list[str] | None, option(INPUT_PANEL, _SHAPE, "NAME=1x576", "--shape")]
Kept = Annotated[bool, option(OUTPUT_PANEL, "List everything that is not compressed, with its reason.", None, "--kept")]
MaxMemory = Annotated[int | None, option(INPUT_PANEL, _MAX_MEMORY, "MB", "--max-memory", min=1)]
WeightBits = Annotated[str | None, option(SHARING_PANEL, _WEIGHT_BITS, PER_LAYER)]
Init = Annotated[str | None, option(SHARING_PANEL, _INIT, PER_LAYER)]
Threads = Annotated[int, option("Training", _THREADS, "N", min=1, max=1024)]
Coder = Annotated[str | None, option(CODING_PANEL, _CODER, "NAME")]
