"""A recurrent layer over time: what each step takes with real inputs and states, beside inputs that are all ones.

EIE measures its recurrent layers with every input active (Table III). Over time an input is what the step before left:
states, and whatever zeros the data have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compressor.lowering import Lowering
from compressor.lowering.product import Array, Operands
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.cost import energy
from eie_sim.cost.calibrations import DEFAULT
from eie_sim.engines.base import simulate_batch
from eie_sim.result import BatchResult


@dataclass(frozen=True)
class Step:
    """The products of one matrix at one step, one for each sample; means over the samples.

    Attributes
    ----------
    matrix : int
        Number of the matrix.
    samples : int
    active : float
        Inputs that are broadcast, the 1 of a bias column included.
    cycles : float
    load_balance : float
        Entries processed over PE-cycles, 0 .. 1.
    energy_nj : float
    saturations : int
        Sums of all samples that were cut to the range of the fixed point.
    """

    matrix: int
    samples: int
    active: float
    cycles: float
    load_balance: float
    energy_nj: float
    saturations: int


def steps_over_time(
    lowering: Lowering,
    matrices: Sequence[PackedLayer],
    operands: Operands,
    arch: ArchConfig,
    calibration: str = DEFAULT,
) -> tuple[list[Array], list[Step]]:
    """Run a recurrent operator over its steps, as a whole network does, and keep what each step takes.

    Parameters
    ----------
    lowering : Lowering
        Of the operator, as `eie_sim.network.MachineNode` has it.
    matrices : sequence of PackedLayer
        Its matrices, packed.
    operands : sequence of (ndarray or None)
        Its inputs in ONNX's order; None for weights and for what is left out.
    arch : ArchConfig
        In fixed point with the fraction bits of the operator.
    calibration : str
        Of the energies.

    Returns
    -------
    results : list of ndarray
        Of the operator: of an LSTM all states, the last states and the last cells.
    steps : list of Step
        In the order in which the machine computes them.

    Raises
    ------
    ValueError
        If an operand does not fit the operator, or as for `eie_sim.simulate_batch`.
    """
    steps: list[Step] = []
    run = lowering.run(operands)
    sums: Any = None  # what the operator waits for: nothing at first
    while True:
        try:
            call = run.send(sums)
        except StopIteration as end:
            return end.value, steps
        batch = simulate_batch(matrices[call.matrix], call.vectors.block(), arch, counts="sum")
        steps.append(_step(call.matrix, batch, calibration))
        sums = batch.output


def step_of_ones(layer: PackedLayer, arch: ArchConfig, calibration: str = DEFAULT) -> Step:
    """What a step takes when all of its inputs are 1, as in the paper.

    Raises
    ------
    ValueError
        As for `eie_sim.simulate_batch`.
    """
    batch = simulate_batch(layer, np.ones((1, layer.n_cols)), arch, output=False, counts="sum")
    return _step(0, batch, calibration)


def _step(matrix: int, batch: BatchResult, calibration: str) -> Step:
    n, total = len(batch), batch.total()
    return Step(
        matrix,
        n,
        total.counts.broadcasts / n,
        total.cycles / n,
        int(np.sum(total.counts.entries)) / (batch.arch.n_pe * total.cycles),
        energy(total, calibration).total_nj / n,
        int(np.sum(total.counts.saturations)),
    )
