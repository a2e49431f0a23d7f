"""Fig. 8: load balance on 64 PEs against the depth of the activation queue."""

from benchmarks.paper.bench import Bench, Machine
from benchmarks.paper.reproduced import Reproduced, beside, curves_beside, point_measures
from eie_sim.paper import FIG_8, LAYERS, QUEUE_DEPTHS

LOCK_STEP = "depth 1 is shown apart: the authors' code cannot run it, and the contract's lock-step is our reading"


def reproduce(bench: Bench) -> Reproduced:
    """Every layer, every depth, both fits."""
    machines = [Machine(act_queue_depth=depth) for depth in QUEUE_DEPTHS]
    bench.run(machines)
    points, measures = [], {}
    for fit in bench.fits:
        here = {
            layer: [100 * bench.mean(layer, fit, machine, lambda r: r.load_balance) for machine in machines]
            for layer in LAYERS
        }
        of_fit = beside(FIG_8, here, fit, apart=lambda _row, depth: LOCK_STEP if depth == 1 else "")
        points += of_fit
        measures |= point_measures(of_fit, fit)
    drawn = curves_beside(FIG_8, points, "queue depth", "load balance %", bench.note)
    return Reproduced("fig8", FIG_8, tuple(points), measures, drawn, (bench.note, LOCK_STEP))
