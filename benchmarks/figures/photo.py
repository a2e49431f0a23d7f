"""A photo, what a network sees in it, and where the machine's time goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compressor.samples import Answers
from eie_sim.columns import digits
from eie_sim.network import NetworkResult
from eie_sim.report.plots.styles import EDGE, INK, NAVY, SKY, new_figure, points, styled


@dataclass(frozen=True, eq=False)
class AnsweredPhoto:
    """A photo with the best classes of a network, and time and energy of the machine by group of nodes.

    Attributes
    ----------
    name : str
    pixels : ndarray of uint8, shape (rows, columns, 3)
    best : sequence of (str, float)
        Class and probability, the best first.
    groups : mapping of str to (float, float)
        Milliseconds and millijoules of the machine, by the first part of the names of nodes.
    products, cycles : int
    """

    name: str
    pixels: NDArray[np.uint8]
    best: Sequence[tuple[str, float]]
    groups: Mapping[str, tuple[float, float]]
    products: int
    cycles: int

    @property
    def finding(self) -> str:
        """What the figure shows, in a line."""
        time = sum(time for time, _ in self.groups.values())
        energy = sum(energy for _, energy in self.groups.values())
        took = f"{self.products:,} products, {self.cycles:,} cycles, {digits(time, 4)} ms, {digits(energy)} mJ"
        return f"{self.name}: {took} on 64 PEs"


def answered_photo(name: str, pixels: NDArray[Any], result: NetworkResult, names: Mapping[int, str]) -> AnsweredPhoto:
    """The data of the figure, of one inference; `names` are of some classes."""
    answers = Answers.of(next(iter(result.outputs.values())))
    assert answers is not None
    (best,), (probabilities,) = answers.best, answers.probabilities
    shown = [(f"{number} {names.get(int(number), '')}".strip(), float(probabilities[number])) for number in best]
    groups: dict[str, tuple[float, float]] = {}
    for node in result.nodes.values():
        group = node.name.partition("/")[0]
        time, energy = groups.get(group, (0.0, 0.0))
        groups[group] = time + node.cycles / result.arch.clock_hz * 1e3, energy + node.energy_uj * 1e-3
    return AnsweredPhoto(name, pixels, shown, groups, result.products, result.cycles)


@styled
def photo_with_answer(data: AnsweredPhoto) -> Figure:
    """The photo, the five best classes, and bars of time and energy."""
    figure = new_figure(2.8)
    picture, classes, machine = figure.subplots(1, 3, width_ratios=(1.9, 2, 3))
    picture.imshow(data.pixels, interpolation="nearest")
    picture.axis("off")
    places = range(len(data.best))
    classes.barh(places, [probability for _, probability in data.best], color=SKY, height=0.7)
    for at, (name, probability) in enumerate(data.best):
        classes.text(0.02, at, f"{name}: {probability:.2f}", va="center", fontsize=points(8), color=INK)
    classes.set_ylim(len(data.best) - 0.4, -0.6)
    classes.set_xlim(0, 1)
    classes.set_yticks([])
    classes.set_xlabel("probability")
    classes.set_title("ImageNet class")
    rows = np.arange(len(data.groups))
    machine.barh(rows - 0.2, [time for time, _ in data.groups.values()], color=NAVY, height=0.38, label="time (ms)")
    machine.barh(rows + 0.2, [mj for _, mj in data.groups.values()], color=SKY, height=0.38, label="energy (mJ)")
    machine.set_yticks(rows, list(data.groups), fontsize=points(8))
    machine.invert_yaxis()
    machine.grid(axis="x", linewidth=0.6)
    machine.legend(loc="lower right")
    machine.set_title("on the machine")
    figure.suptitle(data.finding, x=EDGE, ha="left", fontsize=points(10), fontweight="bold")
    return figure
