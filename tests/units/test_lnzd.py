"""Leading non-zero detection alone."""

from eie_sim.machine.act_queue import Activation
from eie_sim.machine.lnzd import LNZD


def take_all(lnzd):
    """Take whatever is found, load rows when nothing is; what happened in each cycle."""
    events = []
    while lnzd.active:
        found = lnzd.found
        if found is None:
            lnzd.load_next_row()
            events.append("bubble")
        else:
            lnzd.take()
            events.append(found.column)
        lnzd.commit()
    return events


def test_inputs_are_found_in_order_and_zeros_are_skipped():
    assert take_all(LNZD([[0.0, 3.0, 0.0, 4.0]])) == [1, 3]


def test_a_negative_input_is_active_and_minus_zero_is_not():
    assert take_all(LNZD([[-1.0, -0.0]])) == [0]


def test_a_row_with_nothing_active_costs_one_bubble():
    assert take_all(LNZD([[0, 0], [0, 0], [5, 0]])) == ["bubble", "bubble", 4]


def test_behind_the_last_lane_the_next_row_comes_without_a_bubble():
    assert take_all(LNZD([[1, 1], [1, 1]])) == [0, 1, 2, 3]


def test_behind_any_other_lane_the_next_row_costs_a_bubble():
    assert take_all(LNZD([[1, 0], [1, 1]])) == [0, "bubble", 2, 3]


def test_the_last_row_ends_without_a_bubble():
    assert take_all(LNZD([[1, 0]])) == [0]
    assert take_all(LNZD([[0, 0]])) == []


def test_what_was_found_stays_found_until_it_is_taken():
    lnzd = LNZD([[0, 7]])
    lnzd.commit()
    assert lnzd.found == Activation(1, 7)
    lnzd.take()
    assert lnzd.found == Activation(1, 7)
    lnzd.commit()
    assert lnzd.found is None


def test_the_bias_is_the_first_lane_of_one_more_row():
    lnzd = LNZD([[0, 0], [0, 0]], bias=1)
    assert take_all(lnzd) == ["bubble", "bubble", 4]


def test_a_bias_is_broadcast_even_when_its_input_rounds_to_zero():
    lnzd = LNZD([[2, 2]], bias=0)
    assert take_all(lnzd) == [0, 1, 2]


def test_one_lane_needs_a_row_for_each_input():
    assert take_all(LNZD([[1], [0], [1]], bias=1)) == [0, "bubble", 2, 3]
