"""Lowerings: how an operator of a network becomes matrix-vector products, and their sums the operator's result.

Everything here is a pure function of arrays and knows no simulator. `lowering_of` gives the lowering of an operator;
its `matrices` are cut from stored tensors, dense or coded alike, and its `run` yields input vectors and takes sums
(network contract, section 2).
"""

from compressor.lowering.operators import LOWERINGS, lowering_of
from compressor.lowering.product import Call, Cut, Lowering, Vectors

__all__ = ["LOWERINGS", "Call", "Cut", "Lowering", "Vectors", "lowering_of"]
