"""What a network answered through the machine, as one row a run: right answers and the distribution of latencies."""

import numpy as np

from eie_sim.columns import Cell, Row
from eie_sim.inference import Classification

QUANTILES = {"min_us": 0.0, "median_us": 0.5, "p99_us": 0.99, "max_us": 1.0}
"""Columns of the latency's distribution, and which share of the inputs takes at most so long."""

DEFINITIONS: dict[str, dict[str, str]] = {
    "model": {"unit": "", "definition": "Name of the network."},
    "arithmetic": {"unit": "", "definition": "Of the machine: float32, or fixed point of so many bits."},
    "act_frac_bits": {"unit": "bits", "definition": "Fraction bits of activations; empty in float32."},
    "inputs": {"unit": "images", "definition": "Images run, each alone on an empty machine."},
    "correct": {"unit": "images", "definition": "Images whose largest output is that of the right class."},
    "accuracy": {"unit": "ratio", "definition": "correct / inputs."},
    "saturations": {"unit": "sums", "definition": "Accumulations cut to the range, on the machine, over all inputs."},
    "mean_us": {"unit": "us", "definition": "Mean latency: cycles of all layers on the machine / clock."},
    "min_us": {"unit": "us", "definition": "The least latency."},
    "median_us": {"unit": "us", "definition": "Half of the inputs take at most so long."},
    "p99_us": {"unit": "us", "definition": "99 % of the inputs take at most so long."},
    "max_us": {"unit": "us", "definition": "The longest latency."},
    "load_balance": {"unit": "ratio", "definition": "Entries walked / (n_pe x cycles), over all layers and inputs."},
}
"""Unit and definition of every column, in order."""


def classification_row(model: str, found: Classification) -> Row:
    """The row of one run, with the columns of `DEFINITIONS`."""
    entries = sum(int(layer.counts.entries.sum()) for layer in found.layers)
    # The value that so many inputs do not exceed, never one between two: a cycle count that happened.
    times = np.quantile(found.time_us, list(QUANTILES.values()), method="inverted_cdf")
    cells: list[Cell] = [
        model,
        found.arch.arithmetic,
        found.arch.act_frac_bits,
        len(found),
        found.correct,
        found.accuracy,
        sum(int(layer.counts.saturations.sum()) for layer in found.layers),
        float(found.time_us.mean()),
        *(float(time) for time in times),
        entries / (found.arch.n_pe * int(found.cycles.sum())),
    ]
    return dict(zip(DEFINITIONS, cells, strict=True))
