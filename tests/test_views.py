"""Views of a schedule against a count cycle by cycle, and against the counters of the run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.result import Schedule
from eie_sim.views import (
    BROADCAST_STATES,
    FILLER,
    PE_STATES,
    PERCENTILES,
    broadcast_cycles,
    broadcast_stalls,
    broadcast_states,
    full_queues,
    limits,
    pe_states,
    pe_totals,
    queue_occupancy,
    utilisation,
    waiting,
    walk,
)
from eie_sim.workload import calibrated_layer
from tests import naive
from tests.examples import examples
from tests.strategies import cases, parts

few = settings(max_examples=examples(40), deadline=None)
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


# Every cycle ----------------------------------------------------------------------------------------------------------


def run(case):
    result = simulate(case.layer, case.acts, case.arch, output=False, schedule=True)
    return result, result.schedule


def service_at(schedule, k, t):
    """The broadcast that PE `k` serves in cycle `t`, and how many cycles it has served it before; or None."""
    for j, (pop, entries) in enumerate(zip(schedule.pop_cycle[k], schedule.entries[k], strict=True)):
        if pop <= t < pop + max(1, entries):
            return j, t - pop
    return None


def is_filler(layer, schedule, k, j, offset):
    column = min(schedule.column[j], layer.n_cols)  # the bias stands there without a gap
    base = layer.pointers[-1, :k].astype(int).sum()
    return layer.codes[base + layer.pointers[column, k] + offset] == 0


def state_at(layer, schedule, k, t):
    """A PE's state, read off the contract one cycle at a time."""
    name = class_of(schedule, k, t).removesuffix("_cycles")
    if name != "busy":
        return name
    return "filler" if is_filler(layer, schedule, k, *service_at(schedule, k, t)) else "entry"


small = cases(max_rows=20, max_cols=12)


@few
@given(case=small)
def test_the_state_of_every_pe_in_every_cycle_is_what_the_contract_says(case):
    _, schedule = run(case)
    found = pe_states(schedule, case.layer)
    for k in range(schedule.n_pe):
        expected = [state_at(case.layer, schedule, k, t) for t in range(1, schedule.cycles + 1)]
        assert [PE_STATES[state] for state in found[k]] == expected


@few
@given(case=cases())
def test_states_and_totals_add_up_to_the_counters(case):
    result, schedule = run(case)
    counts = result.counts
    states, totals = pe_states(schedule, case.layer), pe_totals(schedule, case.layer)
    for place, name in enumerate(PE_STATES):
        assert np.array_equal((states == place).sum(axis=1), getattr(totals, name)), name
    assert np.array_equal(totals.entry + totals.filler, counts.busy_cycles)
    assert np.array_equal(totals.filler, counts.fillers)
    for name in ("bubble", "starved", "fill", "drain"):
        assert np.array_equal(getattr(totals, name), getattr(counts, f"{name}_cycles")), name


@few
@given(case=cases(), bins=st.integers(1, 60))
def test_fillers_in_bins_are_those_of_the_states(case, bins):
    result, schedule = run(case)
    view = utilisation(schedule, bins, case.layer)
    is_one = (pe_states(schedule, case.layer) == FILLER).astype(np.int64)
    assert np.array_equal(view.filler_cycles, np.add.reduceat(is_one, view.first_cycle[:-1] - 1, axis=1))
    assert np.array_equal(view.filler_cycles.sum(axis=1), result.counts.fillers)


@few
@given(case=small)
def test_what_waits_was_pushed_and_not_yet_popped(case):
    _, schedule = run(case)
    found = waiting(schedule)
    for t in range(1, schedule.cycles + 1):
        expected = ((schedule.arrival_cycle <= t) & (t < schedule.pop_cycle)).sum(axis=1)
        assert np.array_equal(found[:, t - 1], expected)
    assert found.max(initial=0) <= max(1, case.arch.act_queue_depth - 1)


def scan(case):
    """State of the broadcast in each cycle, and who is full, by the rules of the scan, one cycle after another."""
    _, schedule = run(case)
    n_pe, depth, latency = schedule.n_pe, case.arch.act_queue_depth, case.arch.broadcast_latency
    lanes = {(c // n_pe, c % n_pe): j for j, c in enumerate(schedule.column.tolist())}
    n_rows = schedule.n_rows_of_inputs + schedule.has_bias
    free = schedule.pop_cycle + np.maximum(1, schedule.entries)
    row, lane, states, full = 0, -1, [], []
    for t in range(1, schedule.cycles + 1):
        ahead = [j for (r, at), j in lanes.items() if r == row and at > lane]
        who = np.zeros(n_pe, bool)
        if ahead:
            j = min(ahead)
            if depth > 1:
                queued = (schedule.push_cycle[:j] <= t)[None] & (schedule.pop_cycle[:, :j] + latency > t)
                who = queued.sum(axis=1) >= depth - 1
            elif j:
                who = t < free[:, j - 1] - 2 + latency
            if who.any():
                states.append("stall")
            else:
                states.append("push")
                lane = int(schedule.column[j]) % n_pe
                if lane == n_pe - 1 and row + 1 < n_rows:
                    row, lane = row + 1, -1
        elif row + 1 < n_rows:
            states.append("scan bubble")
            row, lane = row + 1, -1
        else:
            states.append("idle")
        full.append(who)
    return states, np.array(full).T


@few
@given(case=small)
def test_the_broadcast_does_what_the_rules_of_the_scan_say(case):
    _, schedule = run(case)
    states, full = scan(case)
    assert [BROADCAST_STATES[state] for state in broadcast_states(schedule)] == states
    assert np.array_equal(full_queues(schedule, case.arch.act_queue_depth), full)


@few
@given(case=cases(), bins=st.integers(1, 60))
def test_the_broadcast_adds_up_to_the_counters(case, bins):
    result, schedule = run(case)
    found = broadcast_cycles(schedule, bins)
    names = ("broadcasts", "broadcast_stalls", "scan_bubbles", "idle_cycles")
    assert found.sum(axis=1).tolist() == [getattr(result.counts, name) for name in names]
    assert np.array_equal(found.sum(axis=0), np.diff(limits(schedule, bins)))


@few
@given(case=cases())
def test_who_held_the_broadcast_up_is_counted_alone_and_with_others(case):
    result, schedule = run(case)
    depth = case.arch.act_queue_depth
    full = full_queues(schedule, depth)
    found = broadcast_stalls(schedule, depth)
    assert found.cycles == result.counts.broadcast_stalls == full.any(axis=0).sum()
    assert np.array_equal(found.full, full.sum(axis=1))
    assert np.array_equal(found.alone, (full & (full.sum(axis=0) == 1)).sum(axis=1))


@few
@given(case=cases(), data=st.data())
def test_a_window_of_some_pes_is_cut_out_of_the_whole(case, data):
    _, schedule = run(case)
    (begin, end), pes = data.draw(parts(schedule))
    cut = np.ix_(pes, range(begin - 1, end - 1))
    depth = case.arch.act_queue_depth
    assert np.array_equal(pe_states(schedule, case.layer, (begin, end), pes), pe_states(schedule, case.layer)[cut])
    assert np.array_equal(waiting(schedule, (begin, end), pes), waiting(schedule)[cut])
    assert np.array_equal(full_queues(schedule, depth, (begin, end), pes), full_queues(schedule, depth)[cut])
    assert np.array_equal(broadcast_states(schedule, (begin, end)), broadcast_states(schedule)[begin - 1 : end - 1])


@few
@given(case=cases(), bins=st.integers(1, 60))
def test_bins_of_queues_hold_every_waiting_activation(case, bins):
    _, schedule = run(case)
    everything = waiting(schedule)
    view = queue_occupancy(schedule, bins)
    assert np.array_equal(view.total.sum(axis=1), everything.sum(axis=1))
    assert np.array_equal(view.total, np.add.reduceat(everything, view.first_cycle[:-1] - 1, axis=1))
    last = everything[:, view.first_cycle[-2] - 1 :]
    assert view.percentiles[:, -1].tolist() == np.percentile(last, PERCENTILES).tolist()
    assert (view.mean <= view.percentiles[-1]).all()


def test_queues_of_a_long_run_are_looked_at_in_parts(monkeypatch):
    layer = pack_codes(np.ones((40, 30), np.uint8), [0, 1], n_pe=4)
    schedule = simulate(layer, np.ones(30), ArchConfig(n_pe=4, weight_bits=1), schedule=True).schedule
    whole = queue_occupancy(schedule, 13)
    monkeypatch.setattr("eie_sim.views.queues._MOST_AT_ONCE", 200)
    parts = queue_occupancy(schedule, 13)
    assert np.array_equal(whole.total, parts.total)
    assert np.array_equal(whole.percentiles, parts.percentiles)


# Entries --------------------------------------------------------------------------------------------------------------


def walked(layer, schedule, k):
    """Entries of PE `k`, read off its pointers, one after another."""
    base = int(layer.pointers[-1, :k].astype(int).sum())
    before = -1
    for j, (column, pop) in enumerate(zip(schedule.column, schedule.pop_cycle[k], strict=True)):
        stored = min(column, layer.n_cols)
        row = -1
        for offset, address in enumerate(range(layer.pointers[stored, k], layer.pointers[stored + 1, k])):
            row += int(layer.runs[base + address]) + 1
            yield k, j, int(pop) + offset, address, before, int(layer.codes[base + address]), row
            before = address


def as_tuples(found):
    fields = (found.pe, found.served, found.cycle, found.address, found.address_before, found.code, found.row)
    return list(zip(*(field.tolist() for field in fields), strict=True))


@few
@given(case=small)
def test_every_entry_is_walked_where_the_pointers_say(case):
    _, schedule = run(case)
    expected = [entry for k in range(schedule.n_pe) for entry in walked(case.layer, schedule, k)]
    assert as_tuples(walk(schedule, case.layer)) == expected


@few
@given(case=cases(), data=st.data())
def test_the_entries_of_a_window_are_cut_out_of_all(case, data):
    _, schedule = run(case)
    (begin, end), pes = data.draw(parts(schedule))
    everything = as_tuples(walk(schedule, case.layer))
    expected = [
        (at, *entry[1:])
        for at, k in enumerate(pes)
        for entry in everything
        if entry[0] == k and begin <= entry[2] < end
    ]
    assert as_tuples(walk(schedule, case.layer, (begin, end), pes)) == expected


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.fixture
def ran():
    layer = pack_codes(np.ones((8, 6), np.uint8), [0, 1], n_pe=4)
    return layer, simulate(layer, np.ones(6), ArchConfig(n_pe=4, weight_bits=1), schedule=True).schedule


@pytest.mark.parametrize("window", [(0, 4), (3, 3), (5, 2), (1, 10_000), (1, 2.5)])
def test_a_window_lies_in_the_run(ran, window):
    layer, schedule = ran
    with pytest.raises(ValueError, match=r"\Awindow: [^\n]*\Z"):
        pe_states(schedule, layer, window)
    with pytest.raises(ValueError, match=r"\Awindow: [^\n]*\Z"):
        broadcast_states(schedule, window)


@pytest.mark.parametrize("pe", [-1, 4, 1.5, "a"])
def test_a_pe_is_one_of_the_machine(ran, pe):
    layer, schedule = ran
    with pytest.raises(ValueError, match=r"\Apes: "):
        pe_states(schedule, layer, pes=[0, pe])


def test_a_schedule_of_another_layer_is_refused(ran):
    _, schedule = ran
    with pytest.raises(ValueError, match="of 4 PEs, but other is packed for 2"):
        pe_states(schedule, pack_codes(np.ones((8, 6), np.uint8), [0, 1], n_pe=2, name="other"))
    with pytest.raises(ValueError, match="column 5, which other does not have"):
        pe_totals(schedule, pack_codes(np.ones((8, 5), np.uint8), [0, 1], n_pe=4, name="other"))
    with pytest.raises(ValueError, match="other entries than other has"):
        utilisation(schedule, 3, pack_codes(np.eye(8, 6, dtype=np.uint8), [0, 1], n_pe=4, name="other"))


def test_a_depth_that_the_machine_did_not_have_is_refused():
    layer = pack_codes(np.tri(40, 30, dtype=np.uint8), [0, 1], n_pe=4)
    schedule = simulate(
        layer, np.ones(30), ArchConfig(n_pe=4, weight_bits=1, act_queue_depth=3), schedule=True
    ).schedule
    assert broadcast_stalls(schedule, 3).cycles > 0
    for depth in (1, 2, 4, 8):
        with pytest.raises(
            ValueError, match=f"act_queue_depth: {depth}, but the schedule is of a machine with another"
        ):
            broadcast_stalls(schedule, depth)


@pytest.mark.compiled_only
@pytest.mark.parametrize("name", ["NT-LSTM", "VGG-6"])
def test_views_of_a_whole_layer_add_up_to_its_counters(name):
    drawn = calibrated_layer(name, 0)
    result = simulate(drawn.layer, drawn.acts, ArchConfig(), output=False, schedule=True)
    totals = pe_totals(result.schedule, drawn.layer)
    assert np.array_equal(totals.filler, result.counts.fillers)
    states = pe_states(result.schedule, drawn.layer)
    assert [(states == s).sum() for s in range(6)] == [getattr(totals, name).sum() for name in PE_STATES]
    assert broadcast_stalls(result.schedule, 8).cycles == result.counts.broadcast_stalls
    assert broadcast_cycles(result.schedule, 100).sum(axis=1).tolist() == [
        getattr(result.counts, name) for name in result.counts.SCALARS
    ]


def test_of_no_pe_nothing_waits(ran):
    _, schedule = ran
    assert waiting(schedule, pes=[]).shape == (0, schedule.cycles)
