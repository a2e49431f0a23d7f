"""The central control unit alone, with a real LNZD and PEs that are only queues."""

from types import SimpleNamespace

from eie_sim.machine.act_queue import ActQueue
from eie_sim.machine.ccu import CCU
from eie_sim.machine.lnzd import LNZD


class QueueOnly:
    """A PE that takes activations in and never serves one."""

    def __init__(self, depth):
        self.act_queue = ActQueue(depth)

    @property
    def full(self):
        return self.act_queue.full


def make(rows, depths, bias=None):
    clock = SimpleNamespace(cycle=1)
    lnzd = LNZD(rows, bias)
    return CCU(clock, lnzd, [QueueOnly(depth) for depth in depths])


def tick(ccu, cycles=1):
    for _ in range(cycles):
        ccu.sample()
        for unit in (ccu, ccu.lnzd, *(pe.act_queue for pe in ccu.pes)):
            unit.commit()
        ccu.clock.cycle += 1


def counted(ccu):
    return len(ccu.broadcasts), ccu.broadcast_stalls, ccu.scan_bubbles, ccu.idle_cycles


def test_an_active_input_goes_to_every_queue_at_the_next_edge():
    ccu = make([[0, 9]], depths=[8, 8])
    tick(ccu)
    assert ccu.broadcasts == [(1, 2)]
    assert [list(pe.act_queue.waiting) for pe in ccu.pes] == [[(1, 9)], [(1, 9)]]


def test_one_broadcast_a_cycle():
    ccu = make([[1, 2, 3]], depths=[8, 8, 8])
    tick(ccu, 3)
    assert ccu.broadcasts == [(0, 2), (1, 3), (2, 4)]


def test_one_full_queue_stalls_the_broadcast_to_all():
    ccu = make([[1, 1]], depths=[2, 8])
    tick(ccu, 4)
    assert counted(ccu) == (1, 3, 0, 0)
    assert [len(pe.act_queue.waiting) for pe in ccu.pes] == [1, 1]


def test_a_stall_ends_in_the_cycle_behind_the_pop():
    ccu = make([[1, 1]], depths=[2, 2])
    tick(ccu)
    for pe in ccu.pes:
        pe.act_queue.pop()
    tick(ccu)
    assert counted(ccu) == (1, 1, 0, 0)
    tick(ccu)
    assert ccu.broadcasts[1] == (1, 4)


def test_full_queues_cannot_stop_a_scan_bubble():
    ccu = make([[1, 0], [0, 0], [0, 1]], depths=[2, 2])
    tick(ccu, 4)
    assert counted(ccu) == (1, 1, 2, 0)
    assert ccu.lnzd.row == 2


def test_every_cycle_behind_the_last_row_is_idle():
    ccu = make([[0, 0]], depths=[8, 8])
    tick(ccu, 3)
    assert counted(ccu) == (0, 0, 0, 3)


def test_the_bias_counts_as_a_broadcast_of_the_row_behind_the_inputs():
    ccu = make([[0, 0], [1, 0]], depths=[8, 8], bias=1)
    tick(ccu, 4)
    assert [column for column, _ in ccu.broadcasts] == [2, 4]
    assert counted(ccu) == (2, 0, 2, 0)
