"""``eie-sim measure --inputs``: how long ONNX Runtime takes for a network on this host."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from compressor.console.graph_inputs import batch_axes
from compressor.console.grid import Group, column, grid
from compressor.console.printer import plural
from eie_sim.baselines.network_measurement import NETWORK_SUFFIXES, WHOLE, NetworkMeasurement, NodeTimes, Times
from eie_sim.cli.console import Printer, printable, short
from eie_sim.columns import digits

if TYPE_CHECKING:
    from rich.text import Text

    from eie_sim.baselines.measure_network import NetworkDevice


def check_network(
    file: str | None, inputs: Path | None, of_networks: Mapping[str, Any], of_layers: Mapping[str, Any]
) -> bool:
    """Whether a network is to be timed, not layers.

    Parameters
    ----------
    file : str or None
    inputs : Path or None
    of_networks, of_layers : mapping of str to object
        Values of options that are for one of both alone, by their flags; None or False where not given.

    Raises
    ------
    ValueError
        If options do not fit what is to be timed.
    """
    suffix = "" if file is None else Path(file).suffix.lower()
    if inputs is None:
        if suffix == ".onnx":
            raise ValueError(f"{file}: a network is timed on real inputs; give them with --inputs FILE.npz")
        if wrong := [flag for flag, value in of_networks.items() if value]:
            raise ValueError(f"{wrong[0]}: is for networks; give the inputs of one with --inputs FILE.npz")
        return False
    if suffix not in NETWORK_SUFFIXES:
        named = "no file is named" if file is None else f"{file} is not such a file"
        raise ValueError(f"--inputs: is for networks ({', '.join(NETWORK_SUFFIXES)}), but {named}")
    if wrong := [flag for flag, value in of_layers.items() if value not in (None, False)]:
        raise ValueError(
            f"{wrong[0]}: is for layers, but with --inputs a network is timed: batch 1, caches as they are"
        )
    return True


def time_network(
    file: str,
    inputs: Path,
    device: str,
    out: Path | None,
    as_json: bool,
    printer: Printer,
    *,
    fix: Sequence[str] | None,
    shape: Sequence[str] | None,
    batch_axis: Sequence[str] | None,
    **conditions: Any,
) -> None:
    """Time a network, and print and write what was found.

    Parameters
    ----------
    file : str
    inputs : Path
    device : str
    out : Path or None
    as_json : bool
    printer : Printer
    fix, shape, batch_axis : sequence of str, or None
        As the user typed them.
    **conditions
        Threads, samples and limit of `measure_network`.

    Raises
    ------
    ValueError, OSError
        As of `eie_sim.baselines.measure_network.measure_network`.
    """
    from compressor.console.graph_inputs import graph_inputs
    from compressor.console.targets import check_target_file
    from compressor.storage.files import replacing
    from eie_sim.baselines.measure_network import measure_network

    if out is not None:
        check_target_file("--out", out)
    fixed, sizes = graph_inputs(fix, shape)
    axes = batch_axes(batch_axis)
    with printer.counting() as count:
        found = measure_network(
            file, inputs, fix=fixed, shapes=sizes, batch_axis=axes, device=cast("NetworkDevice", device),
            progress=count, **conditions,
        )  # fmt: skip
    for times in found.networks:
        if (times.switches or 0) > len(times.samples_us) / 2:
            printer.warn(
                f"{plural(times.threads, 'thread')}: the system took a core away {times.switches} times during "
                f"{plural(len(times.samples_us), 'call')}; is the machine busy?"
            )
    if out is not None:
        with replacing(out) as target:
            target.write((found.to_csv() if out.suffix.lower() == ".csv" else found.to_json() + "\n").encode())
        printer.note(f"wrote {out}")
    if as_json:
        typer.echo(found.to_json())
    else:
        _print(found, printer)


def _print(found: NetworkMeasurement, printer: Printer) -> None:
    from rich.text import Text

    runtime = found.host.versions.get("onnxruntime", "")
    laid_out = grid(_groups(found), printer.out.width, printer.out)
    title = f": us for one inference in ONNX Runtime {runtime} on this {found.device.upper()}".replace("CUDA", "GPU")
    printer.lines([Text.assemble((printable(found.model), "bold"), title), "", *laid_out.lines, ""])
    if remark := laid_out.remark("--json and --out"):
        printer.remark(remark)
    for line in _remarks(found):
        printer.remark(printable(line))


def _groups(found: NetworkMeasurement) -> list[Group]:
    of_count = {
        count: {(node.node, node.kernel): node for node in found.nodes if node.threads == count}
        for count in found.threads
    }
    rows = list(of_count[found.threads[0]])
    first = [of_count[found.threads[0]][key] for key in rows]
    groups = [column("node", [WHOLE, *(short(node.node) if node.node else "(runtime)" for node in first)], left=True)]
    if rows:
        groups.append(column("kernel", ["", *(short(node.kernel) for node in first)], left=True, rank=1))
        if found.layers:
            groups.append(column("simulated on", ["", *map(_simulated_on, first)], left=True))
    for at, whole in enumerate(found.networks):
        own = of_count[whole.threads]
        in_all = sum(node.median_us for node in own.values())
        cells = [_cells(whole, None), *(_cells(own.get(key), in_all) for key in rows)]
        groups.append(Group(plural(whole.threads, "thread"), ("median", "+-%", "%"), cells, 2 * at))
    return groups


def _simulated_on(node: NodeTimes) -> str:
    """Where `eie-sim run` computes a node, and what it calls it where that is another name."""
    if node.layer is None:
        return "host" if node.node else ""
    return "machine" if node.layer == node.node else f"machine: {short(node.layer)}"


def _cells(times: Times | None, in_all: float | None) -> "list[Text]":
    """Median, half the distance of the quartiles in percent of their middle, and the part of all nodes."""
    from rich.text import Text

    if times is None:
        return [Text("-"), Text("-", "dim"), Text("-")]
    part = f"{100 * times.median_us / in_all:.1f}" if in_all else ""
    return [Text(digits(times.median_us)), Text(f"{100 * times.spread:.0f}", "dim"), Text(part)]


def _remarks(found: NetworkMeasurement) -> list[str]:
    weights = "Weights as in the file" if found.weights == "original" else "Decoded weights of the compressed model"
    shapes = "; ".join(f"{name} {'x'.join(map(str, shape)) or 'a number'}" for name, shape in found.shapes.items())
    lines = [
        f"{weights}, in dense arrays. Inputs, of the first sample: {shapes or 'none'}.",
        f"Median of {_counts(found)} calls after 2 to warm up, the same inference each time; +-%: half the distance of "
        "the quartiles.",
    ]
    if found.nodes:
        lines.append(
            "Nodes: from calls of their own under ONNX Runtime's profiler, in whole us; %: of the sum of the nodes. "
            "Operators that are fused have one line, that of the first; (runtime): put in by ONNX Runtime."
        )
    if untimed := found.untimed_layers():
        lines.append(f"No line of their own, for they were fused into others: {', '.join(untimed)}.")
    if found.without_layers:
        lines.append(f"The machine does not run this network: {found.without_layers}.")
    host = found.host
    lines.append(f"{host.cpu}, {plural(host.cores, 'core')}; Python {host.python}.")
    return lines


def _counts(found: NetworkMeasurement) -> str:
    counts: Sequence[int] = [len(times.samples_us) for times in found.networks]
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
