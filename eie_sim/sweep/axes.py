"""The axes of a space: values one by one or a range of them, and the defaults where there is no axis."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, Strict

from compressor.messages import shown
from eie_sim.cost import CALIBRATIONS
from eie_sim.cost.calibrations import DEFAULT as DEFAULT_CALIBRATION
from eie_sim.cost.technology import SCALINGS
from eie_sim.limits import MOST_STORED
from eie_sim.networks import DEFAULT_FIT, FITS
from eie_sim.studies.permutation import STRATEGIES
from eie_sim.sweep.columns import NO_BASELINE

MAX_POINTS = 20_000_000
"""Points of one space: what a computer's memory holds with ease."""

ALL_LAYERS = "all"
"""A workload that stands for the nine layers of the paper."""

Value = int | float | str | None

DEFAULTS: Mapping[str, Value] = {
    "fit": DEFAULT_FIT,
    "seed": 0,
    "order": STRATEGIES[0],
    "calibration": DEFAULT_CALIBRATION,
    "scaling_rule": next(iter(SCALINGS)),
    "baseline": NO_BASELINE,
    "batch": 1,
}
"""Values where there is no axis; fields of the machine come from the machine, and a workload must be given."""

_NAMED: Mapping[str, Sequence[str]] = {
    "fit": tuple(FITS),
    "order": STRATEGIES,
    "calibration": tuple(CALIBRATIONS),
    "scaling_rule": tuple(SCALINGS),
}

WHOLE_AXES = frozenset({"seed", "batch"})
"""Axes beside those of the machine whose values are integers, and which can have a range."""

Number = Annotated[int, Strict()] | Annotated[float, Strict()]
Scalar = Number | Annotated[str, Strict()]


class Range(BaseModel):
    """Values between two ends.

    Attributes
    ----------
    start, stop : int or float
        ``from`` and ``to`` in a file; both belong to it.
    step : int or float or None
        To the next value, added.
    factor : int or float or None
        To the next value, multiplied.
    scale : {"linear", "log"}
        How values are drawn from it where neither step nor factor is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: Number = Field(alias="from")
    stop: Number = Field(alias="to")
    step: Number | None = None
    factor: Number | None = None
    scale: Literal["linear", "log"] = "linear"

    @property
    def whole(self) -> bool:
        """Whether its values are integers."""
        given = (self.start, self.stop, 1 if self.step is None else self.step)
        return all(isinstance(value, int) for value in given)

    def check(self, name: str) -> None:
        """Refuse a range without values; a ValueError names the axis."""
        for end, value in (("from", self.start), ("to", self.stop), ("step", self.step), ("factor", self.factor)):
            if value is not None and not abs(value) <= MOST_STORED:  # NaN is not
                raise ValueError(f"axes: {name}: {end} {shown(value)}, but at most {MOST_STORED}")
        if name in WHOLE_AXES:
            if not self.whole or self.factor is not None or self.scale == "log":
                raise ValueError(f"axes: {name}: from {self.start} to {self.stop}, but it has integers, a step apart")
            check_value(name, self.start)
        if self.stop < self.start:
            raise ValueError(f"axes: {name}: from {self.start} to {self.stop} there is nothing")
        if (self.step is not None and self.step <= 0) or (self.factor is not None and self.factor <= 1):
            raise ValueError(
                f"axes: {name}: step {self.step}, factor {self.factor}; from one value to the next it rises"
            )
        if self.step is not None and self.factor is not None:
            raise ValueError(f"axes: {name}: step and factor, but only one of them can lead to the next value")
        if (self.factor is not None or self.scale == "log") and self.start <= 0:
            raise ValueError(f"axes: {name}: from {self.start}, but a logarithmic range begins above 0")

    def values(self, name: str) -> tuple[int | float, ...]:
        """All values of a grid, in order.

        Raises
        ------
        ValueError
            When they are too many, or nothing says how to get from one to the next.
        """
        if self.factor is not None:
            steps = (math.log(self.stop) - math.log(self.start)) / math.log(self.factor)
        elif self.step is not None or self.whole:
            steps = float(self.stop - self.start) / (self.step or 1)
        else:
            raise ValueError(f"axes: {name}: a grid needs step or factor between {self.start} and {self.stop}")
        if steps >= MAX_POINTS:
            raise ValueError(f"axes: {name}: {steps + 1:.0f} values, but a space has at most {MAX_POINTS} points")
        # The logarithms of 1 to 1024 by 2 may give 9.999...; the end belongs to the range.
        count, factor = math.floor(steps + 1e-9) + 1, self.factor
        if factor is not None:
            found = list(accumulate(range(count - 1), lambda value, _: value * factor, initial=self.start))
            return tuple(dict.fromkeys(round(v) if self.whole else float(v) for v in found))
        if self.whole:
            return tuple(self.start + at * (self.step or 1) for at in range(count))
        # As they are written: 0.1 + 2 x 0.1 is 0.3, not 0.30000000000000004, which would be another machine.
        start, step = Decimal(repr(self.start)), Decimal(repr(self.step))
        return tuple(float(start + at * step) for at in range(count))

    def at(self, fraction: NDArray[np.float64]) -> list[int | float]:
        """Values at fractions 0 .. 1 of it; integers where its ends are."""
        if self.scale == "log":
            low, high = math.log(self.start), math.log(self.stop)
            drawn = np.exp(low + fraction * (high - low))
        elif self.whole:
            # Half a step more at either end, so that the ends are drawn as often as the other integers.
            drawn = self.start - 0.5 + fraction * (self.stop - self.start + 1)
        else:
            drawn = self.start + fraction * (self.stop - self.start)
        # Rounding can leave the range by one bit, and integers above 2**53 by more: hence both clips.
        clipped = np.clip(drawn, self.start, self.stop).tolist()
        return [min(max(round(value), self.start), self.stop) for value in clipped] if self.whole else clipped


Axis = Range | tuple[Value, ...]
"""An axis whose values are known: as a range, or one by one and each once."""


def check_value(name: str, value: object) -> None:
    """Refuse a value that no axis of this name can have.

    Raises
    ------
    ValueError
        One line that names the axis, the value and what it must be.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"axes: {name}: {value}, but it must be finite")
    if isinstance(value, int) and value > MOST_STORED:
        raise ValueError(f"axes: {name}: {shown(value)}, but at most {MOST_STORED}")
    if name in _NAMED and value not in _NAMED[name]:
        raise ValueError(f"axes: {name}: {shown(value)}, but it must be one of {', '.join(_NAMED[name])}")
    least = {"seed": 0, "batch": 1}.get(name)
    if least is not None and (type(value) is not int or value < least):
        raise ValueError(f"axes: {name}: {shown(value)}, but it must be an integer of at least {least}")
    if name in ("workload", "baseline") and not isinstance(value, str):
        raise ValueError(f"axes: {name}: {shown(value)}, but it must be a string")
