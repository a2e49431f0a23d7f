"""A broadcast latency, rule by rule (docs/cycle-contract.md, "Broadcast latency")."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor import pack_codes
from eie_sim import ArchConfig, simulate, simulate_batch
from eie_sim.machine.clock import Unit
from eie_sim.machine.machine import Machine
from tests.strategies import cases

LATENCIES = (0, 1, 2, 4, 8)
N = 400
EMPTY = pack_codes(np.eye(4, N, dtype=np.uint8), [0, 1], n_pe=4)
"""Columns without entries but the first four: a PE takes one in each cycle."""


def run(depth: int, latency: int, n_pe: int = 4, simulator=simulate):
    arch = ArchConfig(n_pe=n_pe, weight_bits=1, act_queue_depth=depth, broadcast_latency=latency)
    return simulator(EMPTY, np.ones(N, np.float32), arch, schedule=True)


@pytest.mark.parametrize("latency", LATENCIES)
def test_an_activation_reaches_the_queues_that_many_cycles_after_it_left(simulator, latency):
    result = run(64, latency, simulator=simulator)
    assert np.array_equal(result.schedule.arrival_cycle, result.schedule.push_cycle + latency)
    assert np.array_equal(result.schedule.pop_cycle[0], result.schedule.arrival_cycle + 1)
    assert np.array_equal(result.counts.fill_cycles, np.full(4, result.schedule.arrival_cycle[0]))


@pytest.mark.parametrize("latency", LATENCIES)
def test_a_queue_as_deep_as_the_round_trip_costs_the_latency_once(simulator, latency):
    hidden = 2 * latency + 3
    assert run(hidden, latency, simulator=simulator).cycles == run(hidden, 0, simulator=simulator).cycles + latency
    assert run(hidden, latency, simulator=simulator).counts.broadcast_stalls == 0


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_a_shallower_queue_bounds_the_rate_of_broadcasts(simulator, latency, depth):
    push = run(depth, latency, simulator=simulator).schedule.push_cycle
    trip = 2 * latency + 2
    if depth - 1 < trip:  # from the first full queue on: depth - 1 broadcasts in a round trip
        assert np.all(push[depth - 1 :] - push[: 1 - depth] == trip)
    else:
        assert np.all(np.diff(push) == 1)


class Occupancy(Unit):
    """The most activations that wait in a queue, and that are anywhere between the scan and service."""

    def __init__(self, machine):
        self.machine, self.waiting, self.outstanding = machine, 0, 0

    def sample(self):
        for pe in self.machine.pes:
            waits = len(pe.act_queue.waiting)
            self.waiting = max(self.waiting, waits)
            on_the_way = sum(stage is not None for stage in self.machine.ccu.pipeline.stages)
            self.outstanding = max(self.outstanding, waits + on_the_way)


@given(case=cases(), latency=st.integers(1, 9), depth=st.sampled_from([1, 2, 3, 5, 8, 20]))
def test_no_queue_overflows_whatever_is_on_the_way(case, latency, depth):
    machine = Machine(case.layer, case.acts, case.arch.replace(broadcast_latency=latency, act_queue_depth=depth))
    seen = Occupancy(machine)
    machine.units.append(seen)
    machine.run()
    assert seen.waiting <= max(depth - 1, 1)
    assert seen.outstanding <= max(depth - 1, 1)


@given(case=cases(), latency=st.integers(0, 8), depth=st.integers(2, 9))
def test_neither_less_latency_nor_a_deeper_queue_ever_costs_cycles(case, latency, depth):
    arch = case.arch.replace(act_queue_depth=depth, broadcast_latency=latency)
    cycles = simulate(case.layer, case.acts, arch, output=False).cycles
    assert simulate(case.layer, case.acts, arch.replace(broadcast_latency=latency + 1), output=False).cycles >= cycles
    assert simulate(case.layer, case.acts, arch.replace(act_queue_depth=depth + 1), output=False).cycles <= cycles


@given(case=cases(), latency=st.integers(0, 9))
def test_no_number_depends_on_it(case, latency):
    usual = simulate(case.layer, case.acts, case.arch.replace(broadcast_latency=0))
    late = simulate(case.layer, case.acts, case.arch.replace(broadcast_latency=latency))
    assert np.array_equal(late.output, usual.output, equal_nan=True)
    for name in ("entries", "fillers", "acc_writes", "ptr_reads", "spmat_row_reads", "saturations"):
        assert np.array_equal(getattr(late.counts, name), getattr(usual.counts, name))


@given(case=cases(), latency=st.integers(1, 9))
def test_a_batch_is_its_vectors_one_by_one(case, latency):
    arch = case.arch.replace(broadcast_latency=latency)
    vectors = np.stack([case.acts, 0 * case.acts, case.acts[::-1]])
    batch = simulate_batch(case.layer, vectors, arch)
    for at, vector in enumerate(vectors):
        one = simulate(case.layer, vector, arch)
        assert batch.cycles[at] == one.cycles
        assert np.array_equal(batch.counts.starved_cycles[at], one.counts.starved_cycles)
        assert np.array_equal(batch.counts.fill_cycles[at], one.counts.fill_cycles)


def test_a_machine_without_it_is_written_as_before_and_one_with_it_is_read_back():
    assert "broadcast_latency" not in ArchConfig().model_dump()
    late = ArchConfig(broadcast_latency=3)
    assert ArchConfig.from_dict(late.model_dump()) == late
    assert late.timed_by != ArchConfig().timed_by
