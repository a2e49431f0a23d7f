"""Areas: Table II for the paper's machine, CACTI's ratios for others, published rules for 28 nm."""

import pytest

from eie_sim import ArchConfig, paper, preset
from eie_sim.cost import SCALINGS, area, area_band
from eie_sim.cost.area import FILLER, NoAreaScaling
from eie_sim.cost.prices import LNZD, UNITS

MACHINE = preset(paper.MACHINE)


def test_a_pe_has_the_area_of_table_ii():
    of_pe = area(MACHINE).pe_um2
    assert {unit: of_pe[unit] for unit in UNITS} == {unit: paper.TABLE_II.at(unit, "area_um2") for unit in UNITS}
    assert sum(of_pe.values()) == pytest.approx(paper.TABLE_II.at("total", "area_um2"), abs=15)  # printed digits


def test_the_64_pes_take_40_8_mm2():
    report = area(MACHINE)
    assert round(report.total_mm2, 1) == paper.TABLE_V.at("area_mm2", "EIE 64 PEs") == 40.8
    assert sum(report.by_unit_mm2.values()) == pytest.approx(report.total_mm2)
    assert report.by_unit_mm2[LNZD] == pytest.approx(21 * 189e-6)


def test_the_256_pes_at_28_nm_take_less_than_table_v_says():
    # (28 / 45)^2 of four times 40.83 mm2; the paper prints 63.8, which is 40.8 x 4 x 0.391.
    ours, printed = area(preset("eie-256pe-28nm")).total_mm2, paper.TABLE_V.at("area_mm2", "EIE 256 PEs")
    assert ours == pytest.approx(63.2, abs=0.1)
    assert ours / printed == pytest.approx(0.991, abs=0.002)


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("spmat_bytes", "spmat_read"),
        ("ptr_bytes", "ptr_read"),
        ("act_queue_depth", "act_queue"),
        ("act_sram_bytes", "act_rw"),
    ],
)
def test_a_larger_memory_takes_more_area_in_its_unit_alone(field, unit):
    usual, larger = area(MACHINE).pe_um2, area(MACHINE.replace(**{field: 2 * getattr(MACHINE, field)})).pe_um2
    assert larger[unit] > usual[unit]
    assert all(larger[other] == usual[other] for other in (*UNITS, FILLER) if other != unit)


def test_pes_add_up():
    one, two = (area(ArchConfig(n_pe=n)).total_mm2 for n in (1, 2))
    assert two == pytest.approx(2 * one, rel=1e-3)


def test_the_band_has_the_rules_that_say_how_areas_shrink():
    reports = area_band(preset("eie-256pe-28nm"))
    assert set(reports) == {rule for rule, factors in SCALINGS.items() if factors.area is not None}
    assert max(r.total_mm2 for r in reports.values()) / min(r.total_mm2 for r in reports.values()) < 1.11
    with pytest.raises(NoAreaScaling, match="scaling: 'deepscaletool' does not say how areas shrink"):
        area(preset("eie-256pe-28nm"), "deepscaletool")
