"""The sparse-matrix read unit alone, fed with issues by hand."""

from types import SimpleNamespace

import pytest

from eie_sim.machine.ptr_read import Issue
from eie_sim.machine.spmat_read import Entry, SpmatRead

CODES, RUNS = bytes([1, 2, 3, 4, 5]), bytes([9, 8, 7, 6, 5])


def make(entries_per_row=2):
    return SpmatRead(SimpleNamespace(issue=None), CODES, RUNS, entries_per_row)


def feed(spmat_read, addresses):
    """Issue one address a cycle (None: nothing), then one empty cycle more; the entries that come out."""
    out = []
    for address in [*addresses, None]:
        spmat_read.ptr_read.issue = None if address is None else Issue(address, 0.5, False)
        spmat_read.sample()
        spmat_read.commit()
        out.append(spmat_read.entry)
    return out[1:]


def test_an_entry_issued_in_cycle_c_is_read_in_the_next_and_handed_on_behind_it():
    spmat_read = make()
    spmat_read.ptr_read.issue = Issue(3, 0.5, True)
    spmat_read.sample()
    spmat_read.commit()
    assert spmat_read.request == Issue(3, 0.5, True)
    assert spmat_read.entry is None
    spmat_read.ptr_read.issue = None
    spmat_read.sample()
    spmat_read.commit()
    assert spmat_read.request is None
    assert spmat_read.entry == Entry(4, 6, 0.5, True)
    assert spmat_read.active
    spmat_read.sample()
    spmat_read.commit()
    assert not spmat_read.active


@pytest.mark.parametrize("entries_per_row", [1, 2, 3, 4, 5, 8])
def test_every_width_of_a_row_reads_the_same_entries(entries_per_row):
    spmat_read = make(entries_per_row)
    entries = feed(spmat_read, range(5))
    assert [(entry.code, entry.run) for entry in entries] == list(zip(CODES, RUNS, strict=True))
    assert spmat_read.entries == 5
    assert spmat_read.spmat_row_reads == -(-5 // entries_per_row)


def test_the_first_read_of_a_layer_always_counts():
    spmat_read = make(entries_per_row=8)
    feed(spmat_read, [4])
    assert spmat_read.spmat_row_reads == 1


def test_a_row_is_read_again_only_when_it_is_not_the_one_in_the_buffer():
    spmat_read = make()
    feed(spmat_read, [0, 1, 2, 0, 1])
    assert spmat_read.spmat_row_reads == 3


def test_the_row_buffer_is_kept_while_nothing_is_read():
    spmat_read = make()
    feed(spmat_read, [0, None, None, 1])
    assert spmat_read.spmat_row_reads == 1
    assert spmat_read.row_buffer == (CODES[:2], RUNS[:2])


def test_the_last_row_may_be_short():
    assert make(entries_per_row=4).read_row(1) == (CODES[4:], RUNS[4:])
