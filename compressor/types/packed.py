"""`PackedLayer`: the contract between the compressor and the machine.

A packed layer is what the SRAMs of the PEs hold: pointers, (code, run) entries, the codebook. Every invariant is
checked when one is made, wherever the arrays come from, so that the machine and both engines never check again.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, as_integers, frozen, whole_number
from compressor.interleave import check_row_permutation, rows_in_pe, stored_row_of
from compressor.jit import Arg, available_cores, in_threads, kernel
from compressor.relative_index import Encoding, decode, encode
from compressor.types.packed_format import (
    MAX_INDEX_BITS,
    MAX_SIZE,
    MAX_WEIGHT_BITS,
    MIN_INDEX_BITS,
    MIN_WEIGHT_BITS,
    POINTER_BYTES,
    check_codebook,
    weight_bits_of,
)
from compressor.types.sparse import LEAST_FOR_THREADS, SparseColumns, sort_columns


@kernel
def _first_malformed(
    codes: Arg,
    runs: Arg,
    pointers: Arg,
    base: Arg,
    rows_of: Arg,
    first_pe: Arg,
    last_pe: Arg,
    max_code: Arg,
    index_bits: Arg,
    found: Arg,
) -> None:
    """Put (kind, PE, column, entry) of the first malformed entry into `found`; kind stays 0 when all is well."""
    longest_run = (1 << index_bits) - 1
    for k in range(first_pe, last_pe):
        for j in range(pointers.shape[0] - 1):
            begin, end = base[k] + pointers[j, k], base[k] + pointers[j + 1, k]
            local = -1
            kind = 0
            for e in range(begin, end):
                local += int(runs[e]) + 1  # an int: uint8 would wrap around at 256
                if codes[e] > max_code:
                    kind = 1
                elif runs[e] > longest_run:
                    kind = 2
                elif local >= rows_of[k]:
                    kind = 3
                # Two rules that make the encoding of a column unique: a filler has the longest run, and one stands
                # only before a weight.
                elif codes[e] == 0 and runs[e] != longest_run:
                    kind = 4
                elif codes[e] == 0 and e == end - 1:
                    kind = 5
                if kind:
                    found[0], found[1], found[2], found[3] = kind, k, j, e
                    return


def _without_minus_zero(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A sum that starts at another value than -0.0 never becomes -0.0, so that adding a zero never changes it."""
    return np.asarray(values + np.float32(0), np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class PackedLayer:
    """One layer in the interleaved CSC form of EIE (section III), ready for a machine of `n_pe` PEs.

    Parameters
    ----------
    name : str
    n_rows, n_cols : int
        Outputs and inputs, without the bias.
    n_pe : int
        PEs the rows are interleaved over: stored row ``i`` lives in PE ``i mod n_pe``.
    weight_bits : int
        Bits of a code, 1 .. 8 (the paper: 4).
    index_bits : int
        Bits of a zero run, 2 .. 8 (the paper: 4).
    codebook : array_like of float32, shape (2**weight_bits,)
        Shared weights; ``codebook[0] == 0``.
    codes, runs : array_like of uint8, shape (n_entries,)
        The entries, PE after PE, inside a PE column after column. Code 0 is a filler.
    pointers : array_like of uint32, shape (n_cols + 1, n_pe), or (n_cols + 2, n_pe) with a bias
        Row ``j`` holds the local addresses ``p[k, j]`` of all PEs; with a bias, column ``n_cols`` is the bias.
    row_permutation : array_like of uint32, shape (n_rows,), or None
        ``row_permutation[i]`` is the original row stored at ``i``; None where every row is stored at its own place.
    bias : array_like of float32, shape (n_rows,), or None
        The bias itself, rows in original order, for machines that start their accumulators at it; -0.0 becomes 0.0.
        Independent of a bias column, whose codes are its nearest shared weights.

    Raises
    ------
    ValueError
        When an invariant does not hold; the message names the field, the value and the limit.
    """

    name: str
    n_rows: int
    n_cols: int
    n_pe: int
    weight_bits: int
    index_bits: int
    codebook: NDArray[np.float32]
    codes: NDArray[np.uint8]
    runs: NDArray[np.uint8]
    pointers: NDArray[np.uint32]
    row_permutation: NDArray[np.uint32] | None = None
    bias: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name: {self.name!r}, but it must be a text that is not empty")
        put("n_rows", whole_number("n_rows", self.n_rows, 1, MAX_SIZE))
        put("n_cols", whole_number("n_cols", self.n_cols, 1, MAX_SIZE))
        put("n_pe", whole_number("n_pe", self.n_pe, 1, MAX_SIZE))
        put("weight_bits", whole_number("weight_bits", self.weight_bits, MIN_WEIGHT_BITS, MAX_WEIGHT_BITS))
        put("index_bits", whole_number("index_bits", self.index_bits, MIN_INDEX_BITS, MAX_INDEX_BITS))
        put("codebook", frozen(check_codebook(self.codebook, self.weight_bits)))
        put("codes", frozen(as_integers("codes", self.codes, np.uint8)))
        put("runs", frozen(as_integers("runs", self.runs, np.uint8)))
        put("pointers", frozen(as_integers("pointers", self.pointers, np.uint32)))
        if self.row_permutation is not None:
            order = check_row_permutation(self.row_permutation, self.n_rows)
            # A permutation in ascending order moves no row; stored as None, it makes equal layers equal.
            unmoved = bool((order[:-1] < order[1:]).all())
            put("row_permutation", None if unmoved else frozen(order))
        if self.bias is not None:
            bias = as_floats("bias", self.bias)
            if bias.shape != (self.n_rows,):
                raise ValueError(f"bias: shape {bias.shape}, but {self.n_rows} rows need ({self.n_rows},)")
            put("bias", frozen(_without_minus_zero(bias)))
        self._check_pointers()
        self._check_entries()

    def _check_pointers(self) -> None:
        shapes = [(self.n_cols + 1, self.n_pe), (self.n_cols + 2, self.n_pe)]
        if self.pointers.shape not in shapes:
            raise ValueError(
                f"pointers: shape {self.pointers.shape}, but it must be {shapes[0]}, or {shapes[1]} with a bias"
            )
        if self.codes.ndim != 1 or self.codes.shape != self.runs.shape:
            raise ValueError(f"codes and runs: shapes {self.codes.shape} and {self.runs.shape}, must be the same (n,)")
        if self.pointers[0].any():
            raise ValueError(f"pointers: PE {int(np.argmax(self.pointers[0] != 0))} begins at an address other than 0")
        falls = self.pointers[1:] < self.pointers[:-1]
        if falls.any():
            column, pe = (int(x) for x in np.argwhere(falls)[0])
            raise ValueError(
                f"pointers: PE {pe} falls from {self.pointers[column, pe]} to {self.pointers[column + 1, pe]} "
                f"at column {column}, but addresses must rise"
            )
        total = int(self.entries_per_pe.sum())
        if total != len(self.codes):
            raise ValueError(f"pointers: they end at {total} entries in all, but there are {len(self.codes)}")

    def _check_entries(self) -> None:
        base = self.entry_base
        rows_of = rows_in_pe(self.n_rows, self.n_pe)
        max_code = (1 << self.weight_bits) - 1
        step = max(1, -(-self.n_pe // available_cores()))
        chunks = [(at, min(at + step, self.n_pe)) for at in range(0, self.n_pe, step)]

        def check(chunk: tuple[int, int]) -> NDArray[np.int64]:
            found = np.zeros(4, np.int64)
            _first_malformed(
                self.codes, self.runs, self.pointers, base, rows_of, *chunk, max_code, self.index_bits, found
            )
            return found

        for kind, pe, column, entry in in_threads(check, chunks, 1 if self.n_entries < LEAST_FOR_THREADS else None):
            if kind:
                where = f"entry {entry - base[pe]} of PE {pe} (column {column})"
                code, run, longest = self.codes[entry], self.runs[entry], (1 << self.index_bits) - 1
                raise ValueError(
                    {
                        1: f"codes: {where} has code {code}, but the codebook ends at {max_code}",
                        2: f"runs: {where} has run {run}, but {self.index_bits} index bits hold at most {longest}",
                        3: f"runs: {where} lies beyond the {rows_of[pe]} rows of its PE",
                        4: f"codes: {where} has code 0 and run {run}, but a filler has run {longest}",
                        5: f"codes: {where} is a filler at the end of its column, but one stands only before a weight",
                    }[int(kind)]
                )

    @classmethod
    def from_columns(
        cls,
        matrix: SparseColumns,
        codebook: ArrayLike,
        *,
        n_pe: int,
        index_bits: int,
        row_permutation: ArrayLike | None = None,
        name: str = "layer",
        bias: ArrayLike | None = None,
    ) -> "PackedLayer":
        """Encode and interleave sorted sparse columns of codes.

        Parameters
        ----------
        matrix : SparseColumns
            Where ``indptr`` is one longer than `shape` says, the last column is the bias.
        codebook, n_pe, index_bits, row_permutation, name, bias
            As for `compressor.pack_codes`.

        Raises
        ------
        ValueError
            When a value is out of its limits.
        """
        n_rows, n_cols = matrix.shape
        # Checked before they are used: `encode` trusts its arguments.
        n_pe = whole_number("n_pe", n_pe, 1, MAX_SIZE)
        index_bits = whole_number("index_bits", index_bits, MIN_INDEX_BITS, MAX_INDEX_BITS)
        columns = SparseColumns(matrix.indptr, matrix.rows, matrix.values, (n_rows, len(matrix.indptr) - 1))
        order = None if row_permutation is None else check_row_permutation(row_permutation, n_rows)
        if order is not None:
            moved = stored_row_of(order)[columns.rows]
            columns = sort_columns(columns.indptr, moved, columns.values.astype(np.uint8, copy=False), columns.shape)
        codes, runs, pointers = encode(columns, n_pe, index_bits)
        return cls(
            name, n_rows, n_cols, n_pe, weight_bits_of(codebook), index_bits, as_floats("codebook", codebook),
            codes, runs, pointers, order, None if bias is None else as_floats("bias", bias),
        )  # fmt: skip

    # What follows from the fields -------------------------------------------------------------------------------------

    @cached_property
    def has_bias(self) -> bool:
        """Whether pointer column `n_cols` holds a bias."""
        return bool(self.pointers.shape[0] == self.n_cols + 2)

    @property
    def n_entries(self) -> int:
        """Entries stored in all PEs, fillers and bias included."""
        return len(self.codes)

    @property
    def n_fillers(self) -> int:
        """Filler zeros stored in all PEs."""
        return self.n_entries - int(np.count_nonzero(self.codes))

    @property
    def entries_per_pe(self) -> NDArray[np.int64]:
        """Entries stored in each PE; int64, shape (n_pe,)."""
        return np.asarray(self.pointers[-1], np.int64)

    @cached_property
    def entries_of_fullest_pe(self) -> int:
        """Entries stored in the PE that stores most."""
        return int(self.pointers[-1].max())

    @cached_property
    def packing(self) -> tuple[int, int, int]:
        """What a machine must share with the layer: n_pe, weight_bits, index_bits."""
        return self.n_pe, self.weight_bits, self.index_bits

    @cached_property
    def largest_needs(self) -> tuple[int, int, int, int]:
        """What the fullest PE holds: entries, pointers, inputs, outputs."""
        per_pe = (-(-self.n_cols // self.n_pe), -(-self.n_rows // self.n_pe))
        return (self.entries_of_fullest_pe, int(self.pointers.shape[0]), *per_pe)

    @property
    def entry_base(self) -> NDArray[np.int64]:
        """Where the entries of each PE begin in `codes` and `runs`; int64, shape (n_pe,)."""
        per_pe = self.entries_per_pe
        return np.asarray(np.cumsum(per_pe) - per_pe, np.int64)

    @property
    def density(self) -> float:
        """Real weights over ``n_rows * n_cols``, the bias apart."""
        with_bias = self.n_entries - self.n_fillers
        return (with_bias - int(np.count_nonzero(self.bias_codes))) / (self.n_rows * self.n_cols)

    @property
    def spmat_bytes_per_pe(self) -> NDArray[np.float64]:
        """Bytes of sparse-matrix SRAM each PE's entries take; float64, shape (n_pe,)."""
        return np.asarray(self.entries_per_pe * ((self.weight_bits + self.index_bits) / 8), np.float64)

    @property
    def pointer_bytes_per_pe(self) -> int:
        """Bytes of pointer SRAM the pointers take in every PE (EIE section IV: 16 bits each)."""
        return int(self.pointers.shape[0]) * POINTER_BYTES

    @property
    def encoding(self) -> Encoding:
        """Codes, runs and pointers together."""
        return Encoding(self.codes, self.runs, self.pointers)

    # Back to matrices -------------------------------------------------------------------------------------------------

    def sparse_codes(self) -> SparseColumns:
        """The codes as sparse columns, rows in original order; with a bias, its column is the last."""
        columns = decode(self.encoding, self.n_rows)
        rows = columns.rows if self.row_permutation is None else self.row_permutation[columns.rows]
        return sort_columns(columns.indptr, rows, columns.values.astype(np.uint8, copy=False), columns.shape)

    def decode(self) -> NDArray[np.uint8]:
        """The codes as a matrix, rows in original order, without the bias; uint8, shape (n_rows, n_cols)."""
        return self.sparse_codes().dense()[:, : self.n_cols].astype(np.uint8, copy=False)

    @property
    def bias_codes(self) -> NDArray[np.uint8]:
        """Codes of the bias, rows in original order, all 0 without one; uint8, shape (n_rows,)."""
        out = np.zeros(self.n_rows, np.uint8)
        if self.has_bias:
            # Decode the last pointer column alone: the entries of each PE from `starts` on, joined PE after PE.
            starts = self.entry_base + self.pointers[-2]
            counts = (self.pointers[-1] - self.pointers[-2]).astype(np.int64)
            picked = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
            pointers = np.stack([np.zeros_like(counts), counts]).astype(np.uint32)
            last = decode(Encoding(self.codes[picked], self.runs[picked], pointers), self.n_rows)
            out[last.rows if self.row_permutation is None else self.row_permutation[last.rows]] = last.values
        return out

    def dense(self) -> NDArray[np.float32]:
        """The weights as a matrix, rows in original order, without the bias; float32, shape (n_rows, n_cols)."""
        return self.codebook[self.decode()]

    def coded_bias(self) -> NDArray[np.float32] | None:
        """Codebook values of the bias column, rows in original order; float32, shape (n_rows,), or None."""
        return self.codebook[self.bias_codes] if self.has_bias else None

    def preloaded_bias(self) -> NDArray[np.float32] | None:
        """What the accumulators of a machine with ``bias="preload"`` start at.

        The bias, or the codebook values of the bias column where the layer has nothing else; rows in original order.

        Returns
        -------
        ndarray of float32, shape (n_rows,), or None
            No value is -0.0. None: the layer has no bias, and the accumulators start at 0.
        """
        if self.bias is not None:
            return self.bias
        coded = self.coded_bias()
        return None if coded is None else _without_minus_zero(coded)

    def repack(
        self,
        n_pe: int | None = None,
        index_bits: int | None = None,
        row_permutation: ArrayLike | None = None,
        *,
        name: str | None = None,
    ) -> "PackedLayer":
        """The same weights for another number of PEs, index width or order of rows; None keeps.

        Parameters
        ----------
        n_pe, index_bits : int or None
        row_permutation : array_like of int, shape (n_rows,), or None
            ``row_permutation[i]`` = original row stored at ``i``; ``range(n_rows)`` for no permutation.
        name : str or None

        Raises
        ------
        ValueError
            When a value is out of its limits.
        """
        return self.packer()(n_pe, index_bits, row_permutation, name=name)

    def packer(self) -> "Callable[..., PackedLayer]":
        """`repack`, for packing a layer many times: it is taken apart once, which takes most of the time."""
        apart = self.sparse_codes()
        columns = SparseColumns(apart.indptr, apart.rows, apart.values, (self.n_rows, self.n_cols))

        def pack(
            n_pe: int | None = None,
            index_bits: int | None = None,
            row_permutation: ArrayLike | None = None,
            *,
            name: str | None = None,
        ) -> "PackedLayer":
            return PackedLayer.from_columns(
                columns,
                self.codebook,
                n_pe=self.n_pe if n_pe is None else n_pe,
                index_bits=self.index_bits if index_bits is None else index_bits,
                row_permutation=self.row_permutation if row_permutation is None else row_permutation,
                name=self.name if name is None else name,
                bias=self.bias,
            )

        return pack

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedLayer):
            return NotImplemented
        names = ("codebook", "codes", "runs", "pointers", "row_permutation", "bias")
        return self._key() == other._key() and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in names
        )

    def _key(self) -> tuple[object, ...]:
        sizes = (self.n_rows, self.n_cols, self.n_pe, self.weight_bits, self.index_bits)
        return (self.name, *sizes)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type["PackedLayer"], tuple[object, ...]]:
        """Copies, also those sent to other processes, are made and checked anew."""
        return PackedLayer, tuple(getattr(self, f.name) for f in fields(self))

    def __repr__(self) -> str:
        bias = " + bias" if self.has_bias else ""
        return (
            f"PackedLayer({self.name!r}, {self.n_rows} x {self.n_cols}{bias}, n_pe={self.n_pe}, "
            f"weight_bits={self.weight_bits}, index_bits={self.index_bits}, n_entries={self.n_entries})"
        )
