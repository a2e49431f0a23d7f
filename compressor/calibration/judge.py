"""How good a compressed network is: beside the uncompressed one on inputs that it was not calibrated on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compressor.calibration.activations import Part, Values, results_of
from compressor.importers.onnx import decoded_onnx
from compressor.samples import Answers, Samples
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel

if TYPE_CHECKING:
    from onnx import ModelProto

HOLDOUT = 5
"""One sample of so many is held out."""

GOOD_AGREEMENT, GOOD_ERROR = 0.97, 0.1
"""Of the same answers, at least, and of an output's relative error, at most; beyond them a user is warned."""


@dataclass(frozen=True)
class OutputJudgement:
    """An output of a network, compressed and not.

    Attributes
    ----------
    name : str
    error : float
        Root of the summed squared differences over that of the squares of the uncompressed output.
    agreeing : int or None
        Inferences with the same best class in both; None where the output is not a vector of classes.
    correct, correct_before : int or None
        Inferences whose best class is their label, compressed and uncompressed; None without labels.
    """

    name: str
    error: float
    agreeing: int | None = None
    correct: int | None = None
    correct_before: int | None = None


@dataclass(frozen=True)
class Judgement:
    """A compressed network beside the uncompressed one.

    Attributes
    ----------
    n : int
        Inferences.
    outputs : tuple of OutputJudgement
        Those of floating-point numbers.
    layers : mapping of str to float
        For each tensor, the error of the outputs of the operators that use it, as of `OutputJudgement`; the errors
        of the layers before it are in it.
    """

    n: int
    outputs: tuple[OutputJudgement, ...]
    layers: Mapping[str, float]

    @property
    def is_good(self) -> bool:
        """Whether every output that is a vector of classes agrees, and every other one is near."""
        return all(
            one.error <= GOOD_ERROR if one.agreeing is None else one.agreeing >= GOOD_AGREEMENT * self.n
            for one in self.outputs
        )


def split(n: int, every: int = HOLDOUT, is_sequence: bool = False) -> tuple[list[int], list[int]]:
    """Numbers of the samples to calibrate on and of those that are held out.

    Parameters
    ----------
    n : int
    every : int
        One of so many is held out, from the last of the first so many on.
    is_sequence : bool
        Whether samples follow each other; then the last ones are held out.
    """
    if is_sequence:
        return list(range(n - n // every)), list(range(n - n // every, n))
    held = list(range(every - 1, n, every))
    return sorted(set(range(n)) - set(held)), held


def states(proto: "ModelProto", samples: Samples, feedback: Mapping[str, str]) -> list[Values]:
    """What each inference takes from the one before, by the names of inputs.

    Parameters
    ----------
    proto : ModelProto
    samples : Samples
    feedback : mapping of str to str
        Outputs and the inputs of the next inference that they are.
    """
    if not feedback:
        return [{}] * len(samples)
    part = Part(proto, list(feedback))
    found: list[Values] = [{}]
    for number in range(len(samples) - 1):
        outputs = part.of({**samples[number], **found[-1]})
        found.append({name: outputs[output] for output, name in feedback.items()})
    return found


def judge(
    before: DenseModel,
    after: CompressedModel,
    samples: Samples,
    labels: NDArray[np.int64] | None = None,
    feedback: Mapping[str, str] | None = None,
) -> Judgement:
    """Compare a compressed network with the uncompressed one on inputs.

    Parameters
    ----------
    before : DenseModel
        With its graph.
    after : CompressedModel
    samples : Samples
        At least one.
    labels : ndarray of int64, shape (len(samples),), or None
    feedback : mapping of str to str, or None
        As of `states`.

    Raises
    ------
    ValueError
        If ONNX Runtime refuses the network or the inputs.
    """
    assert before.network is not None
    protos = [decoded_onnx(before), decoded_onnx(after)]
    outputs = [value.name for value in protos[0].graph.output]
    results = results_of(protos[0], before.network.uses)
    parts = [Part(proto, [*outputs, *results.values()]) for proto in protos]
    fed = [states(proto, samples, feedback or {}) for proto in protos]
    sums: dict[str, NDArray[np.float64]] = {}
    found: dict[str, list[list[Any]]] = {name: [[], []] for name in outputs}
    for number in range(len(samples)):
        pair = [part.of({**samples[number], **of_one[number]}) for part, of_one in zip(parts, fed, strict=True)]
        for name in parts[0].names:
            one, two = (np.asarray(values[name]) for values in pair)
            if one.dtype.kind == "f" and one.shape == two.shape:
                sums[name] = sums.get(name, np.zeros(2)) + _squares(one, two)
            if name in found:
                for kept, values in zip(found[name], (one, two), strict=True):
                    kept.append(values)
    judged = [_output(name, sums[name], found[name], labels) for name in outputs if name in sums]
    layers: dict[str, NDArray[np.float64]] = {}
    for use in before.network.uses:
        for name in use.tensors:
            of_one = sums.get(results[use.result], np.zeros(2))
            layers[name] = layers.get(name, np.zeros(2)) + of_one
    return Judgement(len(samples), tuple(judged), {name: _relative(one) for name, one in layers.items()})


def _squares(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    one, two = before.astype(np.float64), after.astype(np.float64)
    return np.array([np.square(one - two).sum(), np.square(one).sum()])


def _relative(squares: NDArray[np.float64]) -> float:
    return sqrt(squares[0] / squares[1]) if squares[1] else float(squares[0] > 0)


def _output(
    name: str, squares: NDArray[np.float64], found: Sequence[Sequence[NDArray[Any]]], labels: NDArray[np.int64] | None
) -> OutputJudgement:
    error = _relative(squares)
    if len({values.shape[1:] for values in found[0]} | {values.shape[1:] for values in found[1]}) > 1:
        return OutputJudgement(name, error)
    answers = [Answers.of(np.concatenate([np.atleast_1d(one) for one in values])) for values in found]
    first, second = answers
    if first is None or second is None or (labels is not None and len(first) != len(labels)):
        return OutputJudgement(name, error)
    agreeing = first.agreeing(second)
    if labels is None:
        return OutputJudgement(name, error, agreeing)
    return OutputJudgement(name, error, agreeing, second.accuracy(labels)["top1"], first.accuracy(labels)["top1"])
