"""The machine as a whole: watched, changed, read out."""

import doctest

import numpy as np
import pytest

import eie_sim.machine
from compressor import pack_codes
from eie_sim import simulate, simulate_batch
from eie_sim.arch import ArchConfig
from eie_sim.engines.reference import read_out
from eie_sim.machine.act_queue import ActQueue
from eie_sim.machine.arithmetic import Arithmetic
from eie_sim.machine.ccu import CCU
from eie_sim.machine.clock import Unit
from eie_sim.machine.lnzd import LNZD
from eie_sim.machine.machine import Machine
from eie_sim.machine.pe import Parts
from eie_sim.result import differences

ACTS = np.array([1, 0, 2, -1, 3, 0], np.float32)


def some_layer(n_pe=3, **changes):
    codes = np.random.default_rng(7).integers(0, 4, (17, 6))
    return pack_codes(codes, [0, 1, 2, 3], n_pe=n_pe, **changes)


def arch(n_pe=3, **changes):
    return ArchConfig(n_pe=n_pe, weight_bits=2, **changes)


def test_the_example_in_the_package_docstring_is_true():
    results = doctest.testmod(eie_sim.machine)
    assert results.attempted > 0
    assert results.failed == 0


def test_a_watching_unit_sees_every_cycle_and_changes_nothing():
    class Watcher(Unit):
        def __init__(self, machine):
            self.machine, self.busy = machine, []

        def sample(self):
            self.busy.append([pe.ptr_read.issue is not None for pe in self.machine.pes])

    machine = Machine(some_layer(), ACTS, arch())
    watcher = Watcher(machine)
    machine.units.append(watcher)
    machine.run()
    unwatched = simulate(some_layer(), ACTS, arch(), engine="reference", schedule=True)
    assert differences(read_out(machine, schedule=True), unwatched) == []
    assert np.sum(watcher.busy, axis=0).tolist() == unwatched.counts.busy_cycles.tolist()
    assert len(watcher.busy) == unwatched.cycles


def test_a_unit_of_your_own_takes_the_place_of_one():
    class Doubling(Arithmetic):
        def _look_up(self, entry):
            operand = super()._look_up(entry)
            return operand._replace(weight=operand.weight * 2)

    class ShallowQueue(ActQueue):
        def __init__(self, depth):
            super().__init__(min(depth, 2))

    machine = Machine(some_layer(), ACTS, arch(), Parts(arithmetic=Doubling, act_queue=ShallowQueue))
    machine.run()
    usual = simulate(some_layer(), ACTS, arch(act_queue_depth=2), engine="reference")
    assert machine.cycles == usual.cycles
    assert machine.output().tolist() == (2 * usual.output).tolist()


def test_scan_and_broadcast_can_be_replaced_as_well():
    class Everything(LNZD):
        def __init__(self, rows, bias):
            super().__init__(rows, bias)
            self._activity = [[True] * self.n_lanes for _ in self.rows]
            self._load_row(0)

    class Counting(CCU):
        def commit(self):
            super().commit()
            self.cycles = getattr(self, "cycles", 0) + 1

    machine = Machine(some_layer(), ACTS, arch(), lnzd=Everything, ccu=Counting)
    machine.run()
    assert [column for column, _ in machine.ccu.broadcasts] == [0, 1, 2, 3, 4, 5]
    assert machine.ccu.cycles == machine.cycles


def test_a_layer_lasts_as_long_as_any_unit_is_active():
    class Late(Unit):
        def __init__(self, clock):
            self.clock = clock

        @property
        def active(self):
            return self.clock.cycle < 100

    machine = Machine(some_layer(), ACTS, arch())
    machine.units.append(Late(machine.clock))
    assert machine.run() == 100


def test_a_machine_runs_once():
    machine = Machine(some_layer(), ACTS, arch())
    machine.run()
    with pytest.raises(RuntimeError, match="has run already"):
        machine.run()


def test_outputs_are_in_original_order_of_rows():
    order = np.random.default_rng(1).permutation(17)
    plain, permuted = (
        simulate(layer, ACTS, arch(), engine="reference") for layer in (some_layer(), some_layer(row_permutation=order))
    )
    assert permuted.output.tolist() == plain.output.tolist()


def test_an_input_that_rounds_to_zero_is_not_broadcast():
    # In quarters the inputs are 0.5, 0, 1, -0.5, 1.5 and 0; a half goes to the even side.
    machine = Machine(some_layer(), ACTS / 8, arch(arithmetic="fixed16", act_frac_bits=2))
    machine.run()
    assert [column for column, _ in machine.ccu.broadcasts] == [2, 4]


def test_float32_overflows_in_silence():
    layer = pack_codes([[1, 1]], [0, 3e38], n_pe=1)
    result = simulate(layer, [3e38, -3e38], ArchConfig(n_pe=1, weight_bits=1), engine="reference")
    assert np.isnan(result.output[0])


def test_without_output_neither_output_nor_saturations_are_reported():
    machine = arch(arithmetic="fixed8", act_frac_bits=0, weight_frac_bits=0)
    with_output, without = (
        simulate(some_layer(), 30 * ACTS, machine, engine="reference", output=output) for output in (True, False)
    )
    assert with_output.counts.saturations.sum() > 0
    assert without.output is None
    assert differences(with_output, without) == ["output", "counts.saturations"]


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
@pytest.mark.parametrize("output", [True, False])
def test_a_batch_is_its_inputs_one_by_one(arithmetic, output):
    batch = np.stack([ACTS, 0 * ACTS, -ACTS])
    machine = arch(arithmetic=arithmetic)
    together = simulate_batch(some_layer(), batch, machine, engine="reference", output=output)
    for i, acts in enumerate(batch):
        alone = simulate(some_layer(), acts, machine, engine="reference", output=output)
        assert differences(together[i], alone) == []


def test_an_empty_batch_has_results_of_length_0():
    batch = simulate_batch(some_layer(), np.empty((0, 6)), arch(), engine="reference")
    assert len(batch) == 0
    assert batch.output.shape == (0, 17)
    assert batch.counts.entries.shape == (0, 3)
    assert batch.counts.broadcasts.shape == (0,)
