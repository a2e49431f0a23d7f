"""Memories and nodes: what was measured comes out, and what lies between lies between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie_sim.cost.technology import MEMORIES, SCALINGS, memory, scaling

VALUES = ("read_pj", "write_pj", "area_mm2")
sizes = st.floats(64, 4 * 2**20)
widths = st.floats(4, 2048)


@pytest.mark.parametrize("measured", MEMORIES, ids=lambda m: f"{m.n_bytes} B of {m.width_bits} b")
@pytest.mark.parametrize("name", VALUES)
def test_a_measured_memory_is_what_was_measured(measured, name):
    ours = getattr(memory(measured.n_bytes, measured.width_bits), name)
    assert ours == pytest.approx(getattr(measured, name), rel=1e-9)


@given(a=sizes, b=sizes, width=widths)
def test_a_larger_memory_costs_no_less(a, b, width):
    small, large = memory(min(a, b), width), memory(max(a, b), width)
    assert all(getattr(small, name) <= getattr(large, name) * (1 + 1e-9) for name in VALUES)


@given(n_bytes=sizes, a=widths, b=widths)
def test_reading_more_bits_at_once_costs_no_less(n_bytes, a, b):
    narrow, wide = memory(n_bytes, min(a, b)), memory(n_bytes, max(a, b))
    assert narrow.read_pj <= wide.read_pj * (1 + 1e-9)
    assert narrow.write_pj <= wide.write_pj * (1 + 1e-9)


def test_the_node_of_the_calibration_changes_nothing():
    for rule in SCALINGS:
        unchanged = scaling(45.0, rule)
        assert (unchanged.area, unchanged.energy, unchanged.delay, unchanged.power) == (1, 1, 1, 1)


def test_the_papers_rule_keeps_the_power_of_a_pe():
    rule = scaling(28.0)
    assert rule is SCALINGS["paper"]
    assert rule.power == pytest.approx(1)
    assert rule.area == pytest.approx(0.387, abs=5e-4)


def test_the_published_rules_differ_by_more_than_half():
    energies = [rule.energy for rule in SCALINGS.values()]
    assert min(energies) == pytest.approx(0.43, abs=0.005)
    assert max(energies) == pytest.approx(0.667, abs=0.001)


def test_an_unknown_rule_and_an_unknown_node_are_errors():
    with pytest.raises(ValueError, match="scaling: 'moore', but it must be one of paper, deepscaletool, "):
        scaling(28.0, "moore")
    with pytest.raises(ValueError, match="technology_nm: 7, but costs are known at 45 and 28 nm alone"):
        scaling(7.0)
