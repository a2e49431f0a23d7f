"""How much of a network is compressed, and what is left as it is, in words and for JSON."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from compressor.console.printer import plural
from compressor.messages import printable
from compressor.types.network import Kept, Network

_LONGEST_NAME = 32
_SHOWN = 3  # names of a line


def middle(name: str) -> str:
    """`name` in one line; of a long one its ends, for names of operators begin alike and end alike."""
    line = printable(name)
    half = (_LONGEST_NAME - 3) // 2
    return line if len(line) <= _LONGEST_NAME else f"{line[:half]}...{line[-half:]}"


def model_bytes(file: Path) -> int:
    """Bytes of a model, with those of the files beside an ONNX file that hold its tensors."""
    if file.suffix.lower() != ".onnx":
        return file.stat().st_size
    from compressor.importers.onnx_file import OnnxFile

    return OnnxFile(file).size


def coverage_document(network: Network, names: Collection[str]) -> dict[str, Any]:
    """The graph as it was read and what of it the tensors `names` are, for JSON."""
    return {**network.plain(), "coverage": network.coverage(names)._asdict()}


def kept_line(network: Network) -> str:
    """What is not compressed, in one line; empty where that is nothing."""
    if not network.kept:
        return ""
    largest = sorted(network.kept, key=lambda kept: (-(kept.macs or 0) - kept.n_weights, kept.name))
    shown = ", ".join(f"{middle(kept.name)} ({kept.reason})" for kept in largest[:_SHOWN])
    more = len(largest) - _SHOWN
    return f"kept as they are: {shown}" + (f" and {more} more; --kept lists them" if more > 0 else "")


def kept_lines(kept: Collection[Kept]) -> list[str]:
    """One line for each operator and constant that is not compressed."""
    return [
        f"{printable(one.name)}: {one.operator}, {plural(one.n_weights, 'weight')}, "
        f"{'unknown' if one.macs is None else f'{one.macs:,}'} multiply-accumulates: {printable(one.reason)}"
        for one in kept
    ]
