"""How much each layer alone bears to be pruned, not retrained (NIPS 2015, Fig. 6), in both LeNets."""

from benchmarks.reproduction.bench import DENSE, LENET_5_DENSE, Bench, base_tasks
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.tasks import Result, Task, Tell
from compressor.networks.shapes import LENET_5, LENET_300_100
from compressor.training import sensitivity_scan
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels

STEM = "sensitivity"

DENSITIES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02)

LOST_POINTS = 0.25
"""As in `benchmarks.reproduction.against_size`."""

_NETWORKS = {"LeNet-300-100": (DENSE, LENET_300_100, 0.1), "LeNet-5": (LENET_5_DENSE, LENET_5, 0.6)}
"""Trained network, layers, cost of an evaluation."""

PAPER_KEPT = {"LeNet-300-100": (8, 9, 26), "LeNet-5": (66, 12, 8, 19)}
"""Weights kept after retraining, percent (NIPS 2015, Tables 2 and 3): what the paper made of its scan."""

COLUMNS = ("network", "layer", "density", "test_error_pct")


def tasks(bench: Bench) -> list[Task]:
    """A scan for each layer."""
    scans = [_scan(bench, name, layer, cost) for name, (_, layers, cost) in _NETWORKS.items() for layer in layers]
    return [*base_tasks(bench, [DENSE, LENET_5_DENSE]), *scans]


def _scan(bench: Bench, name: str, layer: str, cost: float) -> Task:
    def compute(tell: Tell) -> Result:
        model = bench.load(_NETWORKS[name][0])
        points = sensitivity_scan(model, bench.images.test, DENSITIES, [layer], tell)
        return {"errors": [point.error for point in points]}

    return Task(f"{name} {layer}", cost * len(DENSITIES), compute)


def found(results: dict[str, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    note = f"{note}; one layer pruned, nothing retrained"
    errors = {
        (name, layer): results[f"{name} {layer}"]["errors"] for name, (_, ls, _) in _NETWORKS.items() for layer in ls
    }
    rows = [
        (name, layer, density, pct(error))
        for (name, layer), of_layer in errors.items()
        for density, error in zip(DENSITIES, of_layer, strict=True)
    ]
    least = {key: _least_density(of_layer) for key, of_layer in errors.items()}
    compared = [
        Compared(
            f"least density at most {LOST_POINTS:g} points worse, {name} {layer}",
            100 * least[name, layer],
            "%",
            kept,
            "NIPS 2015, Tables 2 and 3, where all layers are retrained",
        )
        for name, (_, layers, _) in _NETWORKS.items()
        for layer, kept in zip(layers, PAPER_KEPT[name], strict=True)
    ]
    panels = tuple(_panel(name, tuple(layers), errors, least) for name, (_, layers, _) in _NETWORKS.items())
    drawn = plots.curve_panels(CurvePanels(panels, note))
    title = "Sensitivity of the layers of the LeNets (NIPS 2015, Fig. 6)"
    return Found(STEM, title, note, COLUMNS, rows, tuple(compared), drawn)


def _least_density(errors: list[float]) -> float:
    """The last density, from 1 down, that loses nothing."""
    least = DENSITIES[0]
    for density, error in zip(DENSITIES, errors, strict=True):
        if pct(error) > pct(errors[0]) + LOST_POINTS:
            break
        least = density
    return least


def _panel(
    name: str,
    layers: tuple[str, ...],
    errors: dict[tuple[str, str], list[float]],
    least: dict[tuple[str, str], float],
) -> CurvePanel:
    most = max(layers, key=lambda layer: least[name, layer])
    return CurvePanel(
        f"{name}: {most} bears least, down to {100 * least[name, most]:.0f} % of its weights",
        "weights of the layer kept, %",
        "test error %",
        tuple(
            Curve(layer, tuple(100 * d for d in DENSITIES), tuple(pct(e) for e in errors[name, layer]))
            for layer in layers
        ),
        y_limits=(0, 10),
    )
