"""The arithmetic unit with its registers, fed with entries by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from eie_sim.arch import ArchConfig
from eie_sim.machine.act_rw import ActRW
from eie_sim.machine.arithmetic import Arithmetic, Operand, Product
from eie_sim.machine.datapath import datapath
from eie_sim.machine.spmat_read import Entry

CODEBOOK = np.array([0, 1, 2, 3], np.float32)
LONGEST_RUN = 3


def make(n_rows=16, **arch):
    numbers = datapath(ArchConfig(weight_bits=2, index_bits=2, **arch), CODEBOOK, np.ones(1, np.float32), False)
    return Arithmetic(SimpleNamespace(entry=None), ActRW([], n_rows, numbers.zero), numbers)


def tick(unit, entry=None):
    unit.spmat_read.entry = entry
    unit.sample()
    unit.commit()
    unit.act_rw.commit()


def feed(unit, entries):
    """One entry a cycle (None: none), then until the last is written; the destination registers."""
    for entry in [*entries, None, None, None, None]:
        tick(unit, entry)
    return unit.act_rw.destination


def entry(code, run=0, first=True, value=1):
    return Entry(code, run, value, first)


def filler(first=False):
    return entry(0, LONGEST_RUN, first)


def test_an_entry_takes_three_cycles_and_a_write():
    # tick 1 is the cycle of the lookup (c+2); what it leaves behind belongs to the cycle after it.
    unit = make()
    tick(unit, entry(2, run=1, value=5))
    assert unit.operand == Operand(1, 2, 5)
    tick(unit)
    assert (unit.operand, unit.product) == (None, Product(1, 10, 0))
    tick(unit)
    assert (unit.product, unit.sum, unit.act_rw.write_port) == (None, 10, (1, 10))
    assert not unit.active
    assert unit.act_rw.active
    tick(unit)
    assert unit.act_rw.destination[1] == 10
    assert not unit.act_rw.active


def test_runs_accumulate_to_the_row():
    out = feed(make(), [entry(1, run=2), entry(2, run=0, first=False), entry(3, run=3, first=False)])
    assert out[:9] == [0, 0, 1, 2, 0, 0, 0, 3, 0]


def test_every_column_begins_above_row_0():
    out = feed(make(), [entry(1, run=2), entry(2, run=1)])
    assert out[:4] == [0, 2, 1, 0]


def test_a_filler_moves_the_row_on_and_reads_and_writes_nothing():
    unit = make()
    out = feed(unit, [filler(first=True), entry(3, run=1, first=False)])
    assert out == [0] * 5 + [3] + [0] * 10
    assert unit.fillers == 1
    assert (unit.act_rw.acc_reads, unit.act_rw.acc_writes) == (1, 1)


def test_the_same_row_in_the_next_cycle_is_bypassed():
    unit = make()
    assert feed(unit, [entry(1), entry(2), entry(3)])[0] == 6
    assert unit.bypasses == 2
    assert (unit.act_rw.acc_reads, unit.act_rw.acc_writes) == (1, 3)


@pytest.mark.parametrize("between", [None, filler(first=True), entry(1, run=2)])
def test_a_bubble_a_filler_or_another_row_between_means_no_bypass_and_the_right_sum(between):
    unit = make()
    assert feed(unit, [entry(1), between, entry(2)])[0] == 3
    assert unit.bypasses == 0
    assert unit.act_rw.acc_reads == unit.act_rw.acc_writes


def test_a_read_two_cycles_behind_sees_the_write_that_is_under_way():
    unit = make()
    assert feed(unit, [entry(3), None, entry(3)])[0] == 6
    assert unit.act_rw.acc_reads == 2


def test_an_entry_whose_shared_weight_is_zero_is_no_filler():
    unit = make()
    unit.datapath.weights[2] = unit.datapath.zero
    feed(unit, [entry(2, run=1)])
    assert (unit.fillers, unit.act_rw.acc_writes) == (0, 1)


def test_a_saturation_is_counted_once_for_every_sum_that_was_cut():
    unit = make(arithmetic="fixed8", weight_frac_bits=0, act_frac_bits=0)
    # 90; 180, cut to 127; 127 - 300, cut to -128; -126.
    assert feed(unit, [entry(3, value=30), entry(3, value=30), entry(3, value=-100), entry(2, value=1)])[0] == -126
    assert unit.saturations == 2
