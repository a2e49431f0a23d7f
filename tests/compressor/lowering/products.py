"""An operator computed through its lowering, with exact products in place of a machine."""

from collections import Counter

import numpy as np


class Computed:
    """What a lowering makes of operands.

    Attributes
    ----------
    results : list of array
    products : Counter
        How many there were of each matrix.
    uses : Counter
        How often the weights of each matrix were used.
    """

    def __init__(self, lowering, tensors, operands, biases=None):
        cuts = lowering.matrices(tensors)
        starts = lowering.biases([None] * len(tensors) if biases is None else biases)
        self.products, self.uses = Counter(), Counter()
        run = lowering.run(operands)
        sums = None
        while True:
            try:
                call = next(run) if sums is None else run.send(sums)
            except StopIteration as end:
                self.results = end.value
                return
            vectors = call.vectors.block()
            assert vectors.flags.c_contiguous
            assert vectors.shape == (len(call.vectors), cuts[call.matrix].entries.shape[1])
            sums = vectors.astype(np.float64) @ cuts[call.matrix].entries.T.astype(np.float64)
            if starts[call.matrix] is not None:
                sums = sums + starts[call.matrix]
            self.products[call.matrix] += len(vectors)
            self.uses[call.matrix] += call.uses


def use_of(operator, attributes, operand=1):
    """A use with these attributes alone."""
    from compressor.types.network import Use

    return Use(operator, operator, operand, "y", ("w",), (1,), attributes, (), (), None)
