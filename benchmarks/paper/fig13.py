"""Fig. 13: load balance with queues of 8, for numbers of PEs."""

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Reproduced
from benchmarks.paper.scaling import share_over_pes
from eie_sim.paper import FIG_13


def reproduce(bench: Bench) -> Reproduced:
    """Every layer on 1 to 256 PEs, both fits."""
    return share_over_pes(bench, "fig13", FIG_13, "load balance %", lambda result: 100 * result.load_balance)
