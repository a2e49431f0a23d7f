"""JSON of files that nobody has vouched for: Python's parser, without what it lets pass."""

import json
from typing import Any, NoReturn

_LONGEST_NUMBER = 19  # digits of 2**63


def strict_json(what: str, text: str) -> Any:
    """Parse JSON of limited depth, without a key twice in one object, without NaN and numbers beyond 64 bits.

    Raises
    ------
    ValueError
        If `text` is something else; the message begins with `what`.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
    except RecursionError:  # attack: brackets nested a hundred thousand deep
        raise ValueError(f"{what}: is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{what}: is not strict JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its pairs.

    Attack: a key twice. One reader takes the first value, another the last, and each sees another file.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice in one object")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    """An integer from its digits.

    Attack: a number of a million digits, which takes more than linear time to become an integer.
    """
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits, but at most {_LONGEST_NUMBER} are read")
    return int(digits)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")
