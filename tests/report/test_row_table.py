"""Rows kept column by column: what is read is what was added."""

import json
import tracemalloc

import pytest

from eie_sim.report.tables import RowTable, by_layer

ROWS = [
    {"layer": "a", "input": 0, "cycles": 12, "time_us": 0.5, "paper_time_us": None},
    {"layer": "a", "input": 1, "cycles": 13, "time_us": 0.25, "paper_time_us": None},
    {"layer": "b", "input": 0, "cycles": 2**62, "time_us": 1e-300, "paper_time_us": 7.5},
]


def test_rows_come_back_as_they_were():
    table = RowTable(ROWS)
    assert (len(table), list(table), table) == (3, ROWS, ROWS)
    assert (table[0], table[-1], table[1:]) == (ROWS[0], ROWS[2], ROWS[1:])
    assert json.dumps(list(table)) == json.dumps(ROWS)


@pytest.mark.parametrize("at", [3, -4])
def test_there_is_no_row_beyond_the_last(at):
    with pytest.raises(IndexError, match=f"row {at} of 3"):
        RowTable(ROWS)[at]


def test_the_rows_of_each_layer_are_in_order():
    assert dict(by_layer(RowTable(ROWS))) == {"a": ROWS[:2], "b": ROWS[2:]}


def test_a_row_takes_eight_bytes_a_number():
    tracemalloc.start()
    table = RowTable({"layer": "a", **{str(at): number * at for at in range(30)}} for number in range(20_000))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == 20_000
    assert taken < 20_000 * 400
