"""Within a cycle all sample, then all commit: the order in which processes are created changes nothing."""

import random

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim.arch import ArchConfig
from eie_sim.engines.reference import read_out
from eie_sim.machine.act_queue import ActQueue
from eie_sim.machine.clock import Clock, Unit
from eie_sim.machine.machine import Machine
from eie_sim.result import differences

LAYERS = range(3)
ORDERS = range(4)

MACHINES = {
    "a queue": {"act_queue_depth": 8},
    "a queue that is often full": {"act_queue_depth": 2},
    "lock-step": {"act_queue_depth": 1},
    "fixed point that saturates": {"act_queue_depth": 3, "arithmetic": "fixed8", "acc_bits": 9},
}


class Probe(Unit):
    """Writes down, while sampling, the public state of every unit: what any other unit could see."""

    def __init__(self, machine):
        self.watched = list(machine.units)
        self.seen = []

    def sample(self):
        self.seen.append([state_of(unit) for unit in self.watched])


def state_of(unit):
    public = {name: value for name, value in vars(unit).items() if not name.startswith("_")}
    return repr({name: value for name, value in public.items() if not is_wiring(value)})


def is_wiring(value):
    """Units and whatever else has no state that can be told by its `repr`."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(part, (Unit, Clock)) or " at 0x" in repr(part) for part in parts)


def build(seed, **changes):
    """A small layer in which everything happens: fillers, empty columns, bypasses, a bias."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 4, (40, 19)) * (rng.random((40, 19)) < 0.15) * (rng.random(19) < 0.8)
    bias = rng.integers(0, 4, 40)
    acts = (rng.integers(-3, 4, 19) * rng.integers(0, 2, 19)).astype(np.float32)
    layer = pack_codes(codes, [0, 0.5, -1.25, 2], n_pe=5, index_bits=2, bias_codes=bias)
    return Machine(layer, acts, ArchConfig(n_pe=5, weight_bits=2, index_bits=2, spmat_width_bits=12, **changes))


def run(seed, shuffle, probed=False, **changes):
    """The result, and what a probe has seen on the way, with the processes created in an order drawn from `shuffle`."""
    machine = build(seed, **changes)
    probe = Probe(machine)
    order = [*machine.units, *[probe] * probed]
    if shuffle is not None:
        random.Random(shuffle).shuffle(order)
    machine.run(order)
    return read_out(machine, schedule=True), probe.seen


@pytest.mark.parametrize("changes", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("seed", LAYERS)
def test_the_order_of_the_processes_changes_no_field_of_the_result(seed, changes):
    result, _ = run(seed, None, **changes)
    for shuffle in ORDERS:
        shuffled, _ = run(seed, shuffle, **changes)
        assert differences(shuffled, result) == []


@pytest.mark.parametrize("changes", MACHINES.values(), ids=MACHINES)
def test_the_order_of_the_processes_changes_nothing_that_a_unit_could_see_in_any_cycle(changes):
    _, seen = run(0, None, probed=True, **changes)
    for shuffle in ORDERS:
        assert run(0, shuffle, probed=True, **changes)[1] == seen


def test_the_layers_of_these_tests_leave_nothing_out():
    results = [run(seed, None, **changes)[0].counts for seed in LAYERS for changes in MACHINES.values()]
    for name in ("broadcast_stalls", "scan_bubbles", "fillers", "bypasses", "bubble_cycles", "saturations"):
        assert sum(np.sum(getattr(counts, name)) for counts in results) > 0, name
    assert sum(counts.starved_cycles.sum() for counts in results) > 0


def test_the_probe_sees_the_state_of_every_kind_of_unit():
    _, seen = run(0, None, probed=True)
    text = " ".join(seen[12])
    for word in (
        "waiting",
        "cycles_left",
        "request",
        "operand",
        "write_port",
        "destination",
        "next_lane",
        "busy_cycles",
    ):
        assert word in text


@pytest.mark.parametrize("changes", MACHINES.values(), ids=MACHINES)
def test_a_unit_that_looks_before_the_others_have_committed_would_be_caught(changes, monkeypatch):
    """The tests above can fail: with a queue that takes a push at once, what is seen depends on the order."""
    monkeypatch.setattr(ActQueue, "push", lambda self, activation: self.waiting.append(activation))
    _, seen = run(0, None, probed=True, **changes)
    assert any(run(0, shuffle, probed=True, **changes)[1] != seen for shuffle in ORDERS)
