"""Fronts and hypervolumes: what comparing every point with every other one, and counting volumes by hand, gives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.hypervolume import hypervolume
from eie_sim.sweep import pareto
from eie_sim.sweep.pareto import front
from tests.examples import examples

some = settings(max_examples=examples(200), deadline=None)


@st.composite
def many_points(draw, most=25, most_objectives=4):
    """Points with many ties."""
    shape = draw(st.integers(0, most)), draw(st.integers(1, most_objectives))
    numbers = draw(st.sampled_from([st.integers(-2, 3).map(float), st.floats(-1e6, 1e6)]))
    return draw(arrays(np.float64, shape, elements=numbers))


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def naive_front(values):
    return [not any(dominates(other, one) for other in values) for one in values]


def by_inclusion_and_exclusion(values, reference):
    """The volume of a union of boxes, each from a point to the reference."""
    boxes = [one for one in values if all(one < reference)]
    total = 0.0
    for count in range(1, len(boxes) + 1):
        for some_boxes in itertools.combinations(boxes, count):
            total -= (-1) ** count * np.prod(reference - np.max(some_boxes, axis=0))
    return total


# Fronts ---------------------------------------------------------------------------------------------------------------


@some
@given(values=many_points())
def test_the_front_is_what_no_other_point_dominates(values):
    assert front(values).tolist() == naive_front(values.tolist())


@some
@given(values=many_points(), data=st.data())
def test_the_front_does_not_depend_on_the_order(values, data):
    order = data.draw(st.permutations(range(len(values))))
    assert front(values[order]).tolist() == front(values)[order].tolist()


@some
@given(values=many_points())
def test_the_front_of_the_front_is_the_front(values):
    assert front(values[front(values)]).all()
    assert len(values) == 0 or front(values).any()


def test_points_of_many_blocks_are_compared_with_one_another(monkeypatch):
    values = np.random.default_rng(0).integers(0, 12, (300, 3)).astype(float)
    expected = naive_front(values.tolist())
    for block in (1, 7, 299, 300, 301):
        monkeypatch.setattr(pareto, "_BLOCK", block)
        assert front(values).tolist() == expected


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_equal_points_are_on_the_front_together(objectives):
    values = np.array([[1.0] * objectives, [2.0] * objectives, [1.0] * objectives, [2.0] * objectives])
    assert front(values).tolist() == [True, False, True, False]


def test_zero_equals_minus_zero():
    assert front([[0.0, 1.0], [-0.0, 1.0]]).tolist() == [True, True]
    assert front([[0.0, 3.0], [-0.0, 5.0]]).tolist() == [True, False]


def test_a_front_of_two_objectives_may_be_all_points():
    x = np.arange(5000.0)
    assert front(np.stack([x, -x], axis=1)).all()


# Hypervolumes ---------------------------------------------------------------------------------------------------------


@some
@given(values=many_points(most=7), corner=st.integers(-1, 4))
def test_the_hypervolume_is_the_volume_of_the_union_of_boxes(values, corner):
    values = np.round(np.clip(values, -4, 4), 3)
    reference = np.full(values.shape[1], float(corner))
    assert hypervolume(values, reference) == pytest.approx(by_inclusion_and_exclusion(values, reference), abs=1e-9)


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_the_hypervolume_is_the_share_of_random_places_that_are_dominated(objectives):
    rng = np.random.default_rng(objectives)
    values = rng.random((40, objectives))
    places = rng.random((20_000, objectives))
    dominated = np.any(np.all(values[None] <= places[:, None], axis=2), axis=1)
    spread = np.sqrt(dominated.mean() * (1 - dominated.mean()) / len(places))
    assert hypervolume(values, np.ones(objectives)) == pytest.approx(dominated.mean(), abs=4 * spread)


@some
@given(values=many_points(most=12), data=st.data())
def test_more_points_never_have_less_volume(values, data):
    values = np.clip(values, -4, 4)
    reference = np.full(values.shape[1], 5.0)
    fewer = data.draw(st.integers(0, len(values)))
    assert hypervolume(values[:fewer], reference) <= hypervolume(values, reference) + 1e-9
    assert hypervolume(values[front(values)], reference) == pytest.approx(hypervolume(values, reference))


@pytest.mark.parametrize(
    ("values", "reference", "volume"),
    [
        ([[1.0]], [3.0], 2),
        ([[1.0], [0.0], [5.0]], [3.0], 3),
        ([[0.0, 0.0]], [2.0, 3.0], 6),
        ([[0.0, 1.0], [1.0, 0.0]], [2.0, 2.0], 3),
        ([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]], [2.0, 2.0], 2),
        ([[0.0, 2.0], [2.0, 0.0]], [2.0, 2.0], 0),  # on the border: no volume
        ([[3.0, -9.0]], [2.0, 2.0], 0),
        ([[0.0, 0.0, 0.0], [1.0, 1.0, -1.0]], [2.0, 2.0, 2.0], 9),
    ],
)
def test_volumes_counted_by_hand(values, reference, volume):
    assert hypervolume(values, reference) == volume


def test_no_points_have_no_volume():
    assert hypervolume(np.zeros((0, 3)), np.ones(3)) == 0.0


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1.0, 2.0], np.zeros((2, 0)), np.zeros((2, 2, 2)), [["a", "b"]]])
def test_values_are_a_table(values):
    for function in (front, lambda given_values: hypervolume(given_values, [1.0])):
        with pytest.raises(ValueError, match="values"):
            function(values)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_are_finite(wrong):
    with pytest.raises(ValueError, match="values"):
        front([[1.0, wrong]])
    with pytest.raises(ValueError, match="reference"):
        hypervolume([[1.0, 2.0]], [1.0, wrong])


def test_a_reference_has_a_number_for_each_objective():
    with pytest.raises(ValueError, match=r"reference: shape \(3,\), but there are 2 objectives"):
        hypervolume([[1.0, 2.0]], [1.0, 2.0, 3.0])
