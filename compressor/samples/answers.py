"""What the outputs of a network say: classes, accuracy, and agreement with another network's outputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BEST = 5
"""Classes of an answer that are named, and among which the right one is for top-5 accuracy."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Scores of classes.

    Attributes
    ----------
    scores : ndarray of float64, shape (B, n_classes)
    """

    scores: NDArray[np.float64]

    @classmethod
    def of(cls, output: object) -> "Answers | None":
        """The answers in an output of shape (B, n_classes), where axes of length 1 may follow; None in another one."""
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f":
            return None
        array: NDArray[Any] = output
        shape = array.shape
        if array.ndim < 2 or shape[1] < 2 or any(size != 1 for size in shape[2:]):
            return None
        return cls(array.reshape(shape[:2]).astype(np.float64))

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def best(self) -> NDArray[np.int64]:
        """The best classes of each inference, the best first, of equal ones the lowest; int64, shape (B, at most 5)."""
        return np.argsort(-self.scores, axis=1, kind="stable")[:, :BEST].astype(np.int64)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The scores where they are probabilities, else their softmax; float64, shape (B, n_classes)."""
        scores = self.scores
        # Of each inference by itself, so that no other changes it.
        are = (scores >= 0).all(axis=1) & np.isclose(scores.sum(axis=1), 1, atol=1e-3)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.where(are[:, np.newaxis], scores, powers / powers.sum(axis=1, keepdims=True))

    def accuracy(self, labels: NDArray[np.int64]) -> dict[str, int]:
        """How many inferences have their label as the best class, and among the five best where there are more."""
        right = self.best == labels[:, np.newaxis]
        found = {"top1": int(right[:, 0].sum())}
        if self.scores.shape[1] > BEST:
            found["top5"] = int(right.any(axis=1).sum())
        return found

    def agreeing(self, other: "Answers") -> int:
        """How many inferences have the same best class in both."""
        return int((self.best[:, 0] == other.best[:, 0]).sum())


def largest_difference(output: ArrayLike, other: ArrayLike) -> float | None:
    """The largest difference of two outputs, as a fraction of the largest magnitude of the other.

    Numbers that are the same in both, also infinite ones, do not differ; None where one is infinite in one of them.

    Raises
    ------
    ValueError
        If they have different shapes.
    """
    one, two = np.asarray(output, np.float64), np.asarray(other, np.float64)
    if one.shape != two.shape:
        raise ValueError(f"outputs: shapes {one.shape} and {two.shape}, but must be the same")
    if not one.size:
        return 0.0
    differ = one != two
    if not np.isfinite(np.concatenate([one[differ], two[differ]])).all():
        return None
    scale = float(np.abs(two[np.isfinite(two)]).max(initial=0))
    return float(np.abs(one[differ] - two[differ]).max(initial=0)) / (scale or 1.0)
