"""Accuracy against size: pruning alone, sharing alone, both, and a low rank (Deep Compression, Fig. 6).

Sizes follow the rule of the paper's tables: an entry, a kept weight or a filler, costs its value and a run of five
bits; shared weights cost their codes and the codebook; a low rank costs its factors. Without pruning there is no index.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from benchmarks.reproduction.bench import DENSE, RATE, Bench, base_tasks, table_densities
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.svd import rank_for_share, truncated
from benchmarks.reproduction.tasks import Result, Task, Tell
from compressor.accounting import FLOAT_BITS, paper_rule
from compressor.coding.flat_index import flat_statistics
from compressor.training import Phase, Prune, Share, compressed_model_of, find_layers, masks_of
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels

STEM = "accuracy_against_size"

INDEX_BITS = 5
"""Bits of a run (Deep Compression, Table 2)."""

DENSITIES = (0.30, 0.20, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01)
"""Of the first layer; the others in the ratio of Table 2."""

SHARES = (0.30, 0.20, 0.12, 0.08, 0.05, 0.03)
"""Parameters of the factors over those of the matrix."""

BITS = (1, 2, 3, 4, 5, 6)
BITS_OF_BOTH = 5

EPOCHS, TUNE_EPOCHS = 6, 2
TUNE_RATE, DENSE_TUNE_RATE = 1e-3, 1e-4
"""A centroid of an unpruned layer sums the gradients of ten times as many weights: at 1e-3 the tuning diverges."""

FACTOR_RATE = RATE / 10
"""Of retraining the factors, as published for retraining: at the rate of the dense training it diverges."""

LOST_POINTS = 0.25
"""Error that may be added where a size is said to lose nothing: two standard deviations of the difference of two errors
near 1.6 % on 10,000 images."""

PAPER_SMALLEST_PCT = {"pruning alone": 8.0, "sharing alone": 8.0, "pruning and sharing": 3.0}
"""Size below which the paper's AlexNet begins to lose accuracy (section 5.1 and Fig. 6)."""

COLUMNS = ("method", "setting", "size_pct", "test_error_pct")


def tasks(bench: Bench) -> list[Task]:
    """Every point; pruning and sharing begins with what pruning alone has left."""
    return [
        *base_tasks(bench, [DENSE]),
        *(_pruned(bench, density) for density in DENSITIES),
        *(_pruned_shared(bench, density) for density in DENSITIES),
        *(_shared(bench, bits) for bits in BITS),
        *(task for share in SHARES for task in (_low_rank(bench, share, 0), _low_rank(bench, share, EPOCHS))),
    ]


def _pruned_key(density: float) -> str:
    return f"lenet-300-100, pruned to {density:g}"


def _pruned(bench: Bench, density: float) -> Task:
    def compute(tell: Tell) -> Result:
        phases = [Phase("prune", bench.retraining(EPOCHS), Prune(table_densities(density)))]
        model = bench.train(bench.load(DENSE), phases, tell)
        return {**bench.keep(_pruned_key(density), model), "size": _pruned_size(model)}

    return Task(_pruned_key(density), EPOCHS, compute)


def _pruned_shared(bench: Bench, density: float) -> Task:
    def compute(tell: Tell) -> Result:
        model = bench.load(_pruned_key(density))
        bench.train(model, [Phase("share", bench.tuning(TUNE_EPOCHS, TUNE_RATE), Share(BITS_OF_BOTH))], tell)
        rules = [paper_rule(tensor, INDEX_BITS) for tensor in compressed_model_of(model).tensors]
        size = sum(rule.shared_bits for rule in rules) / sum(rule.dense_bits for rule in rules)
        return {"error": bench.error(model), "size": size}

    return Task(f"pruned to {density:g}, shared", TUNE_EPOCHS, compute)


def _shared(bench: Bench, bits: int) -> Task:
    def compute(tell: Tell) -> Result:
        model = bench.load(DENSE)
        bench.train(model, [Phase("share", bench.tuning(TUNE_EPOCHS, DENSE_TUNE_RATE), Share(bits))], tell)
        return {"error": bench.error(model), "size": _shared_size(model, bits)}

    return Task(f"shared in {bits} bits", TUNE_EPOCHS, compute)


def _low_rank(bench: Bench, share: float, epochs: int) -> Task:
    def compute(tell: Tell) -> Result:
        model = bench.load(DENSE)
        n_weights = sum(layer.weight.numel() for layer in find_layers(model).values())
        n_left = sum(_factor(model, name, share) for name in ("ip1", "ip2")) + model.ip3.weight.numel()  # type: ignore[union-attr,operator]
        if epochs:
            bench.train(model, [Phase("retrain", bench.retraining(epochs, rate=FACTOR_RATE))], tell)
        return {"error": bench.error(model), "size": n_left / n_weights}

    return Task(f"rank of {share:g}, {epochs} epochs", max(epochs, 0.1), compute)


def _factor(model: nn.Module, name: str, share: float) -> int:
    """Put two layers in the place of one; returns their weights. The last layer is too small to gain by it."""
    whole: nn.Linear = getattr(model, name)
    found = truncated(whole.weight.detach().numpy(), rank_for_share((whole.out_features, whole.in_features), share))
    first = nn.Linear(whole.in_features, len(found.right), bias=False)
    second = nn.Linear(len(found.right), whole.out_features)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(found.right))
        second.weight.copy_(torch.from_numpy(found.left))
        second.bias.copy_(whole.bias)
    setattr(model, name, nn.Sequential(first, second))
    return found.n_parameters


def _pruned_size(model: nn.Module) -> float:
    masks = masks_of(model).values()
    entries = sum(flat_statistics(mask.numpy().astype("uint8").reshape(-1)).entries(INDEX_BITS) for mask in masks)
    return entries * (FLOAT_BITS + INDEX_BITS) / (FLOAT_BITS * sum(mask.numel() for mask in masks))


def _shared_size(model: nn.Module, bits: int) -> float:
    sizes = [layer.weight.numel() for layer in find_layers(model).values()]
    return sum(size * bits + FLOAT_BITS * 2**bits for size in sizes) / (FLOAT_BITS * sum(sizes))


# The figure -----------------------------------------------------------------------------------------------------------


def _points(results: dict[str, Result]) -> Iterator[tuple[str, str, Result]]:
    """Method, setting, result."""
    yield from (("pruning alone", f"density {d:g}", results[_pruned_key(d)]) for d in DENSITIES)
    yield from (("sharing alone", f"{bits} bits", results[f"shared in {bits} bits"]) for bits in BITS)
    both = f"{BITS_OF_BOTH} bits"
    yield from (
        ("pruning and sharing", f"density {d:g}, {both}", results[f"pruned to {d:g}, shared"]) for d in DENSITIES
    )
    yield from (("SVD", f"share {s:g}", results[f"rank of {s:g}, 0 epochs"]) for s in SHARES)
    yield from (("SVD, retrained", f"share {s:g}", results[f"rank of {s:g}, {EPOCHS} epochs"]) for s in SHARES)


def found(results: dict[str, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    reference = pct(results[DENSE]["error"])
    rows = [(method, how, pct(one["size"]), pct(one["error"])) for method, how, one in _points(results)]
    methods = list(dict.fromkeys(row[0] for row in rows))
    smallest = {method: _smallest(reference, [row for row in rows if row[0] == method]) for method in methods}
    compared = [Compared("error of the dense network", reference, "%", 1.64, "Deep Compression, Table 1")]
    compared += [
        Compared(
            f"smallest size at most {LOST_POINTS:g} points worse, {method}",
            size,
            "% of dense",
            PAPER_SMALLEST_PCT.get(method),
            "Deep Compression, section 5.1, AlexNet"
            if method in PAPER_SMALLEST_PCT
            else "Fig. 6: inexpensive, but poor",
        )
        for method, size in smallest.items()
    ]
    best, alone = smallest["pruning and sharing"], smallest["pruning alone"]
    finding = (
        f"Together {_said(best)} of the size, pruning alone {_said(alone)}: error {LOST_POINTS:g} points higher at most"
    )
    colours = {"pruning alone": 1, "sharing alone": 2, "pruning and sharing": 0, "SVD": 3, "SVD, retrained": 3}
    curves = [
        Curve(method, *_columns(rows, method), dashed=method == "SVD", colour=colours[method]) for method in methods
    ]
    panel = CurvePanel(
        finding,
        "size, % of the dense network (log scale)",
        "test error %",
        tuple(curves),
        log_x=True,
        y_limits=(1, 8),
        level=reference,
        level_name="dense",
    )
    drawn = plots.curve_panels(CurvePanels((panel,), note))
    title = "Accuracy against size of LeNet-300-100 (Deep Compression, Fig. 6)"
    return Found(STEM, title, note, COLUMNS, rows, tuple(compared), drawn)


def _smallest(reference: float, rows: Sequence[tuple[str, str, float, float]]) -> float | None:
    """The smallest size that loses nothing."""
    return min((row[2] for row in rows if row[3] <= reference + LOST_POINTS), default=None)


def _said(size: float | None) -> str:
    return "no size" if size is None else f"{size:.1f} %"


def _columns(rows: Sequence[tuple[str, str, float, float]], method: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    points = [(row[2], row[3]) for row in rows if row[0] == method]
    return tuple(x for x, _ in points), tuple(y for _, y in points)
