"""What the counters must add up to, on any layer and any machine, in every engine."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eie_sim.result import Counts
from tests.examples import examples
from tests.strategies import activations, broadcasts_bias, cases, layers, machines

few = settings(max_examples=examples(25), deadline=None)
FIELDS = [field.name for field in fields(Counts)]


@few
@given(case=cases())
def test_the_five_classes_of_cycles_sum_to_the_cycles_in_every_pe(simulator, case):
    result = simulator(case.layer, case.acts, case.arch, output=False)
    c = result.counts
    total = c.fill_cycles + c.busy_cycles + c.bubble_cycles + c.starved_cycles + c.drain_cycles
    assert total.tolist() == [result.cycles] * case.layer.n_pe


@few
@given(case=cases())
def test_the_four_broadcast_counters_sum_to_the_cycles(simulator, case):
    result = simulator(case.layer, case.acts, case.arch, output=False)
    c = result.counts
    assert c.broadcasts + c.broadcast_stalls + c.scan_bubbles + c.idle_cycles == result.cycles


@few
@given(case=cases())
def test_a_bypass_saves_exactly_one_read(simulator, case):
    c = simulator(case.layer, case.acts, case.arch, output=False).counts
    assert np.array_equal(c.acc_reads, c.acc_writes - c.bypasses)
    assert np.array_equal(c.acc_writes, c.entries - c.fillers)
    assert np.array_equal(c.busy_cycles, c.entries)


@few
@given(case=cases(arithmetics=("float32",)))
def test_what_is_walked_follows_from_the_layer_and_the_active_inputs(simulator, case):
    result = simulator(case.layer, case.acts, case.arch)
    active = [j for j in range(case.layer.n_cols) if case.acts[j] != 0]
    columns = active + [case.layer.n_cols] * broadcasts_bias(case)
    pointers = case.layer.pointers.astype(np.int64)
    walked = (pointers[1:] - pointers[:-1])[columns]  # (broadcasts, n_pe)
    c = result.counts
    assert c.broadcasts == len(columns)
    assert c.ptr_reads.tolist() == [len(columns)] * case.layer.n_pe
    assert np.array_equal(c.entries, walked.sum(axis=0))
    assert np.array_equal(c.bubble_cycles, (walked == 0).sum(axis=0))
    assert np.array_equal(result.schedule.entries, walked.T)
    assert c.saturations.tolist() == [0] * case.layer.n_pe
    weights = case.layer.sparse_codes().dense()[:, columns]
    assert c.acc_writes.sum() == np.count_nonzero(weights)


@few
@given(case=cases())
def test_the_schedule_is_possible(simulator, case):
    result = simulator(case.layer, case.acts, case.arch, output=False)
    s, n_pe = result.schedule, case.layer.n_pe
    assert (s.n_pe, s.cycles, s.has_bias) == (n_pe, result.cycles, broadcasts_bias(case))
    assert s.n_rows_of_inputs == -(-case.layer.n_cols // n_pe)
    assert (np.diff(s.push_cycle) >= 1).all()
    assert (np.diff(s.column) >= 1).all()
    assert (s.pop_cycle > s.push_cycle).all()
    assert (np.diff(s.pop_cycle, axis=1) >= np.maximum(1, s.entries[:, :-1])).all()
    assert (s.push_cycle >= 2).all()
    if len(s.column):
        assert s.pop_cycle.max() < result.cycles
    if broadcasts_bias(case):
        assert s.column[-1] == s.n_rows_of_inputs * n_pe


@few
@given(case=cases())
def test_types_and_shapes_are_those_of_the_contract(simulator, case):
    result = simulator(case.layer, case.acts, case.arch)
    assert type(result.cycles) is int
    for name in FIELDS:
        value = getattr(result.counts, name)
        if name in Counts.SCALARS:
            assert type(value) is int, name
        else:
            assert value.dtype == np.int64, name
            assert value.shape == (case.layer.n_pe,), name
            assert (value >= 0).all(), name
    assert result.output.shape == (case.layer.n_rows,)
    assert result.output.dtype == (np.float32 if case.arch.arithmetic == "float32" else np.float64)
    for array in (result.schedule.column, result.schedule.push_cycle):
        assert array.dtype == np.int64
        assert array.shape == (result.counts.broadcasts,)
    for array in (result.schedule.pop_cycle, result.schedule.entries):
        assert array.dtype == np.int64
        assert array.shape == (case.layer.n_pe, result.counts.broadcasts)


@few
@given(data=st.data())
def test_from_two_on_a_deeper_queue_never_costs_cycles(simulator, data):
    layer = data.draw(layers(max_cols=40))
    acts = data.draw(activations(layer.n_cols))
    arch = data.draw(machines(layer))
    depths = [2, 3, 4, 6, 9, 300] if simulator.name == "fast" else [2, 3, 8]
    cycles = [simulator(layer, acts, arch.replace(act_queue_depth=d), output=False).cycles for d in depths]
    assert cycles == sorted(cycles, reverse=True)


@few
@given(case=cases())
def test_timing_does_not_depend_on_the_values_of_active_inputs_nor_on_the_codebook(simulator, case):
    exact = case.arch.replace(arithmetic="float32")
    ones = (case.acts != 0).astype(np.float32)
    a = simulator(case.layer, case.acts, exact, output=False)
    b = simulator(case.layer, -3 * ones, exact, output=False)
    assert a.cycles == b.cycles
    assert all(np.array_equal(getattr(a.counts, n), getattr(b.counts, n)) for n in FIELDS)
