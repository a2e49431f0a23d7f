"""Pictures of a sweep: what their data say, and that they are drawn."""

import math

import pytest

from eie_sim.report import plots
from eie_sim.report.figures.sweeps import (
    axis_curve,
    heat_map,
    label,
    parallel_coordinates,
    pareto_front,
)
from eie_sim.sweep.select import Candidate

FOUND = [
    Candidate(
        {"n_pe": n_pe, "clock_hz": clock},
        {"time_us": 100 / n_pe / clock, "area_mm2": float(n_pe), "gops": n_pe},
        rows=1,
    )
    for n_pe in (1, 4, 16)
    for clock in (1.0, 2.0)
]


def test_an_axis_without_effect_is_not_called_best_anywhere():
    assert axis_curve(FOUND, "clock_hz", "area_mm2").finding == "area: the same at every clock_hz, by the median"


def test_labels_have_units_once():
    assert (label("edp_nj_us"), label("time_us"), label("cycles"), label("n_pe")) == (
        *("edp, nJ us", "time, us"),
        *("cycles, cycles", "n_pe"),
    )


def test_a_front_holds_what_no_machine_beats():
    data = pareto_front(FOUND, "time_us", "area_mm2", ["n_pe", "clock_hz"])
    assert data.front == ((3.125, 16.0), (12.5, 4.0), (50.0, 1.0))
    assert data.names == ("16, 2", "4, 2", "1, 2")
    assert len(data.points) == 6
    assert data.finding == "3 of 6 machines are beaten by none in time and area"


def test_a_curve_has_the_median_between_the_least_and_the_largest():
    data = axis_curve(FOUND, "n_pe", "time_us")
    assert data.x == (1, 4, 16)
    assert (data.least, data.median, data.largest) == ((50, 12.5, 3.125), (75, 18.75, 4.6875), (100, 25, 6.25))
    assert data.finding == "time: best at n_pe 16, by the median"
    assert axis_curve(FOUND, "n_pe", "gops").finding == "gops: best at n_pe 16, by the median"
    with pytest.raises(ValueError, match="axis 'n_pe': has one value in this sweep"):
        axis_curve(FOUND[:2], "n_pe", "time_us")


def test_a_map_has_the_best_of_each_pair_and_a_gap_where_there_is_none():
    data = heat_map(FOUND[1:], "n_pe", "clock_hz", "time_us")
    assert (data.x, data.y) == ((1, 4, 16), (1.0, 2.0))
    assert math.isnan(data.values[0][0])
    assert data.values[1] == (50, 12.5, 3.125)
    assert data.best == (2, 1)
    with pytest.raises(ValueError, match="axis 'n_pe': is both axes of the map"):
        heat_map(FOUND, "n_pe", "n_pe", "time_us")


def test_lines_run_over_axes_and_metrics():
    data = parallel_coordinates(FOUND, ["n_pe", "clock_hz"], ["time_us", "area_mm2"])
    assert data.columns == ("n_pe", "clock_hz", "time, us", "area, mm2")
    assert data.ticks[0] == ((0, "1"), (0.5, "4"), (1, "16"))
    assert data.lines[0] == (0, 0, 1, 0)
    assert sum(data.on_front) == 3


@pytest.mark.parametrize(
    "figure",
    [
        lambda: plots.pareto_front(pareto_front(FOUND, "time_us", "area_mm2", ["n_pe"])),
        lambda: plots.axis_curve(axis_curve(FOUND, "n_pe", "time_us")),
        lambda: plots.sweep_map(heat_map(FOUND[1:], "n_pe", "clock_hz", "time_us")),
        lambda: plots.parallel_coordinates(parallel_coordinates(FOUND, ["n_pe"], ["time_us", "area_mm2"])),
    ],
)
def test_the_same_data_give_the_same_picture(figure):
    assert plots.as_png(figure(), 50) == plots.as_png(figure(), 50)


def test_an_axis_may_have_a_value_that_is_none():
    found = [Candidate({"acc_bits": bits}, {"time_us": 1.0 + (bits or 0)}, 1) for bits in (24, None, 16)]
    assert axis_curve(found, "acc_bits", "time_us").x == (16, 24, None)
