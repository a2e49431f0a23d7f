"""Conditions: what Python's own evaluation says of them, and nothing else of Python."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eie_sim.sweep.columns import CONDITIONS
from eie_sim.sweep.expressions import FUNCTIONS, MAX_LENGTH, condition
from tests.examples import examples

some = settings(max_examples=examples(200), deadline=None)

NAMES = ("cycles", "time_us", "n_pe", "area_mm2")
TEXTS = ("workload", "order")

rows = st.fixed_dictionaries(
    {
        **{name: st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6)) for name in NAMES},
        **{name: st.sampled_from(["Alex-6", "greedy", ""]) for name in TEXTS},
    }
)

leaves = st.one_of(
    st.sampled_from(NAMES),
    st.integers(0, 10**6).map(str),
    st.floats(0, 1e6).map(repr),
)
numbers = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(lambda t: f"({' '.join(t)})"),
        st.tuples(st.sampled_from("+-"), inner).map(lambda t: f"({t[0]}{t[1]})"),
        st.tuples(st.sampled_from(["abs", "sqrt", "log2", "log10"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=4)).map(
            lambda t: f"{t[0]}({', '.join(t[1])})"
        ),
    ),
    max_leaves=8,
)
comparisons = st.one_of(
    st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers).map(" ".join),
    st.tuples(numbers, numbers, numbers).map(lambda t: f"{t[0]} <= {t[1]} < {t[2]}"),
    st.tuples(numbers, st.sampled_from(["in", "not in"]), st.lists(numbers, min_size=1, max_size=3)).map(
        lambda t: f"{t[0]} {t[1]} [{', '.join(t[2])}]"
    ),
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(["==", "!=", "<", "in"]), st.sampled_from(TEXTS)).map(" ".join),
    st.sampled_from(TEXTS).map(lambda name: f"{name} in ('Alex-6', 'Alex-7')"),
)
booleans = st.recursive(
    comparisons.map(lambda text: f"({text})"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda text: f"(not {text})"),
    ),
    max_leaves=6,
)


def of_python(text, row):
    """What Python makes of it, or the kind of its error."""
    try:
        return bool(eval(text, {"__builtins__": {}}, {**FUNCTIONS, **row}))  # noqa: S307 - the text is the test's own
    except (ArithmeticError, ValueError, TypeError):
        return "error"


def found(text, row):
    asked = condition(text, CONDITIONS)
    try:
        return asked.holds(row)
    except ValueError:
        return "error"


# What it says ---------------------------------------------------------------------------------------------------------


@some
@given(text=booleans.filter(lambda text: len(text) <= MAX_LENGTH), row=rows)
def test_a_condition_holds_where_python_says_so(text, row):
    expected = of_python(text, row)
    if expected == "error":  # a chain of comparisons is computed to its end, so that only more can go wrong
        assert found(text, row) == "error"
    else:
        assert found(text, row) in (expected, "error")
        if "<= " not in text:
            assert found(text, row) == expected


@some
@given(text=numbers.filter(lambda text: len(text) <= MAX_LENGTH), row=rows)
def test_a_number_holds_where_it_is_not_zero(text, row):
    assert found(text, row) == of_python(text, row)


@some
@given(text=booleans)
def test_a_condition_knows_the_columns_it_asks_for(text):
    called = {node.func.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
    assert condition(text, CONDITIONS).names == names - called


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("fits_sram and area_mm2 < 50", {"fits_sram": 1, "area_mm2": 40.8}, True),
        ("fits_sram and area_mm2 < 50", {"fits_sram": 0, "area_mm2": 40.8}, False),
        ("8 <= n_pe < 64", {"n_pe": 64}, False),
        ("  n_pe in (1, 2, 4) ", {"n_pe": 4}, True),
        ("workload not in ['NT-We', 'NT-Wd']", {"workload": "Alex-6"}, True),
        ("n_pe == 2 or n_pe / 0 > 1", {"n_pe": 2}, True),  # what decides already is the end
        ("log2(n_pe) % 2 == 0", {"n_pe": 64}, True),
        ("not n_pe", {"n_pe": 1}, False),
    ],
)
def test_examples(text, row, expected):
    assert condition(text, CONDITIONS).holds(row) is expected


def test_a_condition_does_not_hold_where_a_column_is_empty():
    for text in ("area_mm2 < 50", "not area_mm2 < 50", "area_mm2 < 50 or n_pe == 1", "speedup != 3"):
        assert not condition(text, CONDITIONS).holds({"area_mm2": None, "n_pe": 1, "speedup": None})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("workload < 3", "not supported between"),
        ("n_pe / 0 > 1", "division by zero"),
        ("sqrt(-n_pe) > 1", "math domain error|nonnegative"),
        ("workload * n_pe == 'x'", "'Alex-6' is no number"),
        ("n_pe in n_pe", "not iterable|not a container"),
        ("min(n_pe) > 1", "not iterable"),
        ("1" + "0" * 1900 + " * 1.5 > n_pe", "too large"),
    ],
)
def test_what_cannot_be_computed_is_one_error_that_names_the_condition(text, why):
    asked = condition(text, CONDITIONS)
    with pytest.raises(ValueError, match=why) as caught:
        asked.holds({"workload": "Alex-6", "n_pe": 4})
    assert str(caught.value).startswith(f"condition {text!r}: ")
    assert "\n" not in str(caught.value)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "n_pe.__class__",
        "().__class__.__bases__",
        "__import__('os')",
        "open('/etc/passwd')",
        "eval('1')",
        "exec('1')",
        "print(n_pe)",
        "getattr(n_pe, 'real')",
        "sorted([1, 2])",
        "abs.__call__(1)",
        "(abs)(1).real",
        "[abs][0](1)",
        "lambda: 1",
        "(lambda x: x)(1)",
        "workload[0] == 'A'",
        "[1, 2][0]",
        "workload[::-1] == 'A'",
        "9 ** 9 ** 9",
        "pow(9, 9)",
        "1 << 1000000",
        "n_pe | 1",
        "n_pe & 1",
        "n_pe ^ 1",
        "~n_pe",
        "n_pe @ n_pe",
        "[n for n in [1, 2]]",
        "{n for n in [1]}",
        "{1: 2}",
        "{1, 2}",
        "(n for n in [1])",
        "(n := 3)",
        "1 if n_pe else 2",
        "[*[1, 2]]",
        "max(*[1, 2])",
        "max(1, 2, key=abs)",
        "max([1, 2], **{})",
        "f'{n_pe}'",
        "f'{n_pe.__class__}'",
        "n_pe is 1",
        "n_pe is not 1",
        "None",
        "...",
        "1j < 2",
        "b'x' == 1",
        "await n_pe",
        "yield",
    ],
)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_nothing_else_of_python_can_be_written(text):
    with pytest.raises(ValueError, match="condition ") as caught:
        condition(text, CONDITIONS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "n_pe <", "n_pe = 3", "n_pe; 1", "1\n2", "import os", "n_pe\0", "\ud800"])
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ValueError, match="condition ") as caught:
        condition(text, CONDITIONS)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"condition 'cylces < 3': unknown name 'cylces'; the names are a, b"):
        condition("cylces < 3", {"b": 1, "a": 2})
    with pytest.raises(ValueError, match=r"unknown name 'abs'"):  # a function is no number
        condition("abs < 3", CONDITIONS)


def test_an_unknown_function_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"unknown function 'cycles'; there are abs, min, max, sqrt, log2, log10"):
        condition("cycles(3)", CONDITIONS)


@pytest.mark.parametrize("text", ["'x' * 1000000000 == ''", "'a' + 'b' == 'ab'", "[1] * 1000000000", "'%9999999d' % 1"])
def test_texts_and_lists_do_not_grow(text):
    with pytest.raises(ValueError, match="is no number"):
        condition(text, CONDITIONS).holds({})


def test_a_list_cannot_be_an_argument():
    with pytest.raises(ValueError, match="is no number"):
        condition("max([1, 2]) == 2", CONDITIONS).holds({})


@pytest.mark.parametrize("given_text", [None, 3, True, b"n_pe", ["n_pe < 3"]])
def test_a_condition_is_a_text(given_text):
    with pytest.raises(ValueError, match="but it must be a text"):
        condition(given_text, CONDITIONS)


def test_a_long_text_is_refused_before_it_is_parsed():
    condition("n_pe" + " " * (MAX_LENGTH - 4), CONDITIONS)
    with pytest.raises(ValueError, match="condition: 1000000 characters, but at most 2000"):
        condition("(" * 1_000_000, CONDITIONS)


@pytest.mark.parametrize(
    "deep", ["(" * 900 + "1" + ")" * 900, "-" * 1900 + "1", "not " * 480 + "1", "[" * 90 + "]" * 90]
)
def test_a_deep_condition_is_refused(deep):
    with pytest.raises(ValueError, match="condition "):
        condition(deep, CONDITIONS)


def test_a_sum_of_many_is_refused_and_of_some_is_not():
    assert condition("+".join(["n_pe"] * 30) + " == 30", CONDITIONS).holds({"n_pe": 1})
    with pytest.raises(ValueError, match="nested more than 40 deep"):
        condition("+".join(["n_pe"] * 300), CONDITIONS)


@pytest.mark.parametrize(
    "deep", ["lambda:" + "-" * 1900 + "1", "n_pe" + ".a" * 900, "n_pe" + "[1]" * 600, "lambda:" + "+".join("1" * 900)]
)
def test_a_deep_condition_of_what_is_not_allowed_is_refused_too(deep):
    with pytest.raises(ValueError, match="condition "):
        condition(deep, CONDITIONS)


def test_and_and_or_give_the_value_that_decides():
    assert condition("(0 or n_pe) + 1 == 5", CONDITIONS).holds({"n_pe": 4})


def test_a_chain_of_comparisons_ends_where_it_is_false():
    assert not condition("2 < 1 < 1 / n_pe", CONDITIONS).holds({"n_pe": 0})


@pytest.mark.parametrize("text", [r"workload == '\d'", "1or 2"])
def test_parsing_warns_of_nothing(text, recwarn):
    condition(text, CONDITIONS)
    assert not recwarn.list
