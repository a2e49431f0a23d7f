"""What a study is on the page: rows of numbers, a picture, and what the change would have given."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.reproduction.files import as_csv, as_markdown, write_texts
from compressor._jit import in_threads
from compressor.importers import read_eie_simulator
from eie_sim import ArchConfig, preset
from eie_sim.paper import LAYERS, MACHINE
from eie_sim.report import plots
from eie_sim.workload import Workload, calibrated_layer

Found = TypeVar("Found")

GAIN_COLUMNS = ("change", "fewer cycles %", "worst and best layer", "less energy %", "cost")


@dataclass(frozen=True)
class Bench:
    """The layers that every study runs: the nine of the paper, drawn with one seed, and the real Alex-8 where it is."""

    workloads: Mapping[str, Workload]
    arch: ArchConfig
    note: str
    """For the foot of the pictures."""

    @classmethod
    def of(cls, seed: int, alex8: Path | None, layers: Sequence[str] = LAYERS) -> "Bench":
        """Draw the layers."""
        drawn = dict(zip(layers, in_threads(lambda name: calibrated_layer(name, seed), layers), strict=True))
        if alex8 is not None:
            layer, acts = read_eie_simulator(alex8, n_rows=1000, n_pe=64)
            drawn["Alex-8 (real)"] = Workload(layer, acts, "the EIE authors' data")
        note = f"layers drawn with statistics fitted to the paper's figures, seed {seed}"
        return cls(drawn, preset(MACHINE), note)

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
        saved = {layer: 100 * (1 - ratio) for layer, ratio in self.cycles.items()}
        worst, best = min(saved, key=saved.__getitem__), max(saved, key=saved.__getitem__)
        return (
            self.change,
            f"{saved_pct(self.cycles):+.1f}",
            f"{worst} {saved[worst]:+.1f}, {best} {saved[best]:+.1f}",
            f"{saved_pct(self.energy):+.1f}" if self.energy else "",
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


def saved_pct(ratios: Mapping[str, float]) -> float:
    """Percent saved, geometric mean over the layers."""
    return 100 * (1 - statistics.geometric_mean(ratios.values()))


def rounded(*cells: object) -> tuple[object, ...]:
    """Cells with four digits of what is not whole."""
    return tuple(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells)


def write_page(studies: Iterable[Study], folder: Path, note: str) -> list[Path]:
    """README.md with all studies, and a table and a picture of each; returns the paths."""
    written: list[Path] = []
    kept = list(studies)
    page = ["# Beyond the paper: what other choices would have given EIE", "", note, ""]
    page += [as_markdown(GAIN_COLUMNS, [gain.cells() for study in kept for gain in study.gains]), ""]
    page += ["A minus says that the change costs. Means are geometric, over all layers of the table.", ""]
    for study in kept:
        page += [f"## {study.title}", "", *(f"- {text}" for text in study.notes), ""]
        page += [f"![{study.title}]({study.name}.png)", "", f"All numbers: [{study.name}.csv]({study.name}.csv)", ""]
        written += write_texts(folder, {f"{study.name}.csv": as_csv(study.columns, study.rows)})
        written.append(plots.save(study.drawn, folder / f"{study.name}.png"))
    return [*written, *write_texts(folder, {"README.md": "\n".join(page)})]
