"""Machines of a store: those of the last sweep, of one price, and why there is none."""

import pytest

from eie_sim import __version__
from eie_sim.sweep.machines import conditions_of, machines_of
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store
from tests.sweep import tiny


@pytest.fixture
def swept(tmp_path):
    """``swept(axes, conditions)``: sweeps a small file into one store, which is open then."""
    path = tmp_path / "s.sqlite"
    there = []

    def of(conditions=(), **axes):
        axes = {"workload": tiny.a_file(tmp_path / "a.eie", 1), **axes}
        run_sweep(Space(name="s", axes=axes, where=list(conditions)), path, jobs=1)
        there.append(Store(path))
        return there[-1]

    yield of
    for store in there:
        store.close()


def n_pes(machines):
    return sorted(one.inputs["n_pe"] for one in machines.found)


def test_machines_are_those_of_the_sweep_that_was_run_last(swept):
    swept(n_pe=[1, 2])
    store = swept(n_pe=[2, 4])
    assert n_pes(machines_of(store, ["time_us"])) == [2, 4]
    assert n_pes(machines_of(store, ["time_us"], all_sweeps=True)) == [1, 2, 4]


def test_machines_meet_the_conditions_of_the_sweep_and_those_given(swept):
    store = swept(["load_balance > 0"], n_pe=[1, 2, 4])
    assert conditions_of(store) == ["load_balance > 0"]
    assert n_pes(machines_of(store, ["time_us"], ["n_pe < 4"])) == [1, 2]
    with pytest.raises(ValueError, match=r"s.sqlite: no machine meets load_balance > 0 and n_pe > 4"):
        machines_of(store, ["time_us"], ["n_pe > 4"])


def test_machines_say_what_ran_on_them_by_which_version_and_under_which_conditions(swept, tmp_path):
    a, b = tiny.a_file(tmp_path / "a.eie", 1), tiny.a_file(tmp_path / "b.eie", 2)
    machines = machines_of(swept(["load_balance > 0"], workload=[b, a], n_pe=[2, 4]), ["time_us"], ["n_pe < 4"])
    assert (machines.sweep, machines.workloads, machines.versions) == ("s", (a, b), (__version__,))
    assert machines.conditions == ("load_balance > 0", "n_pe < 4")


def test_machines_of_a_store_in_which_no_sweep_is_noted_are_all_there_are(tmp_path):
    space = Space(name="s", axes={"workload": tiny.a_file(tmp_path / "a.eie", 1), "n_pe": [2, 4]})
    run_sweep(space, tmp_path / "noted nowhere.sqlite", jobs=1, note=False)
    with Store(tmp_path / "noted nowhere.sqlite") as store:
        machines = machines_of(store, ["time_us"])
    assert (n_pes(machines), machines.sweep, machines.conditions) == ([2, 4], "noted nowhere", ())


def test_machines_that_do_not_hold_what_ran_are_told(swept):
    store = swept(n_pe=[2, 4], spmat_bytes=[16, 131072])
    machines = machines_of(store, ["time_us"])
    assert (
        sorted((one.inputs["spmat_bytes"], one.fits) for one in machines.found)
        == [(16, False)] * 2 + [(131072, True)] * 2
    )
    assert machines.notes[-1].startswith("2 of 4 machines do not hold every workload in their SRAMs")
    assert machines_of(store, ["time_us"], ["fits_sram"]).notes == ()
    with pytest.raises(ValueError, match=r"no machine meets n_pe == 2 and .*; the SRAMs of none hold .*a.eie"):
        machines_of(swept(n_pe=2, spmat_bytes=16), ["time_us"], ["n_pe == 2", "fits_sram"])


def test_one_price_is_judged_by_in_the_order_of_the_sweep(swept):
    store = swept(n_pe=[2, 4], calibration=["bottom-up", "table2-8cycle"])
    machines = machines_of(store, ["energy_nj"])
    assert {one.inputs["calibration"] for one in machines.found} == {"bottom-up"}
    assert (len(machines.found), machines.rows, machines.failed) == (2, 4, 0)
    (note,) = machines.notes
    assert note.startswith("by calibration bottom-up; for others (table2-8cycle) give a condition")


def test_points_that_failed_are_counted_and_where_all_did_it_is_said(swept, tmp_path):
    a = tiny.a_file(tmp_path / "a.eie", 1)
    machines = machines_of(swept(workload=[a, f"{a}#nowhere"], n_pe=[2, 4]), ["time_us"])
    assert (len(machines.found), machines.rows, machines.failed) == (2, 4, 2)
    with pytest.raises(ValueError, match="no point of it was computed, 2 failed; `eie-sim sweep query` tells why"):
        machines_of(swept(workload=f"{a}#nowhere", n_pe=[2, 4]), ["time_us"])
