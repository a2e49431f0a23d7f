"""Published figures: 48 layers counted by the EIE authors' simulator, 50 corners by two readings of the contract."""

import json
from pathlib import Path

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig

DATA = Path(__file__).resolve().parents[1] / "data"
PER_PE = (
    "entries", "fillers", "spmat_row_reads", "bypasses", "fill_cycles", "drain_cycles", "starved_cycles",
    "bubble_cycles",
)  # fmt: skip


def read_cases(name):
    arrays = dict(np.load(DATA / f"{name}.npz"))
    cases = json.loads((DATA / f"{name}.json").read_text())
    for case in cases:
        prefix = case["name"] + "_"
        case.update({key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)})
    return cases


GOLDEN, EXTRA = read_cases("golden"), read_cases("extra")


def by_name(case):
    return case["name"]


def layer_of(case):
    return pack_codes(
        case["codes"],
        case["codebook"],
        n_pe=case["n_pe"],
        index_bits=case["index_bits"],
        bias_codes=case.get("bias_codes"),
        name=case["name"],
    )


def machine_of(case):
    depth = case["act_queue_depth"] if "act_queue_depth" in case else case["queue_slots"] + 1
    return ArchConfig(
        n_pe=case["n_pe"],
        index_bits=case["index_bits"],
        act_queue_depth=depth,
        spmat_width_bits=case["entries_per_spmat_row"] * (4 + case["index_bits"]),
    )


def assert_bits_equal(output, expected):
    assert output.dtype == np.float32
    np.testing.assert_array_equal(output.view(np.uint32), expected.view(np.uint32))


def test_all_the_published_cases_are_here():
    assert len(GOLDEN) == 48
    assert len(EXTRA) == 50
    assert {case["act_queue_depth"] for case in EXTRA} >= {1, 2, 3}


@pytest.mark.parametrize("case", [*GOLDEN, *EXTRA], ids=by_name)
def test_packing_stores_as_many_entries_and_fillers_as_published(case):
    layer = layer_of(case)
    assert layer.n_entries == case["entries_stored"]
    assert layer.n_fillers == case["fillers_stored"]
    assert layer.has_bias == case["bias"]


@pytest.mark.parametrize("case", GOLDEN, ids=by_name)
def test_the_authors_simulator_counted_the_same(case, simulator):
    result = simulator(layer_of(case), case["act"], machine_of(case))
    counts = result.counts
    assert result.cycles == case["cycles"]
    assert counts.broadcasts == case["broadcasts"]
    assert counts.broadcast_stalls == case["broadcast_stall_cycles"]
    assert counts.ptr_reads.sum() == case["ptr_reads"]
    assert counts.spmat_row_reads.sum() == case["spmat_row_reads"]
    assert counts.acc_writes.sum() == case["accumulator_writes"]
    assert counts.entries.sum() == case["entries_walked"]
    assert counts.fillers.sum() == case["fillers_walked"]
    assert_bits_equal(result.output, case["output"])


@pytest.mark.parametrize("case", EXTRA, ids=by_name)
def test_the_corners_are_counted_as_published_pe_by_pe(case, simulator):
    result = simulator(layer_of(case), case["act"], machine_of(case))
    assert result.cycles == case["cycles"]
    for name in ("broadcasts", "broadcast_stalls", "scan_bubbles", "idle_cycles"):
        assert getattr(result.counts, name) == case[name], name
    for name in PER_PE:
        np.testing.assert_array_equal(getattr(result.counts, name), case[name], err_msg=name)
    assert_bits_equal(result.output, case["output"])


@pytest.mark.parametrize("case", EXTRA, ids=by_name)
def test_the_corners_are_scheduled_as_published(case, simulator):
    schedule = simulator(layer_of(case), case["act"], machine_of(case)).schedule
    np.testing.assert_array_equal(schedule.column, case["column"])
    np.testing.assert_array_equal(schedule.push_cycle, case["push_cycle"])
    np.testing.assert_array_equal(schedule.pop_cycle, case["pop_cycle"].reshape(schedule.pop_cycle.shape))
    assert schedule.cycles == case["cycles"]
    assert schedule.n_pe == case["n_pe"]
    assert schedule.has_bias == case["bias"]
    assert schedule.n_rows_of_inputs == -(-case["cols"] // case["n_pe"])
