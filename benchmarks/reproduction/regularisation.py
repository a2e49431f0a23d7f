"""L1 and L2, with and without retraining, in one shot and iteratively (NIPS 2015, Fig. 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.reproduction.bench import DENSE, DENSE_L1, L1, Bench, base_tasks, table_densities
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.tasks import Result, Task, Tell
from compressor.training import Phase, Prune, find_layers
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels

STEM = "regularisation"

SCANNED = (0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.08)
RETRAINED = (0.25, 0.08, 0.04, 0.02, 0.01)
"""Densities of the first layer; the others in the ratio of Table 2 of Deep Compression."""

EPOCHS = 3
"""Of an iterative round. One shot to the n-th density is retrained for n times as many: the same epochs in all."""

LOST_POINTS = 0.25
"""As in `benchmarks.reproduction.against_size`."""

PAPER_PRUNED_RATE = {"L2, not retrained": 2.0, "L2, one shot": 5.0, "L2, iterative": 9.0}
"""Times fewer weights without loss, AlexNet (NIPS 2015, sections 3 and 5)."""

_PAPER_SAYS = {
    "L1, not retrained": "NIPS 2015, section 3.1: better than L2 before retraining",
    "L1, one shot": "NIPS 2015, section 3.1: worse than L2 after retraining",
}

COLUMNS = ("method", "density_ip1", "weights_kept_pct", "pruned_pct", "test_error_pct")

_BASES = {"L1": DENSE_L1, "L2": DENSE}


def tasks(bench: Bench) -> list[Task]:
    """Every point; a round of the iterative curve begins with the round before it."""
    return [
        *base_tasks(bench, [DENSE, DENSE_L1]),
        *(_not_retrained(bench, which, density) for which in _BASES for density in SCANNED),
        *(_one_shot(bench, which, at) for which in _BASES for at in range(len(RETRAINED))),
        *(_round(bench, at) for at in range(len(RETRAINED))),
    ]


def _kept(bench: Bench, density: float) -> float:
    layers = find_layers(bench.load(DENSE))
    wanted = table_densities(density)
    sizes = {name: layer.weight.numel() for name, layer in layers.items()}
    return sum(round(wanted[name] * size) for name, size in sizes.items()) / sum(sizes.values())


def _key(method: str, density: float) -> str:
    return f"{method} at {density:g}"


def _not_retrained(bench: Bench, which: str, density: float) -> Task:
    def compute(_: object) -> Result:
        model = bench.load(_BASES[which])
        Prune(table_densities(density)).apply(model)
        return {"error": bench.error(model), "kept": _kept(bench, density)}

    return Task(_key(f"{which}, not retrained", density), 0.1, compute)


def _one_shot(bench: Bench, which: str, at: int) -> Task:
    epochs, density = EPOCHS * (at + 1), RETRAINED[at]

    def compute(tell: Tell) -> Result:
        settings = bench.retraining(epochs)
        settings = replace(settings, l1=L1, l2=0.0) if which == "L1" else settings
        phases = [Phase("prune", settings, Prune(table_densities(density)))]
        model = bench.train(bench.load(_BASES[which]), phases, tell)
        return {"error": bench.error(model), "kept": _kept(bench, density)}

    return Task(_key(f"{which}, one shot", density), epochs, compute)


def _round_key(at: int) -> str:
    return f"lenet-300-100, iterative {at}"


def _round(bench: Bench, at: int) -> Task:
    def compute(tell: Tell) -> Result:
        model = bench.load(_round_key(at - 1) if at else DENSE)
        settings = bench.retraining(EPOCHS, later=1 + at)
        bench.train(model, [Phase("prune", settings, Prune(table_densities(RETRAINED[at])))], tell)
        return {**bench.keep(_round_key(at), model), "kept": _kept(bench, RETRAINED[at])}

    return Task(_key("L2, iterative", RETRAINED[at]), EPOCHS, compute)


# The figure -----------------------------------------------------------------------------------------------------------

_METHODS: Mapping[str, tuple[Sequence[float], int, bool]] = {
    "L1, not retrained": (SCANNED, 1, True),
    "L2, not retrained": (SCANNED, 0, True),
    "L1, one shot": (RETRAINED, 1, False),
    "L2, one shot": (RETRAINED, 0, False),
    "L2, iterative": (RETRAINED, 2, False),
}
"""Densities, colour, dashed."""


def found(results: dict[str, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    rows = [_row(method, d, results[_key(method, d)]) for method, (ds, *_) in _METHODS.items() for d in ds]
    references = {which: pct(results[base]["error"]) for which, base in _BASES.items()}
    compared = [
        Compared(
            f"error of the dense network, {which}", error, "%", 1.64 if which == "L2" else None, "NIPS 2015, Table 1"
        )
        for which, error in references.items()
    ]
    rates = {method: _rate(references[method[:2]], rows, method) for method in _METHODS}
    compared += [
        Compared(
            f"times fewer weights, at most {LOST_POINTS:g} points worse, {method}",
            rate,
            "x",
            PAPER_PRUNED_RATE.get(method),
            _PAPER_SAYS.get(method, "NIPS 2015, section 5, AlexNet"),
        )
        for method, rate in rates.items()
    ]
    curves = []
    for method, (_, colour, dashed) in _METHODS.items():
        points = [row for row in rows if row[0] == method]
        x, y = tuple(row[3] for row in points), tuple(row[4] for row in points)
        curves.append(Curve(method, x, y, dashed, colour))
    finding = f"At most {LOST_POINTS:g} points worse with L2: {rates['L2, not retrained'] or 1:.1f}x not retrained, "
    finding += f"{rates['L2, one shot'] or 1:.0f}x in one shot, {rates['L2, iterative'] or 1:.0f}x iteratively"
    panel = CurvePanel(
        finding,
        "weights pruned away, %",
        "test error %",
        tuple(curves),
        y_limits=(1, 8),
        level=references["L2"],
        level_name="dense, L2",
    )
    drawn = plots.curve_panels(CurvePanels((panel,), note))
    title = "Regularisation and retraining of LeNet-300-100 (NIPS 2015, Fig. 5)"
    return Found(STEM, title, note, COLUMNS, rows, tuple(compared), drawn)


def _row(method: str, density: float, one: Result) -> tuple[str, float, float, float, float]:
    return method, density, pct(one["kept"]), pct(1 - one["kept"]), pct(one["error"])


def _rate(reference: float, rows: Sequence[tuple[str, float, float, float, float]], method: str) -> float | None:
    """The most times fewer weights that lose at most `LOST_POINTS`."""
    kept = [row[2] for row in rows if row[0] == method and row[4] <= reference + LOST_POINTS]
    return 100 / min(kept) if kept else None
