"""`DenseTensor` and `DenseModel`: a network's weights as every importer gives them and `compress_model` takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_floats, frozen
from compressor.types.model_checks import settle_model
from compressor.types.network import Network

KINDS = ("linear", "conv", "lstm", "gru", "rnn")
"""What a weight tensor may be; "lstm", "gru" and "rnn" are matrices of a recurrent layer, one gate over the other."""

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""Gate matrices that stand one over the other in a recurrent layer's tensor."""

TORCH_GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
"""Their order in PyTorch's layers (documentation of ``torch.nn.LSTM`` and ``torch.nn.GRU``)."""


@dataclass(frozen=True, eq=False)
class DenseTensor:
    """The weights of one layer before compression.

    Parameters
    ----------
    name : str
    weights : array_like of float32
        ``(n_rows, n_cols)`` = (outputs, inputs) for "linear", "lstm" and "gru"; (outputs, inputs of a group, kernel
        sizes ...) for "conv". Every value finite.
    kind : str
        One of `KINDS`.
    bias : array_like of float32, shape (weights.shape[0],), or None
    gates : tuple of str
        Of a recurrent layer: the names of its gates in the order of their blocks of rows, as ``("i", "f", "g", "o")``;
        empty where they are not known or there are none.

    Raises
    ------
    ValueError
        When a shape, a number or the kind is out of its limits.
    """

    name: str
    weights: NDArray[np.float32]
    kind: str = "linear"
    bias: NDArray[np.float32] | None = None
    gates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("weights", frozen(as_floats("weights", self.weights)))
        check_tensor(self.name, self.kind, self.weights.shape, self.gates)
        put("gates", tuple(self.gates))
        if self.bias is not None:
            put("bias", frozen(as_floats("bias", self.bias)))
            if self.bias.shape != self.weights.shape[:1]:
                n = self.weights.shape[0]
                raise ValueError(f"bias: shape {self.bias.shape}, but the {n} outputs of {self.name!r} need ({n},)")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weights."""
        return self.weights.shape

    def dense(self) -> NDArray[np.float32]:
        """The weights, as `CodedTensor.dense` gives those of a compressed tensor."""
        return self.weights


@dataclass(frozen=True, eq=False)
class DenseModel:
    """The weights of a network in order, and what of it is not compressed.

    Parameters
    ----------
    tensors : sequence of DenseTensor
        At least one; every name once.
    activations : sequence of str
        One of `compressor.types.model_checks.ACTIVATION_FUNCTIONS` for each.
    provenance : mapping of str to str
    others : mapping of str to array_like of float32
        Parameters that are kept as they are, such as those of a batch normalisation or an embedding.
    network : Network or None
        The graph that the tensors are from; None where none is known.

    Raises
    ------
    ValueError
        As for `PackedModel`.
    """

    tensors: tuple[DenseTensor, ...]
    activations: tuple[str, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    network: Network | None = None

    def __post_init__(self) -> None:
        settle_model(self)


def check_tensor(name: object, kind: object, shape: tuple[int, ...], gates: object) -> None:
    """Check what `DenseTensor` and `CodedTensor` have in common.

    Raises
    ------
    ValueError
        When the name, the kind, the shape or the gates are not as these types describe.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"name: {name!r}, but it must be a text that is not empty")
    if kind not in KINDS:
        raise ValueError(f"kind: {kind!r}, but it must be one of {', '.join(KINDS)}")
    if not shape or min(shape) < 1 or (kind != "conv" and len(shape) != 2):
        raise ValueError(f"shape: {shape} of {name!r} is no shape of kind {kind!r}")
    if not isinstance(gates, (tuple, list)) or not all(isinstance(gate, str) and gate for gate in gates):
        raise ValueError(f"gates: {gates!r} of {name!r}, but they must be names")
    wanted = GATES.get(str(kind), 0)
    if len(gates) not in (0, wanted) or len(set(gates)) != len(gates):
        raise ValueError(f"gates: {tuple(gates)} of {name!r}, but kind {kind!r} has {wanted}")
    if gates and shape[0] % wanted:
        raise ValueError(f"shape: {shape[0]} rows of {name!r} do not make {wanted} gates of equal size")
