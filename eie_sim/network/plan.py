"""What a machine runs of a network: the matrices of its operators, packed, and the host's work between them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.lowering import Lowering
from compressor.samples import End
from compressor.types.network import Kept, Use
from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.network.direct import DirectConvolution
from eie_sim.network.graph import Segment
from eie_sim.network.residency import Residency


@dataclass(frozen=True, eq=False)
class MachineNode:
    """An operator of the graph that the machine runs.

    Attributes
    ----------
    name : str
        Of its layer, as ``eie-compress info`` prints it; of an operator with several tensors its own.
    use : Use
        Of the weights by its operator.
    inputs, outputs : tuple of str
        Values of the graph; "" where one is left out or the machine has it.
    level : int
        How many times the machine has had its turn before.
    lowering : Lowering
    matrices : tuple of PackedLayer
    n_weights : tuple of int
        Weights of each matrix that are the operator's own, zeros included.
    direct : DirectConvolution or None
        Of a node that is lowered by Winograd's transform, what it is compared with.
    """

    name: str
    use: Use
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    level: int
    lowering: Lowering
    matrices: tuple[PackedLayer, ...]
    n_weights: tuple[int, ...]
    direct: DirectConvolution | None = None

    @property
    def n_kept(self) -> tuple[int, ...]:
        """Weights of each matrix that are not 0."""
        return tuple(
            layer.n_entries - layer.n_fillers - int(np.count_nonzero(layer.bias_codes)) for layer in self.matrices
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{layer.n_rows} x {layer.n_cols}" for layer in self.matrices)
        return f"MachineNode({self.name!r}, {self.use.operator}: {sizes})"


def node_names(uses: Sequence[Use]) -> list[str]:
    """What machine nodes are called: as their tensor where they are the first that has it, else as their operator."""
    names: dict[str, None] = {}
    tensors: set[str] = set()
    for use in uses:
        first = use.tensors[0]
        name = base = use.node if first in tensors or len(use.tensors) > 1 else first
        number = 1
        while name in names:
            number += 1
            name = f"{base}_{number}"
        names[name] = None
        tensors.update(use.tensors)
    return list(names)


@dataclass(eq=False)
class NetworkPlan:
    """A network made ready for a machine; `eie_sim.network.plan_network` makes one.

    Attributes
    ----------
    arch : ArchConfig
    lowering : str
        How convolutions are lowered where that fits.
    nodes : dict of str to MachineNode
        By name, in the order of the graph.
    segments : tuple of Segment
        What the host computes before the machine's turn of each level.
    inputs : tuple of End
        That a run must give.
    outputs : tuple of End
    constants : dict of str to ndarray
        Values that follow from constants.
    last_levels : dict of str to int
        The level after which each value is not needed.
    kept : tuple of Kept
        What the host computes although it is a product, and why.
    fixed : dict of str to object
        Values of inputs that were fixed.
    frac_bits : dict of str to int, or None
        Fraction bits of the numbers of each node, in fixed point; None until the plan is calibrated.
    """

    arch: ArchConfig
    lowering: str
    nodes: dict[str, MachineNode]
    segments: tuple[Segment, ...]
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    constants: dict[str, NDArray[Any]]
    last_levels: dict[str, int]
    kept: tuple[Kept, ...]
    fixed: dict[str, Any] = field(default_factory=dict)
    frac_bits: dict[str, int] | None = None
    _residency: Residency | None = field(default=None, init=False, repr=False)

    def arch_of(self, name: str) -> ArchConfig:
        """The machine as a node uses it: its binary point is the node's own."""
        if self.arch.number_bits is None or self.frac_bits is None:
            return self.arch
        return self.arch.replace(act_frac_bits=self.frac_bits[name])

    @property
    def in_order_of_use(self) -> list[MachineNode]:
        """The nodes as the machine runs them: those of each level, in the order of the graph."""
        return sorted(self.nodes.values(), key=lambda node: node.level)

    @property
    def residency(self) -> Residency:
        """How the matrices are arranged on the machine: on which chip, in which blocks, kept or loaded.

        Made when it is first needed; that raises and warns as `eie_sim.network.residency.Residency` does.
        """
        if self._residency is None:
            self._residency = Residency({node.name: node.matrices for node in self.in_order_of_use}, self.arch)
        return self._residency

    @property
    def together(self) -> PackedModel:
        """All matrices, each that several nodes share once; no chain."""
        distinct = {id(layer): layer for node in self.nodes.values() for layer in node.matrices}
        return PackedModel(tuple(distinct.values()), ("none",) * len(distinct))

    def __repr__(self) -> str:
        matrices = sum(len(node.matrices) for node in self.nodes.values())
        host = sum(len(segment.nodes) for segment in self.segments)
        return (
            f"NetworkPlan({len(self.nodes)} nodes of {matrices} matrices on {self.arch.name!r}, "
            f"{host} host operators in {sum(bool(segment.nodes) for segment in self.segments)} segments)"
        )
