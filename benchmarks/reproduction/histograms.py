"""Weights of the first layer of LeNet-300-100 before pruning, after it, and shared (NIPS 2015, Fig. 8)."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.figures.weights import WeightsPanel, WeightsPanels, weights_panels
from benchmarks.reproduction.bench import DENSE, PRUNED, Bench, base_tasks
from benchmarks.reproduction.found import Compared, Found
from benchmarks.reproduction.tasks import Result, Task
from compressor.training import Share, find_layers

STEM = "weight_histograms"

LAYER = "ip1"
N_BINS = 160
WEIGHT_BITS = 5

COLUMNS = ("stage", "bin_from", "bin_to", "weights")

_PAPER = "NIPS 2015, section 5, AlexNet's fc1"


def tasks(bench: Bench) -> list[Task]:
    """The two networks, and what of their weights is drawn."""
    return [*base_tasks(bench, [DENSE, PRUNED]), Task(STEM, 0.1, lambda _: _counted(bench))]


def _weights(model: nn.Module) -> NDArray[np.float32]:
    return find_layers(model)[LAYER].weight.detach().numpy().reshape(-1)


def _counted(bench: Bench) -> Result:
    shared = bench.load(PRUNED)
    Share(WEIGHT_BITS).apply(shared)
    book = find_layers(shared)[LAYER].trained.detach().numpy()[1:]
    stages = {"dense": _weights(bench.load(DENSE)), "pruned": _weights(bench.load(PRUNED)), "shared": _weights(shared)}
    widest = max(float(np.quantile(np.abs(weights), 0.9995)) for weights in stages.values())
    edges = np.linspace(-widest, widest, N_BINS + 1)
    kept = stages["pruned"][stages["pruned"] != 0]
    return {
        "edges": edges.tolist(),
        "counts": {name: np.histogram(weights[weights != 0], edges)[0].tolist() for name, weights in stages.items()},
        "values": book.tolist(),
        "sizes": {name: int(np.count_nonzero(weights)) for name, weights in stages.items()},
        "span": {name: float(np.quantile(np.abs(weights[weights != 0]), 0.99)) for name, weights in stages.items()},
        "gap": float(np.quantile(np.abs(kept), 0.05)),
    }


def found(results: dict[str, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    one = results[STEM]
    edges, values = np.array(one["edges"]), np.array(one["values"], np.float32)
    counts = {name: np.array(of_stage) for name, of_stage in one["counts"].items()}
    nothing = np.zeros(0, np.float32)
    panels = (
        WeightsPanel(f"Before: {one['sizes']['dense']:,} weights, one peak at zero", edges, counts["dense"], nothing),
        WeightsPanel(
            f"Pruned, retrained: {one['sizes']['pruned']:,} weights, two peaks", edges, counts["pruned"], nothing
        ),
        WeightsPanel(f"Shared: {len(values)} values", edges, counts["shared"], values),
    )
    rows = [
        (name, round(float(low), 6), round(float(high), 6), int(count))
        for name, of_stage in counts.items()
        for low, high, count in zip(edges[:-1], edges[1:], of_stage, strict=True)
    ]
    span = one["span"]
    compared = (
        Compared("99 % of the weights within, dense", span["dense"], "", 0.015, _PAPER),
        Compared("99 % of the weights within, pruned", span["pruned"], "", 0.025, _PAPER),
        Compared("pruned over dense", span["pruned"] / span["dense"], "x", 0.025 / 0.015, _PAPER),
        Compared("95 % of the pruned layer's weights beyond", one["gap"], "", None, "two peaks, little between"),
    )
    drawn = weights_panels(WeightsPanels(panels, note))
    title = "Weights of LeNet-300-100's first layer before and after pruning (NIPS 2015, Fig. 8)"
    return Found(STEM, title, note, COLUMNS, rows, compared, drawn)
