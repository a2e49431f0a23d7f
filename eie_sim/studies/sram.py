"""SRAM a PE against latency and energy of a whole network whose weights come from DRAM where they must."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from compressor.samples import Inputs
from compressor.types.packed_format import POINTER_BYTES
from eie_sim.capacity import stored_pointers
from eie_sim.network import NetworkPlan, run_network


@dataclass(frozen=True)
class Arranged:
    """A network on one machine; numbers are the mean over the inferences.

    Attributes
    ----------
    spmat_bytes, ptr_bytes : int
        SRAMs of a PE.
    n_chips : int
    blocks : int
        Of all matrices together.
    kept_bytes : int
        Of weights that stay on the chips.
    load_bytes : float
        Of weights loaded for an inference.
    latency_us, wait_us : float
        Time of an inference, and how much of it the machine waits for loads and for the link.
    energy_uj, dram_uj, link_uj : float
        Energy of an inference, and how much of it is that of the DRAM and of the link between chips.
    """

    spmat_bytes: int
    ptr_bytes: int
    n_chips: int
    blocks: int
    kept_bytes: int
    load_bytes: float
    latency_us: float
    wait_us: float
    energy_uj: float
    dram_uj: float
    link_uj: float

    @property
    def sram_kb(self) -> float:
        """Both SRAMs of a PE, in KB of 1024 bytes."""
        return (self.spmat_bytes + self.ptr_bytes) / 1024


def sram_sizes(plan: NetworkPlan, inputs: Inputs, spmat_bytes: Iterable[int]) -> list[Arranged]:
    """A network on machines with more or less SRAM.

    Parameters
    ----------
    plan : NetworkPlan
        Of a machine with a DRAM.
    inputs : mapping of str to array_like, array_like or path
        As for `eie_sim.network.run_network`.
    spmat_bytes : iterable of int
        Bytes of the sparse-matrix SRAM of a PE. The pointer SRAM has room for the pointers of all matrices, whole.

    Raises
    ------
    ValueError
        If the machine has no DRAM, or as for `eie_sim.network.run_network`.
    """
    if plan.arch.dram_bytes_per_s is None:
        raise ValueError("dram_bytes_per_s: None, but the study is of what is loaded; give a bandwidth")
    layers = {id(layer): layer for node in plan.nodes.values() for layer in node.matrices}
    ptr_bytes = sum(len(stored_pointers(layer, plan.arch)) for layer in layers.values()) * POINTER_BYTES
    machines = [plan.arch.replace(spmat_bytes=size, ptr_bytes=ptr_bytes) for size in spmat_bytes]
    return [_arranged(replace(plan, arch=machine), inputs) for machine in machines]


def _arranged(plan: NetworkPlan, inputs: Inputs) -> Arranged:
    result = run_network(plan, inputs)
    arch, chips = plan.arch, plan.residency.chips
    nodes, n = result.nodes.values(), len(result)
    return Arranged(
        arch.spmat_bytes,
        arch.ptr_bytes,
        arch.n_chips,
        sum(len(of_matrix) for chip in chips for of_node in chip.blocks.values() for of_matrix in of_node),
        sum(block.n_bytes for chip in chips for block in chip.kept),
        sum(node.load_bytes for node in nodes) / n,
        float(result.latency_us.mean()),
        sum(node.wait_cycles for node in nodes) / n / arch.clock_hz * 1e6,
        float(result.energy_uj.mean()),
        sum(node.dram_uj for node in nodes) / n,
        sum(node.link_uj for node in nodes) / n,
    )
