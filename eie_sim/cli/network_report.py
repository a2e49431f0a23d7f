"""``eie-sim report`` of a whole network: the machine beside rooflines of devices and this host."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from compressor.console.grid import column, grid
from compressor.console.targets import check_target_file, check_target_folder
from compressor.jit import available_cores
from compressor.storage.files import replacing_in
from compressor.types.coded import CompressedModel
from eie_sim.arch import ArchConfig
from eie_sim.baselines.devices import Device
from eie_sim.baselines.measure_network import measure_network
from eie_sim.baselines.network_measurement import NetworkMeasurement
from eie_sim.baselines.network_roofline import network_roofline
from eie_sim.cli.console import Printer, printable
from eie_sim.cli.network_options import AskedNetwork
from eie_sim.cli.network_run import simulate_network
from eie_sim.cli.network_table import print_nodes, summary_lines
from eie_sim.columns import digits
from eie_sim.report.network_report import LIMITS, NetworkReport
from eie_sim.report.results_file import write_text

JSON, NODES, BASELINES = "report.json", "NODES.csv", "BASELINE_NODES.csv"
"""Files of ``--out``."""

_SAMPLES, _LIMIT_S = 5, 5.0
"""Of the measurement of this host: a look; `eie-sim measure` takes more."""


def report_network(
    asked: AskedNetwork,
    machine: ArchConfig,
    devices: Sequence[Device],
    as_json: bool,
    out: Path | None,
    html: Path | None,
    printer: Printer,
) -> None:
    """Run a network and set it beside the baselines.

    Raises
    ------
    ValueError, OSError
        If the network cannot run, or something cannot be written.
    """
    if out is not None:
        check_target_folder("--out", out, [JSON, NODES, BASELINES])
    if html is not None:
        check_target_file("--html", html)
    plan = asked.plan(machine)
    asked.count(plan)  # none is refused
    result = simulate_network(asked, plan, "fast", printer)
    measured = _measured(asked, printer)
    found = NetworkReport(asked.name, result, network_roofline(plan, result, devices), measured, tuple(printer.notes))
    if out is not None:
        with replacing_in(out) as folder:
            write_text(json.dumps(found.plain(), indent=1, allow_nan=False), folder / JSON)
            write_text(result.to_csv(), folder / NODES)
            write_text(found.roofline.to_csv(), folder / BASELINES)
        printer.note(f"wrote {JSON}, {NODES} and {BASELINES} in {out}")
    if html is not None:
        from eie_sim.report.html.network_page import network_page

        write_text(network_page(found), html)
        printer.note(f"wrote {html}")
    if as_json:
        sys.stdout.write(json.dumps(found.plain(), indent=1, allow_nan=False) + "\n")
    else:
        _print(found, printer)


def _measured(asked: AskedNetwork, printer: Printer) -> NetworkMeasurement | None:
    """Times of this host for the first inference, on one thread and on all; None, and a note, where it has none."""
    model = asked.uncompressed or asked.model
    if not isinstance(model, (Path, CompressedModel)):
        printer.note("this host was not measured: a packed file has no dense weights; its .dcz or .onnx has")
        return None
    threads = sorted({1, available_cores()})
    options = {"batch_axis": asked.run_options["batch_axis"], "fix": asked.fixed, "shapes": asked.shapes}
    with printer.counting() as count:
        return measure_network(
            model, asked.inputs, threads=threads, by_node=False, samples=_SAMPLES, limit_s=_LIMIT_S, progress=count,
            **options,
        )  # fmt: skip


def _print(found: NetworkReport, printer: Printer) -> None:
    result = found.result
    printer.lines([Text.assemble((printable(found.name), "bold"), f" on {printable(result.arch.name)}"), ""])
    print_nodes(result, printer)
    printer.lines(["", *summary_lines(result), "", Text("An inference beside the baselines", "bold"), ""])
    rows = found.baselines()

    def figures(name: str) -> list[str]:
        return [digits(cell) if isinstance(cell := row[name], (int, float)) else "-" for row in rows]

    groups = [
        column("device", [str(row["device"]) for row in rows], left=True),
        column("weights", [str(row["kind"]) for row in rows], left=True),
        column("figure", [str(row["figure"]) for row in rows], left=True),
        column("time us", figures("time_us")),
        column("EIE faster, x", figures("speedup")),
        column("energy uJ", figures("energy_uj")),
        column("EIE saves, x", figures("energy_ratio")),
    ]
    printer.lines([*grid(groups, printer.out.width, printer.out).lines, ""])
    printer.remark(LIMITS)
