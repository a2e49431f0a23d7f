"""The data of a network's answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eie_sim.columns import digits
from eie_sim.inference import Classification


@dataclass(frozen=True, eq=False)
class AnsweredDigits:
    """Images with the answers of a network, the wrong ones first, and the latency of every image in each run.

    Attributes
    ----------
    model : str
    images : ndarray of uint8, shape (n, height, width)
        Those shown.
    labels, predicted : ndarray of int64, shape (n,)
        Of the images shown, in the last run.
    latencies_us : mapping of str to ndarray
        For each arithmetic, the latency of every image in microseconds.
    accuracies : mapping of str to float
    """

    model: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    latencies_us: Mapping[str, NDArray[np.float64]]
    accuracies: Mapping[str, float]

    @property
    def finding(self) -> str:
        """What the figure shows, in a line."""
        shares = ", ".join(f"{100 * share:.1f} % in {name}" for name, share in self.accuracies.items())
        return f"{self.model} through the machine: {shares} right"

    @property
    def latency_finding(self) -> str:
        """How long an image takes."""
        times = next(iter(self.latencies_us.values()))
        return f"An image takes {digits(float(times.min()))} to {digits(float(times.max()))} µs"


def answered_digits(
    model: str, images: NDArray[np.uint8], runs: Sequence[Classification], shown: int = 24
) -> AnsweredDigits:
    """The data of a figure of a network's answers.

    Parameters
    ----------
    model : str
    images : ndarray of uint8, shape (B, height, width)
    runs : sequence of Classification
        Of these images.
    shown : int
        How many images are shown: those answered wrongly in the last run, then others in order.
    """
    last = runs[-1]
    # False sorts before True: the wrong answers come first, each group in the order of the images.
    order = np.argsort(last.predicted == last.labels, kind="stable")[:shown]
    return AnsweredDigits(
        model,
        images[order],
        last.labels[order],
        last.predicted[order],
        {run.arch.arithmetic: run.time_us for run in runs},
        {run.arch.arithmetic: run.accuracy for run in runs},
    )
