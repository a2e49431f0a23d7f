"""What of a network runs on the machine: operator by operator, before anything is compressed or packed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from compressor.console.coverage import coverage_document, kept_line, kept_lines, middle, model_bytes
from compressor.console.graph_inputs import graph_inputs
from compressor.console.grid import column, grid
from compressor.console.printer import plural
from compressor.storage.files import FormatError
from compressor.types.network import CONVOLUTIONS, RECURRENT, Network, Use
from eie_sim.cli.console import Printer, printable

_PRODUCTS = {
    **dict.fromkeys(CONVOLUTIONS, "one for each output position"),
    **dict.fromkeys(RECURRENT, "one or more for each step"),
}
"""Products of an operator in an inference; of others, one for each row of their inputs."""


def show_products(
    file: Path, fix: Sequence[str] | None, shape: Sequence[str] | None, all_kept: bool, as_json: bool
) -> None:
    """Print the operators of the graph of a model that the machine runs, and what the host does instead.

    Raises
    ------
    ValueError
        If the file is malformed, or has no graph.
    OSError
        If it cannot be read.
    """
    printer = Printer()
    network, shapes = _read(file, fix, shape)
    matrices = [name for use in network.uses for name in use.tensors]
    document: dict[str, Any] = {
        "file": str(file),
        "file_bytes": model_bytes(file),
        "operators": [_operator(use, shapes) for use in network.uses],
        "network": coverage_document(network, matrices),
    }
    if as_json:
        printer.json(document)
        return
    products = document["operators"]
    title = f"{plural(len(products), 'operator')} with constant weights, {plural(document['file_bytes'], 'byte')}"
    groups = [
        column("node", [middle(x["name"]) for x in products], left=True),
        column("operator", [x["operator"] for x in products], left=True),
        column("weights", [x["shape"] for x in products], left=True),
        column("multiply-accumulates", ["-" if x["macs"] is None else f"{x['macs']:,}" for x in products]),
        column("products of an inference", [x["products"] for x in products], left=True),
    ]
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([Text.assemble((printable(str(file)), "bold"), ": ", title), "", *table.lines, ""])
    printer.remark(f"On the machine: {network.coverage(matrices)}.")
    if left := kept_line(network):
        printer.remark(f"{left[:1].upper()}{left[1:]}.")
    printer.remark("eie-sim run takes it with --inputs, from its inputs to its answers.")
    if all_kept:
        printer.lines(["", *kept_lines(network.kept)])


def _read(
    file: Path, fix: Sequence[str] | None, shape: Sequence[str] | None
) -> tuple[Network, Mapping[str, tuple[int, ...]]]:
    """The graph of a model, and the shapes of its tensors."""
    network: Network | None
    if file.suffix.lower() == ".onnx":
        from compressor.importers import read_onnx

        fixed, sizes = graph_inputs(fix, shape)
        dense = read_onnx(file, fix=fixed, shapes=sizes)
        network, shapes = dense.network, {tensor.name: tensor.shape for tensor in dense.tensors}
    else:
        from compressor.importers import read_deep_compression_net
        from compressor.storage.coded_file import load_compressed

        if fix or shape:
            raise ValueError(f"{file}: --fix and --shape are for ONNX models; those of this file are settled")
        if file.suffix.lower() == ".net":
            try:
                coded = read_deep_compression_net(file)
            except FormatError as error:
                raise ValueError(f"{error}; eie-compress info --shapes shows the file of another network") from None
        else:
            coded = load_compressed(file)
        network, shapes = coded.network, {tensor.name: tensor.shape for tensor in coded.tensors}
    if network is None:
        raise ValueError(f"{file}: has no graph, so it is a set of matrices; eie-compress info shows what is in it")
    return network, shapes


def _operator(use: Use, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    shape = "x".join(map(str, shapes.get(use.tensors[0], ())))
    return {
        "name": use.tensors[0] if len(use.tensors) == 1 else use.node,
        "operator": use.operator,
        "tensors": list(use.tensors),
        "shape": shape if len(use.tensors) == 1 else f"{len(use.tensors)} x {shape}",
        "macs": use.macs,
        "products": _PRODUCTS.get(use.operator, "one for each input row"),
    }
