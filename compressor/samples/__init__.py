"""Inputs and outputs of whole networks: inputs cut into samples, one for each inference, and what outputs say."""

from compressor.samples.answers import Answers, largest_difference
from compressor.samples.cut import Axes, End, Inputs, Interface, Samples, end_of, read_arrays, together

__all__ = [
    "Answers",
    "Axes",
    "End",
    "Inputs",
    "Interface",
    "Samples",
    "end_of",
    "largest_difference",
    "read_arrays",
    "together",
]
