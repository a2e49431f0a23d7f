"""Where the k-means begins against accuracy (Deep Compression, Fig. 8), before and after the centroids are tuned."""

from collections.abc import Mapping

from torch import Tensor, nn

from benchmarks.reproduction.bench import DENSE, PRUNED, Bench, base_tasks
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.tasks import Result, Task, Tell
from compressor.training import Phase, Share, find_layers
from compressor.weight_sharing import INITIALISATIONS
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels

STEM = "initialisations"

BITS = (2, 3, 4, 5, 6, 7, 8)
TUNE_EPOCHS, TUNE_RATE = 1, 1e-3

PAPERS_OWN = ("forgy", "density", "linear")
"""The paper compares these; "exact" is this package's."""

PAPER_LINEAR_BEST = 6
"""Of the 7 widths, 2 to 8 bits: "linear initialization outperforms ... in all cases except at 3 bits" (section 5.2)."""

SETTLED_BITS = 4
"""From here on the figure's curves lie on one another."""

COLUMNS = ("init", "bits", "error_before_tuning_pct", "test_error_pct", "squared_error")


def tasks(bench: Bench) -> list[Task]:
    """Every point."""
    return [
        *base_tasks(bench, [DENSE, PRUNED]),
        *(_shared(bench, init, bits) for init in INITIALISATIONS for bits in BITS),
    ]


def _key(init: str, bits: int) -> str:
    return f"{init} in {bits} bits"


def _shared(bench: Bench, init: str, bits: int) -> Task:
    def compute(tell: Tell) -> Result:
        step = Share(bits, init=init, seed=bench.seed)
        model, exact = bench.load(PRUNED), bench.load(PRUNED)
        step.apply(model)
        squares = sum(
            float(((new - old) ** 2).sum()) for new, old in zip(_weights(model), _weights(exact), strict=True)
        )
        before = bench.error(model)
        bench.train(exact, [Phase("share", bench.tuning(TUNE_EPOCHS, TUNE_RATE), step)], tell)
        return {"before": before, "error": bench.error(exact), "squares": squares}

    return Task(_key(init, bits), TUNE_EPOCHS, compute)


def _weights(model: nn.Module) -> list[Tensor]:
    return [layer.weight.detach() for layer in find_layers(model).values()]


def found(results: dict[str, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    points = {(init, bits): results[_key(init, bits)] for init in INITIALISATIONS for bits in BITS}
    rows = [
        (init, bits, pct(one["before"]), pct(one["error"]), round(one["squares"], 4))
        for (init, bits), one in points.items()
    ]
    reference = pct(results[PRUNED]["error"])
    won = {when: _widths_won(points, when) for when in ("before", "error")}
    compared = [Compared("error of the pruned network", reference, "%", 1.58, "Deep Compression, Table 1")]
    compared += [
        Compared(
            f"widths at which linear is best of the three, {told}",
            won[when],
            f"of {len(BITS)}",
            PAPER_LINEAR_BEST,
            "Deep Compression, section 5.2, AlexNet; a tie counts for linear",
        )
        for when, told in (("before", "not tuned"), ("error", "tuned"))
    ]
    apart = {when: _points_apart(points, when) for when in ("before", "error")}
    compared += [
        Compared(
            f"points that the three are apart from {SETTLED_BITS} bits on, {told}",
            apart[when],
            "points",
            None,
            "one image for testing is 0.01 points, the noise of one error 0.12",
        )
        for when, told in (("before", "not tuned"), ("error", "tuned"))
    ]
    panels = tuple(
        CurvePanel(
            f"{told}: from {SETTLED_BITS} bits on the paper's three are {apart[when]:.2f} points apart at most",
            "bits of a code",
            "test error %",
            tuple(
                Curve(init, tuple(map(float, BITS)), tuple(pct(points[init, bits][when]) for bits in BITS))
                for init in INITIALISATIONS
            ),
            y_limits=limits,
            level=reference,
            level_name="not shared",
        )
        for when, told, limits in (("before", "Not tuned", (1, 4)), ("error", "Centroids tuned", (1, 4)))
    )
    drawn = plots.curve_panels(CurvePanels(panels, note))
    title = "Initialisations of the k-means, LeNet-300-100 pruned (Deep Compression, Fig. 8)"
    return Found(STEM, title, note, COLUMNS, rows, tuple(compared), drawn)


def _widths_won(points: Mapping[tuple[str, int], Result], when: str) -> int:
    """Bits at which no other of the paper's own initialisations has a smaller error."""
    return sum(points["linear", bits][when] <= min(points[init, bits][when] for init in PAPERS_OWN) for bits in BITS)


def _points_apart(points: Mapping[tuple[str, int], Result], when: str) -> float:
    """Largest difference between the paper's own initialisations at one width, from `SETTLED_BITS` on."""
    errors = [[pct(points[init, bits][when]) for init in PAPERS_OWN] for bits in BITS if bits >= SETTLED_BITS]
    return max(max(of_width) - min(of_width) for of_width in errors)
