"""MatrixMarket ``.mtx`` files: a sparse weight matrix as text, coordinate by coordinate.

Read are coordinate matrices, real, integer or pattern (every weight 1), general or symmetric. The format: Boisvert,
Pozo and Remington, "The Matrix Market Exchange Formats", NISTIR 5935, 1996.
"""

from collections.abc import Iterator
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_floats, whole_number
from compressor.packing import pack_sparse
from compressor.storage.files import errors_name, file_size, memory_limit
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import MAX_INDEX_BITS, MAX_WEIGHT_BITS, MIN_INDEX_BITS, MIN_WEIGHT_BITS
from compressor.types.sparse import SparseColumns
from compressor.weight_sharing import share_weights

_BANNER = "%%MatrixMarket"
_FIELDS = ("real", "integer", "pattern")
_SYMMETRIES = ("general", "symmetric")
_LONGEST_LINE = 1024  # characters of the first lines, as the format says
_SHORTEST_ENTRY = 4  # bytes of a line "1 1" with its end
_MAX_SIZE = 2**32 - 1

# Bytes that packing takes for a row, a column, and a column in a PE, whether or not there is an entry.
_ROW_BYTES, _COLUMN_BYTES, _POINTER_BYTES = 24, 32, 8


class _BadLine(ValueError):
    """Something is wrong with a line: `number` 0 is that of the sizes, 1 that of the first entry, and so on."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class _Header(NamedTuple):
    field: str
    symmetry: str
    n_rows: int
    n_cols: int
    n_entries: int


def read_matrix_market(
    path: str | PathLike[str],
    n_pe: int = 64,
    index_bits: int = 4,
    weight_bits: int = 4,
    init: str = "linear",
    seed: int = 0,
    name: str | None = None,
) -> PackedLayer:
    """Read a weight matrix, share its weights and pack it.

    Parameters
    ----------
    path : str or path
        The matrix has a row for each output and a column for each input.
    n_pe, index_bits : int
        As for `pack_sparse`.
    weight_bits, init, seed
        As for `compressor.weight_sharing.share_weights`. Where the matrix has at most ``2**weight_bits - 1`` distinct
        weights, each is kept exactly.
    name : str or None
        None: the file's name without its ending.

    Returns
    -------
    PackedLayer
        Without a bias. Entries that are 0 are no weights.

    Raises
    ------
    FormatError
        When the file is malformed, or declares a size far beyond what it holds; a ValueError.
    OSError
        When it cannot be read.
    """
    file_path = Path(path)
    n_pe = whole_number("n_pe", n_pe, 1)
    whole_number("index_bits", index_bits, MIN_INDEX_BITS, MAX_INDEX_BITS)
    whole_number("weight_bits", weight_bits, MIN_WEIGHT_BITS, MAX_WEIGHT_BITS)
    with errors_name(file_path):
        matrix = _read_columns(file_path, n_pe)
        shared = share_weights(matrix.values, weight_bits, init, seed)
        return pack_sparse(
            matrix.indptr,
            matrix.rows,
            shared.codes,
            matrix.shape,
            shared.codebook,
            n_pe,
            index_bits,
            name=file_path.stem if name is None else name,
        )


def _read_columns(path: Path, n_pe: int) -> SparseColumns:
    """The non-zeros as columns of float32, rows in the order of the file."""
    size = file_size(path)
    try:
        with path.open(encoding="latin-1") as file:  # only comments may hold more than ASCII, in any encoding
            header = _scanned_header(file, size, n_pe)
            entries = _read_entries(file, path, header)
        rows = _indices("row", entries[:, 0], header.n_rows)
        columns = _indices("column", entries[:, 1], header.n_cols)
        values = _values(entries, header.field)
        _check_places(rows, columns, np.flatnonzero(values), header.n_rows)
        if header.symmetry == "symmetric":
            rows, columns, values = _mirrored(rows, columns, values)
    except _BadLine as error:  # lines are counted now that one is needed: most files are good
        line, _ = next(islice(_lines(path), error.number, None))
        raise ValueError(f"line {line}: {error}") from None
    kept = np.flatnonzero(values)
    kept = kept[np.argsort(columns[kept], kind="stable")]  # stable: the rows of a column stay in the file's order
    indptr = np.zeros(header.n_cols + 1, np.int64)
    np.cumsum(np.bincount(columns[kept], minlength=header.n_cols), out=indptr[1:])
    return SparseColumns(indptr, rows[kept].astype(np.uint32), values[kept], (header.n_rows, header.n_cols))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number in the file, from 1, and text of the line of sizes and of every entry."""
    with path.open(encoding="latin-1") as file:
        for number, line in enumerate(file, 1):
            text = line.partition("%")[0].strip()
            if number > 1 and text:
                yield number, text


def _scanned_header(file: TextIO, size: int, n_pe: int) -> _Header:
    """What the first lines declare, refused before anything is allocated by it; the file has `size` bytes."""
    banner = file.readline(_LONGEST_LINE)
    words = banner.lower().split()
    if len(words) != 5 or words[0] != _BANNER.lower():
        raise ValueError(f"line 1: {banner[:80]!r}, but it must be '{_BANNER} matrix coordinate <field> <symmetry>'")
    for what, word, allowed in zip(
        ("object", "format", "field", "symmetry"),
        words[1:],
        (("matrix",), ("coordinate",), _FIELDS, _SYMMETRIES),
        strict=True,
    ):
        if word not in allowed:
            raise ValueError(f"line 1: {what} {word!r}, but it must be {' or '.join(allowed)}")
    line = _next_line(file)
    if not line:
        raise ValueError("sizes: there is no line of them after the first")
    sizes = line.split()
    # Attack: a number of a thousand digits, or of digits of other scripts, which int() takes as well.
    if len(sizes) != 3 or not all(word.isascii() and word.isdigit() and len(word) < 20 for word in sizes):
        raise _BadLine(
            0, f"sizes: {line[:80].rstrip()!r}, but they must be three whole numbers: rows, columns, entries"
        )
    header = _Header(words[3], words[4], *(int(number) for number in sizes))
    try:
        whole_number("rows", header.n_rows, 1, _MAX_SIZE)
        whole_number("columns", header.n_cols, 1, _MAX_SIZE)
    except ValueError as error:
        raise _BadLine(0, str(error)) from None
    # Attack: entries by the billion in a file of a few lines.
    if header.n_entries > size // _SHORTEST_ENTRY:
        raise _BadLine(0, f"entries: {header.n_entries} declared, but the file has only {size} bytes")
    if header.symmetry == "symmetric" and header.n_rows != header.n_cols:
        raise _BadLine(0, f"sizes: {header.n_rows} x {header.n_cols}, but a symmetric matrix is square")
    # Attack: rows and columns by the billion with hardly an entry; packing takes memory for each of them.
    needed = header.n_rows * _ROW_BYTES + (header.n_cols + 1) * (_COLUMN_BYTES + n_pe * _POINTER_BYTES)
    if needed > memory_limit(size):
        raise _BadLine(
            0,
            f"sizes: {header.n_rows} x {header.n_cols} on {n_pe} PEs takes {needed} bytes, "
            f"but at most {memory_limit(size)} are allowed for a file of {size} bytes",
        )
    return header


def _next_line(file: TextIO) -> str:
    """The next line that is neither empty nor a comment; "" at the end of the file.

    Attack: a line of gigabytes. So it is read in pieces.
    """
    while line := file.readline(_LONGEST_LINE):
        text = line.strip()
        if text and not text.startswith("%"):
            return line
        while len(line) == _LONGEST_LINE and not line.endswith("\n"):
            line = file.readline(_LONGEST_LINE)  # the rest of a long comment
    return ""


def _read_entries(file: TextIO, path: Path, header: _Header) -> NDArray[np.float64]:
    """The numbers of all entries; float64, shape (n_entries, 2 or 3)."""
    width = 2 if header.field == "pattern" else 3
    first = _next_line(file)
    entries = np.empty((0, width))
    if first:
        try:
            entries = np.loadtxt(chain([first], file), np.float64, comments="%", ndmin=2)
        except ValueError as error:
            _refuse_bad_entry(path, header.field, width)
            raise ValueError(f"entries: {str(error).splitlines()[0]}") from None
    if entries.shape[1] != width:
        _refuse_bad_entry(path, header.field, width)
    if len(entries) != header.n_entries:
        raise _BadLine(0, f"entries: {header.n_entries} declared, but the file has {len(entries)}")
    return entries


def _refuse_bad_entry(path: Path, field: str, width: int) -> None:
    """Find the first line that is no entry."""
    for number, (_, text) in enumerate(islice(_lines(path), 1, None), 1):
        try:  # Python allows "_" inside of a number, and NumPy does not
            is_entry = len([float(word) for word in text.split()]) == width and "_" not in text
        except ValueError:
            is_entry = False
        if not is_entry:
            wanted = " ".join(("row", "column", "value")[:width])
            raise _BadLine(number, f"entry {text[:80]!r}, but one of a {field} matrix is: {wanted}")


def _indices(what: str, numbers: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Indices from 0; in the file they count from 1."""
    good = (numbers >= 1) & (numbers <= limit) & (numbers == np.floor(numbers))
    if not good.all():
        entry = int(np.argmin(good))
        raise _BadLine(entry + 1, f"{what}: {numbers[entry]:.17g}, but it must be a whole number, 1 to {limit}")
    return numbers.astype(np.int64) - 1


def _values(entries: NDArray[np.float64], field: str) -> NDArray[np.float32]:
    if field == "pattern":
        return np.ones(len(entries), np.float32)
    values = entries[:, 2]
    largest = np.finfo(np.float32).max
    good = np.abs(values) <= largest
    if not good.all():
        entry = int(np.argmin(good))
        raise _BadLine(entry + 1, f"value: {values[entry]:g}, but it must be a number of at most {largest:g}")
    if field == "integer" and not (good := values == np.floor(values)).all():
        entry = int(np.argmin(good))
        raise _BadLine(entry + 1, f"value: {values[entry]:g}, but the matrix is one of integers")
    return as_floats("values", values)


def _check_places(rows: NDArray[np.int64], columns: NDArray[np.int64], kept: NDArray[np.int64], n_rows: int) -> None:
    places = columns[kept] * n_rows + rows[kept]
    in_order = np.sort(places)
    if not np.any(in_order[1:] == in_order[:-1]):
        return
    order = np.argsort(places, kind="stable")
    again = order[1:][places[order[1:]] == places[order[:-1]]]
    entry = int(kept[again.min()])
    raise _BadLine(entry + 1, f"row {rows[entry] + 1}, column {columns[entry] + 1}: is there twice")


def _mirrored(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The lower triangle, which the file holds, and its mirror image."""
    if np.any(rows < columns):
        entry = int(np.argmax(rows < columns))
        place = f"row {rows[entry] + 1}, column {columns[entry] + 1}"
        raise _BadLine(entry + 1, f"{place}: is above the diagonal, but a symmetric file holds the lower triangle")
    below = rows > columns
    return (
        np.concatenate([rows, columns[below]]),
        np.concatenate([columns, rows[below]]),
        np.concatenate([values, values[below]]),
    )
