"""Compression without retraining: what pruning and sharing cost is made up for on calibration inputs.

`compress_calibrated` takes a network with its graph and inputs for it. In the order of the graph, each tensor becomes a
`Problem`, least squares of its outputs over the vectors that it multiplies (`activations`, `moments`, `problem`), which
is pruned (`surgeon`) and shared (`sharing`) by `compress_problem`; its bias takes what is left of the mean error. The
vectors are those of the network as it is compressed so far, and the outputs to be kept are those of the uncompressed
one. `judge` compares the two networks on inputs that were held out.
"""

from compressor.calibration.judge import Judgement, OutputJudgement, judge, split
from compressor.calibration.layer import CalibratedTensor, compress_problem
from compressor.calibration.network import (
    CalibratedModel,
    Calibration,
    Setting,
    Target,
    calibrated,
    compress_calibrated,
    samples_of,
    settings_of,
)
from compressor.calibration.problem import DAMPING, Block, Problem, matrix_problem

__all__ = [
    "DAMPING",
    "Block",
    "CalibratedModel",
    "CalibratedTensor",
    "Calibration",
    "Judgement",
    "OutputJudgement",
    "Problem",
    "Setting",
    "Target",
    "calibrated",
    "compress_calibrated",
    "compress_problem",
    "judge",
    "matrix_problem",
    "samples_of",
    "settings_of",
    "split",
]
