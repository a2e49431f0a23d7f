"""The ways in which a CPU computes a layer: dense, sparse, and sparse without the columns of zero inputs.

A method prepares its own copy of the weights and inputs, so that no method warms the caches for another, and returns a
call without arguments. What is timed is that call alone. The torch methods run on MKL, the library of the paper's CPU
baseline, where torch was built with it.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compressor.jit import Arg, kernel
from compressor.types.packed import PackedLayer
from eie_sim.baselines.host import is_installed

Floats = NDArray[np.float32]
MethodKind = Literal["dense", "sparse", "skipping"]
Call = Callable[[], Floats]

RELATIVE_TOLERANCE = 1e-4
"""Largest error of a result against numpy's, of the sum of the magnitudes that are added: float32 sums in any order."""


@dataclass(frozen=True)
class Weights:
    """The weights of a layer as arrays, each form made when first asked for; without the bias."""

    layer: PackedLayer

    @cached_property
    def dense(self) -> Floats:
        """Zeros and all; shape (n_rows, n_cols)."""
        return self.layer.dense()

    @cached_property
    def csc(self) -> tuple[NDArray[np.int64], NDArray[np.int32], Floats]:
        """indptr, rows and values of the compressed sparse columns."""
        found = self.layer.sparse_codes()
        indptr = found.indptr[: self.layer.n_cols + 1].astype(np.int64)
        codes = found.values[: indptr[-1]]
        return indptr, found.rows[: indptr[-1]].astype(np.int32), self.layer.codebook[codes]

    @cached_property
    def csr(self) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
        """indptr, columns and values of the compressed sparse rows."""
        indptr, rows, values = self.csc
        columns = np.repeat(np.arange(self.layer.n_cols, dtype=np.int32), np.diff(indptr))
        order = np.argsort(rows, kind="stable")
        ends = np.cumsum(np.bincount(rows, minlength=self.layer.n_rows))
        return np.concatenate([[0], ends]).astype(np.int32), columns[order], values[order]

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_cols)."""
        return self.layer.n_rows, self.layer.n_cols


@dataclass(frozen=True)
class Problem:
    """A layer and its inputs.

    Parameters
    ----------
    weights : Weights
    inputs : ndarray of float32, shape (n_cols,) or (n_cols, B)
        In C order.
    """

    weights: Weights
    inputs: Floats

    @property
    def batch(self) -> int | None:
        """B; None for one vector."""
        return self.inputs.shape[1] if self.inputs.ndim == 2 else None

    def empty(self) -> Floats:
        """Memory for the outputs; shape (n_rows,) or (n_rows, B)."""
        return np.empty((self.weights.shape[0], *self.inputs.shape[1:]), np.float32)

    @cached_property
    def expected(self) -> Floats:
        """Outputs, as numpy computes them from the dense weights."""
        return np.asarray(self.weights.dense @ self.inputs)

    @cached_property
    def tolerance(self) -> Floats:
        """Largest error of each output that float32 explains."""
        return np.asarray(np.abs(self.weights.dense) @ np.abs(self.inputs) * RELATIVE_TOLERANCE)

    def check(self, method: str, outputs: Floats) -> None:
        """Check the outputs of a method.

        Raises
        ------
        RuntimeError
            When they are not numpy's.
        """
        if outputs.shape != self.expected.shape:
            raise RuntimeError(f"{method}: outputs of shape {outputs.shape}, but numpy has {self.expected.shape}")
        wrong = ~(np.abs(outputs - self.expected) <= self.tolerance)
        if wrong.any():
            at = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
            found, expected = float(outputs[at]), float(self.expected[at])
            raise RuntimeError(
                f"{method}: output {at} of {self.weights.layer.name!r} is {found:g}, but numpy has {expected:g}"
            )


@dataclass(frozen=True)
class Method:
    """One library's way to compute a layer.

    Attributes
    ----------
    name, library, kernel : str
        `kernel`: the routine that is called.
    kind : {"dense", "sparse", "skipping"}
        skipping: sparse, and without the weights of inputs that are zero.
    prepare : function of a Problem and a number of threads
        Returns the call that is timed; it returns the outputs.
    install : str
        How to get the library.
    """

    name: str
    library: str
    kernel: str
    kind: MethodKind
    prepare: Callable[[Problem, int], Call]
    install: str

    @property
    def is_available(self) -> bool:
        """Whether its library is installed."""
        return is_installed(self.library)


def _numpy_dense(problem: Problem, _threads: int) -> Call:
    weights, acts, out = problem.weights.dense.copy(), problem.inputs.copy(), problem.empty()
    return lambda: np.dot(weights, acts, out=out)  # into memory that is there: no allocation is timed


def _scipy_csr(problem: Problem, _threads: int) -> Call:
    from scipy.sparse import csr_array

    indptr, columns, values = problem.weights.csr
    matrix = csr_array((values.copy(), columns.copy(), indptr.copy()), shape=problem.weights.shape)
    acts = problem.inputs.copy()
    return lambda: matrix @ acts


def _torch_call(matrix: Any, problem: Problem, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    acts = torch.from_numpy(problem.inputs.copy())

    def call() -> Floats:
        with torch.no_grad():
            outputs: Floats = (matrix @ acts).numpy()
        return outputs

    return call


def _torch_dense(problem: Problem, threads: int) -> Call:
    import torch

    return _torch_call(torch.from_numpy(problem.weights.dense.copy()), problem, threads)


def _torch_csr(problem: Problem, threads: int) -> Call:
    import torch

    # int32: with int64 indices the same kernel takes up to twice the time.
    indptr, columns, values = problem.weights.csr
    arrays = (torch.from_numpy(indptr.copy()), torch.from_numpy(columns.copy()), torch.from_numpy(values.copy()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        matrix = torch.sparse_csr_tensor(*arrays, problem.weights.shape, check_invariants=True)
    return _torch_call(matrix, problem, threads)


@kernel
def add_active_columns(indptr: Arg, rows: Arg, values: Arg, acts: Arg, first: Arg, last: Arg, out: Arg) -> None:
    """``out`` = the columns ``first .. last - 1`` of a CSC matrix times `acts`; columns of zero inputs are skipped.

    As EIE does, it touches the weights of active inputs alone.
    """
    out[:] = 0
    for j in range(first, last):
        a = acts[j]
        if a != 0:
            for e in range(indptr[j], indptr[j + 1]):
                out[rows[e]] += values[e] * a


def _numba_skipping(problem: Problem, threads: int) -> Call:
    """One vector: each thread adds up a share of the columns. A batch: each thread takes vectors of its own."""
    indptr, rows, values = (array.copy() for array in problem.weights.csc)
    n_cols = problem.weights.shape[1]
    # The calling thread does a share: one that only waits would wake up in the middle of somebody's work.
    pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
    if problem.batch is None:
        acts = problem.inputs.copy()
        # Equal numbers of weights, not of columns: a thread waits for the slowest.
        shares = np.searchsorted(indptr, np.linspace(0, indptr[-1], threads + 1)[1:-1])
        pieces = list(pairwise([0, *(int(at) for at in shares), n_cols]))
        parts = np.empty((len(pieces), problem.weights.shape[0]), np.float32)

        def one_piece(at: int) -> None:
            add_active_columns(indptr, rows, values, acts, *pieces[at], parts[at])

        def call() -> Floats:
            if pool is None:
                one_piece(0)
                return np.asarray(parts[0])
            others = pool.map(one_piece, range(1, len(pieces)))
            one_piece(0)
            list(others)  # waits for them, and raises what went wrong there
            return np.asarray(parts.sum(axis=0))

        return call

    vectors = np.ascontiguousarray(problem.inputs.T)
    out = np.empty((len(vectors), problem.weights.shape[0]), np.float32)

    def some_vectors(first: int) -> None:
        for at in range(first, len(vectors), threads):
            add_active_columns(indptr, rows, values, vectors[at], 0, n_cols, out[at])

    def call_batch() -> Floats:
        if pool is None:
            some_vectors(0)
        else:
            others = pool.map(some_vectors, range(1, threads))
            some_vectors(0)
            list(others)
        return out.T

    return call_batch


_CPU, _TRAIN, _OURS = "pip install 'eie-sim[cpu]'", "pip install 'eie-sim[train]'", "pip install eie-sim"

METHODS: tuple[Method, ...] = (
    Method("numpy-dense", "numpy", "sgemv/sgemm of numpy's BLAS", "dense", _numpy_dense, _OURS),
    Method("torch-dense", "torch", "matmul", "dense", _torch_dense, _TRAIN),
    Method("scipy-csr", "scipy", "csr_array @, one thread always", "sparse", _scipy_csr, _CPU),
    Method("torch-csr", "torch", "sparse CSR matmul, int32 indices", "sparse", _torch_csr, _TRAIN),
    Method("numba-csc", "numba", "columns of active inputs, vector by vector", "skipping", _numba_skipping, _OURS),
)
"""Every method there is; a new one is one more entry."""

PAIRS = (("mkl-dense", "mkl-csr"), ("numpy-dense", "scipy-csr"), ("torch-dense", "torch-csr"))
"""Dense and sparse methods that are compared with each other. MKL's own are in files that older versions wrote."""


def method_named(name: str) -> Method:
    """The method called `name`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise ValueError(f"method: {name!r}, but it must be one of {', '.join(m.name for m in METHODS)}")


def chosen_methods(libraries: Sequence[str] | None = None) -> tuple[list[Method], dict[str, str]]:
    """Methods whose libraries are installed, and of the other libraries how to install them.

    Parameters
    ----------
    libraries : sequence of str or None
        Those of these libraries alone; None: of all.

    Raises
    ------
    ValueError
        When a library is unknown.
    ImportError
        When none of the libraries asked for is installed.
    """
    known = list(dict.fromkeys(method.library for method in METHODS))
    for library in libraries or ():
        if library not in known:
            raise ValueError(f"libraries: {library!r}, but it must be one of {', '.join(known)}")
    wanted = [method for method in METHODS if libraries is None or method.library in libraries]
    here = [method for method in wanted if method.is_available]
    absent = {method.library: method.install for method in wanted if not method.is_available}
    if not here:
        raise ImportError(f"libraries: none of {', '.join(absent)} is installed: {', '.join(absent.values())}")
    return here, absent
