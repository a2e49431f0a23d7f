"""Searching a space with Optuna: the same store, resumable, and no worse than it should be."""

import numpy as np
import pytest

from eie_sim.sweep.pareto import front
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.search import SAMPLERS, search
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store
from tests.extras import needs
from tests.sweep.tiny import a_file

OBJECTIVES = ("time_us", "energy_nj", "area_mm2")


@pytest.fixture(autouse=True)
def _extra():
    needs("optuna", "search")


@pytest.fixture
def space(tmp_path):
    axes = {
        "workload": [a_file(tmp_path / "a.eie"), a_file(tmp_path / "b.eie", 1)],
        "n_pe": [1, 2, 4, 8],
        "act_queue_depth": [2, 4, 8],
        "clock_hz": [4e8, 8e8],
    }
    return Space(name="tiny", axes=axes)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_machine_of_the_front_is_a_row_of_the_store_for_each_workload(space, tmp_path, sampler):
    store = tmp_path / "s.sqlite"
    found = search(space, store, OBJECTIVES, 20, sampler, batch=5)
    assert found.trials == 20
    with Store(store) as opened:
        rows = list(opened.rows(("n_pe", "act_queue_depth", "clock_hz", "workload", *OBJECTIVES)))
    assert np.all(front(np.array(found.values)))
    for machine, values in zip(found.inputs, found.values, strict=True):
        members = [row for row in rows if all(row[name] == value for name, value in machine.items())]
        assert len(members) == 2
        expected = [np.sqrt(members[0][name] * members[1][name]) for name in OBJECTIVES]
        assert values == pytest.approx(expected)


@pytest.mark.compiled_only
def test_the_same_seed_tries_the_same_machines(space, tmp_path):
    found = [search(space, tmp_path / f"{at}.sqlite", OBJECTIVES, 20, seed=3, batch=5) for at in range(2)]
    assert found[0] == found[1]
    assert found[0].tried != search(space, tmp_path / "other.sqlite", OBJECTIVES, 20, seed=4, batch=5).tried


def test_a_search_goes_on_where_it_was_stopped_and_computes_nothing_twice(space, tmp_path):
    store = tmp_path / "s.sqlite"
    run_sweep(space, store, jobs=1)
    with Store(store) as opened:
        there = len(opened)
    told = []
    assert search(space, store, OBJECTIVES, 8, batch=4, progress=lambda done, of: told.append((done, of))).trials == 8
    assert told == [(4, 8), (8, 8)]
    found = search(space, store, OBJECTIVES, 12, batch=4, progress=lambda done, of: told.append((done, of)))
    assert found.trials == 12
    assert told[2:] == [(12, 12)]
    with Store(store) as opened:
        assert len(opened) == there


@pytest.mark.compiled_only
def test_machines_that_do_not_meet_a_condition_are_not_found(space, tmp_path):
    small = Space(name="small", axes=space.axes, where=["cycles < 150"])
    found = search(small, tmp_path / "s.sqlite", OBJECTIVES, 24, batch=8)
    assert found.values
    assert len(found.tried) < found.trials
    with Store(tmp_path / "s.sqlite") as opened:
        cycles = {(row["n_pe"], row["act_queue_depth"]): row["cycles"]
                  for row in opened.rows(("n_pe", "act_queue_depth", "cycles"))}  # fmt: skip
    assert max(cycles.values()) >= 150
    assert all(cycles[one["n_pe"], one["act_queue_depth"]] < 150 for one in found.inputs)


def test_what_cannot_be_searched_is_refused(space, tmp_path):
    with pytest.raises(ValueError, match="objective: 'speed'"):
        search(space, tmp_path / "s.sqlite", ("speed",), 3)
    with pytest.raises(ValueError, match="sampler: 'luck', but it must be one of nsga2, tpe"):
        search(space, tmp_path / "s.sqlite", OBJECTIVES, 3, "luck")
    alone = Space(name="one", axes={"workload": space.axes["workload"]})
    with pytest.raises(ValueError, match="sweep 'one': there is nothing to choose between"):
        search(alone, tmp_path / "s.sqlite", OBJECTIVES, 3)


def test_a_search_over_another_file_by_the_same_name_is_another_study(tmp_path):
    model, store = tmp_path / "m.eie", tmp_path / "s.sqlite"
    a_file(model, 0)
    space = Space(name="one", axes={"workload": str(model), "n_pe": [1, 2, 4]})
    before = search(space, store, OBJECTIVES, 6)
    a_file(model, 1)
    after = search(space, store, OBJECTIVES, 6)
    assert before.trials == after.trials == 6
    assert set(before.tried).isdisjoint(after.tried)


def test_a_search_over_other_choices_is_another_study(space, tmp_path):
    store = tmp_path / "s.sqlite"
    search(space, store, OBJECTIVES, 6)
    fewer = Space(name="tiny", axes={**space.axes, "n_pe": [1, 2]})
    assert search(fewer, store, OBJECTIVES, 6).trials == 6


def test_a_machine_that_was_tried_often_is_once_on_the_front(tmp_path):
    space = Space(axes={"workload": a_file(tmp_path / "a.eie"), "n_pe": [1, 2]})
    found = search(space, tmp_path / "s.sqlite", OBJECTIVES, 20)
    assert len(found.inputs) == len({one["n_pe"] for one in found.inputs})


def test_the_points_of_a_search_are_those_of_a_sweep(space, tmp_path):
    store = tmp_path / "s.sqlite"
    run_sweep(Space(name="before", axes={"workload": space.axes["workload"], "n_pe": [16]}), store, jobs=1)
    search(space, store, OBJECTIVES, 4)
    with Store(store) as opened:
        assert {row["n_pe"] for row in opened.rows(("n_pe",), of_last_sweep=True)} <= {1, 2, 4, 8}


def test_a_search_needs_an_objective(space, tmp_path):
    with pytest.raises(ValueError, match="objectives: there is none"):
        search(space, tmp_path / "s.sqlite", (), 4)
