"""Upper limits of the integers of a machine, a device and a space: far beyond use, within what every formula computes.

With them every product of two sizes that the simulator forms, bits of an SRAM among them, is exact in 64 bits.
"""

from compressor.types.packed_format import MAX_SIZE

MOST_PES = MAX_SIZE
"""Processing elements: a packed file keeps their number in 32 bits."""

MOST_OUTSTANDING = MAX_SIZE
"""Activations in a queue: as many as a layer can have columns, so that a deeper queue changes nothing."""

MOST_BROADCAST_LATENCY = 64
"""Cycles between the leading-non-zero unit and the queues: a wire of a register every millimetre crosses any die."""

MOST_ROW_BITS = MAX_SIZE
"""Bits of an SRAM row: as many entries as a layer can have rows need no more rows than one."""

MOST_SRAM_BYTES = 2**50
"""Bytes of an SRAM or a cache (1 PiB): their number of bits is exact in a float64."""

MOST_ACTIVATIONS = 2**49
"""Activations in a register file: those of 16 bits that `MOST_SRAM_BYTES` hold."""

MOST_CHIPS = 2**20
"""Chips that share a network: more than any network has rows to share."""

MOST_FANIN = MAX_SIZE
"""Children of a node of the leading-non-zero tree: as many as there can be PEs."""

MOST_VECTORS = 2**31 - 1
"""Input vectors of one call of a library: BLAS and cuSPARSE count them in 32 bits."""

MOST_STORED = 2**63 - 1
"""A seed, and every integer on an axis of a sweep: the largest that its store holds."""
