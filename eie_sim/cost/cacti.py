"""CACTI itself, where the extra ``cacti`` is installed: measures the table of `eie_sim.cost.technology` anew.

The default model needs none of this; it reads the table. The tool is hwcomponents-cacti (CACTI 7, Python 3.12 on).
Its wheel brings a program for recent systems (glibc 2.38); on older ones it is to be built from its sources:
``pip install --no-binary hwcomponents_cacti hwcomponents_cacti``.
"""

from typing import Any

from eie_sim.cost.technology import MEMORIES, NODE_NM, Memory

_SOURCES = "pip install --force-reinstall --no-deps --no-binary hwcomponents_cacti hwcomponents_cacti"


def measured(n_bytes: int, width_bits: int, node_nm: float = NODE_NM) -> Memory:
    """A memory as CACTI has it: low-power cells and periphery, 300 K, best energy x delay^2, one port.

    Parameters
    ----------
    n_bytes, width_bits : int
        Above 0.
    node_nm : float
        Between those that CACTI knows (22, 32, 45, 65, 90 nm) the tool interpolates.

    Raises
    ------
    ImportError
        When the extra is not installed.
    RuntimeError
        When CACTI does not run here.
    """
    try:
        from hwcomponents_cacti import SRAM
    except ImportError:
        raise ImportError("CACTI needs the extra: pip install 'eie-sim[cacti]', on Python 3.12 or later") from None
    try:
        found: Any = SRAM(tech_node=node_nm * 1e-9, width=width_bits, size=8 * n_bytes)
        read, write = found.read().energy, found.write().energy
    except Exception as error:  # the tool raises nothing narrower when its program ends with an error
        raise RuntimeError(f"CACTI does not run here; built from its sources it may: {_SOURCES}") from error
    # The tool speaks in J, W and m2.
    return Memory(n_bytes, width_bits, read * 1e12, write * 1e12, found.leak_power * 1e3, found.area * 1e6)


def measured_table() -> tuple[Memory, ...]:
    """Every memory of `eie_sim.cost.technology.MEMORIES`, measured now."""
    return tuple(measured(memory.n_bytes, memory.width_bits) for memory in MEMORIES)
