"""Fig. 12: real weights over entries walked, for numbers of PEs."""

from benchmarks.paper.bench import Bench
from benchmarks.paper.reproduced import Reproduced
from benchmarks.paper.scaling import share_over_pes
from eie_sim.paper import FIG_12


def reproduce(bench: Bench) -> Reproduced:
    """Every layer on 1 to 256 PEs, both fits."""
    return share_over_pes(bench, "fig12", FIG_12, "real work %", lambda result: 100 * result.real_work)
