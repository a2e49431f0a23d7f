"""What a study is on the page: rows of numbers, a picture, and what the change would have given."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.reproduction.files import as_csv, as_markdown, write_texts
from compressor.importers import read_eie_simulator
from compressor.jit import in_threads
from eie_sim import ArchConfig, preset
from eie_sim.paper import LAYERS, MACHINE
from eie_sim.report import plots
from eie_sim.workload import Workload, calibrated_layer

Found = TypeVar("Found")

GAIN_COLUMNS = ("change", "cycles, of EIE's", "most and least", "energy, of EIE's", "cost")

REAL = "Alex-8 (real)"
"""The layer of the EIE authors' data: shown, and in no mean, which would count Alex-8 twice."""


@dataclass(frozen=True)
class Bench:
    """The layers that every study runs: the nine of the paper, drawn with one seed, and the real Alex-8 where it is."""

    workloads: Mapping[str, Workload]
    arch: ArchConfig
    note: str
    """For the foot of the pictures."""
    seed: int = 0

    @classmethod
    def of(cls, seed: int, alex8: Path | None, layers: Sequence[str] = LAYERS) -> "Bench":
        """Draw the layers."""
        found = dict(zip(layers, in_threads(lambda name: calibrated_layer(name, seed), layers), strict=True))
        if alex8 is not None:
            layer, acts = read_eie_simulator(alex8, n_rows=1000, n_pe=64)
            found[REAL] = Workload(layer, acts, "the EIE authors' data")
        note = (
            f"layers drawn with statistics fitted to the paper's figures, seed {seed}; Alex-8 (real): the authors' data"
        )
        return cls(found, preset(MACHINE), note, seed)

    def each(self, function: Callable[[Workload], Found]) -> dict[str, Found]:
        """What `function` finds on each layer, by its name."""
        found = in_threads(function, self.workloads.values())
        return dict(zip(self.workloads, found, strict=True))


@dataclass(frozen=True)
class Gain:
    """What one change would have given EIE.

    Attributes
    ----------
    change : str
    cycles, energy : mapping of layer to float
        With the change over without it; `energy` is empty where the change has no price here.
    cost : str
        What it takes.
    """

    change: str
    cycles: Mapping[str, float]
    energy: Mapping[str, float]
    cost: str

    def cells(self) -> tuple[str, ...]:
        """The gain as a row of `GAIN_COLUMNS`; means are geometric."""
        of = drawn(self.cycles)
        most, least = max(of, key=of.__getitem__), min(of, key=of.__getitem__)
        return (
            self.change,
            f"{mean_ratio(self.cycles):.3f}",
            f"{most} {of[most]:.3f}, {least} {of[least]:.3f}",
            f"{mean_ratio(self.energy):.3f}" if self.energy else "no price",
            self.cost,
        )


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
    columns : tuple of str
    rows : tuple of tuple
    drawn : matplotlib.figure.Figure
    gains : tuple of Gain
    notes : tuple of str
        What was found, and what it assumes.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    drawn: Any
    gains: tuple[Gain, ...]
    notes: tuple[str, ...]


def drawn(ratios: Mapping[str, float]) -> Mapping[str, float]:
    """Without the real Alex-8."""
    return {layer: ratio for layer, ratio in ratios.items() if layer != REAL}


def mean_ratio(ratios: Mapping[str, float]) -> float:
    """Geometric mean over the drawn layers."""
    return statistics.geometric_mean(drawn(ratios).values())


def saved_pct(ratios: Mapping[str, float]) -> float:
    """Percent saved, by the same mean."""
    return 100 * (1 - mean_ratio(ratios))


def rounded(*cells: object) -> tuple[object, ...]:
    """Cells with four digits of what is not whole."""
    return tuple(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells)


def write_page(studies: Iterable[Study], folder: Path, note: str) -> list[Path]:
    """README.md with all studies, and a table and a picture of each; returns the paths."""
    written: list[Path] = []
    kept = list(studies)
    page = ["# Beyond the paper: what other choices would have given EIE", "", note, ""]
    page += [as_markdown(GAIN_COLUMNS, [gain.cells() for study in kept for gain in study.gains]), ""]
    page += [
        "Below 1 the change saves. Means are geometric, over the drawn layers; the real Alex-8 is in tables and "
        "pictures. `eie_sim.studies` has each as a function of a layer, its inputs and a machine.",
        "",
    ]
    for study in kept:
        page += [f"## {study.title}", "", *(f"- {text}" for text in study.notes), ""]
        page += [f"![{study.title}]({study.name}.png)", "", f"All numbers: [{study.name}.csv]({study.name}.csv)", ""]
        written += write_texts(folder, {f"{study.name}.csv": as_csv(study.columns, study.rows)})
        written.append(plots.save(study.drawn, folder / f"{study.name}.png"))
    return [*written, *write_texts(folder, {"README.md": "\n".join(page)})]
