"""Table I: energy of operations and memories at 45 nm.

The cost model takes the operations from this table; the SRAM it has from CACTI, which says something else.
"""

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Point, Reproduced, beyond_print, dots_beside
from eie_sim.cost.technology import ADD_32, DRAM_BIT, MULTIPLY_32, memory
from eie_sim.paper import TABLE_I

SRAM_BYTES, SRAM_BITS = 32 * 1024, 32
LABEL = "not judged: 5 pJ is half of another source's 64-bit access to 8 KB, printed here for 32 KB"
TAKEN = "taken from the paper"


def reproduce(_bench: Bench) -> Reproduced:
    """Three operations that the cost model holds, and the SRAM that it measures."""
    values = {
        "int32 add": (ADD_32.value, TAKEN),
        "int32 multiply": (MULTIPLY_32.value, TAKEN),
        "32-bit read of a 32 KB SRAM": (memory(SRAM_BYTES, SRAM_BITS).read_pj, "CACTI"),
        "32-bit read of DRAM": (32 * DRAM_BIT.value, TAKEN),
    }
    points = tuple(
        Point(
            *(row, "energy", value, TABLE_I.at(row, "energy"), "pJ", TABLE_I.error, made),
            judged=made == TAKEN,
            remark="" if made == TAKEN else LABEL,
        )
        for row, (value, made) in values.items()
    )
    drawn = dots_beside(points, "operations and DRAM are taken from the paper, the SRAM from CACTI")
    return Reproduced("table1", TABLE_I, points, {"beyond print %": beyond_print(points)}, drawn, (LABEL,))
