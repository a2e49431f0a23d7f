"""Short lists of small numbers in as few bytes as they will go: the code tables of the Huffman coder.

Adaptive coding by asymmetric numeral systems (Duda, arXiv:1311.2540) without renormalisation: the whole list becomes
one integer of any size, so no bit is lost to rounding, and a list has one integer. A number is expected to be like
those so far, to be as far from the one before it as others were, and to follow the one before it as others did.
"""

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from compressor.coding.symbols import Bytes

_SAME, _STEP, _PAIR = 2, 4, 20
"""Weights of the three expectations, against 1 for a number never seen: near the best for the tables of the authors'
SqueezeNet, flat around it; the first serves alphabets without an order, the second and third those with one."""


def push(state: int, start: int, span: int, total: int) -> int:
    """`state` with a choice upon it that has the numbers ``start .. start + span - 1`` out of `total`."""
    return state // span * total + start + state % span


def push_numbers(state: int, numbers: NDArray[np.uint8], n_values: int) -> int:
    """`state` with `numbers` upon it, each below `n_values`, so that the first is popped first."""
    model = _Model(n_values)
    choices = []
    for number in numbers.tolist():
        ends = model.ends()
        choices.append((ends[number - 1] if number else 0, ends[number], ends[-1]))
        model.see(number)
    for start, end, total in reversed(choices):
        state = push(state, start, end - start, total)
    return state


def pop_numbers(state: int, n_numbers: int, n_values: int) -> tuple[Bytes, int]:
    """The numbers that `push_numbers` put upon a state, and that state."""
    model = _Model(n_values)
    numbers = np.empty(n_numbers, np.uint8)
    for at in range(n_numbers):
        ends = model.ends()
        state, slot = divmod(state, ends[-1])
        number = bisect_right(ends, slot)
        start = ends[number - 1] if number else 0
        state = state * (ends[number] - start) + slot - start
        numbers[at] = number
        model.see(number)
    return numbers, state


class _Model:
    """What the next number is likely to be."""

    def __init__(self, n_values: int) -> None:
        self._n_values = n_values
        self._before = 0
        self._likely = np.ones(n_values, np.int64)
        self._steps = np.zeros(2 * n_values, np.int64)
        self._pairs = np.zeros((n_values, n_values), np.int64)

    def ends(self) -> list[int]:
        """Where the span of each value ends; the first begins at 0, the last ends at the total."""
        steps = self._steps[self._n_values - self._before :][: self._n_values]
        ends: list[int] = np.cumsum(self._likely + steps + self._pairs[self._before]).tolist()
        return ends

    def see(self, number: int) -> None:
        """Learn from the number that came."""
        self._likely[number] += _SAME
        self._steps[self._n_values + number - self._before] += _STEP
        self._pairs[self._before, number] += _PAIR
        self._before = number


def as_table(state: int) -> Bytes:
    """`state` as bytes, lowest first, the last of them not zero."""
    return np.frombuffer(state.to_bytes((state.bit_length() + 7) // 8, "little"), np.uint8)


def from_table(table: Bytes, most_bytes: int) -> int:
    """The state of a table.

    Raises
    ------
    ValueError
        When the table is longer than `most_bytes`, or ends with a zero, which `as_table` never does.
    """
    if len(table) > most_bytes:  # before it becomes a number, which takes more than linear time
        raise ValueError(f"table: {len(table)} bytes, but it can have at most {most_bytes}")
    if len(table) and not table[-1]:
        raise ValueError("table: its last byte is zero, which says nothing")
    return int.from_bytes(table.tobytes(), "little")


def check_popped(state: int) -> None:
    """Raise a ValueError unless nothing is left upon the first state, 0."""
    if state:
        raise ValueError(f"table: {(state.bit_length() + 7) // 8} bytes of it are left over")
