"""Draws the way of inferences through a network."""

from matplotlib.figure import Figure

from eie_sim.report import figures
from eie_sim.report.plots.styles import EDGE, NAVY, RUST, SKY, new_figure, points, styled, without_long_names

_LONGEST_LABEL = 34

_HIGHEST_IN, _MOST_LABELS = 24.0, 120
"""Height of the picture, and steps that are named in it; of more, every second one or fewer."""


@styled
def network_path(data: figures.NetworkPath) -> Figure:
    """Nodes from the first to the last: time of machine and host, and energy of the machine."""
    steps = data.steps
    figure = new_figure(min(1.5 + 0.19 * len(steps), _HIGHEST_IN))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = range(len(steps))
    for on_machine, colour, label in ((True, NAVY, "machine"), (False, RUST, "host, measured here")):
        some = [at for at in places if steps[at].on_machine == on_machine]
        left.barh(some, [steps[at].time_us for at in some], color=colour, label=label, height=0.75)
    some = [at for at in places if steps[at].energy_uj is not None]
    right.barh(some, [steps[at].energy_uj or 0.0 for at in some], color=SKY, height=0.75)
    named = places[:: 1 + len(steps) // _MOST_LABELS]
    left.set_yticks(named, [_short(steps[at].label) for at in named], fontsize=points(7))
    left.set_ylim(len(steps) - 0.4, -0.6)  # the first node is at the top
    left.set_xlabel("time of an inference (µs)")
    right.set_xlabel("energy of the machine (µJ)")
    for axes in (left, right):
        axes.grid(axis="x", linewidth=0.6)
    left.legend(loc="best", fontsize=points(7))
    figure.suptitle(without_long_names(data.finding), x=EDGE, ha="left", fontsize=points(10), fontweight="bold")
    return figure


def _short(label: str) -> str:
    half = (_LONGEST_LABEL - 3) // 2
    return label if len(label) <= _LONGEST_LABEL else f"{label[:half]}...{label[-half:]}"
