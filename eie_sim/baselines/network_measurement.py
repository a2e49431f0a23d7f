"""`NetworkMeasurement`: how long ONNX Runtime took for a network on this host, whole and by node."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from compressor._version import __version__
from eie_sim.baselines.cpu_measurement import quartiles
from eie_sim.baselines.host import Host
from eie_sim.columns import Row
from eie_sim.text_formats import JsonKind, csv_text

KIND = JsonKind("network measurement", "eie-sim-network-measurement", version=1, most_bytes=2**28)

NETWORK_SUFFIXES = (".onnx", ".dcz", ".net")
"""Files of networks that are measured."""

WHOLE = "(network)"
"""In place of a node's name: the whole network."""

COLUMNS = {
    "threads": "Threads of ONNX Runtime.",
    "node": f"Operator of the graph; {WHOLE}: all, timed apart without the profiler; empty: put in by the runtime.",
    "operator": "ONNX operator; empty where the runtime put it in.",
    "kernel": "What ONNX Runtime ran for it: operators that are fused have one kernel together, named by the first.",
    "layer": "What the machine calls the node; empty where the machine leaves it to the host.",
    "median_us": "Median time of an inference, in microseconds.",
    "q1_us": "First quartile.",
    "q3_us": "Third quartile.",
    "samples": "Calls that were timed.",
}
"""Names and definitions of the columns of a measurement."""


@dataclass(frozen=True)
class Times:
    """Times of one thing, again and again.

    Attributes
    ----------
    threads : int
        Of ONNX Runtime.
    samples_us : tuple of float
        Wall clock of each call, in microseconds, in the order of time; one at least.
    """

    threads: int
    samples_us: tuple[float, ...]

    @property
    def quartiles_us(self) -> tuple[float, float, float]:
        """First quartile, median, third quartile."""
        q1, median, q3 = quartiles(self.samples_us)
        assert q1 is not None
        assert median is not None
        assert q3 is not None  # there is a sample
        return q1, median, q3

    @property
    def median_us(self) -> float:
        """Median of the samples."""
        return self.quartiles_us[1]

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles over their middle; 0 where both are 0."""
        q1, _, q3 = self.quartiles_us
        return (q3 - q1) / (q3 + q1) if q3 else 0.0


@dataclass(frozen=True)
class NetworkTimes(Times):
    """Times of a whole network.

    Attributes
    ----------
    switches : int or None
        How often the system took a core away from this process meanwhile; None where it does not count.
    """

    switches: int | None = None


@dataclass(frozen=True)
class NodeTimes(Times):
    """Times of a node, as the profiler of ONNX Runtime has them: in whole microseconds.

    Attributes
    ----------
    node, operator, kernel : str
        As of `COLUMNS`.
    layer : str or None
        What the machine calls it; None where the machine leaves it to the host.
    """

    node: str = ""
    operator: str = ""
    kernel: str = ""
    layer: str | None = None


@dataclass(frozen=True)
class NetworkMeasurement:
    """A network in ONNX Runtime on this host: one inference (batch 1) again and again, all caches as it leaves them.

    Attributes
    ----------
    model : str
        Name of the file.
    weights : str
        ``"original"``, as the file has them, or ``"decoded"``, those of a compressed model: dense arrays either way.
    device : str
        ``"cpu"`` or ``"cuda"``.
    shapes : mapping of str to tuple of int
        Of the inputs.
    host : Host
    samples_wanted : int
    limit_s : float
        Seconds that the samples of one number of threads could take, those of the nodes apart.
    networks : tuple of NetworkTimes
        One for each number of threads.
    nodes : tuple of NodeTimes
        In the order in which they ran, for each number of threads; none on ``"cuda"``, or where nobody asked.
    layers : tuple of str
        What the machine calls its nodes; none where it cannot run the network.
    without_layers : str
        Why not; else empty.
    version : str
        Of the package that measured.
    """

    model: str
    weights: str
    device: str
    shapes: Mapping[str, tuple[int, ...]]
    host: Host
    samples_wanted: int
    limit_s: float
    networks: tuple[NetworkTimes, ...]
    nodes: tuple[NodeTimes, ...]
    layers: tuple[str, ...] = ()
    without_layers: str = ""
    version: str = field(default=__version__)

    @property
    def threads(self) -> tuple[int, ...]:
        """Numbers of threads, ascending."""
        return tuple(times.threads for times in self.networks)

    def network(self, threads: int = 1) -> NetworkTimes:
        """The times of the whole network.

        Raises
        ------
        ValueError
            If it was not measured with that number of threads.
        """
        for times in self.networks:
            if times.threads == threads:
                return times
        raise ValueError(f"threads: {threads}, but measured were {', '.join(map(str, self.threads))}")

    def median_us(self, threads: int = 1) -> float:
        """Median time of an inference in microseconds; errors as of `network`."""
        return self.network(threads).median_us

    def layer_us(self, threads: int = 1) -> dict[str, float]:
        """Median time of each machine node that has a kernel of its own, in microseconds, by the machine's names."""
        found: dict[str, float] = {}
        for times in self.nodes:
            if times.threads == threads and times.layer is not None:  # an operator within a Loop has several
                found[times.layer] = found.get(times.layer, 0.0) + times.median_us
        return found

    def untimed_layers(self) -> list[str]:
        """Machine nodes without a kernel of their own: they were fused into others, or the runtime folded them."""
        timed = {times.layer for times in self.nodes}
        return [layer for layer in self.layers if layer not in timed] if self.nodes else []

    def rows(self) -> list[Row]:
        """A row for each number of threads, then for each of its nodes, with `COLUMNS`."""
        found: list[Row] = []
        for whole in self.networks:
            found.append({"threads": whole.threads, "node": WHOLE, "operator": "", "kernel": "", **_summary(whole)})
            found += [
                {
                    "threads": times.threads,
                    "node": times.node,
                    "operator": times.operator,
                    "kernel": times.kernel,
                    **_summary(times),
                    "layer": times.layer,
                }
                for times in self.nodes
                if times.threads == whole.threads
            ]
        return found

    def to_csv(self) -> str:
        """The rows as CSV."""
        return csv_text(list(COLUMNS), self.rows())

    def to_json(self) -> str:
        """All of it, as JSON; the samples of the whole network are among it."""
        samples = [
            {"samples_us": list(times.samples_us), "switches": times.switches, "threads": times.threads}
            for times in self.networks
        ]
        document = {
            **KIND.head,
            "eie_sim_version": self.version,
            "model": self.model,
            "weights": self.weights,
            "device": self.device,
            "batch": 1,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "host": self.host.model_dump(mode="json"),
            "samples_wanted": self.samples_wanted,
            "limit_s": self.limit_s,
            "networks": samples,
            "rows": self.rows(),
            "without_layers": self.without_layers,
            "untimed_layers": self.untimed_layers(),
            "columns": COLUMNS,
        }
        return json.dumps(document, indent=1, allow_nan=False)


def _summary(times: Times) -> Row:
    q1_us, median_us, q3_us = (round(one, 3) for one in times.quartiles_us)
    return {
        "layer": None,
        "median_us": median_us,
        "q1_us": q1_us,
        "q3_us": q3_us,
        "samples": len(times.samples_us),
    }
