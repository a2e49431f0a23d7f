"""Views of a schedule against a count cycle by cycle, and against the counters of the run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.result import Schedule
from eie_sim.views import utilisation
from tests import naive
from tests.strategies import cases

few = settings(max_examples=40, deadline=None)
CLASSES = ("busy_cycles", "bubble_cycles", "starved_cycles", "fill_cycles", "drain_cycles")


def class_of(schedule, k, t):
    """What PE `k` does in cycle `t`, read off the contract."""
    services = list(zip(schedule.pop_cycle[k], schedule.entries[k], strict=True))
    if not services:
        return "drain_cycles"
    for pop, entries in services:
        if pop <= t < pop + max(1, entries):
            return "busy_cycles" if entries else "bubble_cycles"
    if t < services[0][0]:
        return "fill_cycles"
    last_pop, last_entries = services[-1]
    return "drain_cycles" if t >= last_pop + max(1, last_entries) else "starved_cycles"


def counted(schedule, first_cycle):
    """Cycles of each class in each bin, one cycle after another."""
    found = {name: np.zeros((schedule.n_pe, len(first_cycle) - 1), np.int64) for name in CLASSES}
    for b in range(len(first_cycle) - 1):
        for t in range(first_cycle[b], first_cycle[b + 1]):
            for k in range(schedule.n_pe):
                found[class_of(schedule, k, t)][k, b] += 1
    return found


@few
@given(case=cases(max_rows=20, max_cols=12), bins=st.integers(1, 40))
def test_every_bin_holds_what_a_count_cycle_by_cycle_finds(case, bins):
    schedule = naive.simulate(case.layer, case.acts, case.arch, output=False, schedule=True).schedule
    view = utilisation(schedule, bins)
    expected = counted(schedule, view.first_cycle)
    for name in CLASSES:
        assert np.array_equal(getattr(view, name), expected[name]), name


@few
@given(case=cases(), bins=st.integers(1, 500))
def test_the_bins_sum_to_the_counters_of_the_run(case, bins):
    result = simulate(case.layer, case.acts, case.arch, output=False, schedule=True)
    view = utilisation(result.schedule, bins)
    for name in CLASSES:
        assert np.array_equal(getattr(view, name).sum(axis=1), getattr(result.counts, name)), name


@few
@given(case=cases(), bins=st.integers(1, 500))
def test_the_bins_cover_every_cycle_once_and_are_of_one_width(case, bins):
    result = simulate(case.layer, case.acts, case.arch, output=False, schedule=True)
    view = utilisation(result.schedule, bins)
    assert len(view.width_cycles) == min(bins, result.cycles)
    assert (view.first_cycle[0], view.first_cycle[-1]) == (1, result.cycles + 1)
    assert view.width_cycles.min() >= 1
    assert np.ptp(view.width_cycles) <= 1
    five = sum(getattr(view, name) for name in CLASSES)
    assert np.array_equal(five, np.tile(view.width_cycles, (case.layer.n_pe, 1)))
    assert (view.busy_share >= 0).all()
    assert (view.busy_share <= 1).all()


def test_a_service_across_a_limit_is_divided_exactly():
    # One PE serves 3 entries from cycle 3 on and 2 more from cycle 7 on: 1..2 fill, 6 starved, 9..13 drain.
    schedule = Schedule(
        np.array([0, 1]), np.array([2, 6]), np.array([[3, 7]]), np.array([[3, 2]]),
        n_pe=1, n_rows_of_inputs=2, has_bias=False, cycles=13,
    )  # fmt: skip
    view = utilisation(schedule, 3)
    assert view.first_cycle.tolist() == [1, 5, 9, 14]
    assert view.fill_cycles.tolist() == [[2, 0, 0]]
    assert view.busy_cycles.tolist() == [[2, 3, 0]]
    assert view.starved_cycles.tolist() == [[0, 1, 0]]
    assert view.bubble_cycles.tolist() == [[0, 0, 0]]
    assert view.drain_cycles.tolist() == [[0, 0, 5]]
    assert view.busy_share.tolist() == [[0.5, 0.75, 0]]


def test_without_a_broadcast_every_cycle_is_drain():
    layer = pack_codes([[1], [1], [1]], [0, 1], n_pe=2)
    result = simulate(layer, [0], ArchConfig(n_pe=2, weight_bits=1), schedule=True)
    view = utilisation(result.schedule, 4)
    assert view.drain_cycles.sum(axis=1).tolist() == [result.cycles] * 2
    assert view.busy_cycles.sum() == 0


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, None])
def test_bins_are_a_whole_number_of_at_least_one(bins):
    layer = pack_codes([[1]], [0, 1], n_pe=1)
    result = simulate(layer, [1], ArchConfig(n_pe=1, weight_bits=1), schedule=True)
    with pytest.raises(ValueError, match="bins: "):
        utilisation(result.schedule, bins)
