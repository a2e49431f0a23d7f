"""The CPU kernel that, as EIE does, touches the weights of active inputs alone."""

from compressor.jit import Arg, kernel


@kernel
def add_active_columns(indptr: Arg, rows: Arg, values: Arg, acts: Arg, first: Arg, last: Arg, out: Arg) -> None:
    """``out`` = the columns ``first .. last - 1`` of a CSC matrix times `acts`; columns of zero inputs are skipped."""
    out[:] = 0
    for j in range(first, last):
        a = acts[j]
        if a != 0:
            for e in range(indptr[j], indptr[j + 1]):
                out[rows[e]] += values[e] * a
