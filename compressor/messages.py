"""What messages show of values and names that nobody has vouched for: one line, of limited length, without commands."""

import math

MOST_SHOWN = 80
"""Characters of a value that a message shows: a forged value of a megabyte must not become a message of a megabyte."""

_PRINTED_BITS = 128
"""Longest integer of which a message shows every digit."""


def shown(value: object) -> str:
    """`value` as a message shows it: its ``repr``, the middle left out where it is long.

    An integer of hundreds of digits, which Python refuses to print, is shown by its number of digits.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _PRINTED_BITS:
        sign = "a negative integer" if value < 0 else "an integer"
        return f"{sign} of about {max(round(value.bit_length() * math.log10(2)), 1):,} digits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a container of such an integer, or one nested too deeply
        return f"a {type(value).__name__}"
    half = (MOST_SHOWN - 5) // 2
    return text if len(text) <= MOST_SHOWN else f"{text[:half]} ... {text[-half:]}"


def printable(text: str) -> str:
    """`text` in one line, without characters that a terminal obeys: names come from files nobody has vouched for."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
