"""The clock alone: two phases, numbered cycles, an end."""

import pytest

from eie_sim.machine.clock import Clock, Unit


class Copier(Unit):
    """Takes over the committed value of another unit."""

    def __init__(self, value):
        self.value = value
        self.other = None

    def sample(self):
        self._next = self.other.value

    def commit(self):
        self.value = self._next


class Diary(Unit):
    def __init__(self, name, clock, events):
        self.name, self.clock, self.events = name, clock, events

    def sample(self):
        self.events.append(("sample", self.name, self.clock.cycle, self.clock.env.now))

    def commit(self):
        self.events.append(("commit", self.name, self.clock.cycle, self.clock.env.now))


def after(cycles, clock):
    return lambda: clock.cycle == cycles


def test_every_unit_samples_before_any_commits():
    clock, events = Clock(), []
    clock.run([Diary(name, clock, events) for name in "abc"], after(2, clock))
    phases = [phase for phase, *_ in events]
    assert phases == (["sample"] * 3 + ["commit"] * 3) * 2


def test_cycle_t_is_sampled_within_it_and_committed_at_edge_t_plus_1():
    clock, events = Clock(), []
    clock.run([Diary("a", clock, events)], after(2, clock))
    assert events == [("sample", "a", 1, 1.5), ("commit", "a", 1, 2), ("sample", "a", 2, 2.5), ("commit", "a", 2, 3)]


def test_the_cycle_that_begins_finished_is_run_and_is_the_last():
    clock, events = Clock(), []
    assert clock.run([Diary("a", clock, events)], after(1, clock)) == 1
    assert len(events) == 2


@pytest.mark.parametrize("first", [0, 1])
def test_two_units_that_copy_each_other_swap_whichever_is_first(first):
    units = [Copier("left"), Copier("right")]
    units[0].other, units[1].other = units[1], units[0]
    clock = Clock()
    clock.run([units[first], units[1 - first]], after(3, clock))
    assert [unit.value for unit in units] == ["right", "left"]


def test_a_plain_unit_does_nothing_and_holds_nothing():
    clock = Clock()
    assert clock.run([Unit()], after(1, clock)) == 1
    assert not Unit().active
