"""What a network answered through the machine, as one row a run: right answers and the distribution of latencies."""

import numpy as np

from eie_sim.columns import Cell, Row
from eie_sim.inference import Classification

QUANTILES = {"min_us": 0.0, "median_us": 0.5, "p99_us": 0.99, "max_us": 1.0}
"""Columns of the latency's distribution, and which fraction of the inputs takes at most so long."""

DEFINITIONS: dict[str, dict[str, str]] = {
    "model": {"unit": "", "definition": "Name of the network."},
    "arithmetic": {"unit": "", "definition": "Of the machine: float32, or fixed point of so many bits."},
    "act_frac_bits": {"unit": "bits", "definition": "Fewest fraction bits of a layer's numbers; empty in float32."},
    "inputs": {"unit": "images", "definition": "Images run, each product of each on an empty machine."},
    "correct": {"unit": "images", "definition": "Images whose largest output is that of the right class."},
    "accuracy": {"unit": "ratio", "definition": "correct / inputs."},
    "saturations": {"unit": "sums", "definition": "Sums cut to the range of the fixed point, over all inputs."},
    "mean_us": {"unit": "us", "definition": "Mean latency: cycles of all products / clock."},
    "min_us": {"unit": "us", "definition": "The least latency."},
    "median_us": {"unit": "us", "definition": "Half of the inputs take at most so long."},
    "p99_us": {"unit": "us", "definition": "99 % of the inputs take at most so long."},
    "max_us": {"unit": "us", "definition": "The longest latency."},
    "load_balance": {"unit": "ratio", "definition": "Entries processed / (n_pe x cycles), over all products."},
}
"""Unit and definition of every column, in order."""


def classification_row(model: str, found: Classification) -> Row:
    """The row of one run, with the columns of `DEFINITIONS`."""
    nodes = found.network.nodes.values()
    entries = sum(int(node.counts.entries.sum()) for node in nodes)
    # The value that so many inputs do not exceed, never one between two: a cycle count that happened.
    times = np.quantile(found.time_us, list(QUANTILES.values()), method="inverted_cdf")
    cells: list[Cell] = [
        model,
        found.arch.arithmetic,
        None if found.arch.number_bits is None else min(node.arch.act_frac_bits or 0 for node in nodes),
        len(found),
        found.correct,
        found.accuracy,
        found.network.saturations,
        float(found.time_us.mean()),
        *(float(time) for time in times),
        entries / (found.arch.n_pe * int(found.cycles.sum())),
    ]
    return dict(zip(DEFINITIONS, cells, strict=True))
