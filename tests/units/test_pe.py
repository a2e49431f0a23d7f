"""The PE: its memories, its classes of cycles, lock-step."""

from types import SimpleNamespace

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim.arch import ArchConfig
from eie_sim.machine.act_queue import Activation
from eie_sim.machine.clock import Clock
from eie_sim.machine.datapath import datapath
from eie_sim.machine.pe import PE, Parts, pointer_sram

CODEBOOK = [0, 1, 2, 3]
CODES = np.array([[1, 0, 1], [2, 2, 0], [3, 0, 0], [0, 1, 0], [1, 0, 0]])


def make(k=0, n_pe=2, depth=8, codes=CODES, bias_codes=None):
    layer = pack_codes(codes, CODEBOOK, n_pe=n_pe, bias_codes=bias_codes)
    arch = ArchConfig(n_pe=n_pe, weight_bits=2, act_queue_depth=depth)
    numbers = datapath(arch, layer.codebook, np.ones(layer.n_cols, np.float32), layer.has_bias)
    return PE(k, Clock(), layer, arch, numbers, [1, 1], Parts())


def watch(pe, cycles):
    """Show the PE a pointer read that is "busy", in an "empty" column or "free", cycle by cycle; its classes."""
    for state in cycles:
        issue = object() if state == "busy" else None
        pe.ptr_read = SimpleNamespace(cycles_left=int(state != "free"), issue=issue)
        pe.sample()
        pe.commit()
    return pe.fill_cycles, pe.busy_cycles, pe.bubble_cycles, pe.starved_cycles, pe.drain_cycles


def test_each_pe_holds_its_own_rows_and_entries():
    first, second = make(0), make(1)
    assert (len(first.act_rw.destination), len(second.act_rw.destination)) == (3, 2)
    assert list(first.spmat_read.codes) == [1, 3, 1, 1]
    assert list(second.spmat_read.codes) == [2, 2, 1]
    assert pointer_sram(pack_codes(CODES, CODEBOOK, n_pe=2), 0) == [0, 3, 3, 4]


def test_a_pe_without_rows_has_no_registers():
    pe = make(k=6, n_pe=7)
    assert pe.act_rw.destination == []
    assert pe.spmat_read.codes == b""


@pytest.mark.parametrize(("n_pe", "pointers"), [(1, [0, 4, 6, 7, 9]), (2, [0, 3, 3, 4, 4, 5]), (3, [0, 1, 2, 3, 4])])
def test_the_bias_lies_in_the_column_of_the_first_lane_behind_the_input_rows(n_pe, pointers):
    # 3 inputs on 2 PEs make two rows of lanes: column 3 is padding, the bias is column 4. On 1 or 3 PEs it is column 3.
    layer = pack_codes(CODES, CODEBOOK, n_pe=n_pe, bias_codes=[1, 0, 0, 1, 0])
    held = pointer_sram(layer, 0)
    bias = -(-3 // n_pe) * n_pe
    assert len(held) == bias + 2
    assert held[bias + 1] - held[bias] == layer.pointers[4, 0] - layer.pointers[3, 0]
    if n_pe < 3:
        assert held == pointers


def test_idle_cycles_are_fill_before_the_first_service_and_drain_behind_the_last():
    assert watch(make(), ["free", "free", "busy", "empty", "free"]) == (2, 1, 1, 0, 1)


def test_idle_cycles_between_two_services_are_starved():
    assert watch(make(), ["busy", "free", "free", "busy", "free", "empty"]) == (0, 2, 1, 3, 0)


def test_without_a_service_every_cycle_is_drain():
    assert watch(make(), ["free"] * 4) == (0, 0, 0, 0, 4)


def latch(pe, column):
    pe.act_queue.push(Activation(column, 1))
    pe.act_queue.commit()


@pytest.mark.parametrize(("cycles_left", "full"), [(0, False), (1, False), (2, False), (3, True)])
def test_in_lock_step_a_pe_takes_one_more_when_at_most_one_cycle_of_work_is_left_behind_this_one(cycles_left, full):
    pe = make(depth=1)
    pe.ptr_read.cycles_left = cycles_left
    assert pe.full == full


@pytest.mark.parametrize(("column", "cycles_left", "full"), [(1, 0, False), (1, 1, False), (1, 2, True), (0, 0, True)])
def test_in_lock_step_the_latched_activation_counts_as_work(column, cycles_left, full):
    # Column 1 is empty in PE 0 and costs one cycle; column 0 has three entries.
    pe = make(depth=1)
    latch(pe, column)
    pe.ptr_read.cycles_left = cycles_left
    assert pe.full == full


def test_with_a_queue_only_the_queue_counts():
    pe = make(depth=3)
    pe.ptr_read.cycles_left = 99
    latch(pe, 0)
    assert not pe.full
    latch(pe, 0)
    assert pe.full
