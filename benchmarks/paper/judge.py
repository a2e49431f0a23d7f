"""Measures against the file of tolerances: nothing passes that has no limit, and no limit is passed over."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Figure
from benchmarks.paper.reproduced import Reproduced

FILE = Path(__file__).with_name("tolerances.toml")


@dataclass(frozen=True)
class Tolerance:
    """The limit of a measure.

    Attributes
    ----------
    at_most : float
    reason : str
    needs : str
        Data without which the measure is not made; "" for none.
    """

    at_most: float
    reason: str
    needs: str = ""


def tolerances() -> dict[str, dict[str, Tolerance]]:
    """By item, by measure.

    Raises
    ------
    ValueError
        When a limit has no reason.
    """
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))
    found = {item: {name: Tolerance(**limit) for name, limit in limits.items()} for item, limits in read.items()}
    for item, limits in found.items():
        for name, limit in limits.items():
            if not limit.reason:
                raise ValueError(f"{FILE.name}: {item}, {name!r}: no reason is given")
    return found


def judged(item: Reproduced, limits: Mapping[str, Tolerance], present: frozenset[str]) -> list[Figure]:
    """A figure with its bar for each measure.

    Parameters
    ----------
    item : Reproduced
    limits : mapping of str to Tolerance
        Of this item.
    present : frozenset of str
        Data that is there; a limit that needs other data is named, without a bar.

    Raises
    ------
    ValueError
        When a measure has no limit.
    """
    if without := sorted(set(item.measures) - set(limits)):
        raise ValueError(f"{FILE.name}: {item.name} has no limit for {without[0]!r}")
    figures = []
    for name, limit in limits.items():
        value, title = item.measures.get(name), f"{item.name}: {name}"
        if value is None and limit.needs and limit.needs not in present:
            figures.append(Figure(title, None, note=f"not measured: needs the data {limit.needs}"))
        else:
            figures.append(Figure(title, value, "", limit.at_most, note=limit.reason))
    return figures
