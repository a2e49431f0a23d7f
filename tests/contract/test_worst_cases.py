"""Corners of the cycle contract, worked out by hand.

Notation of the contract: N PEs, queue depth D, w = edge of a push, s = edge of a pop, f = edge at which a PE's pointer
read is free again, L_r = edge at which activation row r is loaded. An entry issued in cycle c is seen written at edge
c + 6, so a layer whose last service with entries ends at f is seen complete at f + 5.
"""

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig

BOOK = [0, 1, 2, 4]


def run(simulator, codes, acts, n_pe=1, index_bits=2, bias_codes=None, **machine):
    layer = pack_codes(np.array(codes), BOOK, n_pe, index_bits, bias_codes)
    return simulator(layer, acts, ArchConfig(n_pe=n_pe, weight_bits=2, index_bits=index_bits, **machine))


def classes(counts, pe=0):
    """(fill, busy, bubble, starved, drain) of one PE."""
    return tuple(int(getattr(counts, f"{name}_cycles")[pe]) for name in ("fill", "busy", "bubble", "starved", "drain"))


def scan(counts):
    """(broadcasts, stalls, scan bubbles, idle)."""
    return counts.broadcasts, counts.broadcast_stalls, counts.scan_bubbles, counts.idle_cycles


def test_one_weight_and_one_input_take_nine_cycles(simulator):
    # L0 = 1, w = 2, s = 3, f = 4, complete at 4 + 5 = 9.
    result = run(simulator, [[2]], [3.0])
    assert result.cycles == 9
    assert scan(result.counts) == (1, 0, 0, 8)
    assert classes(result.counts) == (2, 1, 0, 0, 6)
    assert result.counts.ptr_reads.tolist() == [1]
    assert result.counts.spmat_row_reads.tolist() == [1]
    assert result.counts.acc_reads.tolist() == [1]
    assert result.counts.acc_writes.tolist() == [1]
    assert result.output.tolist() == [6.0]
    assert result.schedule.column.tolist() == [0]
    assert result.schedule.push_cycle.tolist() == [2]
    assert result.schedule.pop_cycle.tolist() == [[3]]
    assert result.schedule.entries.tolist() == [[1]]


def test_an_empty_column_costs_one_cycle(simulator):
    # Three rows of one lane each: w = 2, 3, 4 (the last lane of a row loads the next at the same edge).
    # s = 3, 4, 5 and f = 4, 5, 6, the middle one a bubble; complete at 6 + 5 = 11.
    result = run(simulator, [[1, 0, 1]], [1.0, 1.0, 1.0])
    assert result.cycles == 11
    assert classes(result.counts) == (2, 2, 1, 0, 6)
    assert result.counts.ptr_reads.tolist() == [3]
    assert result.counts.entries.tolist() == [2]


def test_a_layer_of_empty_columns_has_no_pipeline_to_drain(simulator):
    # w = 2, s = 3, f = 4; no entry was ever issued, so nothing is left in cycle 4.
    result = run(simulator, [[0]], [1.0])
    assert result.cycles == 4
    assert classes(result.counts) == (2, 0, 1, 0, 1)
    assert result.counts.spmat_row_reads.tolist() == [0]
    assert result.output.tolist() == [0.0]


def test_an_empty_column_at_the_end_runs_beside_the_draining_pipeline(simulator):
    # s = 3, 4: f = 4 after the last entry, 5 in the end. Complete at max(5, 4 + 5) = 9, as without the second column.
    result = run(simulator, [[1, 0]], [1.0, 1.0])
    assert result.cycles == 9
    assert classes(result.counts) == (2, 1, 1, 0, 5)


def test_an_empty_pe_bubbles_once_for_every_broadcast(simulator):
    # PE 1 owns row 1, which has no weight. One row of 2 lanes: w = 2, 3; s = 3, 4; f = 5 in both; complete at 10.
    result = run(simulator, [[1, 1], [0, 0]], [1.0, 1.0], n_pe=2)
    assert result.cycles == 10
    assert classes(result.counts, 0) == (2, 2, 0, 0, 6)
    assert classes(result.counts, 1) == (2, 0, 2, 0, 6)
    assert result.counts.ptr_reads.tolist() == [2, 2]
    assert result.counts.acc_writes.tolist() == [2, 0]
    assert result.output.tolist() == [2.0, 0.0]


def test_pes_without_a_row_serve_every_broadcast_too(simulator):
    # 5 PEs, 2 rows, 1 input. Four PEs besides PE 0 have f = s + 1 = 4 just as PE 0 has; complete at 9.
    result = run(simulator, [[3], [0]], [1.0], n_pe=5)
    assert result.cycles == 9
    assert result.counts.ptr_reads.tolist() == [1, 1, 1, 1, 1]
    assert result.counts.busy_cycles.tolist() == [1, 0, 0, 0, 0]
    assert result.counts.bubble_cycles.tolist() == [0, 1, 1, 1, 1]
    assert result.counts.drain_cycles.tolist() == [6, 6, 6, 6, 6]
    assert result.output.tolist() == [4.0, 0.0]


def test_with_nothing_active_only_the_scan_costs_cycles(simulator):
    # 4 inputs, 2 lanes: cycle 1 finds nothing in row 0 (a bubble), cycle 2 nothing in row 1, and there is no row 2.
    result = run(simulator, [[1] * 4, [1] * 4], [0.0] * 4, n_pe=2)
    assert result.cycles == 2
    assert scan(result.counts) == (0, 0, 1, 1)
    assert classes(result.counts, 0) == classes(result.counts, 1) == (0, 0, 0, 0, 2)
    assert result.counts.ptr_reads.tolist() == [0, 0]
    assert result.output.tolist() == [0.0, 0.0]
    assert result.schedule.pop_cycle.shape == (2, 0)
    assert result.schedule.entries.shape == (2, 0)


def test_with_nothing_active_and_a_single_row_one_cycle_is_all(simulator):
    result = run(simulator, [[1, 1]], [0.0, -0.0], n_pe=4)
    assert result.cycles == 1
    assert scan(result.counts) == (0, 0, 0, 1)


def test_the_bias_is_broadcast_when_nothing_else_is(simulator):
    # Rows 0 and 1 are bubbles (cycles 1 and 2), the bias row is loaded at L2 = 3: w = 4, s = 5, f = 6, complete at 11.
    # Its column is R x N = 2 x 2 = 4 in the schedule, though the layer has only 3 inputs.
    result = run(simulator, [[1] * 3, [1] * 3], [0.0] * 3, n_pe=2, bias_codes=[2, 3])
    assert result.cycles == 11
    assert scan(result.counts) == (1, 0, 2, 8)
    assert classes(result.counts, 0) == (4, 1, 0, 0, 6)
    assert result.schedule.column.tolist() == [4]
    assert result.schedule.n_rows_of_inputs == 2
    assert result.output.tolist() == [2.0, 4.0]


def test_a_bias_of_zeros_is_broadcast_all_the_same(simulator):
    # As above, but its column is empty: f = 6 and nothing to drain.
    result = run(simulator, [[1] * 3, [1] * 3], [0.0] * 3, n_pe=2, bias_codes=[0, 0])
    assert result.cycles == 6
    assert scan(result.counts) == (1, 0, 2, 3)
    assert classes(result.counts, 1) == (4, 0, 1, 0, 1)


def test_a_missing_bias_is_not_a_bias_of_zeros(simulator):
    assert run(simulator, [[1]], [1.0]).counts.broadcasts == 1
    assert run(simulator, [[1]], [1.0], bias_codes=[0]).counts.broadcasts == 2


@pytest.mark.parametrize(
    ("zeros", "fillers", "runs"),
    [(2, 0, [2]), (3, 0, [3]), (4, 1, [3, 0]), (5, 1, [3, 1]), (7, 1, [3, 3]), (8, 2, [3, 3, 0]), (9, 2, [3, 3, 1])],
)
def test_a_filler_costs_a_cycle_and_touches_no_accumulator(simulator, zeros, fillers, runs):
    # 2 index bits hold a run of 3 = 2^2 - 1; a filler stands for 4 zeros. f = 3 + fillers + 1, complete at f + 5.
    codes = [[0]] * zeros + [[3]]
    assert pack_codes(np.array(codes), BOOK, 1, 2).runs.tolist() == runs
    result = run(simulator, codes, [1.0])
    assert result.cycles == 9 + fillers
    assert result.counts.entries.tolist() == [1 + fillers]
    assert result.counts.fillers.tolist() == [fillers]
    assert result.counts.acc_writes.tolist() == result.counts.acc_reads.tolist() == [1]
    assert classes(result.counts) == (2, 1 + fillers, 0, 0, 6)
    assert result.output.tolist() == [0.0] * zeros + [4.0]


@pytest.mark.parametrize("index_bits", range(2, 9))
@pytest.mark.parametrize(("beyond", "fillers"), [(-1, 0), (0, 1), (1, 1)])
def test_runs_about_the_longest_for_every_index_width(simulator, index_bits, beyond, fillers):
    zeros = 2**index_bits + beyond
    result = run(simulator, [[0]] * zeros + [[2]], [1.0], index_bits=index_bits)
    assert result.counts.fillers.tolist() == [fillers]
    assert result.cycles == 9 + fillers
    assert result.output[zeros] == 2


def test_zeros_after_the_last_weight_of_a_column_are_not_stored(simulator):
    result = run(simulator, [[1]] + [[0]] * 40, [1.0])
    assert result.counts.entries.tolist() == [1]


def test_a_last_lane_that_is_active_hides_the_load_of_the_next_row(simulator):
    # N = 2. Lanes 1 and 3 are active: w0 = 2 loads row 1 at the same edge, w1 = 3. No bubble.
    last = run(simulator, np.ones((2, 4), int), [0, 1, 0, 1], n_pe=2)
    assert last.schedule.push_cycle.tolist() == [2, 3]
    assert last.counts.scan_bubbles == 0
    # Lanes 0 and 2: cycle 2 finds nothing more in row 0 (a bubble), L1 = 3, w1 = 4.
    first = run(simulator, np.ones((2, 4), int), [1, 0, 1, 0], n_pe=2)
    assert first.schedule.push_cycle.tolist() == [2, 4]
    assert first.counts.scan_bubbles == 1


def test_empty_rows_at_the_end_are_scanned_while_the_pes_work(simulator):
    # N = 1, 12 inputs, only the first active: w = 2 loads row 1 at once, then 10 bubbles in cycles 2 .. 11; L11 = 12.
    # The PE is done at 4 + 5 = 9, but cycle 12 is the first in which the scan has nothing left.
    result = run(simulator, [[1] * 12], [1] + [0] * 11)
    assert result.cycles == 12
    assert scan(result.counts) == (1, 0, 10, 1)
    assert classes(result.counts) == (2, 1, 0, 0, 9)


def test_a_full_queue_stalls_the_broadcast(simulator):
    # D = 2: one waits, one is served. Four columns of three entries, N = 1.
    # w0 = 2, s0 = 3, f = 6;  w1 = max(3, 1 + s0) = 4, s1 = 6, f = 9;  w2 = max(5, 1 + s1) = 7, s2 = 9, f = 12;
    # w3 = max(8, 1 + s2) = 10, s3 = 12, f = 15. Stalls: (4 - 3) + (7 - 5) + (10 - 8) = 5. Complete at 20.
    result = run(simulator, [[1] * 4] * 3, [1] * 4, act_queue_depth=2)
    assert result.schedule.push_cycle.tolist() == [2, 4, 7, 10]
    assert result.schedule.pop_cycle.tolist() == [[3, 6, 9, 12]]
    assert result.cycles == 20
    assert scan(result.counts) == (4, 5, 0, 11)
    assert classes(result.counts) == (2, 12, 0, 0, 6)


def test_one_slow_pe_stalls_the_broadcast_for_all(simulator):
    # As above, with a PE that has nothing to do: it starves while PE 0 works, its queue empty when PE 0's is full.
    # PE 1 pops at w + 1 = 3, 5, 8, 11; each is a bubble; it is free at 12.
    codes = np.zeros((6, 8), int)
    codes[::2] = 1
    result = run(simulator, codes, [1] * 8, n_pe=2, act_queue_depth=2)
    assert result.schedule.push_cycle.tolist()[:4] == [2, 4, 7, 10]
    assert result.schedule.pop_cycle[1].tolist()[:4] == [3, 5, 8, 11]
    assert result.counts.starved_cycles[0] == 0
    assert result.counts.starved_cycles[1] == (5 - 4) + 2 * 6
    assert result.counts.bubble_cycles.tolist() == [0, 8]


def test_a_pop_makes_room_one_cycle_later(simulator):
    # D = 3. w = 2, 3, then two wait only after PE 0 began at 3: w2 = max(4, 1 + s0) = 4, w3 = max(5, 1 + s1) = 7.
    result = run(simulator, [[1] * 4] * 3, [1] * 4, act_queue_depth=3)
    assert result.schedule.push_cycle.tolist() == [2, 3, 4, 7]
    assert result.schedule.pop_cycle.tolist() == [[3, 6, 9, 12]]
    assert result.counts.broadcast_stalls == 2


def test_depth_one_is_lock_step(simulator):
    # w0 = 2, s0 = 3, f = 6;  w1 = max(3, f - 1) = 5, s1 = 6, f = 9;  w2 = 8;  w3 = 11, s3 = 12, f = 15.
    # Stalls: (5 - 3) + (8 - 6) + (11 - 9) = 6.
    result = run(simulator, [[1] * 4] * 3, [1] * 4, act_queue_depth=1)
    assert result.schedule.push_cycle.tolist() == [2, 5, 8, 11]
    assert result.cycles == 20
    assert scan(result.counts) == (4, 6, 0, 10)


def test_depth_one_can_be_faster_than_depth_two(simulator):
    # One entry a column. D = 1: w1 = max(3, f0 - 1) = 3. D = 2: w1 = max(3, 1 + s0) = 4.
    lock_step = run(simulator, [[1] * 4], [1] * 4, act_queue_depth=1)
    one_slot = run(simulator, [[1] * 4], [1] * 4, act_queue_depth=2)
    assert lock_step.schedule.push_cycle.tolist() == [2, 3, 4, 5]
    assert one_slot.schedule.push_cycle.tolist() == [2, 4, 6, 8]
    assert (lock_step.cycles, one_slot.cycles) == (12, 15)


def test_negative_inputs_are_active_and_minus_zero_is_not(simulator):
    result = run(simulator, [[1, 1, 1]], [-2.0, -0.0, 1e-45])
    assert result.counts.broadcasts == 2
    assert result.schedule.column.tolist() == [0, 2]
    assert result.output.tolist() == [-2.0 + np.float32(1e-45)]


def test_two_entries_in_a_row_for_one_destination_bypass_across_a_column_change(simulator):
    # Row 0 of columns 0 and 1: issued in cycles 3 and 4.
    result = run(simulator, [[1, 2]], [1, 1])
    assert result.schedule.pop_cycle.tolist() == [[3, 4]]
    assert result.counts.bypasses.tolist() == [1]
    assert result.counts.acc_reads.tolist() == [1]
    assert result.counts.acc_writes.tolist() == [2]
    assert result.output.tolist() == [3.0]


def test_a_chain_of_bypasses_saves_every_read_but_the_first(simulator):
    result = run(simulator, [[1] * 5], [1] * 5)
    assert result.counts.bypasses.tolist() == [4]
    assert result.counts.acc_reads.tolist() == [1]


def test_an_empty_column_between_them_ends_the_bypass(simulator):
    # Issued in cycles 3 and 5, a bubble in cycle 4.
    result = run(simulator, [[1, 0, 2]], [1, 1, 1])
    assert result.counts.bypasses.tolist() == [0]
    assert result.counts.acc_reads.tolist() == [2]
    assert result.output.tolist() == [3.0]


def test_a_starved_cycle_between_them_ends_the_bypass(simulator):
    # Input 1 is zero: w0 = 2, L1 = 2, L2 = 3, w1 = 4; s0 = 3, f = 4, s1 = 5: cycle 4 is starved.
    result = run(simulator, [[1, 3, 2]], [1, 0, 1])
    assert result.schedule.pop_cycle.tolist() == [[3, 5]]
    assert classes(result.counts) == (2, 2, 0, 1, 6)
    assert result.counts.bypasses.tolist() == [0]
    assert result.counts.spmat_row_reads.tolist() == [1]


def test_a_filler_between_them_ends_the_bypass(simulator):
    # Row 4 with 2 index bits: filler, entry, filler, entry in cycles 3 .. 6.
    codes = [[0, 0]] * 4 + [[1, 2]]
    result = run(simulator, codes, [1, 1])
    assert result.counts.entries.tolist() == [4]
    assert result.counts.bypasses.tolist() == [0]
    assert result.output[4] == 3
    # Row 3 needs no filler, so there the two follow each other.
    assert run(simulator, [[0, 0]] * 3 + [[1, 2]], [1, 1]).counts.bypasses.tolist() == [1]


def test_a_filler_is_no_partner_of_a_bypass(simulator):
    # Column 0 ends at row 3; column 1 begins with a filler that passes row 3 on its way to row 4.
    result = run(simulator, [[0, 0]] * 3 + [[1, 0], [0, 1]], [1, 1])
    assert result.counts.fillers.tolist() == [1]
    assert result.counts.bypasses.tolist() == [0]


def test_a_bypass_needs_the_same_destination(simulator):
    # Column 0 ends at row 1, column 1 begins at row 0.
    result = run(simulator, [[1, 1], [1, 1]], [1, 1])
    assert result.counts.bypasses.tolist() == [0]
    # Column 0 ends at row 0, column 1 begins there.
    assert run(simulator, [[1, 1], [0, 1]], [1, 1]).counts.bypasses.tolist() == [1]


def test_the_bias_bypasses_like_any_other_column(simulator):
    # N = 1: the bias row follows at once (lane N - 1 is every lane), s = 3, 4.
    result = run(simulator, [[1]], [1.0], bias_codes=[1])
    assert result.counts.bypasses.tolist() == [1]
    # N = 2: lane 0 alone is active, so the load of the bias row takes cycle 2 and cycle 4 of PE 0 is starved.
    assert run(simulator, [[1]], [1.0], n_pe=2, bias_codes=[1]).counts.bypasses.tolist() == [0, 0]


def test_a_row_of_the_sram_is_read_once_while_it_is_the_last_one_read(simulator):
    # Entries of 4 bits, rows of 8: two entries a row. Entry j is column j: addresses 0 .. 5.
    def reads(*acts):
        return run(simulator, [[1] * 6], acts, spmat_width_bits=8).counts.spmat_row_reads.tolist()

    assert reads(1, 1, 0, 0, 0, 0) == [1]  # addresses 0 and 1 share row 0
    assert reads(0, 1, 1, 0, 0, 0) == [2]  # 1 is in row 0, 2 in row 1
    assert reads(1, 0, 0, 0, 0, 1) == [2]
    assert reads(1, 1, 1, 1, 1, 1) == [3]
    assert reads(0, 0, 0, 0, 0, 0) == [0]


def test_a_row_that_is_not_a_power_of_two_holds_what_fits_whole(simulator):
    # 4-bit entries in 15 bits: three fit. Six entries are two rows.
    result = run(simulator, [[1] * 6], [1] * 6, spmat_width_bits=15)
    assert result.counts.spmat_row_reads.tolist() == [2]


def test_the_width_of_a_row_costs_no_cycles(simulator):
    results = [run(simulator, [[1] * 6] * 5, [1] * 6, spmat_width_bits=width) for width in (4, 8, 64, 4096)]
    assert len({result.cycles for result in results}) == 1
    assert [int(result.counts.spmat_row_reads[0]) for result in results] == [30, 15, 2, 1]


def test_sums_are_made_in_the_order_of_the_entries_and_rounded_each_time(simulator):
    # 2^24 + 1 is no float32: 2^24 + 1 + 1 stays 2^24, but 1 + 1 + 2^24 is 2^24 + 2.
    big = float(2**24)
    assert run(simulator, [[1, 1, 1]], [big, 1, 1]).output.tolist() == [big]
    assert run(simulator, [[1, 1, 1]], [1, 1, big]).output.tolist() == [big + 2]


def test_the_product_is_rounded_before_the_sum(simulator):
    # a x b = 1 - 2^-46 exactly, which rounds to 1 in float32: fused, the sum with -1 would be -2^-46 and not 0.
    book = np.array([0, 1, 1 + 2**-23, 0], np.float32)
    layer = pack_codes(np.array([[1, 2]]), book, 1, 2)
    result = simulator(layer, np.array([-1, 1 - 2**-23], np.float32), ArchConfig(n_pe=1, weight_bits=2, index_bits=2))
    assert result.output.tolist() == [0.0]


def test_sums_that_overflow_are_infinite_and_may_cancel_to_no_number(simulator):
    book = np.array([0, 1e38, -1e38, 1], np.float32)
    layer = pack_codes(np.array([[1, 1], [1, 2], [3, 3], [2, 2]]), book, 2, 2)
    result = simulator(layer, [1e30, 1e30], ArchConfig(n_pe=2, weight_bits=2, index_bits=2))
    assert repr(result.output.tolist()) == repr([np.inf, np.nan, float(np.float32(2e30)), -np.inf])


def test_outputs_come_in_original_order_whatever_the_order_of_storage(simulator):
    codes = np.array([[1], [2], [3]])
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]):
        layer = pack_codes(codes, BOOK, 2, 2, [3, 1, 0], row_permutation=order)
        result = simulator(layer, [1.0], ArchConfig(n_pe=2, weight_bits=2, index_bits=2))
        assert result.output.tolist() == [1 + 4, 2 + 1, 4]
