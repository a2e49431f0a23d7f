"""The data folder of the EIE authors' own cycle simulator: ``act.dat``, ``arithm.dat``, ``ptr/`` and ``spm/``.

All files are bare little-endian 32-bit words: inputs and codebook as float32; for PE ``k`` the pointers as uint32
(``ptr/ptr<k>.dat``) and the entries as uint32 code, run, code, run, ... (``spm/spm<k>.dat``). The bias is column
``ceil(C / N) * N``, and the pointers between the ``C`` inputs and it repeat; a `PackedLayer` keeps no such gap.
"""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats, whole_number
from compressor.storage.files import creating_folder, errors_name, file_size
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import MAX_INDEX_BITS, MIN_INDEX_BITS, weight_bits_of

_FLOAT = np.dtype("<f4")
_WORD = np.dtype("<u4")
_BYTE_MAX = 255  # codes and runs have at most 8 bits


def read_eie_simulator(
    folder: str | PathLike[str], n_rows: int = 1000, n_pe: int = 64, name: str = "eie-simulator", index_bits: int = 4
) -> tuple[PackedLayer, NDArray[np.float32]]:
    """Read a layer and its inputs from a data folder of the EIE authors' simulator.

    Parameters
    ----------
    folder : str or path
    n_rows : int
        Outputs; the folder does not say (AlexNet fc8, the layer the authors ship: 1000).
    n_pe : int
        PEs the folder was written for.
    name : str
    index_bits : int
        Bits of a zero run; the authors' are 4.

    Returns
    -------
    layer : PackedLayer
    acts : ndarray of float32, shape (n_cols,)

    Raises
    ------
    FormatError
        When a file is missing, has another size than the rest asks for, or holds a malformed layer; a ValueError that
        names the folder, the file, the value and the limit.
    OSError
        When `folder` or a file in it cannot be read.
    """
    root = Path(folder)
    n_pe = whole_number("n_pe", n_pe, 1)
    whole_number("n_rows", n_rows, 1, 2**32 - 1)
    whole_number("index_bits", index_bits, MIN_INDEX_BITS, MAX_INDEX_BITS)
    root.stat()  # a folder that is not there is an OSError; a file that is missing in it is a malformed folder
    with errors_name(root):
        acts = as_floats("act.dat", _read(root, "act.dat", _FLOAT))
        codebook = as_floats("arithm.dat", _read(root, "arithm.dat", _FLOAT))
        if not len(acts):
            raise ValueError("act.dat: is empty, but a layer has at least one input")
        pointers = _read_pointers(root, n_pe, len(acts))
        codes, runs = _read_entries(root, pointers[-1])
        layer = PackedLayer(
            name, n_rows, len(acts), n_pe, weight_bits_of(codebook), index_bits, codebook, codes, runs, pointers
        )
    return layer, acts


def write_eie_simulator(layer: PackedLayer, acts: ArrayLike, folder: str | PathLike[str]) -> None:
    """Write `layer` and its inputs as a data folder of the EIE authors' simulator, whole or not at all.

    Their simulator always broadcasts a bias. For a layer without one no bias column is written; `read_eie_simulator`
    reads that, their simulator does not.

    Parameters
    ----------
    layer : PackedLayer
        Without a row permutation, for which the folder has no place.
    acts : array_like of float32, shape (n_cols,)
    folder : str or path
        Must be new or empty.

    Raises
    ------
    ValueError
        When `acts` do not fit the layer, its rows are permuted, or `folder` is not empty.
    OSError
        When it cannot be written.
    """
    inputs = as_floats("acts", acts)
    if inputs.shape != (layer.n_cols,):
        raise ValueError(f"acts: shape {inputs.shape}, but {layer.n_cols} inputs need ({layer.n_cols},)")
    if layer.row_permutation is not None:
        raise ValueError(f"row_permutation: layer {layer.name!r} has one, but a data folder holds original rows only")
    # The authors' machine counts columns in whole activation rows: the last pointers repeat up to that of the bias.
    gap = _padded(layer.n_cols, layer.n_pe) - layer.n_cols
    of_inputs, bias = layer.pointers[: layer.n_cols + 1], layer.pointers[layer.n_cols + 1 :]
    pointers = np.concatenate([of_inputs, np.repeat(of_inputs[-1:], gap, axis=0), bias])
    entries = np.stack([layer.codes, layer.runs], axis=1).astype(_WORD)
    with creating_folder(Path(folder)) as root:
        (root / "act.dat").write_bytes(inputs.astype(_FLOAT).tobytes())
        (root / "arithm.dat").write_bytes(layer.codebook.astype(_FLOAT).tobytes())
        (root / "ptr").mkdir()
        (root / "spm").mkdir()
        for k, begin in enumerate(layer.entry_base):
            (root / _ptr(k)).write_bytes(pointers[:, k].astype(_WORD).tobytes())
            (root / _spm(k)).write_bytes(entries[begin : begin + layer.entries_per_pe[k]].tobytes())


def _ptr(k: int) -> str:
    return f"ptr/ptr{k}.dat"


def _spm(k: int) -> str:
    return f"spm/spm{k}.dat"


def _padded(n_cols: int, n_pe: int) -> int:
    """The column of the bias: the inputs fill whole activation rows of `n_pe` lanes."""
    return -(-n_cols // n_pe) * n_pe


def _words_in(root: Path, name: str, words: int = 1) -> int:
    """Items of `words` 32-bit words in a file, from its length alone."""
    try:
        size = file_size(root / name)
    except FileNotFoundError:
        raise ValueError(f"{name}: is missing") from None
    item = words * _WORD.itemsize
    if size % item:
        raise ValueError(f"{name}: {size} bytes, but it must be a multiple of {item}")
    return size // item


def _read(root: Path, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    count = _words_in(root, name)
    words = np.fromfile(root / name, dtype, count)
    if len(words) != count:
        raise ValueError(f"{name}: has changed from {count} to {len(words)} words while it was read")
    return words


def _read_pointers(root: Path, n_pe: int, n_cols: int) -> NDArray[np.uint32]:
    """Pointers of all PEs without the gap; uint32, shape (n_cols + 1 or + 2, n_pe)."""
    padded = _padded(n_cols, n_pe)
    count = _words_in(root, _ptr(0))
    if count not in (padded + 2, padded + 1, n_cols + 1):
        raise ValueError(
            f"{_ptr(0)}: {count} pointers, but {n_cols} inputs on {n_pe} PEs need {padded + 2}, "
            f"or {n_cols + 1} without a bias"
        )
    # Attack: one long pointer file, by which columns of all PEs would be allocated. So the sizes of all pointer files
    # are looked at before an array of n_pe columns is made.
    for k in range(1, n_pe):
        if _words_in(root, _ptr(k)) != count:
            raise ValueError(f"{_ptr(k)}: {_words_in(root, _ptr(k))} pointers, but {_ptr(0)} has {count}")
    if (root / _ptr(n_pe)).exists():
        raise ValueError(f"{_ptr(n_pe)}: is there, but n_pe is {n_pe}; the folder was written for more PEs")
    has_bias = count == padded + 2
    pointers = np.empty((n_cols + 1 + has_bias, n_pe), np.uint32)
    for k in range(n_pe):
        column = _read(root, _ptr(k), _WORD)
        gap = column[n_cols : padded + 1]
        if np.any(gap != gap[0]):
            raise ValueError(f"{_ptr(k)}: pointers {n_cols} to {padded} must repeat, for no input has these columns")
        pointers[: n_cols + 1, k] = column[: n_cols + 1]
        if has_bias:
            pointers[-1, k] = column[-1]
    return pointers


def _read_entries(root: Path, per_pe: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes and runs, PE after PE; uint8, shape (sum of `per_pe`,)."""
    # Attack: pointers that end at 2**32 in files of a few bytes. Here too, all sizes come first.
    for k, end in enumerate(per_pe):
        if (count := _words_in(root, _spm(k), words=2)) != end:
            raise ValueError(f"{_spm(k)}: {count} entries, but {_ptr(k)} ends at {end}")
    entries = np.empty((2, int(per_pe.sum(dtype=np.int64))), np.uint8)
    at = 0
    for k, count in enumerate(per_pe.tolist()):
        words = _read(root, _spm(k), _WORD)
        if words.max(initial=0) > _BYTE_MAX:
            bad = int(np.argmax(words > _BYTE_MAX))
            thing = ("code", "run")[bad % 2]
            raise ValueError(f"{_spm(k)}: {thing} {words[bad]} of entry {bad // 2}, but it must be at most {_BYTE_MAX}")
        entries[:, at : at + count] = words.reshape(-1, 2).T
        at += count
    return entries[0], entries[1]
