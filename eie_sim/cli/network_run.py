"""``eie-sim run`` of a whole network: nodes, answers, accuracy, and agreement with the uncompressed network."""

import json
import shutil
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.text import Text

from compressor.console.coverage import kept_line
from compressor.console.targets import check_target_file, check_target_folder
from compressor.importers.npz import write_arrays
from compressor.jit import available_cores
from compressor.samples import Answers, largest_difference
from compressor.storage.files import check_suffix, replacing_in
from eie_sim.arch import ArchConfig
from eie_sim.capacity import model_capacity_report
from eie_sim.cli.console import Printer, printable
from eie_sim.cli.network_options import AskedNetwork
from eie_sim.cli.network_table import answer_table, machine_text, print_nodes, summary_lines
from eie_sim.columns import digits
from eie_sim.engines.base import engine_named
from eie_sim.network import NetworkPlan, NetworkResult, run_network, run_uncompressed
from eie_sim.report.results_file import write_text
from eie_sim.sources.network_file import read_classes, read_labels
from eie_sim.sweep.cluster import dask_executor

JSON, CSV, OUTPUTS, PICTURE = "results.json", "results.csv", "outputs.npz", "network.png"
"""Files of ``--out``."""

_SHOWN_ANSWERS = 4
"""Inferences whose best classes are printed; of more, the accuracy alone."""


@dataclass(frozen=True)
class Judged:
    """How outputs are judged, as typed; None where an option is not given.

    Attributes
    ----------
    labels, classes, against : Path or None
    output : str or None
    """

    labels: Path | None = None
    classes: Path | None = None
    output: str | None = None
    against: Path | None = None


INTERRUPTED = 130
"""Exit code."""

PARTS = "parts"
"""Folder in that of ``--out`` with the inferences that are done, while a run lasts."""


@dataclass(frozen=True)
class Spread:
    """How inferences are divided, as typed; None where an option is not given.

    Attributes
    ----------
    jobs, chunk : int or None
    dask : str or None
    """

    jobs: int | None = None
    chunk: int | None = None
    dask: str | None = None


def simulate_network(
    asked: AskedNetwork,
    plan: NetworkPlan,
    engine: str,
    printer: Printer,
    spread: Spread | None = None,
    parts: Path | None = None,
) -> NetworkResult:
    """Run a network, with a progress bar; what of it runs where goes to `printer`.

    What is done is kept in the folder `parts`, from which a run that was killed goes on.
    """
    network = asked.model.network
    assert network is not None
    printer.note(f"on the machine: {network.coverage([t for u in network.uses for t in u.tensors])} of {asked.name}")
    if left := kept_line(network):
        printer.note(left)
    spread = spread or Spread()
    for note in asked.axis_notes(plan):
        printer.note(note)
    if plan.arch.dram_bytes_per_s is None:
        _check_room(plan, printer)
    jobs = spread.jobs or 1
    cluster = nullcontext() if spread.dask is None else dask_executor(spread.dask)
    with cluster as executor, printer.counting() as count:
        try:
            return run_network(
                plan, asked.inputs, engine=engine, workers=max(1, available_cores() // jobs), jobs=jobs,
                executor=executor, chunk=spread.chunk, out=parts, warn=printer.warn,
                progress=lambda done, of: count(done, of, "inferences"), **asked.run_options,
            )  # fmt: skip
        except KeyboardInterrupt:
            kept = "" if parts is None else f"; what is done is in {parts}, and the same command goes on from there"
            printer.note(f"interrupted{kept}")
            raise typer.Exit(INTERRUPTED) from None


def _check_room(plan: NetworkPlan, printer: Printer) -> None:
    """Warn where the matrices of a network do not fit the SRAMs together; refuse it under ``strict_capacity``."""
    chips = plan.arch.n_chips
    needs = model_capacity_report(plan.together, plan.arch)
    for need in needs[:2]:  # entries and pointers; what activations and sums need is that of each matrix
        room = need.available * (chips if need.memory == "spmat_bytes" else 1)
        if need.used > room:
            has = f"the machine has {room:,}" + " on all chips" * (chips > 1)
            text = (
                f"{need.memory}: the network needs {need.used:,} {need.unit} in the fullest PE, {has}; it runs as if "
                "all were resident, and --set dram_bytes_per_s=12.8e9 loads the rest"
            )
            if plan.arch.strict_capacity:
                raise ValueError(text)
            printer.warn(text)


def run_whole(
    asked: AskedNetwork,
    machine: ArchConfig,
    judged: Judged,
    spread: Spread,
    engine: str,
    as_json: bool,
    csv: Path | None,
    out: Path | None,
    printer: Printer,
) -> None:
    """Run a network and print or write what it took and answered.

    Raises
    ------
    ValueError, OSError
        If an option does not fit, something cannot be read or written, or the network cannot run.
    """
    engine_named(engine)
    if spread.dask is not None and spread.jobs is not None:
        raise ValueError("--dask and --jobs: the cluster has as many workers as it has; give one of them")
    if out is not None:
        check_target_folder("--out", out, [JSON, CSV, OUTPUTS, PICTURE])
    if csv is not None and str(csv) != "-":
        check_suffix(csv, ".csv", "a table of nodes")
        check_target_file("--csv", csv)
    classes = None if judged.classes is None else read_classes(judged.classes)
    plan = asked.plan(machine)
    name = judged.output or plan.outputs[0].name
    if name not in [one.name for one in plan.outputs]:
        raise ValueError(f"--output: {name!r}, but the network has {', '.join(one.name for one in plan.outputs)}")
    count = asked.count(plan)
    labels = None if judged.labels is None else read_labels(judged.labels, count)
    parts = None
    if out is not None and all(end.dtype.kind not in "OV" for end in plan.outputs):
        parts = out / PARTS
        if parts.exists():
            printer.note(f"goes on with the inferences in {parts}")
    result = simulate_network(asked, plan, engine, printer, spread, parts)
    found = _judgement(asked, plan, result, name, labels, classes, judged)
    document = {**result.plain(), **found, "file": asked.name, "notes": list(printer.notes)}
    if out is not None:
        _save(result, document, out, printer)
        if parts is not None:
            shutil.rmtree(parts)
    if csv is not None and str(csv) != "-":
        write_text(result.to_csv(), csv)
        printer.note(f"wrote {csv}")
    if as_json:
        sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
    elif str(csv) == "-":
        sys.stdout.write(result.to_csv())
    else:
        _print(asked, result, found, printer)


def _judgement(
    asked: AskedNetwork,
    plan: NetworkPlan,
    result: NetworkResult,
    name: str,
    labels: NDArray[np.int64] | None,
    classes: list[str] | None,
    judged: Judged,
) -> dict[str, Any]:
    """What the outputs say, for JSON."""
    answers = Answers.of(result.outputs[name])
    found: dict[str, Any] = {"output": name}
    if answers is None or not len(answers):
        for option, given in (("--labels", judged.labels), ("--classes", judged.classes)):
            if given is not None:
                shape = np.asarray(result.outputs[name]).shape
                raise ValueError(f"{option}: output {name!r} has shape {shape}, no scores of classes; --output chooses")
    else:
        if classes is not None and len(classes) != answers.scores.shape[1]:
            has = answers.scores.shape[1]
            raise ValueError(f"--classes: {judged.classes} names {len(classes)} classes, but the network has {has}")
        probabilities = answers.probabilities
        found["best"] = [
            [
                {
                    "class": int(c),
                    "name": "" if classes is None else classes[c],
                    "probability": float(probabilities[at, c]),
                }
                for c in best
            ]
            for at, best in enumerate(answers.best)
        ]
        if labels is not None:
            if not 0 <= labels.min() <= labels.max() < answers.scores.shape[1]:
                worst = labels.max() if labels.max() >= answers.scores.shape[1] else labels.min()
                raise ValueError(f"--labels: {worst}, but the classes are 0 to {answers.scores.shape[1] - 1}")
            found["accuracy"] = answers.accuracy(labels)
    against = judged.against or asked.uncompressed
    if against is not None and len(result):
        outputs = run_uncompressed(plan, against, asked.inputs, **asked.run_options)
        pair = [one for one in (result.outputs[name], outputs[name]) if isinstance(one, np.ndarray)]
        numbers = len(pair) == 2 and all(one.dtype.kind in "fiub" for one in pair)
        same_shape = numbers and pair[0].shape == pair[1].shape
        difference = largest_difference(*pair) if same_shape else None
        found["uncompressed"] = {"file": against.name, "difference": difference}
        if answers is not None and (other := Answers.of(outputs[name])) is not None:
            found["uncompressed"]["agree"] = answers.agreeing(other)
            if labels is not None:
                found["uncompressed"]["accuracy"] = other.accuracy(labels)
    return found


def _save(result: NetworkResult, document: dict[str, Any], out: Path, printer: Printer) -> None:
    """All files of the folder, or none of them."""
    from eie_sim.report import figures, plots  # matplotlib takes its time to load

    outputs = result.outputs.items()
    arrays = {name: value for name, value in outputs if isinstance(value, np.ndarray) and value.dtype.kind != "O"}
    with replacing_in(out) as folder:
        write_text(json.dumps(document, indent=1, allow_nan=False), folder / JSON)
        write_text(result.to_csv(), folder / CSV)
        with (folder / OUTPUTS).open("wb") as file:
            write_arrays(arrays, file)
        plots.save(plots.network_path(figures.network_path(result, document["file"])), folder / PICTURE)
    printer.note(f"wrote {JSON}, {CSV}, {OUTPUTS} and {PICTURE} in {out}")
    for name in (name for name in result.outputs if name not in arrays):
        printer.note(f"output {name!r} does not hold numbers: it is not in {OUTPUTS}")


def _print(asked: AskedNetwork, result: NetworkResult, found: dict[str, Any], printer: Printer) -> None:
    arch = result.arch
    parts = ", ".join([machine_text(arch), result.lowering, f"engine {result.engine}"])
    printer.lines([Text.assemble((printable(asked.name), "bold"), f" on {printable(arch.name)}: {parts}"), ""])
    print_nodes(result, printer)
    printer.lines(["", *summary_lines(result), ""])
    count = len(result)
    answered = len(found.get("best", ())) or count
    if "best" in found and count <= _SHOWN_ANSWERS:
        rows = [
            (at, one["class"], printable(one["name"]) or "-", one["probability"])
            for at, best in enumerate(found["best"])
            for one in best
        ]
        answer_table(rows, printer)
    elif "best" in found:
        printer.remark(f"The best classes of {answered:,} answers are in --json and --out.")

    def of_all(right: int) -> str:
        return f"{right:,} of {answered:,} ({100 * right / answered:.1f} %)"

    lines = []
    if "accuracy" in found:
        right = found["accuracy"]
        five = f"; among the five best: {of_all(right['top5'])}" if "top5" in right else ""
        lines.append(f"right: {of_all(right['top1'])}{five}")
    if "uncompressed" in found:
        other = found["uncompressed"]
        same = f"same class in {of_all(other['agree'])}; " if "agree" in other else ""
        lines.append(
            f"beside {printable(other['file'])}, not compressed, in ONNX Runtime: {same}largest difference of "
            f"{found['output']!r} {_percent(other['difference'])} of its largest number"
        )
        if "accuracy" in other:
            lines.append(f"right without compression: {of_all(other['accuracy']['top1'])}")
    elif count:
        lines.append("agreement with the uncompressed network: unknown; --against FILE.onnx compares")
    printer.lines(lines)


def _percent(part: float | None) -> str:
    return "unknown" if part is None else f"{digits(100 * part)} %"
