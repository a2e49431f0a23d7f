"""The activation queue alone."""

import pytest

from eie_sim.machine.act_queue import Activation, ActQueue

FIRST, SECOND = Activation(0, 1.0), Activation(5, 2.0)


def test_a_push_is_seen_only_behind_the_edge():
    queue = ActQueue(depth=8)
    queue.push(FIRST)
    assert not queue.active
    queue.commit()
    assert queue.active
    assert list(queue.waiting) == [FIRST]


def test_what_is_pushed_once_arrives_once():
    queue = ActQueue(depth=8)
    queue.push(FIRST)
    queue.commit()
    queue.commit()
    assert len(queue.waiting) == 1


@pytest.mark.parametrize(("depth", "waiting"), [(8, 7), (2, 1), (1, 1)])
def test_a_queue_of_depth_d_is_full_when_one_less_waits_and_a_latch_holds_one(depth, waiting):
    queue = ActQueue(depth)
    for _ in range(waiting):
        assert not queue.full
        queue.push(FIRST)
        queue.commit()
    assert queue.full


def test_a_pop_makes_no_room_in_its_own_cycle():
    queue = ActQueue(depth=2)
    queue.push(FIRST)
    queue.commit()
    queue.pop()
    assert queue.full
    queue.commit()
    assert not queue.full


def test_a_push_and_a_pop_at_one_edge_keep_the_order():
    queue = ActQueue(depth=8)
    queue.push(FIRST)
    queue.commit()
    queue.push(SECOND)
    queue.pop()
    queue.commit()
    assert list(queue.waiting) == [SECOND]
