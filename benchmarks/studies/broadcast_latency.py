"""Cycles between the leading-non-zero unit and the queues, and how deep a queue hides them."""

from benchmarks.studies.study import REAL, Bench, Gain, Study, drawn, mean_ratio, rounded
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.latency import DEPTHS, LATENCIES, LatencyPoint, broadcast_latencies
from eie_sim.workload import Workload

_EIE_DEPTH = 8

_HIDDEN = 1.01
"""A latency is hidden where it costs at most 1 % of the cycles, by the geometric mean."""

Key = tuple[int, int]


def study(bench: Bench) -> Study:
    """Every layer with every latency at every depth."""

    def run(workload: Workload) -> dict[Key, LatencyPoint]:
        points = broadcast_latencies(workload.layer, workload.acts, bench.arch)
        return {(one.act_queue_depth, one.broadcast_latency): one for one in points}

    found = bench.each(run)
    rows = tuple(
        rounded(layer, *key, one.cycles, one.broadcast_stalls, one.cycles / of[key[0], 0].cycles)
        for layer, of in found.items()
        for key, one in of.items()
    )

    def ratios(depth: int, latency: int, to: Key) -> dict[str, float]:
        return {layer: of[depth, latency].cycles / of[to].cycles for layer, of in found.items()}

    def mean(depth: int, latency: int) -> float:
        return mean_ratio(ratios(depth, latency, (_EIE_DEPTH, 0)))

    most = LATENCIES[-1]
    last = drawn(ratios(_EIE_DEPTH, most, (_EIE_DEPTH, 0)))
    ends = (max(last, key=last.__getitem__), min(last, key=last.__getitem__))
    named = {f"{layer} ({end})": layer for layer, end in zip(ends, ("most", "least"), strict=True)}
    named |= {REAL: REAL} if REAL in found else {}
    at_eie = (
        _curve("geometric mean", [mean(_EIE_DEPTH, latency) for latency in LATENCIES]),
        *(
            _curve(name, [found[layer][_EIE_DEPTH, b].cycles / found[layer][_EIE_DEPTH, 0].cycles for b in LATENCIES])
            for name, layer in named.items()
        ),
    )
    by_depth = tuple(
        Curve(f"{latency} cycles", tuple(map(float, DEPTHS)), tuple(mean(depth, latency) for depth in DEPTHS))
        for latency in LATENCIES
    )
    panels = (
        CurvePanel(
            f"Queue depth {_EIE_DEPTH}: {most} cycles cost {100 * (mean(_EIE_DEPTH, most) - 1):.1f} % (geometric mean)",
            "broadcast latency, cycles",
            "cycles, of those without",
            at_eie,
            level=1.0,
        ),
        CurvePanel(
            "Deeper queues hide the latency",
            "queue depth",
            f"cycles, of those at depth {_EIE_DEPTH} without",
            by_depth,
            log_x=True,
            level=1.0,
        ),
    )
    gains = tuple(
        Gain(
            f"broadcast latency of {latency} cycle{'s' * (latency > 1)}, depth {_EIE_DEPTH}",
            ratios(_EIE_DEPTH, latency, (_EIE_DEPTH, 0)),
            {},
            "registers along the broadcast and a credit counter for each PE",
        )
        for latency in LATENCIES[1:]
    )
    costs = ", ".join(f"{latency}: {100 * (mean(_EIE_DEPTH, latency) - 1):.1f} %" for latency in LATENCIES[1:])
    hiding = {
        latency: next((d for d in DEPTHS if mean_ratio(ratios(d, latency, (d, 0))) <= _HIDDEN), None)
        for latency in LATENCIES[1:]
    }
    depths = ", ".join(f"{latency}: {depth or f'more than {DEPTHS[-1]}'}" for latency, depth in hiding.items())
    notes = (
        f"More cycles at a queue depth of {_EIE_DEPTH}, by cycles of latency: {costs} (geometric means).",
        f"Least depth at which a latency costs at most {100 * (_HIDDEN - 1):.0f} % of that depth without it: {depths}.",
        "Energy and area of the registers and of the credit counters are not modelled.",
    )
    columns = ("layer", "queue depth", "latency", "cycles", "broadcast stalls", "cycles, of those without")
    picture = plots.curve_panels(CurvePanels(panels, bench.note))
    return Study("broadcast_latency", "A broadcast that takes several cycles", columns, rows, picture, gains, notes)


def _curve(name: str, ratios: list[float]) -> Curve:
    return Curve(name, tuple(map(float, LATENCIES)), tuple(ratios))
