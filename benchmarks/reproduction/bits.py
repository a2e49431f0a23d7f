"""Bits of a code against accuracy, convolutions and the rest, pruned or not (Deep Compression, Fig. 7 and Table 6).

The weights of LeNet-5 are shared and nothing is trained after that, so that every point is an evaluation.
"""

from collections.abc import Sequence

from benchmarks.reproduction.bench import LENET_5_DENSE, LENET_5_PRUNED, Bench, base_tasks
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.tasks import Result, Task
from compressor.training import Share, find_layers
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels

STEM = "bits_against_accuracy"

BITS = (8, 7, 6, 5, 4, 3, 2, 1)
GROUPS = {"conv layers": ("conv",), "fc layers": ("linear",), "all layers": ("conv", "linear")}
"""Kinds of the layers that are shared; the others stay as they are."""

LOST_POINTS = 0.25
"""As in `benchmarks.reproduction.against_size`: what the noise of 10,000 images is."""

PAPER_BITS = {"conv layers": 4, "fc layers": 2}
"""Fewest bits before accuracy drops on AlexNet (Deep Compression, section 5.1 and Fig. 7)."""

_BASES = {"not pruned": LENET_5_DENSE, "pruned": LENET_5_PRUNED}
_EVALUATION_COST = 0.6

COLUMNS = ("network", "layers", "bits", "test_error_pct")


def tasks(bench: Bench) -> list[Task]:
    """Every point."""
    points = [_shared(bench, base, group, bits) for base in _BASES for group in GROUPS for bits in BITS]
    return [*base_tasks(bench, [LENET_5_DENSE, LENET_5_PRUNED]), *points]


def _key(base: str, group: str, bits: int) -> str:
    return f"{base}, {group} in {bits} bits"


def _shared(bench: Bench, base: str, group: str, bits: int) -> Task:
    def compute(_: object) -> Result:
        model = bench.load(_BASES[base])
        names = [name for name, layer in find_layers(model).items() if layer.kind in GROUPS[group]]
        Share(dict.fromkeys(names, bits)).apply(model)
        return {"error": bench.error(model)}

    return Task(_key(base, group, bits), _EVALUATION_COST, compute)


def found(results: dict[str, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    note = f"{note}; nothing trained after sharing"
    rows = [
        (base, group, bits, pct(results[_key(base, group, bits)]["error"]))
        for base in _BASES
        for group in GROUPS
        for bits in BITS
    ]
    references = {base: pct(results[key]["error"]) for base, key in _BASES.items()}
    compared = [
        Compared(f"error of LeNet-5, {base}", references[base], "%", paper, "Deep Compression, Table 1")
        for base, paper in zip(_BASES, (0.80, 0.77), strict=True)
    ]
    fewest = {
        (base, group): _fewest(references[base], [row for row in rows if row[:2] == (base, group)])
        for base in _BASES
        for group in GROUPS
    }
    compared += [
        Compared(
            f"fewest bits at most {LOST_POINTS:g} points worse, {group}, {base}",
            bits,
            "bits",
            PAPER_BITS.get(group),
            "Deep Compression, section 5.1, AlexNet after tuning" if group in PAPER_BITS else "",
        )
        for (base, group), bits in fewest.items()
    ]
    compared += [
        Compared(
            f"bits more that the pruned network needs, {group}",
            None if None in (more := (fewest["pruned", group], fewest["not pruned", group])) else more[0] - more[1],
            "bits",
            0,
            'Deep Compression, Fig. 7: "pruning doesn\'t hurt quantization"',
        )
        for group in GROUPS
    ]
    panels = tuple(
        CurvePanel(
            f"{group.capitalize()}, {LOST_POINTS:g} points lost at most: {_said(fewest['not pruned', group])}, "
            f"pruned {_said(fewest['pruned', group])}",
            "bits of a code",
            "test error %",
            tuple(_curve(rows, base, group) for base in _BASES),
            y_limits=(0.6, 4),
        )
        for group in PAPER_BITS
    )
    drawn = plots.curve_panels(CurvePanels(panels, note))
    title = "Bits of a code against accuracy of LeNet-5 (Deep Compression, Fig. 7)"
    return Found(STEM, title, note, COLUMNS, rows, tuple(compared), drawn)


def _fewest(reference: float, rows: Sequence[tuple[str, str, int, float]]) -> int | None:
    """The last bits, from many down, that lose at most `LOST_POINTS`."""
    kept = None
    for _, _, bits, error in rows:
        if error > reference + LOST_POINTS:
            break
        kept = bits
    return kept


def _said(bits: int | None) -> str:
    return "none" if bits is None else f"{bits} bits"


def _curve(rows: Sequence[tuple[str, str, int, float]], base: str, group: str) -> Curve:
    points = [(row[2], row[3]) for row in rows if row[:2] == (base, group)]
    x, y = zip(*points, strict=True)
    return Curve(base, x, y, dashed=base == "not pruned", colour=0 if base == "pruned" else 1)
