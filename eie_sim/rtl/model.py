"""A compiled machine: its memories as NumPy views, and one call a layer."""

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from eie_sim.rtl.build import SOURCES, built
from eie_sim.rtl.parameters import Parameters

COUNTERS = (
    *("ptr_reads", "spmat_row_reads", "entries", "fillers", "acc_writes", "acc_reads", "bypasses", "saturations"),
    *("busy_cycles", "bubble_cycles", "starved_cycles", "fill_cycles", "drain_cycles", "bias_writes"),
)
"""What the monitor of a PE reports, in its order."""

TARGETS = ("pointers", "spmat", "codebook", "inputs", "bias")
"""What the load port writes to, in the order of its codes."""

Integers = NDArray[np.int64]


class _Layer(ctypes.Structure):
    """`Layer` of ``harness.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_inputs", "n_rows", "n_codes", "shift", "has_bias", "bias_value")),
        *((name, ctypes.c_int64) for name in ("relu", "chained", "limit", "max_broadcasts")),
        *((name, ctypes.c_void_p) for name in ("inputs", "codebook", "bias", "sums", "scan", "counts", "columns")),
        *((name, ctypes.c_void_p) for name in ("pushes", "pops", "entries")),
        ("nanoseconds", ctypes.c_int64),
    )  # fmt: skip


@dataclass(frozen=True)
class Work:
    """One layer as the hardware runs it, apart from its pointers and entries.

    Attributes
    ----------
    inputs : ndarray of int64, shape (n_inputs,)
        Quantised; of a layer that is chained, only their number counts.
    codebook : ndarray of int64, shape (2**weight_bits,)
    n_rows : int
    shift : int
        Bits that a product is shifted right by, 0 .. 63.
    bias_value : int or None
        The value that a bias column is multiplied by; None: none is broadcast.
    bias : ndarray of int64, shape (n_rows,), or None
        What the accumulators start at, in stored order.
    limit : int
        Cycles after which a run is given up.
    chained, relu : bool
        Whether the inputs are the sums of the layer before, and whether negative inputs count as 0.
    """

    inputs: Integers
    codebook: Integers
    n_rows: int
    shift: int
    bias_value: int | None
    bias: Integers | None
    limit: int
    chained: bool = False
    relu: bool = False


@dataclass(frozen=True)
class Report:
    """What a run of the hardware gave back.

    Attributes
    ----------
    cycles, broadcasts, stalls, bubbles : int
    sums : ndarray of int64, shape (n_rows,)
        In stored order.
    counts : ndarray of int64, shape (len(COUNTERS), n_pe)
    columns, pushes : ndarray of int64, shape (J,)
    pops, entries : ndarray of int64, shape (n_pe, J)
    seconds : float
        Processor time of the cycles alone, without loading and reading out.
    """

    cycles: int
    broadcasts: int
    stalls: int
    bubbles: int
    sums: Integers
    counts: Integers
    columns: Integers
    pushes: Integers
    pops: Integers
    entries: Integers
    seconds: float


class Model:
    """One verilated machine. A lock makes calls from several threads wait for each other."""

    def __init__(self, library: Path, parameters: Parameters) -> None:
        self.parameters = parameters
        self.lock = Lock()
        self._library = code = ctypes.CDLL(str(library))
        code.eie_new.restype = code.eie_words.restype = ctypes.c_void_p
        code.eie_run.restype = ctypes.c_int64
        self._handle = ctypes.c_void_p(code.eie_new())
        self.even, self.odd, self.rows = (self._views(memory) for memory in range(3))
        """The words of each PE as bytes, little-endian; uint8, shape (words, bytes)."""

    def _views(self, memory: int) -> list[NDArray[np.uint8]]:
        parameters = self.parameters
        words = parameters.spmat_rows if memory == 2 else (parameters.ptr_words + 1) // 2
        size = ctypes.c_int64()
        views = []
        for pe in range(parameters.n_pe):
            arguments = (ctypes.c_int64(memory), ctypes.c_int64(pe), ctypes.byref(size))
            start = self._library.eie_words(self._handle, *arguments)
            view = np.ctypeslib.as_array((ctypes.c_uint8 * (words * size.value)).from_address(start))
            views.append(view.reshape(words, size.value))
        return views

    def load(self, target: str, pe: int, address: int, word: NDArray[np.uint8]) -> None:
        """Write one word through the load port, as hardware is loaded; `word` is little-endian bytes."""
        words = np.zeros(-(-len(word) // 4), np.uint32)
        words.view(np.uint8)[: len(word)] = word
        numbers = (ctypes.c_int64(n) for n in (TARGETS.index(target), pe, address))
        self._library.eie_load(self._handle, *numbers, ctypes.c_void_p(words.ctypes.data), ctypes.c_int64(len(words)))

    def run(self, work: Work) -> Report:
        """Run a layer whose pointers and entries are in the memories.

        Raises
        ------
        RuntimeError
            If it is not done within `work.limit` cycles, or a queue overflows; the model is then of no more use.
        """
        n_pe, most = self.parameters.n_pe, len(work.inputs) + 1
        inputs, codebook = (np.ascontiguousarray(a, np.int64) for a in (work.inputs, work.codebook))
        bias = None if work.bias is None else np.ascontiguousarray(work.bias, np.int64)
        sums, scan = np.zeros(work.n_rows, np.int64), np.zeros(4, np.int64)
        counts = np.zeros((len(COUNTERS), n_pe), np.int64)
        columns, pushes = np.zeros((2, most), np.int64)
        pops, entries = np.zeros((2, n_pe, most), np.int64)
        layer = _Layer(
            len(inputs), work.n_rows, len(codebook), work.shift, work.bias_value is not None, work.bias_value or 0,
            work.relu, work.chained, work.limit, most, inputs.ctypes.data, codebook.ctypes.data,
            None if bias is None else bias.ctypes.data, sums.ctypes.data, scan.ctypes.data, counts.ctypes.data,
            columns.ctypes.data, pushes.ctypes.data, pops.ctypes.data, entries.ctypes.data, 0,
        )  # fmt: skip
        failed = self._library.eie_run(self._handle, ctypes.byref(layer))
        if failed:
            raise RuntimeError(
                "a queue of the RTL overflowed" if failed == 2 else f"the RTL is not done after {work.limit} cycles"
            )
        broadcasts, cycles, stalls, bubbles = scan.tolist()
        return Report(
            cycles, broadcasts, stalls, bubbles, sums, counts, columns[:broadcasts], pushes[:broadcasts],
            pops[:, :broadcasts], entries[:, :broadcasts], layer.nanoseconds / 1e9,
        )  # fmt: skip

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self._library.eie_delete(self._handle)


@lru_cache(maxsize=8)
def model(parameters: Parameters, sources: Path = SOURCES) -> Model:
    """The machine of `parameters`, built where it was not; the last few stay loaded.

    Raises
    ------
    ValueError
        As for `eie_sim.rtl.build.built`.
    """
    return Model(built(parameters, sources), parameters)
