"""Checks of what callers hand in: numbers too large for their type, and lists of names with commas in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.checks import as_floats, is_finite, separated


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (1e300, np.float32, r"x: 1e\+300 at \(1,\), but float32 holds at most 3.402823e\+38 in magnitude"),
        (-1e39, np.float32, r"x: -1e\+39 at \(1,\), but float32 holds"),
        (1e5, np.float16, r"x: 100000.0 at \(1,\), but float16 holds at most 65504"),
        (np.inf, np.float32, r"x: inf at \(1,\), but every number must be finite"),
        (np.nan, np.float64, r"x: nan at \(1,\), but every number must be finite"),
    ],
)
def test_a_number_is_reported_as_it_came_and_with_the_limit_it_breaks(value, dtype, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        as_floats("x", np.array([0, value]), dtype)


def test_large_numbers_that_fit_are_taken_though_their_sum_does_not():
    values = np.full(4, 3e38)
    assert np.array_equal(as_floats("x", values), values.astype(np.float32))
    assert is_finite(values)
    assert not is_finite(values, np.float16)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("0.1", ["0.1"]),
        ("a=1, b=2", ["a=1", "b=2"]),
        ('"conv,1"=0.4,0.1', ["conv,1=0.4", "0.1"]),
        ('"a,b","c,d"', ["a,b", "c,d"]),
        ('"a ""b"", c"=1', ['a "b", c=1']),
        ('x"y=1,z', ['x"y=1', "z"]),
        ('"x=1,y', ['"x=1', "y"]),
        ("a,,b,", ["a", "", "b", ""]),
        ("", [""]),
    ],
)
def test_a_list_is_separated_at_commas_that_are_not_quoted(text, items):
    assert separated(text) == items


@given(st.lists(st.text(), min_size=1))
def test_any_names_can_be_listed(names):
    stripped = [name.strip() for name in names]
    quoted = ['"' + name.replace('"', '""') + '"' for name in stripped]
    assert separated(",".join(quoted)) == stripped
