"""Samples through a network: the host's segments in ONNX Runtime, products on the machine, inference by inference.

Every sample keeps values of its own from input to output. So an inference is the same whatever others run beside it,
and what it took is known; products of several samples meet only in the machine's batches.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from compressor.checks import whole_number
from compressor.jit import threads_at_most
from compressor.lowering import Call
from eie_sim.network.machine import Array, Exact, Machine, Multiplier
from eie_sim.network.plan import MachineNode, NetworkPlan
from eie_sim.network.result import HostResult, NetworkResult
from eie_sim.network.samples import Axes, Inputs, Samples

Values = dict[str, Any]

CALIBRATION_SAMPLES = 16
"""Samples from which fraction bits are chosen where nothing else is given."""

CALIBRATION_ROOM = 1.3
"""How much larger numbers may become than those seen in calibration."""

_CHUNK_BYTES = 1 << 28
"""Of the values of the samples that run together, where nothing else is asked for."""

_MOST_IN_A_CHUNK = 256


def run_network(
    plan: NetworkPlan,
    inputs: Inputs,
    *,
    engine: str = "fast",
    workers: int = 1,
    chunk: int | None = None,
    batch_axis: Axes | None = None,
    feedback: Mapping[str, str] | None = None,
    samples: slice | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NetworkResult:
    """Run samples through a network on a machine.

    Parameters
    ----------
    plan : NetworkPlan
        In fixed point one that has no fraction bits yet gets them from the first 16 samples.
    inputs : mapping of str to array_like, array_like or path
        By the names of the graph's inputs; an array alone where there is one; or an ``.npz`` file. Samples are along
        axis 0; where the graph fixes its size, that many are one inference.
    engine : str
        As for `eie_sim.simulate`.
    workers : int
        Threads.
    chunk : int or None
        Samples that go through the network together. None: as many as take some hundred megabytes. No number depends
        on it.
    batch_axis : mapping of str to (int or None), or None
        The axis of the samples, by input or output; None: an input that is the same for all.
    feedback : mapping of str to str, or None
        Outputs that the next sample takes as inputs, and these: a state. Samples then run one after another.
    samples : slice or None
        Which of the samples are run, without a step; None: all. `joined` makes one result of several runs, the same as
        that of all at once.
    progress : function of (done, total), or None
        Called when samples are done.

    Returns
    -------
    NetworkResult

    Raises
    ------
    ValueError
        If inputs do not fit the network, or a number on the way is not finite.
    OSError
        If a file cannot be read.
    """
    workers = whole_number("workers", workers, 1)
    chunk = None if chunk is None else whole_number("chunk", chunk, 1)
    fed_back = dict(feedback or {})
    given = Samples(plan, inputs, batch_axis or {}, fed_back)
    numbers = range(len(given))[samples if samples is not None else slice(None)]
    if numbers.step != 1 or (fed_back and numbers.start):
        raise ValueError(f"samples: {samples}, but it must have no step, nor leave out the first with feedback")
    with threads_at_most(workers):
        if plan.arch.number_bits is not None and plan.frac_bits is None:
            _calibrate(plan, given, fed_back, range(len(given))[:CALIBRATION_SAMPLES])
        machine = Machine(plan, engine, numbers)
        walk = _Walk(plan, machine)
        outputs = _outputs(walk, given, numbers, fed_back, chunk, progress)
    known = [kept.macs for kept in plan.kept if kept.operator != "constant"]
    return NetworkResult(
        outputs=outputs,
        axes=given.axes,
        nodes=machine.results(),
        host=tuple(
            HostResult(segment.nodes, seconds, level)
            for level, (segment, seconds) in enumerate(zip(plan.segments, walk.seconds, strict=True))
            if segment.nodes
        ),
        arch=plan.arch,
        lowering=plan.lowering,
        engine=engine,
        macs_host=None if None in known else sum(macs or 0 for macs in known),
    )


def calibrate(
    plan: NetworkPlan, inputs: Inputs, batch_axis: Axes | None = None, feedback: Mapping[str, str] | None = None
) -> None:
    """Choose the fraction bits of each node: the most that hold 1.3 times every input, bias and sum that samples have.

    Parameters
    ----------
    plan : NetworkPlan
        Its `frac_bits` are set.
    inputs, batch_axis, feedback
        As for `run_network`.

    Raises
    ------
    ValueError
        If the machine computes in float32, or as for `run_network`.
    """
    if plan.arch.number_bits is None:
        raise ValueError(f"calibration: is for fixed point, but the machine computes in {plan.arch.arithmetic}")
    fed_back = dict(feedback or {})
    samples = Samples(plan, inputs, batch_axis or {}, fed_back)
    _calibrate(plan, samples, fed_back, range(len(samples)))


def record_products(
    plan: NetworkPlan,
    inputs: Inputs,
    nodes: Collection[str],
    *,
    sample: int = 0,
    engine: str = "fast",
    batch_axis: Axes | None = None,
    feedback: Mapping[str, str] | None = None,
) -> dict[str, list[Call]]:
    """Run a network, and keep the products of some nodes in one inference with their input vectors.

    Parameters
    ----------
    plan, inputs, engine, batch_axis, feedback
        As for `run_network`.
    nodes : collection of str
        Names of nodes of `plan`.
    sample : int
        The inference, counted from 0.

    Returns
    -------
    dict of str to list of Call
        By node: the number of a matrix in its `MachineNode.matrices`, and vectors for it, in the order in which the
        machine computes them. Vectors are as the host has them; the machine rounds them to its numbers.

    Raises
    ------
    ValueError
        If there is no such node or inference, or as for `run_network`.
    """
    if unknown := sorted({*nodes} - {*plan.nodes}):
        raise ValueError(f"node: {unknown[0]!r}, but the network has {', '.join(plan.nodes)}")
    fed_back = dict(feedback or {})
    given = Samples(plan, inputs, batch_axis or {}, fed_back)
    if not 0 <= sample < len(given):
        raise ValueError(f"input: {sample}, but there are inferences 0 to {len(given) - 1}")
    if plan.arch.number_bits is not None and plan.frac_bits is None:
        _calibrate(plan, given, fed_back, range(len(given))[:CALIBRATION_SAMPLES])
    numbers = range(sample + 1) if fed_back else range(sample, sample + 1)
    recorder = _Recorder(Machine(plan, engine, numbers), sample, nodes)
    _outputs(_Walk(plan, recorder), given, numbers, fed_back, None, None)
    return recorder.calls


class _Recorder:
    """Computes products with another multiplier, and keeps those of some nodes in one inference."""

    def __init__(self, multiplier: Multiplier, sample: int, nodes: Collection[str]) -> None:
        self._multiplier, self._sample = multiplier, sample
        self.calls: dict[str, list[Call]] = {name: [] for name in nodes}

    def products(self, node: MachineNode, calls: Sequence[tuple[int, Call]]) -> list[Array]:
        """As of `Multiplier`."""
        if node.name in self.calls:
            self.calls[node.name] += [call for number, call in calls if number == self._sample]
        return self._multiplier.products(node, calls)


def _calibrate(plan: NetworkPlan, samples: Samples, feedback: Mapping[str, str], numbers: range) -> None:
    assert plan.arch.number_bits is not None
    exact = Exact()
    _outputs(_Walk(plan, exact), samples, numbers, feedback, 1, None)
    plan.frac_bits = dict(exact.frac_bits(list(plan.nodes), plan.arch.number_bits, CALIBRATION_ROOM))


def _outputs(
    walk: "_Walk",
    samples: Samples,
    numbers: range,
    feedback: Mapping[str, str],
    chunk: int | None,
    progress: Callable[[int, int], object] | None,
) -> dict[str, Any]:
    """The outputs of some samples together."""
    if not numbers:  # the sizes of outputs are those of a sample, but for the axis of the samples, which is 0
        blank = samples.together(_Walk(walk.plan, Exact()).run([0], [samples.blank()]))
        return {name: y if (at := samples.axes[name]) is None else y.take([], at) for name, y in blank.items()}
    found: list[Values] = []
    state: Values = {}
    while len(found) < len(numbers):
        # The first sample alone, to see how much memory one takes; one at a time where each waits for the one before.
        size = 1 if feedback else chunk or (1 if not found else walk.samples_at_once)
        now = numbers[len(found) : len(found) + size]
        found += walk.run(now, [{**samples[number], **state} for number in now])
        state = {name: found[-1][output] for output, name in feedback.items()}
        if progress is not None:
            progress(len(found), len(numbers))
    return samples.together(found)


class _Walk:
    """The way of samples through a network.

    Attributes
    ----------
    plan : NetworkPlan
    seconds : list of float
        Measured time of each segment.
    """

    def __init__(self, plan: NetworkPlan, multiplier: Multiplier) -> None:
        self.plan, self._multiplier = plan, multiplier
        self.seconds = [0.0] * len(plan.segments)
        self._largest = 1  # bytes of the values of a sample at once
        self._nodes: list[list[MachineNode]] = [[] for _ in plan.segments]
        for node in plan.nodes.values():
            self._nodes[node.level].append(node)

    @property
    def samples_at_once(self) -> int:
        """As many samples as may run together."""
        return min(max(1, _CHUNK_BYTES // self._largest), _MOST_IN_A_CHUNK)

    def run(self, numbers: Sequence[int], feeds: Sequence[Values]) -> list[Values]:
        """The outputs of samples."""
        plan = self.plan
        values: list[Values] = [{**plan.constants, **feed} for feed in feeds]
        for level, segment in enumerate(plan.segments):
            if segment.outputs:
                began = time.perf_counter()
                for one in values:
                    one.update(segment.run(one))
                self.seconds[level] += time.perf_counter() - began
            for node in self._nodes[level]:
                self._products(node, numbers, values)
            taken = sum(value.nbytes for value in values[0].values() if isinstance(value, np.ndarray))
            self._largest = max(self._largest, taken)
            for one in values:
                for name in [name for name in one if plan.last_levels.get(name) == level]:
                    del one[name]
        return [{end.name: one[end.name] for end in plan.outputs} for one in values]

    def _products(self, node: MachineNode, numbers: Sequence[int], values: list[Values]) -> None:
        """Run an operator of all samples, which go on together where they need the same matrix."""
        operands = [[one[name] if name else None for name in node.inputs] for one in values]
        runs = [node.lowering.run(of_one) for of_one in operands]
        waiting: dict[int, Call] = {}
        given: dict[int, Any] = dict.fromkeys(range(len(runs)))  # what each run waits for: nothing, then sums
        try:
            while given:
                for at, sums in given.items():
                    try:
                        waiting[at] = runs[at].send(sums)
                    except StopIteration as end:
                        results = zip(node.outputs, end.value, strict=False)
                        values[at].update({name: result for name, result in results if name})
                matrix = min((call.matrix for call in waiting.values()), default=0)
                together = [at for at, call in waiting.items() if call.matrix == matrix]
                calls = [(numbers[at], waiting.pop(at)) for at in together]
                found = self._multiplier.products(node, calls) if calls else []
                given = dict(zip(together, found, strict=True))
        except ValueError as error:
            raise ValueError(f"node {node.name!r}: {error}") from None
