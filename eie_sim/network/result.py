"""What a network answered and what it took: node by node, inference by inference, machine and host apart."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.samples import together
from eie_sim.arch import ArchConfig
from eie_sim.columns import Cell, Row, digits
from eie_sim.network.node import NodeResult
from eie_sim.text_formats import JsonKind, csv_text

if TYPE_CHECKING:
    import pandas

KIND = JsonKind("network result", "eie-sim-network", version=1, most_bytes=2**30)
"""Of the JSON that a result is written as."""


@dataclass(frozen=True)
class HostResult:
    """A segment of a network on the host.

    Attributes
    ----------
    nodes : tuple of str
        Its operators.
    seconds : float
        Measured time, over all inferences.
    level : int
        It runs before the nodes of the machine that have this level.
    """

    nodes: tuple[str, ...]
    seconds: float
    level: int


@dataclass(frozen=True)
class NodeColumn:
    """A column of the table of nodes.

    Attributes
    ----------
    name, unit, definition : str
    value : function of a NodeResult and the NetworkResult
    """

    name: str
    unit: str
    definition: str
    value: "Callable[[NodeResult, NetworkResult], Cell]"


def _field(name: str) -> "Callable[[NodeResult, NetworkResult], Cell]":
    return lambda node, _: getattr(node, name)


NODE_COLUMNS = (
    NodeColumn("node", "", "Name of the layer.", _field("name")),
    NodeColumn("operator", "", "ONNX operator.", _field("operator")),
    NodeColumn("products", "products", "Matrix-vector products of all inferences.", _field("products")),
    NodeColumn("cycles", "cycles", "Cycles of all products.", _field("cycles")),
    NodeColumn("cycles_min", "cycles", "Of the shortest product.", _field("cycles_min")),
    NodeColumn("cycles_median", "cycles", "Median over the products.", _field("cycles_median")),
    NodeColumn("cycles_max", "cycles", "Of the longest product.", _field("cycles_max")),
    NodeColumn(
        "cycles_pct", "%", "Fraction of the cycles of the network.",
        lambda node, network: 100 * node.cycles / network.cycles if network.cycles else 0.0,
    ),
    NodeColumn("density", "ratio", "Weights that are not 0 over all.", _field("density")),
    NodeColumn(
        "active_inputs", "inputs", "Inputs broadcast: those that are not 0.", lambda node, _: node.counts.broadcasts
    ),
    NodeColumn(
        "act_density", "ratio", "Active inputs over all inputs of the products.",
        lambda node, _: node.counts.broadcasts / (node.products * node.n_inputs) if node.products else 0.0,
    ),
    NodeColumn(
        "entries", "entries", "Entries processed, padding zeros included.", lambda n, _: int(n.counts.entries.sum())
    ),
    NodeColumn("fillers", "entries", 'Padding zeros ("fillers") processed.', _field("fillers")),
    NodeColumn("load_balance", "ratio", "entries / (n_pe x cycles).", _field("load_balance")),
    NodeColumn("macs_dense", "MACs", "Multiply-accumulates of the dense operator.", _field("macs_dense")),
    NodeColumn("macs_pruned", "MACs", "Those of weights that are not 0.", _field("macs_pruned")),
    NodeColumn("macs_performed", "MACs", "Those of such weights with active inputs.", _field("macs_performed")),
    NodeColumn("energy_uj", "uJ", "Energy of all products.", _field("energy_uj")),
    NodeColumn("saturations", "sums", "Sums cut to the range of the fixed point.", _field("saturations")),
    NodeColumn(
        "winograd_error", "ratio", "Largest difference from im2col over its largest output; empty of others.",
        _field("winograd_error"),
    ),
    NodeColumn("frac_bits", "bits", "Fraction bits of its numbers; empty in float32.", _field("frac_bits")),
)  # fmt: skip
"""The table of nodes."""

OUTSIDE_COLUMNS = (
    NodeColumn("load_bytes", "bytes", "Weights loaded from DRAM.", _field("load_bytes")),
    NodeColumn("link_bytes", "bytes", "Outputs gathered over the link between chips.", _field("link_bytes")),
    NodeColumn("wait_cycles", "cycles", "Waited for loads and for the link, beside cycles.", _field("wait_cycles")),
    NodeColumn("dram_uj", "uJ", "Energy of the DRAM, part of energy_uj.", _field("dram_uj")),
    NodeColumn("link_uj", "uJ", "Energy of the link, part of energy_uj.", _field("link_uj")),
)
"""Further columns of a machine with a DRAM or several chips."""

_SHOWN = ("node", "operator", "products", "cycles", "cycles_pct", "act_density", "load_balance", "energy_uj")
"""Those of its columns that a notebook shows."""


@dataclass(frozen=True, eq=False, repr=False)
class NetworkResult:
    """A network on one machine with B samples, an inference each.

    Attributes
    ----------
    outputs : dict of str to ndarray
        By the names of the graph.
    axes : dict of str to (int or None)
        The axis of each output along which samples are; None of one that is the same for all.
    nodes : dict of str to NodeResult
        By name, in the order of the graph.
    host : tuple of HostResult
    arch : ArchConfig
    lowering, engine : str
    macs_host : int or None
        Multiply-accumulates of one inference that the host computes; None where some are unknown.
    version : str
        Of the package that made it.
    """

    outputs: dict[str, Any]
    axes: dict[str, int | None]
    nodes: dict[str, NodeResult]
    host: tuple[HostResult, ...]
    arch: ArchConfig
    lowering: str
    engine: str
    macs_host: int | None
    version: str = field(default=__version__)

    def __len__(self) -> int:
        return len(self.latency_cycles)

    def __repr__(self) -> str:
        return (
            f"NetworkResult({len(self)} inferences on {self.arch.name!r}: {self.products} products, "
            f"{self.cycles} cycles, {self.time_us:.4g} us, {self.energy_uj.sum():.4g} uJ)"
        )

    @property
    def products(self) -> int:
        """Matrix-vector products of all inferences."""
        return sum(node.products for node in self.nodes.values())

    @property
    def cycles(self) -> int:
        """Cycles of the machine of all inferences."""
        return sum(node.cycles for node in self.nodes.values())

    @property
    def time_us(self) -> float:
        """Time of the machine for all inferences, waits included, in microseconds."""
        return int(self.latency_cycles.sum()) / self.arch.clock_hz * 1e6

    @cached_property
    def latency_cycles(self) -> NDArray[np.int64]:
        """Cycles of the machine of each inference, those waited for loads and for the link too; int64, shape (B,)."""
        return np.asarray(sum(node.latency_cycles_each for node in self.nodes.values()), np.int64)

    @property
    def latency_us(self) -> NDArray[np.float64]:
        """Time of the machine of each inference in microseconds; float64, shape (B,)."""
        return self.latency_cycles / self.arch.clock_hz * 1e6

    @cached_property
    def energy_uj(self) -> NDArray[np.float64]:
        """Energy of the machine of each inference; float64, shape (B,)."""
        return np.asarray(sum(node.energy_uj_each for node in self.nodes.values()), np.float64)

    @property
    def host_seconds(self) -> float:
        """Measured time of the host's segments, over all inferences."""
        return sum(segment.seconds for segment in self.host)

    @property
    def saturations(self) -> int:
        """Sums that were cut to the range of the fixed point."""
        return sum(node.saturations for node in self.nodes.values())

    def summary(self) -> dict[str, Cell]:
        """The network as a whole; latency and energy are per inference."""
        found: dict[str, Cell] = {"inferences": len(self), "products": self.products, "cycles": self.cycles}
        for name, values in (("latency_us", self.latency_us), ("energy_uj", self.energy_uj)):
            for what, at in (("median", 50), ("p99", 99), ("max", 100)):
                found[f"{name}_{what}"] = float(np.percentile(values, at)) if len(values) else None
        nodes = self.nodes.values()
        for name in ("macs_dense", "macs_pruned", "macs_performed", "saturations"):
            found[name] = sum(int(getattr(node, name)) for node in nodes)
        found["macs_host"] = None if self.macs_host is None else self.macs_host * len(self)
        if self.has_outside:
            found |= {c.name: sum(getattr(node, c.name) for node in nodes) for c in OUTSIDE_COLUMNS}
        return found

    @property
    def has_outside(self) -> bool:
        """Whether the machine has a DRAM or several chips."""
        return self.arch.dram_bytes_per_s is not None or self.arch.n_chips > 1

    @property
    def columns(self) -> tuple[NodeColumn, ...]:
        """The columns of the table of nodes: `NODE_COLUMNS`, and `OUTSIDE_COLUMNS` where there is something outside."""
        return (*NODE_COLUMNS, *OUTSIDE_COLUMNS) if self.has_outside else NODE_COLUMNS

    def rows(self) -> list[Row]:
        """A row for each node, with all of `columns`."""
        return [{c.name: c.value(node, self) for c in self.columns} for node in self.nodes.values()]

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows as a `pandas.DataFrame`.

        Raises
        ------
        ImportError
            Without pandas, which comes with the extra ``parquet``.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas: pandas needs pip install 'eie-sim[parquet]'") from None
        return pandas.DataFrame(self.rows(), columns=[column.name for column in self.columns])

    def to_csv(self) -> str:
        """The rows as CSV."""
        return csv_text([column.name for column in self.columns], self.rows())

    def plain(self) -> dict[str, Any]:
        """All but the outputs as JSON has it."""
        return {
            **KIND.head,
            "version": self.version,
            "engine": self.engine,
            "lowering": self.lowering,
            "arch": self.arch.model_dump(),
            "summary": self.summary(),
            "latency_cycles": self.latency_cycles.tolist(),
            "energy_uj": self.energy_uj.tolist(),
            "nodes": self.rows(),
            "host": [asdict(segment) for segment in self.host],
            "columns": {c.name: {"unit": c.unit, "definition": c.definition} for c in self.columns},
        }

    def to_json(self) -> str:
        """All but the outputs as JSON; equal runs give equal bytes, but for the times measured on the host."""
        return json.dumps(self.plain(), indent=1, allow_nan=False)

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in _SHOWN)
        body = ""
        for row in self.rows():
            cells = [row[name] for name in _SHOWN]
            shown = [digits(cell) if isinstance(cell, (int, float)) else str(cell) for cell in cells]
            body += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in shown) + "</tr>"
        return f"<p>{escape(repr(self))}</p><table><tr>{head}</tr>{body}</table>"


def joined(results: Sequence[NetworkResult]) -> NetworkResult:
    """Runs of one plan on some samples after another, in the order of the samples, as one run on all of them.

    Parameters
    ----------
    results : sequence of NetworkResult
        At least one.

    Raises
    ------
    ValueError
        If outputs do not fit each other.
    """
    first, *others = results
    nodes, seconds = dict(first.nodes), [segment.seconds for segment in first.host]
    for other in others:
        nodes = {name: node.with_more(other.nodes[name]) for name, node in nodes.items()}
        seconds = [mine + its.seconds for mine, its in zip(seconds, other.host, strict=True)]
    host = tuple(replace(one, seconds=time) for one, time in zip(first.host, seconds, strict=True))
    outputs = {
        name: together([result.outputs[name] for result in results], axis, name) for name, axis in first.axes.items()
    }
    return replace(first, outputs=outputs, nodes=nodes, host=host)
