"""Which samples count, and when sampling ends; with a clock and a system of our own, so that no time is tested."""

import gc

import pytest

from eie_sim.baselines.sampling import WARM_UP_CALLS, Sampler, involuntary_switches


class Machine:
    """A clock that moves by 1 s a call, and a scheduler that takes the core away during some of the calls."""

    def __init__(self, disturbed=()):
        self.now, self.switches, self.calls = 0.0, 0, 0
        self.disturbed = set(disturbed)
        self.log = []

    def call(self):
        self.now += 1
        self.switches += self.calls in self.disturbed
        self.calls += 1
        assert not gc.isenabled()

    def named(self, name):
        def call():
            self.log.append(name)
            self.call()

        return call

    def sampler(self, wanted, limit_s=1e9):
        return Sampler(wanted, limit_s, lambda: self.now, lambda: self.switches, lambda _: self.log.append("pause"))


def test_hot_samples_come_after_calls_that_do_not_count():
    machine = Machine()
    samples = machine.sampler(3).hot(machine.call)
    assert (samples.kept_s, samples.thrown_away) == ([1.0, 1.0, 1.0], 0)
    assert machine.calls == WARM_UP_CALLS + 3


def test_a_sample_that_was_disturbed_is_thrown_away_and_taken_again():
    machine = Machine(disturbed=[WARM_UP_CALLS, WARM_UP_CALLS + 2])
    samples = machine.sampler(3).hot(machine.call)
    assert (len(samples.kept_s), samples.thrown_away) == (3, 2)


def test_sampling_ends_when_the_time_is_up():
    machine = Machine(disturbed=range(100))
    samples = machine.sampler(3, limit_s=5).hot(machine.call)
    assert (samples.kept_s, samples.thrown_away) == ([], 5)


def test_one_sample_is_taken_however_short_the_time():
    machine = Machine()
    assert len(machine.sampler(3, limit_s=0.5).hot(machine.call).kept_s) == 1


def test_cold_samples_are_taken_in_turn_after_one_flush():
    machine = Machine()
    calls = {name: machine.named(name) for name in "ab"}
    found = machine.sampler(2).cold(calls, lambda: machine.log.append("flush"))
    assert machine.log == ["flush", "a", "b", "flush", "a", "b"]
    assert {name: len(samples.kept_s) for name, samples in found.items()} == {"a": 2, "b": 2}


def test_a_function_with_enough_cold_samples_is_not_called_again():
    machine = Machine(disturbed=[1])  # the first of b
    calls = {name: machine.named(name) for name in "ab"}
    found = machine.sampler(1).cold(calls, lambda: machine.log.append("flush"), settle_s=0.5)
    assert machine.log == ["flush", "pause", "a", "pause", "b", "flush", "pause", "b"]
    assert (found["a"].thrown_away, found["b"].thrown_away) == (0, 1)


def test_cold_sampling_ends_when_the_time_of_all_functions_is_up():
    machine = Machine(disturbed=range(100))
    found = machine.sampler(1, limit_s=2).cold({"a": machine.call, "b": machine.call}, lambda: None)
    assert [samples.thrown_away for samples in found.values()] == [2, 2]


def test_where_nobody_counts_every_sample_is_kept():
    sampler = Sampler(2, 1e9, switches=lambda: None)
    assert len(sampler.hot(lambda: None).kept_s) == 2


def test_garbage_is_collected_again_after_an_error():
    def fails():
        raise RuntimeError("x")

    with pytest.raises(RuntimeError):
        Sampler(1, 1.0).hot(fails)
    assert gc.isenabled()


def test_this_system_counts_switches_or_says_that_it_does_not():
    found = involuntary_switches()
    assert found is None or found >= 0
