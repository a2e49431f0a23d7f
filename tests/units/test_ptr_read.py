"""The pointer read unit alone, with a queue that it drains."""

from types import SimpleNamespace

import pytest

from eie_sim.machine.act_queue import Activation, ActQueue
from eie_sim.machine.ptr_read import Issue, PtrRead


def make(pointers, columns=()):
    queue = ActQueue(depth=99)
    for column in columns:
        queue.push(Activation(column, 10 * column))
        queue.commit()
    return PtrRead(SimpleNamespace(cycle=1), queue, pointers)


def tick(ptr_read):
    ptr_read.sample()
    ptr_read.commit()
    ptr_read.act_queue.commit()
    ptr_read.clock.cycle += 1


def addresses(ptr_read, cycles):
    """What is issued in each of the cycles that follow this one; "empty" in the service of an empty column."""
    issued = []
    for _ in range(cycles):
        tick(ptr_read)
        address = ptr_read.issue.address if ptr_read.issue else "empty" if ptr_read.cycles_left else None
        issued.append(address)
    return issued


def test_even_pointers_lie_in_one_bank_and_odd_ones_in_the_other():
    ptr_read = make([0, 1, 2, 3, 4])
    assert (ptr_read.even_bank, ptr_read.odd_bank) == ([0, 2, 4], [1, 3])


@pytest.mark.parametrize("n_columns", [1, 2, 7, 8])
def test_both_pointers_of_any_column_are_read_at_once(n_columns):
    pointers = [3 * j for j in range(n_columns + 1)]
    ptr_read = make(pointers)
    assert [ptr_read.read_pointers(j) for j in range(n_columns)] == [(3 * j, 3 * j + 3) for j in range(n_columns)]


def test_a_pop_decided_in_a_cycle_is_served_from_the_next_edge():
    ptr_read = make([0, 2], [0])
    ptr_read.sample()
    assert not ptr_read.active
    assert ptr_read.ptr_reads == 0
    ptr_read.commit()
    assert ptr_read.pops == [(2, 2)]
    assert ptr_read.ptr_reads == 1
    assert ptr_read.issue == Issue(0, 0, True)


def test_one_entry_is_issued_a_cycle():
    assert addresses(make([0, 3], [0]), 4) == [0, 1, 2, None]


def test_only_the_first_entry_of_a_column_begins_it():
    ptr_read = make([0, 2], [0])
    tick(ptr_read)
    assert ptr_read.issue.first_of_column
    tick(ptr_read)
    assert not ptr_read.issue.first_of_column


def test_switching_columns_is_free():
    ptr_read = make([0, 2, 3], [0, 1])
    assert addresses(ptr_read, 4) == [0, 1, 2, None]
    assert ptr_read.pops == [(2, 2), (4, 1)]


def test_an_empty_column_costs_one_cycle():
    ptr_read = make([0, 1, 1, 2], [0, 1, 2])
    assert addresses(ptr_read, 4) == [0, "empty", 1, None]
    assert ptr_read.pops == [(2, 1), (3, 0), (4, 1)]


def test_a_free_unit_waits_for_its_queue():
    ptr_read = make([0, 1])
    assert addresses(ptr_read, 2) == [None, None]
    assert ptr_read.ptr_reads == 0


def test_every_entry_carries_the_activation_of_its_column():
    ptr_read = make([0, 0, 0, 2], [2])
    tick(ptr_read)
    tick(ptr_read)
    assert ptr_read.issue == Issue(1, 20, False)


@pytest.mark.parametrize(("pointers", "cycles"), [([0, 5], 5), ([0, 1], 1), ([0, 0], 1)])
def test_service_takes_a_cycle_an_entry_and_at_least_one(pointers, cycles):
    assert make(pointers).service_cycles(Activation(0, 1)) == cycles
