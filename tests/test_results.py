"""What comes back: figures that follow from the counts, batches taken apart, and what counts as equal."""

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

import eie_sim
from compressor import PackedModel, pack_codes
from eie_sim import ArchConfig, SimResult, UnitCounts, simulate, simulate_batch, simulate_model
from eie_sim.result import BatchResult, Counts, Schedule, differences

ALL = {
    "broadcasts", "broadcast_stalls", "scan_bubbles", "idle_cycles",
    "ptr_reads", "spmat_row_reads", "entries", "fillers", "acc_writes", "acc_reads", "bypasses", "saturations",
    "busy_cycles", "bubble_cycles", "starved_cycles", "fill_cycles", "drain_cycles", "bias_writes",
}  # fmt: skip


def counts(**changes):
    """Counts of two PEs that walked 4 and 2 entries, of which 1 is a filler, in 10 cycles."""
    values = dict.fromkeys(Counts.SCALARS, 0) | {n: np.zeros(2, np.int64) for n in ALL - set(Counts.SCALARS)}
    values |= {"entries": np.array([4, 2]), "fillers": np.array([1, 0]), "acc_writes": np.array([3, 2])}
    return Counts(**{**values, **changes})


def schedule(**changes):
    values = {
        "column": np.array([0, 3]), "push_cycle": np.array([2, 3]), "pop_cycle": np.array([[3, 5], [3, 4]]),
        "entries": np.array([[2, 2], [1, 1]]), "n_pe": 2, "n_rows_of_inputs": 2, "has_bias": False, "cycles": 10,
    }  # fmt: skip
    return Schedule(**{**values, **changes})


def result(**changes):
    values = {
        "cycles": 10, "output": np.array([1, 2, 3], np.float32), "counts": counts(), "schedule": schedule(),
        "arch": ArchConfig(n_pe=2, clock_hz=1e9), "layer": "fc", "n_rows": 3, "n_cols": 4, "engine": "fast",
        "version": "1",
    }  # fmt: skip
    return SimResult(**{**values, **changes})


def test_counts_are_those_of_the_contract():
    assert {field.name for field in fields(Counts)} == ALL


def test_events_are_priced_and_classes_of_cycles_are_not():
    assert set(Counts.EVENTS) <= ALL
    assert not [name for name in Counts.EVENTS if name.endswith("_cycles")]
    assert {"ptr_reads", "spmat_row_reads", "entries", "acc_reads", "acc_writes", "broadcasts"} <= set(Counts.EVENTS)


def test_the_figures_of_merit_follow_from_cycles_and_counts():
    r = result()
    assert r.time_us == pytest.approx(0.01)  # 10 cycles at 1 GHz
    assert r.entries_walked == 6
    assert r.theoretical_us == pytest.approx(0.003)  # 6 entries over 2 PEs
    assert r.load_balance == 6 / 20
    assert r.real_work == pytest.approx(5 / 6)
    assert r.gops == pytest.approx(2 * 5 / 10)  # 5 multiply-adds in 10 ns
    assert r.dense_gops == pytest.approx(2 * 12 / 10)


def test_with_nothing_walked_the_figures_are_still_numbers():
    nothing = np.zeros(2, np.int64)
    r = result(counts=counts(entries=nothing, fillers=nothing, acc_writes=nothing))
    assert (r.load_balance, r.real_work, r.theoretical_us, r.gops) == (0, 1, 0, 0)


def test_a_result_says_what_made_it(engine):
    layer = pack_codes([[1, 0], [0, 1], [1, 1]], [0, 1], n_pe=2, name="fc6")
    arch = ArchConfig(n_pe=2, weight_bits=1)
    r = simulate(layer, [1, 2], arch, engine)
    assert (r.layer, r.n_rows, r.n_cols, r.arch) == ("fc6", 3, 2, arch)
    assert (r.engine, r.version) == (engine, eie_sim.__version__)


def test_a_result_is_frozen():
    with pytest.raises(FrozenInstanceError):
        result().cycles = 3


# Equality -------------------------------------------------------------------------------------------------------------


def test_equal_results_have_no_differences_whoever_made_them():
    assert differences(result(), result(engine="reference", version="2")) == []


@pytest.mark.parametrize("field", ["cycles", "n_rows", "n_cols"])
def test_a_number_that_differs_is_named(field):
    assert differences(result(), result(**{field: 11})) == [field]


def test_another_machine_or_layer_is_a_difference():
    assert differences(result(), result(arch=ArchConfig(n_pe=2))) == ["arch"]
    assert differences(result(), result(layer="fc7")) == ["layer"]


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_count_that_differs_is_named(name):
    old = getattr(counts(), name)
    changed = counts(**{name: old + 1 if name in Counts.SCALARS else old + np.array([0, 1])})
    assert differences(result(), result(counts=changed)) == [f"counts.{name}"]


@pytest.mark.parametrize("name", [field.name for field in fields(Schedule)])
def test_a_field_of_the_schedule_that_differs_is_named(name):
    old = getattr(schedule(), name)
    changed = schedule(**{name: not old if name == "has_bias" else old + 1})
    assert differences(result(), result(schedule=changed)) == [f"schedule.{name}"]


def test_outputs_are_compared_bit_for_bit():
    one_bit_more = np.nextafter(np.array([1, 2, 3], np.float32), np.float32(9))
    assert differences(result(), result(output=one_bit_more)) == ["output"]
    assert differences(result(), result(output=np.array([1, 2, 3], np.float64))) == ["output"]
    assert differences(result(), result(output=None)) == ["output"]
    assert differences(result(output=None), result(output=None)) == []
    zeros = np.zeros(3, np.float32)
    assert differences(result(output=zeros), result(output=-zeros)) == []


def test_a_sum_that_is_no_number_equals_itself():
    # Overflow in float32: inf - inf.
    lost = np.array([np.nan, np.inf, 1], np.float32)
    assert differences(result(output=lost), result(output=lost.copy())) == []
    assert differences(result(output=lost), result(output=np.array([np.nan, -np.inf, 1], np.float32))) == ["output"]
    assert differences(result(output=lost), result()) == ["output"]


def test_a_shape_or_a_type_is_a_difference_too():
    assert differences(result(), result(counts=counts(fillers=np.array([1, 0], np.int32)))) == ["counts.fillers"]
    assert differences(result(), result(counts=counts(fillers=np.array([1])))) == ["counts.fillers"]
    assert differences(result(), result(schedule=None)) == ["schedule"]


# Batches --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def batch(engine) -> BatchResult:
    layer = pack_codes([[1, 2], [0, 3], [1, 1]], [0, 1, -1, 2], n_pe=2, name="fc")
    return simulate_batch(layer, [[1, 0], [0, 0], [2, 3]], ArchConfig(n_pe=2, weight_bits=2), engine)


def test_a_batch_has_one_row_for_each_input(batch):
    assert len(batch) == 3
    assert batch.cycles.shape == (3,)
    assert batch.output.tolist() == [[1, 0, 1], [0, 0, 0], [2 - 3, 6, 5]]
    assert batch.counts.broadcasts.tolist() == [1, 0, 2]
    assert batch.counts.entries.shape == (3, 2)
    assert batch.counts.entries.dtype == batch.counts.broadcasts.dtype == np.int64


def test_one_input_of_a_batch_is_a_result_of_its_own(batch):
    one = batch[2]
    assert isinstance(one, SimResult)
    assert type(one.cycles) is int
    assert type(one.counts.broadcasts) is int
    assert one.counts.entries.tolist() == batch.counts.entries[2].tolist()
    assert one.schedule is None
    assert differences(batch[-1], one) == []
    assert [r.cycles for r in batch] == batch.cycles.tolist()


@pytest.mark.parametrize("index", [3, -4])
def test_an_input_that_is_not_there_is_an_index_error(batch, index):
    with pytest.raises(IndexError, match=f"input {index} of a batch of 3"):
        batch[index]


def test_the_types_of_counts_have_their_public_name():
    assert replace(counts(), broadcasts=3).broadcasts == 3
    assert UnitCounts.__origin__ is Counts


def test_results_show_themselves_in_a_line():
    layer = pack_codes([[1, 2], [0, 3]], [0, 1, 2, 3], 1, name="fc")
    arch = ArchConfig(n_pe=1, weight_bits=2)
    result = simulate(layer, [1, 1], arch)
    assert repr(result).startswith("SimResult('fc' on 'eie': ")
    assert "broadcasts=2" in repr(result.counts)
    assert "entries=3" in repr(result.counts)
    assert repr(simulate_batch(layer, [[1, 1]], arch)) == "BatchResult('fc' on 'eie': 1 inputs, engine 'fast')"
    assert repr(result) in repr(simulate_model(PackedModel([layer], ["none"]), [1, 1], arch))


def through_a_pickle(one):
    return pickle.loads(pickle.dumps(one))  # noqa: S301  (as between processes)


@pytest.mark.parametrize("again", [copy.deepcopy, through_a_pickle])
@pytest.mark.parametrize("read_before", [False, True])
def test_a_copy_of_a_result_is_equal_and_read_only(again, read_before):
    layer = pack_codes(np.array([[1, 0], [2, 3]], np.uint8), np.arange(16, dtype=np.float32), n_pe=1)
    first = simulate(layer, [1, 1], ArchConfig(n_pe=1), schedule=True)
    if read_before:
        assert first.counts.entries.sum() == 3
    second = again(first)
    assert differences(first, second) == []
    for name in sorted(ALL - set(Counts.SCALARS)):
        array = getattr(second.counts, name)
        assert not array.flags.writeable
        assert array.base is None or not array.base.flags.writeable
    assert not second.output.flags.writeable
    assert not second.schedule.pop_cycle.flags.writeable
