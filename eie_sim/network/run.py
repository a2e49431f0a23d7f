"""Samples through a network: the host's segments in ONNX Runtime, products on the machine, inference by inference.

Every sample keeps values of its own from input to output. So an inference is the same whatever others run beside it,
and what it took is known; products of several samples meet only in the machine's batches.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from compressor.checks import whole_number
from compressor.jit import threads_at_most
from compressor.lowering import Call
from compressor.samples import Axes, Inputs, Samples
from eie_sim.engines.base import engine_named
from eie_sim.executors import leave_a_process_that_begins
from eie_sim.network.machine import Array, Exact, Machine, Multiplier
from eie_sim.network.parts import Done, Part, jobs_of, parts_of, run_parts
from eie_sim.network.parts_folder import PartsFolder
from eie_sim.network.plan import MachineNode, NetworkPlan
from eie_sim.network.result import HostResult, NetworkResult, joined

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
    jobs: int = 1,
    executor: Executor | None = None,
    out: str | PathLike[str] | None = None,
    warn: Callable[[str], object] = lambda _text: None,
) -> NetworkResult:
    """Run samples through a network on a machine.

    No number depends on threads, chunks, processes or executors, nor on how often a run was interrupted; only the times
    that are measured on the host do.

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
        Threads of each process.
    chunk : int or None
        Samples that go through the network together. None: as many as take some hundred megabytes. With several
        processes or `out` they are a part, which one process computes; None: at most 64.
    batch_axis : mapping of str to (int or None), or None
        The axis of the samples, by input or output; None: an input that is the same for all.
    feedback : mapping of str to str, or None
        Outputs that the next sample takes as inputs, and these: a state. Samples then run one after another, in this
        process and in one part.
    samples : slice or None
        Which of the samples are run, without a step; None: all. `joined` makes one result of several runs, the same as
        that of all at once.
    progress : function of (done, total), or None
        Called when samples are done.
    jobs : int
        Processes of this computer that the samples are divided among; 1: none but this one. Each has a plan of its own
        in memory.
    executor : concurrent.futures.Executor or None
        What computes instead, such as ``dask.distributed.Client(address).get_executor()``. Its workers need this
        package. Those of a Dask cluster get the plan once each, others with each part.
    out : str or path, or None
        Folder in which each part is kept when it is done. Run again after it was interrupted, with whatever chunks,
        processes or executor, a run computes only what is not there.
    warn : function of str
        Called with what a user should know while the run waits, such as that a cluster has no worker left.

    Returns
    -------
    NetworkResult

    Raises
    ------
    ValueError
        If inputs do not fit the network, a number on the way is not finite, samples of a state are to run on several
        processes, or `out` has something else than this run.
    OSError
        If a file cannot be read or written.
    LostWorkers
        When no worker is left that could go on, or none can start, as in a script without
        ``if __name__ == "__main__":``.
    """
    workers, jobs = whole_number("workers", workers, 1), whole_number("jobs", jobs, 1)
    chunk = None if chunk is None else whole_number("chunk", chunk, 1)
    fed_back = dict(feedback or {})
    given = Samples(plan, inputs, batch_axis or {}, fed_back)
    numbers = range(len(given))[samples if samples is not None else slice(None)]
    if numbers.step != 1 or (fed_back and numbers.start):
        raise ValueError(f"samples: {samples}, but it must have no step, nor leave out the first with feedback")
    several = jobs > 1 or executor is not None
    if fed_back and several:
        option = "jobs" if executor is None else "executor"
        raise ValueError(f"{option}: with feedback each sample waits for the one before; leave out {option}")
    if jobs > 1:
        leave_a_process_that_begins("run_network")
    chosen, first = given.part(numbers), given.part(range(len(given))[:CALIBRATION_SAMPLES])
    runner = _Runner(plan, engine, workers, chunk, fed_back)
    engine_named(engine)  # refuses one that is unknown, before a folder is written
    folder = None
    if out is not None:
        folder = PartsFolder(out, plan, chosen, engine, [first.contents(), fed_back])
        plan.frac_bits = plan.frac_bits or folder.frac_bits
    if plan.arch.number_bits is not None and plan.frac_bits is None:
        with threads_at_most(workers):
            _calibrate(plan, first, fed_back)
    if folder is None and not several:
        return runner.run(chosen, progress)
    done: dict[range, NetworkResult] = {}
    if folder is not None:
        folder.begin(plan.frac_bits)
        done = folder.parts(runner.of_none(chosen))

    def report() -> None:
        if progress is not None:
            progress(sum(map(len, done)), len(chosen))

    def take(part: Done) -> None:
        assert part.result is not None
        if folder is not None:
            folder.add(part.first, part.result)
        done[range(part.first, part.first + len(part.result))] = part.result
        report()

    if fed_back:
        missing = [] if done else [Part(0, chosen)]
    else:
        missing = parts_of(chosen, done, chunk, jobs_of(jobs, executor))
    if done:
        report()
    run_parts(missing, runner, take, jobs, executor, warn)
    return joined([done[numbers] for numbers in sorted(done, key=lambda one: one.start)])


@dataclass(frozen=True)
class _Runner:
    """A plan and how samples are run through it: what travels to a worker once."""

    plan: NetworkPlan
    engine: str
    workers: int
    chunk: int | None
    feedback: Mapping[str, str]

    def run(self, samples: Samples, progress: Callable[[int, int], object] | None = None) -> NetworkResult:
        """Run samples in this process."""
        with threads_at_most(self.workers):
            machine = Machine(self.plan, self.engine, range(len(samples)))
            walk = _Walk(self.plan, machine)
            outputs = _outputs(walk, samples, self.feedback, self.chunk, progress)
        return self._result(samples, machine, walk, outputs)

    def of_none(self, samples: Samples) -> NetworkResult:
        """The result of a run on none of the samples, without outputs."""
        machine = Machine(self.plan, self.engine, range(0))
        return self._result(samples, machine, _Walk(self.plan, machine), {})

    def _result(self, samples: Samples, machine: Machine, walk: "_Walk", outputs: dict[str, Any]) -> NetworkResult:
        plan = self.plan
        known = [kept.macs for kept in plan.kept if kept.operator != "constant"]
        return NetworkResult(
            outputs=outputs,
            axes=samples.axes,
            nodes={
                name: replace(node, winograd_error=walk.errors.get(name)) for name, node in machine.results().items()
            },
            host=tuple(
                HostResult(segment.nodes, seconds, level)
                for level, (segment, seconds) in enumerate(zip(plan.segments, walk.seconds, strict=True))
                if segment.nodes
            ),
            arch=plan.arch,
            lowering=plan.lowering,
            engine=self.engine,
            macs_host=None if None in known else sum(macs or 0 for macs in known),
        )

    def __call__(self, part: Part) -> list[Done]:
        """Run a part; what is refused is an answer too, so that a worker that refuses is not taken for a lost one."""
        try:
            return [Done(part.first, self.run(part.samples))]
        except ValueError as error:
            return [Done(part.first, None, str(error))]


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
    _calibrate(plan, Samples(plan, inputs, batch_axis or {}, fed_back), fed_back)


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
        _calibrate(plan, given.part(range(len(given))[:CALIBRATION_SAMPLES]), fed_back)
    needed = given.part(range(sample + 1) if fed_back else range(sample, sample + 1))
    recorder = _Recorder(Machine(plan, engine, range(len(needed))), len(needed) - 1, nodes)
    _outputs(_Walk(plan, recorder), needed, fed_back, None, None)
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


def _calibrate(plan: NetworkPlan, samples: Samples, feedback: Mapping[str, str]) -> None:
    assert plan.arch.number_bits is not None
    exact = Exact()
    _outputs(_Walk(plan, exact), samples, feedback, 1, None)
    plan.frac_bits = dict(exact.frac_bits(list(plan.nodes), plan.arch.number_bits, CALIBRATION_ROOM))


def _outputs(
    walk: "_Walk",
    samples: Samples,
    feedback: Mapping[str, str],
    chunk: int | None,
    progress: Callable[[int, int], object] | None,
) -> dict[str, Any]:
    """The outputs of samples together."""
    numbers = range(len(samples))
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
    errors : dict of str to float
        How far the nodes that are lowered by a transform are from what it stands for.
    """

    def __init__(self, plan: NetworkPlan, multiplier: Multiplier) -> None:
        self.plan, self._multiplier = plan, multiplier
        self.seconds = [0.0] * len(plan.segments)
        self.errors = {name: 0.0 for name, node in plan.nodes.items() if node.direct is not None}
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
                        if node.direct is not None:
                            error = node.direct.error(operands[at], end.value[0])
                            self.errors[node.name] = max(self.errors[node.name], error)
                        results = zip(node.outputs, end.value, strict=False)
                        values[at].update({name: result for name, result in results if name})
                matrix = min((call.matrix for call in waiting.values()), default=0)
                together = [at for at, call in waiting.items() if call.matrix == matrix]
                calls = [(numbers[at], waiting.pop(at)) for at in together]
                found = self._multiplier.products(node, calls) if calls else []
                given = dict(zip(together, found, strict=True))
        except ValueError as error:
            raise ValueError(f"node {node.name!r}: {error}") from None
