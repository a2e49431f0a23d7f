"""Intel MKL by ctypes, where the package `mkl` is installed: the library of the paper's CPU baseline.

The paper's kernel, CSRMV, is the inspector-executor ``mkl_sparse_s_mv`` of today's releases: ``mkl_scsrmv`` is gone.
"""

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_ROW_MAJOR, _NO_TRANS = 101, 111  # of CBLAS
_NON_TRANSPOSE, _SPARSE_ROW_MAJOR = 10, 101  # of mkl_spblas.h
_GENERAL, _UPPER, _NON_UNIT = 20, 41, 50  # struct matrix_descr; only the first counts for a general matrix
_INDEX_BASE_ZERO = 0
_MANY_CALLS = 1000


class _MatrixDescr(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("mode", ctypes.c_int), ("diag", ctypes.c_int))


_DESCR = _MatrixDescr(_GENERAL, _UPPER, _NON_UNIT)


def find_mkl(prefix: Path | None = None) -> Path | None:
    """The one library behind which MKL's others are; None where the package `mkl` is not installed in `prefix`."""
    root = Path(sys.prefix) if prefix is None else prefix
    patterns = ("lib/libmkl_rt.so*", "lib/libmkl_rt*.dylib", "Library/bin/mkl_rt*.dll")
    return next((file for pattern in patterns for file in sorted(root.glob(pattern))), None)


@cache
def _library() -> Any:
    path = find_mkl()
    if path is None:
        raise ImportError("MKL is not installed: pip install mkl")
    return ctypes.CDLL(str(path))


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def dense_product(weights: Floats, acts: Floats, out: Floats) -> None:
    """``out = weights @ acts``; all in C order, `acts` (n_cols,) or (n_cols, B)."""
    rows, cols = weights.shape
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    if acts.ndim == 1:
        _library().cblas_sgemv(
            _ROW_MAJOR, _NO_TRANS, rows, cols, one, _pointer(weights), cols, _pointer(acts), 1, zero, _pointer(out), 1
        )
    else:
        batch = acts.shape[1]
        _library().cblas_sgemm(
            _ROW_MAJOR, _NO_TRANS, _NO_TRANS, rows, batch, cols, one, _pointer(weights), cols, _pointer(acts), batch,
            zero, _pointer(out), batch,
        )  # fmt: skip


class SparseMatrix:
    """A matrix in MKL's hands: compressed sparse rows, inspected (``mkl_sparse_optimize``) for many products.

    Parameters
    ----------
    indptr, columns : ndarray of int32
    values : ndarray of float32
    shape : (int, int)
    batch : int or None
        Columns of the right-hand side; None: a vector.

    Raises
    ------
    RuntimeError
        When MKL refuses.
    """

    def __init__(
        self,
        indptr: NDArray[np.int32],
        columns: NDArray[np.int32],
        values: Floats,
        shape: tuple[int, int],
        batch: int | None,
    ) -> None:
        self._arrays = indptr, columns, values  # MKL keeps pointers to them
        self._handle = ctypes.c_void_p()
        mkl, rows = _library(), _pointer(indptr)
        ends = ctypes.c_void_p(indptr.ctypes.data + indptr.itemsize)
        handle = ctypes.byref(self._handle)
        _check(
            "create_csr",
            mkl.mkl_sparse_s_create_csr(
                handle, _INDEX_BASE_ZERO, *shape, rows, ends, _pointer(columns), _pointer(values)
            ),
        )
        if batch is None:
            _check("set_mv_hint", mkl.mkl_sparse_set_mv_hint(self._handle, _NON_TRANSPOSE, _DESCR, _MANY_CALLS))
        else:
            hint = (_NON_TRANSPOSE, _DESCR, _SPARSE_ROW_MAJOR, batch, _MANY_CALLS)
            _check("set_mm_hint", mkl.mkl_sparse_set_mm_hint(self._handle, *hint))
        _check("optimize", mkl.mkl_sparse_optimize(self._handle))

    def product(self, acts: Floats, out: Floats) -> None:
        """``out = matrix @ acts``; both in C order, `acts` (n_cols,) or (n_cols, B)."""
        mkl, one, zero = _library(), ctypes.c_float(1), ctypes.c_float(0)
        if acts.ndim == 1:
            status = mkl.mkl_sparse_s_mv(_NON_TRANSPOSE, one, self._handle, _DESCR, _pointer(acts), zero, _pointer(out))
        else:
            batch = acts.shape[1]
            status = mkl.mkl_sparse_s_mm(
                _NON_TRANSPOSE, one, self._handle, _DESCR, _SPARSE_ROW_MAJOR, _pointer(acts), batch, batch, zero,
                _pointer(out), batch,
            )  # fmt: skip
        _check("product", status)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library().mkl_sparse_destroy(self._handle)


def _check(what: str, status: int) -> None:
    if status != 0:
        raise RuntimeError(f"mkl_sparse {what}: status {status}")
