"""Rows, machines and fronts picked out of a sweep."""

import statistics

import pytest

from eie_sim.sweep.columns import CONDITIONS, INPUTS, METRICS
from eie_sim.sweep.expressions import condition
from eie_sim.sweep.pareto import front
from eie_sim.sweep.select import (
    LARGER_IS_BETTER,
    MACHINE_AND_PRICES,
    OBJECTIVES,
    best,
    candidates,
    in_order,
    matching,
    metric,
    one_price,
    pareto,
    varying,
)


def row(workload="a", seed=0, **cells):
    """A row of a store; what is not given is empty or the same for all."""
    return {**dict.fromkeys(INPUTS, 1), **dict.fromkeys(METRICS), "workload": workload, "seed": seed, **cells}


def where(*texts):
    return [condition(text, CONDITIONS) for text in texts]


def machines(*values, **more):
    """A machine for each (time, energy), of one row."""
    rows = [row(n_pe=at, time_us=time, energy_nj=spent, **more) for at, (time, spent) in enumerate(values)]
    return candidates(rows, ["time_us", "energy_nj"])


def n_pes(found):
    return [one.inputs["n_pe"] for one in found]


@pytest.mark.parametrize(("name", "column"), [*OBJECTIVES.items(), ("cycles", "cycles"), ("speedup", "speedup")])
def test_a_metric_has_a_short_name_or_its_own(name, column):
    assert metric(name) == column
    assert column in METRICS


@pytest.mark.parametrize("name", ["", "n_pe", "Latency", "workload", "key"])
def test_what_is_no_metric_is_refused_with_those_that_there_are(name):
    with pytest.raises(
        ValueError, match=rf"'{name}': is no metric; there are latency, energy, edp, area, power, layers"
    ):
        metric(name)


def test_what_is_better_when_larger_is_a_metric():
    assert set(METRICS) >= LARGER_IS_BETTER


def test_rows_match_that_meet_every_condition():
    rows = [row(n_pe=n_pe, cycles=cycles) for n_pe in (1, 2) for cycles in (10, 20, None)]
    assert matching(rows, []) == rows
    assert matching(rows, where("n_pe > 1", "cycles < 15")) == [rows[3]]


def test_rows_are_sorted_by_a_column_and_those_without_it_come_last():
    rows = [row(n_pe=at, cycles=cycles) for at, cycles in enumerate([30, None, 10, 30, None, 20])]
    assert [one["n_pe"] for one in in_order(rows, "cycles")] == [2, 5, 0, 3, 1, 4]
    assert [one["n_pe"] for one in in_order(rows, "cycles", descending=True)] == [0, 3, 5, 2, 1, 4]


def test_a_machine_is_judged_over_all_that_ran_on_it():
    rows = [
        row(workload, seed, n_pe=n_pe, time_us=time)
        for n_pe, times in ((1, (1.0, 4.0, 2.0, 2.0)), (2, (3.0, 3.0, 3.0, 3.0)))
        for (workload, seed), time in zip([("a", 0), ("a", 1), ("b", 0), ("b", 1)], times, strict=True)
    ]
    one, two = candidates(rows, ["time_us"])
    assert (one.rows, two.rows) == (4, 4)
    assert one.values["time_us"] == pytest.approx(statistics.geometric_mean([1.0, 4.0, 2.0, 2.0]))
    assert two.values["time_us"] == 3.0
    assert tuple(one.inputs) == MACHINE_AND_PRICES


@pytest.mark.parametrize("name", MACHINE_AND_PRICES)
def test_machines_and_prices_are_told_apart(name):
    assert len(candidates([row(time_us=1.0, **{name: value}) for value in (1, 2)], ["time_us"])) == 2


@pytest.mark.parametrize("name", ["workload", "fit", "seed"])
def test_what_runs_is_not(name):
    assert len(candidates([row(**{"time_us": 1.0, name: value}) for value in (1, 2)], ["time_us"])) == 1


def test_a_machine_on_which_less_ran_is_left_out():
    rows = [row("a", n_pe=1, time_us=1.0), row("b", n_pe=1, time_us=1.0), row("a", n_pe=2, time_us=0.1)]
    assert n_pes(candidates(rows, ["time_us"])) == [1]


def test_a_machine_on_which_something_failed_is_left_out():
    rows = [row(work, n_pe=n_pe, time_us=1.0) for work in "ab" for n_pe in (1, 2)]
    rows[-1]["time_us"] = None
    assert n_pes(candidates(rows, ["time_us"])) == [1]


def test_machines_on_which_something_else_ran_are_not_compared():
    rows = [row("large", n_pe=1, time_us=100.0), row("small", n_pe=2, time_us=1.0)]
    assert len(candidates(rows, ["time_us"])) < 2


def test_a_machine_meets_a_condition_with_every_row():
    rows = [
        row(work, n_pe=n_pe, time_us=1.0, cycles=n_pe * cycles)
        for work, cycles in (("a", 1), ("b", 9))
        for n_pe in (1, 2)
    ]
    assert n_pes(candidates(rows, ["time_us"], where("cycles < 18"))) == [1]
    assert n_pes(candidates(rows, ["time_us"], where("cycles < 19"))) == [1, 2]
    assert candidates(rows, ["time_us"], where("cycles < 1")) == []


def test_no_rows_are_no_machines():
    assert candidates([], ["time_us"]) == []
    assert pareto([], ["time_us", "energy_nj"]) == []


def test_zeros_have_no_geometric_mean_but_when_all_are_the_same():
    rows = [row("a", missing_bytes=0), row("b", missing_bytes=0)]
    assert candidates(rows, ["missing_bytes"])[0].values["missing_bytes"] == 0
    rows[1]["missing_bytes"] = 4
    with pytest.raises(ValueError, match="missing_bytes: 0 among its values, which have no geometric mean"):
        candidates(rows, ["missing_bytes"])


def test_the_best_come_first_and_equal_ones_in_the_order_of_their_inputs():
    found = machines((3.0, 1.0), (1.0, 2.0), (2.0, 3.0), (1.0, 4.0))
    assert n_pes(best(found, "time_us", 3)) == [1, 3, 2]
    assert n_pes(best(found[::-1], "time_us", 3)) == [1, 3, 2]
    assert n_pes(best(found, "energy_nj", 1)) == [0]
    assert n_pes(best(found, "time_us", 99)) == [1, 3, 2, 0]


def test_of_equal_machines_that_with_fewer_pes_comes_first():
    found = candidates([row(n_pe=n_pe, time_us=1.0) for n_pe in (16, 4)], ["time_us"])
    assert n_pes(best(found, "time_us", 2)) == [4, 16]


def test_what_is_better_when_larger_is_best_when_largest():
    found = candidates([row(n_pe=n_pe, speedup=float(n_pe)) for n_pe in (1, 3, 2)], ["speedup"])
    assert n_pes(best(found, "speedup", 2)) == [3, 2]


def test_the_front_is_in_the_order_of_its_first_metric():
    values = [(3.0, 1.0), (1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0)]
    found = machines(*values)
    assert n_pes(pareto(found, ["time_us", "energy_nj"])) == [1, 2, 0]
    assert n_pes(pareto(found, ["energy_nj", "time_us"])) == [0, 2, 1]
    assert sorted(n_pes(pareto(found, ["time_us", "energy_nj"]))) == [at for at, on in enumerate(front(values)) if on]


def test_a_front_wants_some_metrics_large():
    rows = [
        row(n_pe=at, time_us=time, gops=gops) for at, (time, gops) in enumerate([(1.0, 5.0), (2.0, 9.0), (2.0, 4.0)])
    ]
    assert n_pes(pareto(candidates(rows, ["time_us", "gops"]), ["time_us", "gops"])) == [0, 1]


def test_inputs_that_vary_are_named():
    found = candidates([row(n_pe=n_pe, batch=1, time_us=1.0) for n_pe in (1, 2)], ["time_us"])
    assert varying(found) == ["n_pe"]
    assert varying(found[:1]) == []


# What ran, and at which prices ----------------------------------------------------------------------------------------


def test_what_ran_is_known_by_its_contents_whatever_it_was_called():
    rows = [
        row("m.eie", n_pe=8, workload_sha256="x", time_us=1.0),
        row("m2.eie", n_pe=16, workload_sha256="x", time_us=2.0),
    ]
    assert n_pes(candidates(rows, ["time_us"])) == [8, 16]


def test_other_contents_by_the_same_name_are_something_else_that_ran():
    rows = [row("m.eie", n_pe=8, workload_sha256=of, time_us=1.0) for of in "xy"]
    (found,) = candidates([*rows, row("m.eie", n_pe=16, workload_sha256="x", time_us=1.0)], ["time_us"])
    assert (found.inputs["n_pe"], found.rows) == (8, 2)


def test_two_rows_of_one_machine_and_one_workload_are_refused_and_not_averaged():
    rows = [row(workload_sha256="x", time_us=time) for time in (1.0, 2.0)]
    with pytest.raises(ValueError, match="differ in what no column tells, such as a baseline's file"):
        candidates(rows, ["time_us"])


def test_a_column_that_is_only_shown_may_be_empty():
    rows = [row(n_pe=1, time_us=1.0, area_mm2=2.0), row(n_pe=2, time_us=1.0)]
    found = candidates(rows, ["time_us"], shown=["area_mm2"])
    assert [dict(one.values) for one in found] == [{"time_us": 1.0, "area_mm2": 2.0}, {"time_us": 1.0}]


def test_prices_are_no_machines_the_first_of_the_sweep_is_taken_and_the_others_are_named():
    rows = [row(n_pe=at, calibration=name, batch=1) for at in (1, 2) for name in ("table2-8cycle", "bottom-up")]
    kept, notes = one_price(rows, {"calibration": ["bottom-up", "table2-8cycle"]})
    assert [(one["n_pe"], one["calibration"]) for one in kept] == [(1, "bottom-up"), (2, "bottom-up")]
    assert notes == [
        "by calibration bottom-up; for others (table2-8cycle) give a condition, such as "
        "\"calibration == 'table2-8cycle'\""
    ]
    assert one_price(kept, {}) == (kept, [])


def test_of_batches_a_number_is_asked_for():
    _, (note,) = one_price([row(batch=1), row(batch=64)], {"batch": [64, 1]})
    assert note == 'by batch 64; for others (1) give a condition, such as "batch == 1"'
