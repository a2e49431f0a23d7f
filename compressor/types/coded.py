"""`CodedTensor` and `CompressedModel`: any network's tensors after weight sharing, before packing for a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, as_integers, frozen, whole_number
from compressor.packing import pack_codes
from compressor.types.dense import check_tensor
from compressor.types.model_checks import settle_model
from compressor.types.network import Network
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import check_codebook, weight_bits_of
from compressor.types.packed_model import PackedModel


def nearest_codes(values: ArrayLike, codebook: ArrayLike) -> NDArray[np.uint8]:
    """The code of the nearest codebook value for each of `values`, the lower value where two are equally near.

    Parameters
    ----------
    values : array_like of float32
    codebook : array_like of float32, shape (2**weight_bits,)
        Code 0 is the value 0 and can be chosen.

    Returns
    -------
    ndarray of uint8, the shape of `values`
    """
    book = as_floats("codebook", codebook)
    wanted = as_floats("values", values)
    order = np.argsort(book, kind="stable")
    middle = (book[order][1:].astype(np.float64) + book[order][:-1]) / 2
    codes: NDArray[np.uint8] = order[np.searchsorted(middle, wanted, side="left")].astype(np.uint8)
    # The same value may stand at several codes (an empty cluster's): take the lowest, so that 0 is always code 0.
    lowest = np.array([np.flatnonzero(book == value)[0] for value in book], np.uint8)
    return lowest[codes]


@dataclass(frozen=True, eq=False)
class CodedTensor:
    """A weight tensor as codes into a codebook.

    Parameters
    ----------
    name : str
    shape : tuple of int
        ``(n_rows, n_cols)`` = (outputs, inputs) for "linear", "lstm" and "gru"; any for "conv".
    kind : str
        One of `compressor.types.dense.KINDS`.
    codebook : array_like of float32, shape (2**weight_bits,)
        ``codebook[0] == 0``.
    codes : array_like of uint8, of ``prod(shape)`` values in C order
        Kept flat; 0 = no weight.
    bias : array_like of float32, shape (shape[0],), or None
    gates : tuple of str
        As in `compressor.types.dense.DenseTensor`.

    Raises
    ------
    ValueError
        When a shape, a code or the kind is out of its limits.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    codebook: NDArray[np.float32]
    codes: NDArray[np.uint8]
    bias: NDArray[np.float32] | None = None
    gates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("shape", tuple(whole_number("shape", size, 1) for size in self.shape))
        check_tensor(self.name, self.kind, self.shape, self.gates)
        put("gates", tuple(self.gates))
        put("codebook", frozen(check_codebook(self.codebook, weight_bits_of(self.codebook))))
        codes = as_integers("codes", self.codes, np.uint8).reshape(-1)
        if codes.size != np.prod(self.shape, dtype=np.int64):
            raise ValueError(f"codes: {codes.size} of them do not fill shape {self.shape} of {self.name!r}")
        if codes.size and codes.max() >= len(self.codebook):
            raise ValueError(f"codes: code {codes.max()}, but the codebook ends at {len(self.codebook) - 1}")
        put("codes", frozen(codes))
        if self.bias is not None:
            put("bias", frozen(as_floats("bias", self.bias)))
            if self.bias.shape != (self.shape[0],):
                raise ValueError(f"bias: shape {self.bias.shape}, but {self.shape[0]} outputs need ({self.shape[0]},)")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CodedTensor):
            return NotImplemented
        mine, theirs = ((t.name, t.shape, t.kind, t.gates) for t in (self, other))
        arrays = ("codebook", "codes", "bias")
        return mine == theirs and all(np.array_equal(getattr(self, a), getattr(other, a)) for a in arrays)

    __hash__ = None  # type: ignore[assignment]

    @property
    def weight_bits(self) -> int:
        """Bits of a code."""
        return weight_bits_of(self.codebook)

    @property
    def density(self) -> float:
        """Non-zero codes over all codes."""
        return int(np.count_nonzero(self.codes)) / self.codes.size

    def dense(self) -> NDArray[np.float32]:
        """The weights; float32, shape `shape`."""
        return self.codebook[self.codes].reshape(self.shape)

    def bias_codes(self) -> NDArray[np.uint8] | None:
        """The code of the nearest codebook value for each bias; uint8, shape (shape[0],), or None."""
        return None if self.bias is None else nearest_codes(self.bias, self.codebook)

    def bias_error(self) -> float:
        """Largest absolute difference between the bias and its nearest codebook values; 0 without a bias."""
        if self.bias is None:
            return 0.0
        return float(np.abs(self.codebook[nearest_codes(self.bias, self.codebook)] - self.bias).max())

    def pack(self, n_pe: int = 64, index_bits: int = 4) -> PackedLayer:
        """Pack for a machine of `n_pe` PEs.

        The bias becomes a column of codes of the nearest codebook values, and is kept as it is for machines that
        preload it.

        Raises
        ------
        ValueError
            When the tensor is a convolution, which the machine does not run (EIE section VII-B), or a width is out of
            its limits.
        """
        if self.kind == "conv":
            raise ValueError(f"kind: {self.name!r} is a convolution, but the machine runs matrices only")
        codes = self.codes.reshape(self.shape)
        return pack_codes(codes, self.codebook, n_pe, index_bits, self.bias_codes(), self.name, bias=self.bias)


@dataclass(frozen=True, eq=False)
class CompressedModel:
    """Coded tensors in order, the activation function after each, and where they come from.

    Parameters
    ----------
    tensors : sequence of CodedTensor
        At least one; every name once.
    activations : sequence of str
        One of `compressor.types.model_checks.ACTIVATION_FUNCTIONS` for each.
    provenance : mapping of str to str
    others : mapping of str to array_like of float32
        Parameters that are not compressed, such as those of a batch normalisation; no tensor has one of their names.
    network : Network or None
        The graph that the tensors are from. None: they are a set of matrices, in an order that means nothing.

    Raises
    ------
    ValueError
        As for `PackedModel`.
    """

    tensors: tuple[CodedTensor, ...]
    activations: tuple[str, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    network: Network | None = None

    def __post_init__(self) -> None:
        settle_model(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CompressedModel):
            return NotImplemented
        names = ("tensors", "activations", "provenance", "network")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        mine, theirs = self.others, other.others
        # As bytes: a value is kept bit for bit, the sign of a zero too.
        alike = same and mine.keys() == theirs.keys() and all(mine[n].shape == theirs[n].shape for n in mine)
        return alike and all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type["CompressedModel"], tuple[object, ...]]:
        parts = (self.tensors, self.activations, dict(self.provenance), dict(self.others), self.network)
        return CompressedModel, parts

    def pack(self, n_pe: int = 64, index_bits: int = 4) -> PackedModel:
        """Pack every tensor for a machine of `n_pe` PEs.

        The largest error that coding a bias made is in ``provenance["largest_bias_error"]``.

        Raises
        ------
        ValueError
            When one of the tensors is a convolution; `select` leaves those out.
        """
        layers = tuple(tensor.pack(n_pe, index_bits) for tensor in self.tensors)
        error = max(tensor.bias_error() for tensor in self.tensors)
        provenance = {**self.provenance, "largest_bias_error": repr(error)}
        chained = self.network is not None and self.network.chains([layer.name for layer in layers])
        return PackedModel(layers, self.activations, provenance, self.network, self.others, chained)

    def select(self, *names: str) -> "CompressedModel":
        """The model of the named tensors alone, in the order of this model.

        Raises
        ------
        ValueError
            When a name is not there.
        """
        missing = set(names) - {tensor.name for tensor in self.tensors}
        if missing:
            raise ValueError(f"names: there is no tensor {sorted(missing)[0]!r}")
        kept = [(t, f) for t, f in zip(self.tensors, self.activations, strict=True) if t.name in names]
        tensors, functions = tuple(tensor for tensor, _ in kept), tuple(function for _, function in kept)
        return CompressedModel(tensors, functions, self.provenance, self.others, self.network)
