"""`LayerStatistics`: what the layer generator must know of a layer besides its size.

How those of the nine published layers came about. They were fitted, as means over seeds, to Table IV and Figs 8 (from
depth 2 on), 12 and 13 of the EIE paper, with the printed densities and the spreads of the one public layer (Alex-8) as
weak priors. `act_run` was set by hand on the row reads of Fig. 9; `row_spread` was held at 0.1 for Alex-6 and VGG-6.
The fit to the 64-PE machine saw no other machine, but the form was chosen with all figures in view: what it predicts
tests the parameters, not the form.

What they do not capture: the luck of the one matrix the authors had (1 to 2 points of load balance in NT-Wd, NT-LSTM
and VGG-8); neighbouring rows of similar density, which the real Alex-8 has; depth 1 of Fig. 8, which the authors'
published code cannot run; and the row reads of VGG-7 in Fig. 9, where the model is 29 % above at 32 bits and 24 % below
at 512. The figures pin density and activity as a product, hardly apart. Weights and inputs have no network's values.
"""

import math
from dataclasses import dataclass, fields

from compressor.checks import whole_number

MAX_SPREAD = 10.0
"""Largest spread; the largest of the published layers is 2.3."""

MAX_ACT_RUN = 1e6


@dataclass(frozen=True)
class LayerStatistics:
    """Densities and spreads of a layer. A spread is a coefficient of variation (standard deviation over mean).

    Attributes
    ----------
    weight_density : float, 0 .. 1
        Expected share of weights that are not zero.
    act_density : float, 0 .. 1
        Share of inputs that are active.
    row_spread, column_spread : float, 0 .. `MAX_SPREAD`
        How much the densities of whole rows and of whole columns vary.
    interaction : float, 0 .. `MAX_SPREAD`
        How much the density of one row varies from block to block of columns.
    row_trend : float, -1 .. 1, both excluded
        Linear trend of the density over the rows: ``1 + row_trend`` times the mean in the first row, ``1 - row_trend``
        times in the last.
    act_run : float, 0 .. `MAX_ACT_RUN`
        Inputs over which activity is correlated (it falls by 1/e); 0: independent.
    block_columns : int or None
        Columns of a block of the interaction; None: the layer has no blocks.
    block_offset : int, >= 0
        Columns before the first block; they count to it.

    Raises
    ------
    ValueError
        When a value is out of its limits, or there is an interaction without blocks.
    """

    weight_density: float
    act_density: float = 1.0
    row_spread: float = 0.0
    column_spread: float = 0.0
    interaction: float = 0.0
    row_trend: float = 0.0
    act_run: float = 0.0
    block_columns: int | None = None
    block_offset: int = 0

    def __post_init__(self) -> None:
        for name in ("weight_density", "act_density"):
            _number(name, getattr(self, name), 0, 1)
        for name in ("row_spread", "column_spread", "interaction"):
            _number(name, getattr(self, name), 0, MAX_SPREAD)
        _number("act_run", self.act_run, 0, MAX_ACT_RUN)
        _number("row_trend", self.row_trend, -1, 1)
        if abs(self.row_trend) == 1:
            raise ValueError(f"row_trend: {self.row_trend}, but it must be between -1 and 1, both excluded")
        if self.block_columns is not None:
            whole_number("block_columns", self.block_columns, 1)
        elif self.interaction:
            raise ValueError(f"interaction: {self.interaction}, but without block_columns it must be 0")
        whole_number("block_offset", self.block_offset, 0)

    def __str__(self) -> str:
        kept = [(f.name, getattr(self, f.name)) for f in fields(self)]
        return ", ".join(f"{name} {value:g}" for name, value in kept if value)


def _number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name}: {value!r} is not a finite number")
    if not low <= value <= high:
        raise ValueError(f"{name}: {value}, but it must be {low:g} to {high:g}")
