"""Traces for Perfetto: the format, what the slices say, and that they add up to the counters of the run."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate
from eie_sim.result import Counts
from eie_sim.trace import COUNTED, cut, default_window, read_perfetto, trace_counts, write_perfetto
from eie_sim.trace.perfetto_events import PE_UNITS, events
from eie_sim.views import PE_STATES, broadcast_stalls, pe_states, waiting
from tests.contract.test_golden import EXTRA, GOLDEN, by_name, layer_of, machine_of
from tests.examples import examples
from tests.strategies import cases, crowded, parts
from tests.trace.trace_events import check_nesting, check_schema, counter_values, read, tracks

few = settings(max_examples=examples(30), deadline=None)
small = cases(max_rows=20, max_cols=12)


def run(case):
    result = simulate(case.layer, case.acts, case.arch, output=False, schedule=True)
    return result, result.schedule


def cut_of(case, window=None, pes=None):
    return cut(run(case)[1], case.layer, case.arch, window, pes)


def assert_the_counters_of(result, counts):
    for name in Counts.SCALARS:
        assert counts.broadcast[name] == getattr(result.counts, name), name
    for name in COUNTED:
        assert np.array_equal(counts.per_pe[name], getattr(result.counts, name)), name


# The whole run --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*GOLDEN, *EXTRA], ids=by_name)
def test_a_golden_layer_is_in_the_format_and_reads_back_to_its_counters(case, tmp_path):
    layer, arch, path = layer_of(case), machine_of(case), tmp_path / "trace.json"
    result = simulate(layer, case["act"], arch, output=False, schedule=True)
    written = write_perfetto(path, result.schedule, layer, arch)
    document = read(path)
    check_schema(document)
    for slices in tracks(document["traceEvents"]).values():
        check_nesting(slices)
    assert_the_counters_of(result, written)
    assert_the_counters_of(result, read_perfetto(path).counts)


@few
@given(case=cases())
def test_any_layer_reads_back_to_the_counters_of_its_run(case, tmp_path_factory):
    result, schedule = run(case)
    path = tmp_path_factory.mktemp("trace") / "trace.json.gz"
    write_perfetto(path, schedule, case.layer, case.arch)
    trace = read_perfetto(path)
    assert_the_counters_of(result, trace.counts)
    assert trace.about["cycles"] == result.cycles
    assert trace.about["clock_hz"] == case.arch.clock_hz
    assert ArchConfig.from_dict(trace.about["parameters"]) == case.arch


@few
@given(case=cases())
def test_a_slice_of_a_track_never_overlaps_the_next(case):
    found = tracks(list(events(cut_of(case))))
    for slices in found.values():
        check_nesting(slices)


@few
@given(case=small)
def test_the_track_of_a_pe_tells_its_state_in_every_cycle(case):
    _, schedule = run(case)
    found = tracks(list(events(cut_of(case))))
    states = pe_states(schedule, case.layer)
    for k in range(schedule.n_pe):
        told = [""] * (schedule.cycles + 1)
        for begin, end, _, category in found[f"pe{k}.ptr_read"]:
            told[begin:end] = [{"service": "entry"}.get(category, category)] * (end - begin)
        assert told[1:] == [PE_STATES[state] for state in states[k]]


@few
@given(case=cases())
def test_services_are_named_by_their_columns_and_say_how_long_they_waited(case):
    _, schedule = run(case)
    bias = schedule.n_rows_of_inputs * schedule.n_pe if schedule.has_bias else None
    names = ["bias" if column == bias else f"column {column}" for column in schedule.column]
    of_track = {}
    for event in events(cut_of(case)):
        if event["ph"] == "X" and event["cat"] in ("service", "bubble"):
            of_track.setdefault(event["tid"], []).append(event)
    assert len(of_track) == (schedule.n_pe if names else 0)
    for k, (_, told) in enumerate(sorted(of_track.items())):
        assert [event["name"] for event in told] == names
        assert [event["args"]["waited"] for event in told] == (schedule.pop_cycle[k] - schedule.arrival_cycle).tolist()
        assert [event["args"]["entries"] for event in told] == schedule.entries[k].tolist()


@few
@given(case=cases())
def test_counters_follow_the_queues_and_the_pes_cycle_by_cycle(case):
    _, schedule = run(case)
    window = (1, schedule.cycles + 1)
    told = list(events(cut_of(case)))
    queues = waiting(schedule)
    for k in range(schedule.n_pe):
        assert np.array_equal(counter_values(told, f"pe{k}.act_queue", window), queues[k])
    assert np.array_equal(counter_values(told, "act_queue", window), queues.sum(axis=0))
    busy = (pe_states(schedule, case.layer) < 2).sum(axis=0)  # an entry or a filler
    assert np.array_equal(counter_values(told, "utilisation", window), busy)


@few
@given(case=cases())
def test_stalls_name_the_pes_that_were_full_and_what_they_held_up(case):
    _, schedule = run(case)
    full, held = Counter(), []
    for event in events(cut_of(case)):
        if event["ph"] == "X" and event["cat"] == "stall":
            full.update(event["args"]["full_cycles"])
            held.append((event["ts"] + event["dur"], event["args"]["holds"]))
    expected = broadcast_stalls(schedule, case.arch.act_queue_depth).full
    assert full == {f"pe{k}": cycles for k, cycles in enumerate(expected.tolist()) if cycles}
    pushes = {
        begin: name
        for begin, _, name, category in tracks(list(events(cut_of(case)))).get("ccu", ())
        if category == "push"
    }
    assert all(pushes[end] == name for end, name in held)  # what was held is what is pushed next


def test_one_layer_by_hand():
    # Two PEs; column 0 has rows 0, 1 and 4; column 1 none; column 2 row 0. PE 0 holds rows 0, 2, 4, PE 1 rows 1, 3, 5.
    codes = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], np.uint8)
    layer = pack_codes(codes, [0, 1], n_pe=2, name="by hand")
    arch = ArchConfig(n_pe=2, weight_bits=1)
    schedule = simulate(layer, [1, 1, 1], arch, schedule=True).schedule
    assert schedule.cycles == 12
    found = tracks(list(events(cut(schedule, layer, arch))))
    assert found["ccu"] == [(1, 2, "column 0", "push"), (2, 3, "column 1", "push"), (3, 4, "column 2", "push")]
    assert found["pe0.ptr_read"] == [
        (1, 3, "fill", "fill"),
        (3, 5, "column 0", "service"),
        (5, 6, "column 1", "bubble"),
        (6, 7, "column 2", "service"),
        (7, 13, "drain", "drain"),
    ]
    assert found["pe0.spmat_read"] == [(4, 5, "row 0", "row read")]
    assert found["pe0.arithmetic"] == [(6, 8, "column 0", "multiply"), (9, 10, "column 2", "multiply")]
    assert found["pe0.act_rw"] == [(8, 10, "column 0", "write"), (11, 12, "column 2", "write")]


def test_every_unit_has_a_track_with_a_name_and_a_place():
    case = crowded(3)
    told = list(events(cut_of(case)))
    named = [event["args"]["name"] for event in told if event["ph"] == "M" and event["name"] == "thread_name"]
    expected = ["ccu", "lnzd", *(f"pe{k}.{unit}" for k in range(case.layer.n_pe) for unit in PE_UNITS)]
    assert named == expected
    places = [event["args"]["sort_index"] for event in told if event["name"] == "thread_sort_index"]
    assert places == sorted(places)
    assert len({event["pid"] for event in told}) == 1


# Parts of it ----------------------------------------------------------------------------------------------------------


def clipped(slices, window):
    """What a window shows of slices."""
    begin, end = window
    cut_ones = [(max(a, begin), min(b, end), *rest) for a, b, *rest in slices]
    return [one for one in cut_ones if one[0] < one[1]]


@few
@given(case=cases(), data=st.data())
def test_a_window_of_some_pes_is_cut_out_of_the_whole(case, data):
    _, schedule = run(case)
    (begin, end), pes = data.draw(parts(schedule))
    whole = list(events(cut_of(case)))
    part = list(events(cut_of(case, (begin, end), pes)))
    wanted = ["ccu", "lnzd", *(f"pe{k}.{unit}" for k in pes for unit in PE_UNITS)]
    of_part, of_whole = tracks(part), tracks(whole)
    assert set(of_part) <= set(wanted)
    for name in wanted:
        assert merged(of_part.get(name, [])) == merged(clipped(of_whole.get(name, []), (begin, end))), name
    for k in pes:
        queue = counter_values(part, f"pe{k}.act_queue", (begin, end))
        assert np.array_equal(queue, waiting(schedule, (begin, end), [k])[0])


def merged(slices):
    """Slices in order."""
    return sorted(slices, key=lambda one: (one[0], -one[1]))


@few
@given(case=cases(), data=st.data())
def test_the_counters_of_two_windows_add_up_to_those_of_both(case, data):
    result, schedule = run(case)
    assume(schedule.cycles > 1)
    middle = data.draw(st.integers(2, schedule.cycles))
    halves = [trace_counts(cut_of(case, window)) for window in ((1, middle), (middle, schedule.cycles + 1))]
    for name in Counts.SCALARS:
        assert sum(half.broadcast[name] for half in halves) == getattr(result.counts, name), name
    for name in COUNTED:
        assert np.array_equal(sum(half.per_pe[name] for half in halves), getattr(result.counts, name)), name


@few
@given(case=cases(), data=st.data())
def test_a_part_reads_back_to_the_counters_of_that_part(case, data, tmp_path_factory):
    _, schedule = run(case)
    (begin, end), pes = data.draw(parts(schedule))
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    write_perfetto(path, schedule, case.layer, case.arch, (begin, end), pes)
    found = read_perfetto(path).counts
    assert found.plain() == trace_counts(cut_of(case, (begin, end), pes)).plain()
    assert (found.window, found.pes) == ((begin, end), tuple(sorted(pes)))


def test_many_pes_are_written_in_parts_that_make_the_same_trace(monkeypatch):
    of = cut_of(crowded(5))
    whole, counts = list(events(of)), trace_counts(of).plain()
    monkeypatch.setattr("eie_sim.trace.cuts._AT_ONCE", 1)
    assert list(events(of)) == whole
    assert trace_counts(of).plain() == counts


def test_of_a_large_run_the_first_cycles_are_traced(monkeypatch):
    _, schedule = run(crowded(3))
    assert default_window(schedule, schedule.n_pe) == (1, schedule.cycles + 1)
    monkeypatch.setattr("eie_sim.trace.cuts.MOST_PE_CYCLES", 20)
    assert default_window(schedule, 4) == (1, 6)
    assert default_window(schedule, 100) == (1, 2)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.fixture
def ran():
    layer = pack_codes(np.tri(40, 30, dtype=np.uint8), [0, 1], n_pe=4, name="tri")
    arch = ArchConfig(n_pe=4, weight_bits=1, act_queue_depth=3)
    return simulate(layer, np.ones(30), arch, schedule=True).schedule, layer, arch


@pytest.mark.parametrize("window", [(0, 4), (3, 3), (5, 2), (1, 10_000), (1, 2.5)])
def test_a_window_lies_in_the_run(ran, window):
    with pytest.raises(ValueError, match=r"\Awindow: [^\n]*\Z"):
        cut(*ran, window)


@pytest.mark.parametrize(
    ("pes", "message"), [([], "none"), ([1, 1], "1 is there twice"), ([4], "0 to 3"), ([-1], "0 to 3"), (["a"], "'a'")]
)
def test_the_pes_are_some_of_the_machine_each_once(ran, pes, message):
    with pytest.raises(ValueError, match=rf"\Apes: [^\n]*{message}[^\n]*\Z"):
        cut(*ran, None, pes)


def test_a_run_of_another_machine_or_layer_is_refused(ran):
    schedule, layer, arch = ran
    with pytest.raises(ValueError, match=r"\(4, 4, 4\), but layer 'tri' is packed for \(4, 1, 4\)"):
        cut(schedule, layer, ArchConfig(n_pe=4))
    with pytest.raises(ValueError, match="act_queue_depth: 8, but the schedule is of a machine with another"):
        cut(schedule, layer, arch.replace(act_queue_depth=8))
    with pytest.raises(ValueError, match="other entries than"):
        cut(schedule, pack_codes(np.ones((40, 30), np.uint8), [0, 1], n_pe=4), arch)


def test_a_refused_trace_writes_nothing(ran, tmp_path):
    with pytest.raises(ValueError, match="window"):
        write_perfetto(tmp_path / "trace.json", *ran, (5, 2))
    assert list(tmp_path.iterdir()) == []
