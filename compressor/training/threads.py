"""How many threads PyTorch adds up on: another number splits sums otherwise, and the last bits come out otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Within it, PyTorch uses `n` threads in each operation; then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
