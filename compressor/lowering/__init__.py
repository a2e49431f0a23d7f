"""Lowerings: how an operator of a network becomes matrix-vector products, and their sums the operator's result.

Everything here is a pure function of arrays and knows no simulator. `lowering_of` gives the lowering of an operator;
its `matrices` are cut from stored tensors, dense or coded alike, and its `run` yields input vectors and takes sums
(network contract, section 2).
"""

from compressor.lowering.operators import LOWERINGS, lowering_of
from compressor.lowering.product import Call, Cut, Lowering, Vectors
from compressor.lowering.stored import StoredTensor, compressed_kernels, side_by_side, widened

__all__ = [
    "LOWERINGS",
    "Call",
    "Cut",
    "Lowering",
    "StoredTensor",
    "Vectors",
    "compressed_kernels",
    "lowering_of",
    "side_by_side",
    "widened",
]
