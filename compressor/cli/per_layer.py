"""Settings that may differ from layer to layer: ``0.1``, or ``0.1,conv1=0.8,fc*=0.05``.

A name is that of a layer, or a kind of layer (linear, conv, lstm, gru), or a pattern (``fc*``); a value without a name
is for all that no name fits, wherever it stands. Where several names fit a layer, the last one counts. A name with a
comma in it is put into double quotes: ``"conv,1"=0.8``.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from compressor.checks import separated, whole_number
from compressor.types.dense import KINDS
from compressor.types.model_checks import ACTIVATION_FUNCTIONS
from compressor.types.packed_format import MAX_INDEX_BITS, MAX_WEIGHT_BITS, MIN_INDEX_BITS, MIN_WEIGHT_BITS
from compressor.weight_sharing import INITIALISATIONS

Pairs: TypeAlias = Sequence[tuple[str, Any]]
"""Patterns and the values for the layers that they fit."""

Read: TypeAlias = Callable[[str, str], Any]
"""Makes a value of the name of an option and a text."""

ALL = "*"


def number(option: str, text: str) -> float:
    """A number.

    Raises
    ------
    ValueError
        When `text` is none.
    """
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is not a number") from None


def density(option: str, text: str) -> float:
    """A share above 0, at most 1; a ValueError says when `text` is none."""
    share = number(option, text)
    if not 0 < share <= 1:
        raise ValueError(f"{option}: {text}, but it must be above 0 and at most 1")
    return share


def weight_width(option: str, text: str) -> int:
    """Bits of a code; a ValueError says when `text` is none."""
    return whole_number(option, whole(option, text), MIN_WEIGHT_BITS, MAX_WEIGHT_BITS)


def index_width(option: str, text: str) -> int | str | None:
    """Bits of a run: a number, "best", or "none" for codes of all cells without an index.

    Raises
    ------
    ValueError
        When `text` is none of these.
    """
    if text in ("best", "none"):
        return text if text == "best" else None
    return whole_number(option, whole(option, text), MIN_INDEX_BITS, MAX_INDEX_BITS)


def initialisation(option: str, text: str) -> str:
    """Where a k-means begins; a ValueError says when `text` is none of the ways."""
    if text not in INITIALISATIONS:
        raise ValueError(f"{option}: {text!r}, but it must be one of {', '.join(INITIALISATIONS)}")
    return text


def activation(option: str, text: str) -> str:
    """An activation function; a ValueError says when `text` is none."""
    if text not in ACTIVATION_FUNCTIONS:
        raise ValueError(f"{option}: {text!r}, but it must be one of {', '.join(ACTIVATION_FUNCTIONS)}")
    return text


def whole(option: str, text: str) -> int:
    """A whole number.

    Raises
    ------
    ValueError
        When `text` is none.
    """
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is not an integer") from None


def pairs_of(option: str, text: str, read: Read) -> Pairs:
    """The pairs that `text` gives for `option`, as on a command line.

    Raises
    ------
    ValueError
        When one of them has no value, or none that `read` takes.
    """
    pairs = []
    for item in separated(text):
        name, equals, value = item.rpartition("=")
        if not value.strip() or (equals and not name.strip()):
            raise ValueError(f"{option}: {text!r}, but it must be a value or pairs name=value with commas between")
        pairs.append((name.strip() or ALL, read(option, value.strip())))
    return pairs


def pairs_of_toml(option: str, found: Any, read: Read) -> Pairs:
    """The pairs that a TOML file gives: a value, or a table of values by name.

    Raises
    ------
    ValueError
        As for `pairs_of`.
    """
    table = found if isinstance(found, Mapping) else {ALL: found}
    return [(name, read(option, str(value))) for name, value in table.items()]


def of_layers(option: str, pairs: Pairs, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The value of each layer that has one.

    Parameters
    ----------
    option : str
        For the message.
    pairs : sequence of (pattern, value)
    kinds : mapping of str to str
        The kind of every layer by its name.

    Raises
    ------
    ValueError
        When a pattern fits no layer.
    """
    values: dict[str, Any] = {}
    for pattern, value in sorted(pairs, key=lambda pair: pair[0] != ALL):  # what is for all comes first
        if pattern in kinds:
            names = [pattern]  # a layer that is called "conv" is meant by its name
        elif pattern in KINDS:
            names = [name for name, kind in kinds.items() if kind == pattern]
        else:
            names = [name for name in kinds if fnmatchcase(name, pattern)]
        if not names:
            quotes = "; a name with a comma needs double quotes" if any("," in name for name in kinds) else ""
            raise ValueError(f"{option}: {pattern!r} fits no layer; there are {', '.join(kinds)}{quotes}")
        values |= dict.fromkeys(names, value)
    return values
