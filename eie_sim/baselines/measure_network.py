"""`measure_network`: how long ONNX Runtime takes for a network on this host, whole and by node.

A session of ONNX Runtime has threads of its own, so that everything runs in this process (`measure_cpu` needs one for
each number of threads: BLAS libraries read it once).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from compressor.importers import read_deep_compression_net, read_onnx
from compressor.importers.onnx import decoded_onnx, given_inputs
from compressor.importers.onnx_branches import (
    fix_inputs,
    inline_functions,
    numbers_in,
    set_shapes,
    take_branches,
)
from compressor.importers.onnx_file import MAX_BYTES, OnnxFile
from compressor.importers.onnx_fold import Constants, stored_tensors
from compressor.samples import Axes, End, Inputs, Samples, end_of
from compressor.storage.coded_file import load_compressed
from compressor.storage.files import errors_name
from compressor.types.coded import CompressedModel
from compressor.types.network import Network
from eie_sim.baselines.cpu_measurement import LEAST_SAMPLES
from eie_sim.baselines.host import describe_host
from eie_sim.baselines.measure_cpu import LIMIT_S, Progress, check_conditions
from eie_sim.baselines.network_measurement import NETWORK_SUFFIXES, NetworkMeasurement, NetworkTimes, NodeTimes
from eie_sim.baselines.onnx_profile import NumberedGraph, kernel_times, times_by_node
from eie_sim.baselines.sampling import WARM_UP_CALLS, Sampler, involuntary_switches
from eie_sim.network.plan import node_names

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

NetworkDevice = Literal["cpu", "cuda"]
PROVIDERS: Mapping[NetworkDevice, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def measure_network(
    model: str | PathLike[str] | CompressedModel,
    inputs: Inputs,
    *,
    fix: Mapping[str, Any] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch_axis: Axes | None = None,
    threads: Sequence[int] | None = None,
    device: NetworkDevice = "cpu",
    by_node: bool = True,
    samples: int = LEAST_SAMPLES,
    limit_s: float = LIMIT_S,
    progress: Progress | None = None,
) -> NetworkMeasurement:
    """Time ONNX Runtime on a network: the same inference again and again, with default optimisations.

    Parameters
    ----------
    model : str, path or CompressedModel
        An ``.onnx`` file is timed with its own graph and weights; local functions, and branches that are certain to be
        taken, are put in place first. A compressed model (``.dcz``, ``.net``) is timed with its graph and its decoded
        weights: as dense arrays, because ONNX Runtime has no sparse kernels for them.
    inputs : mapping of str to array_like, array_like or path
        As for `eie_sim.network.run_network`; the first sample is taken (batch 1).
    fix, shapes : mapping, or None
        As for `compressor.importers.read_onnx`.
    batch_axis : mapping of str to (int or None), or None
        As for `eie_sim.network.run_network`.
    threads : sequence of int or None
        Numbers of threads; None: one, and one for every core there is. On ``"cuda"``: one.
    device : {"cpu", "cuda"}
        ``"cuda"`` is ONNX Runtime's CUDA provider; a call copies its inputs there and its outputs back. No nodes are
        timed there, for the profiler sees launches, not the kernels themselves.
    by_node : bool
        Time the nodes too, in calls of their own under ONNX Runtime's profiler.
    samples : int
        Calls that are timed, after two that are not.
    limit_s : float
        Seconds that the samples of one number of threads may take, those of the nodes apart; then there are fewer, one
        at least.
    progress : function or None
        Called with steps done, steps in all, and what is being done.

    Raises
    ------
    ValueError
        If inputs do not fit the network, ONNX Runtime refuses it, the device is absent, or a number is out of its
        limits.
    OSError
        If a file cannot be read.
    """
    conditions = check_conditions(threads=threads, samples=samples, limit_s=limit_s)
    _check_device(device)
    by_node = by_node and device == "cpu"
    job = _read(model, fix or {}, shapes or {}, by_node)
    feeds = _first_sample(job, inputs, batch_axis or {})
    counts = conditions.threads if device == "cpu" else (1,)
    sampler = Sampler(conditions.samples, conditions.limit_s, switches=lambda: None)  # every sample is kept
    networks, nodes = [], []
    for at, count in enumerate(counts):
        if progress is not None:
            progress(at, len(counts), f"{job.name}, {count} thread{'s' if count > 1 else ''}")
        bench = _Bench(job, feeds, sampler, device, count)
        networks.append(bench.network())
        nodes += bench.nodes() if by_node else []
    if progress is not None:
        progress(len(counts), len(counts), job.name)
    return NetworkMeasurement(
        model=job.name,
        weights=job.weights,
        device=device,
        shapes={name: array.shape for name, array in feeds.items()},
        host=describe_host(),
        samples_wanted=conditions.samples,
        limit_s=conditions.limit_s,
        networks=tuple(networks),
        nodes=tuple(nodes),
        layers=() if job.network is None else tuple(node_names(job.network.uses)),
        without_layers=job.without_network,
    )


def _check_device(device: NetworkDevice) -> None:
    import onnxruntime

    if device not in PROVIDERS:
        raise ValueError(f"device: {device!r}, but it must be one of {', '.join(PROVIDERS)}")
    if PROVIDERS[device] not in (there := onnxruntime.get_available_providers()):
        raise ValueError(
            f"device: {device!r}, but the ONNX Runtime installed here has no {PROVIDERS[device]} (it has "
            f"{', '.join(there)}); pip install onnxruntime-gpu, on a host with an NVIDIA GPU and CUDA"
        )


# The network ----------------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    """A network to time.

    Attributes
    ----------
    name, weights : str
        As of `NetworkMeasurement`.
    model : ModelProto
    fixed : dict of str to object
        Inputs that are constants.
    network : Network or None
        What the machine would run; None where it cannot, or nobody asked.
    without_network : str
        Why it cannot.
    """

    name: str
    weights: str
    model: "ModelProto"
    fixed: dict[str, Any]
    network: Network | None = None
    without_network: str = ""
    graph: NumberedGraph = field(init=False)

    def __post_init__(self) -> None:
        self.graph = NumberedGraph(self.model)
        if (size := self.model.ByteSize()) > MAX_BYTES:
            raise ValueError(f"{self.name}: takes {size} bytes, but ONNX Runtime is given at most {MAX_BYTES}")
        self.content: bytes = self.model.SerializeToString()

    def layers(self) -> dict[int, str]:
        """What the machine calls operators of the graph, by their numbers."""
        if self.network is None:
            return {}
        uses, nodes = self.network.uses, self.graph.nodes
        names = dict(zip(node_names(uses), uses, strict=True))
        found = {
            number: name
            for name, use in names.items()
            if (number := self.graph.by_result(use.result, use.operator)) is not None
        }
        # The machine's graph has results of other names where a branch of an If was taken.
        by_node = {use.node: name for name, use in names.items() if name not in found.values()}
        for number, node in enumerate(nodes):
            if node.name in by_node and number not in found:
                found[number] = by_node[node.name]
        return found


def _read(
    model: str | PathLike[str] | CompressedModel,
    fix: Mapping[str, Any],
    shapes: Mapping[str, Sequence[int]],
    with_network: bool,
) -> _Job:
    if isinstance(model, CompressedModel):
        return _decoded("network", model, fix, shapes)
    path = Path(model)
    suffix = path.suffix.lower()
    if suffix not in NETWORK_SUFFIXES:
        raise ValueError(f"{path}: a network is measured from a file that ends in {', '.join(NETWORK_SUFFIXES)}")
    if suffix != ".onnx":
        coded = read_deep_compression_net(path) if suffix == ".net" else load_compressed(path)
        with errors_name(path):
            return _decoded(path.name, coded, fix, shapes)
    with errors_name(path):
        file = OnnxFile(path)
        inline_functions(file.model, file.size)
        _settle(file, fix, shapes)
        file.embed_all()
    network, why = None, ""
    if with_network:
        try:
            network = read_onnx(path, fix=fix, shapes=shapes).network
        except ValueError as error:  # such as quantised weights: ONNX Runtime has a time for it all the same
            why = str(error)
    return _Job(path.name, "original", file.model, _numbers(fix), network, why)


def _decoded(name: str, coded: CompressedModel, fix: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> _Job:
    file = OnnxFile.of_model(decoded_onnx(coded), Path(name))
    _settle(file, fix, shapes)
    return _Job(name, "decoded", file.model, _numbers(given_inputs(coded.provenance)[0] | dict(fix)), coded.network)


def _settle(file: OnnxFile, fix: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> None:
    fix_inputs(file.model, fix)
    set_shapes(file.model, shapes)
    # ONNX Runtime does the same, but gives the operators of a branch other names.
    take_branches(file, Constants(file))


def _numbers(fix: Mapping[str, Any]) -> dict[str, Any]:
    return {name: numbers_in(value) if isinstance(value, str) else value for name, value in fix.items()}


class _Ends(NamedTuple):
    """What a network takes and gives, for `Samples`."""

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    constants: dict[str, Any]
    fixed: dict[str, Any]


def _first_sample(job: _Job, inputs: Inputs, batch_axis: Axes) -> dict[str, Any]:
    """The inputs of one inference."""
    graph = job.model.graph
    stored = stored_tensors(graph)
    ends = _Ends(
        tuple(end_of(value) for value in graph.input if value.name not in stored),
        tuple(end_of(value) for value in graph.output),
        {},
        job.fixed,
    )
    found = Samples(ends, inputs, batch_axis, {})
    if not len(found):
        raise ValueError("inputs: hold no sample, but one is timed")
    return found[0]


# The clock ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bench:
    """One network on one number of threads."""

    job: _Job
    feeds: dict[str, Any]
    sampler: Sampler
    device: NetworkDevice
    threads: int

    def network(self) -> NetworkTimes:
        """Times of the whole network."""
        session = self._session(None)
        before = involuntary_switches()
        seconds = self._sample(session)
        after = involuntary_switches()
        switches = None if before is None or after is None else after - before
        return NetworkTimes(self.threads, tuple(round(one * 1e6, 3) for one in seconds), switches)

    def nodes(self) -> list[NodeTimes]:
        """Times of the nodes; the profiler makes the whole take longer."""
        with TemporaryDirectory(prefix="eie-sim-profile-") as folder:
            session = self._session(str(Path(folder) / "profile"))
            self._sample(session)
            # Its own file, which nobody else has written.
            profile = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        found, layers = [], self.job.layers()
        for number, kernel, times_us in times_by_node(kernel_times(profile)[WARM_UP_CALLS:], self.job.graph):
            node = None if number is None else self.job.graph.nodes[number]
            found.append(
                NodeTimes(
                    self.threads,
                    tuple(times_us),
                    node="" if node is None else node.name,
                    operator="" if node is None else node.operator,
                    kernel=kernel.operator,
                    layer=None if number is None else layers.get(number),
                )
            )
        return found

    def _sample(self, session: "InferenceSession") -> list[float]:
        """Seconds of each call."""
        try:
            return self.sampler.hot(lambda: session.run(None, self.feeds)).kept_s
        except Exception as error:  # ONNX Runtime's errors share no class but this one
            raise _refusal(self.job, error) from None

    def _session(self, profile: str | None) -> "InferenceSession":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile
        providers = list(dict.fromkeys([PROVIDERS[self.device], PROVIDERS["cpu"]]))
        try:
            session = onnxruntime.InferenceSession(self.job.content, options, providers=providers)
        except Exception as error:  # as above
            raise _refusal(self.job, error) from None
        if session.get_providers()[0] != PROVIDERS[self.device]:  # it falls back without an error
            raise ValueError(
                f"device: {self.device!r}, but ONNX Runtime found no such device; check the driver with nvidia-smi"
            )
        return session


def _refusal(job: _Job, error: Exception) -> ValueError:
    first = job.graph.with_names(str(error).strip().partition("\n")[0])
    return ValueError(f"{job.name}: ONNX Runtime refuses it: {first:.300}")
