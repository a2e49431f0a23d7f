"""The energy of a run: Table II at the activity that a calibration states, and nothing lost between unit and total."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.paper import table2
from compressor import PackedModel, pack_codes
from eie_sim import ArchConfig, paper, preset, simulate, simulate_batch, simulate_model
from eie_sim.arch import PRESETS
from eie_sim.cost import (
    CALIBRATIONS,
    SCALINGS,
    band,
    by_calibration,
    calibration,
    energy,
    missing_bytes,
    model_energy,
)
from eie_sim.cost.calibrations import ALEX_7, EVERY_8_CYCLES, clock_fraction
from eie_sim.cost.energy import CLOCK, DRAM, LEAKAGE, SCAN, lnzd_nodes, table_for
from eie_sim.cost.prices import LNZD, UNITS
from eie_sim.cost.technology import memory
from tests.examples import examples
from tests.strategies import cases

MACHINE = preset(paper.MACHINE)
ACTIVITIES = table2.ACTIVITIES
SHARES = st.tuples(st.floats(0, 0.6), st.floats(0, 0.4))
SMALL = pack_codes(np.array([[1, 0, 2], [0, 3, 0], [4, 5, 6]], np.uint8), np.arange(16, dtype=np.float32), n_pe=2)


def run_of(activity, arch=MACHINE):
    """A result in which every PE did what `activity` says."""
    return table2.run_of(activity, arch)


@pytest.mark.parametrize("name", ACTIVITIES)
@given(shares=SHARES)
def test_at_its_activity_every_unit_has_its_power_of_table_ii(name, shares):
    result = run_of(ACTIVITIES[name])
    by_unit = energy(result, calibration(name, *shares)).by_unit_nj
    for unit in UNITS:
        power_mw = by_unit[unit] / result.time_us / MACHINE.n_pe
        assert power_mw == pytest.approx(paper.TABLE_II.at(unit, "power_mw"), rel=1e-9)


@pytest.mark.parametrize("name", ACTIVITIES)
def test_at_its_activity_a_pe_takes_9_158_mw_and_the_machine_0_587_w(name):
    result = run_of(ACTIVITIES[name])
    report = energy(result, name)
    pes_mw = sum(report.by_unit_nj[unit] for unit in UNITS) / result.time_us / MACHINE.n_pe
    assert round(pes_mw, 3) == 9.158
    assert round(report.power_w, 3) == 0.587


def test_the_clock_is_that_of_table_ii_whatever_the_pes_do():
    assert clock_fraction() == pytest.approx(0.2046, abs=1e-4)
    busy = energy(run_of(EVERY_8_CYCLES))
    idle = energy(run_of(type(EVERY_8_CYCLES)(8.0, dict.fromkeys(EVERY_8_CYCLES.events, 0), "nothing to do")))
    assert idle.by_cause_nj[CLOCK] == busy.by_cause_nj[CLOCK] == pytest.approx(busy.total_nj * 0.2046, rel=2e-3)
    assert idle.total_nj == pytest.approx(busy.by_cause_nj[CLOCK] + busy.by_cause_nj[SCAN])


@pytest.mark.parametrize(("name", "watts"), [("paper-constant", 0.600), ("paper-constant-table5", 0.59)])
def test_the_papers_own_method_is_a_constant_power(name, watts):
    for activity in (EVERY_8_CYCLES, ALEX_7):
        assert energy(run_of(activity), name).power_w == pytest.approx(watts)


def test_table_v_has_the_power_of_256_pes_at_28_nm():
    large = PRESETS["eie-256pe-28nm"]
    assert energy(run_of(EVERY_8_CYCLES, large), "paper-constant-table5").power_w == pytest.approx(2.36)
    # Constant power a PE: two thirds of the energy at one and a half times the clock.
    assert energy(run_of(EVERY_8_CYCLES, large)).power_w == pytest.approx(4 * 0.587, rel=2e-3)


@settings(deadline=None, max_examples=examples(30))
@given(case=cases(), name=st.sampled_from(list(CALIBRATIONS)), rule=st.sampled_from(list(SCALINGS)), node=st.booleans())
def test_units_and_causes_each_sum_to_the_total(case, name, rule, node):
    arch = case.arch.replace(technology_nm=28.0 if node else 45.0)
    report = energy(simulate(case.layer, case.acts, arch, output=False), name, rule, dram_bytes=17)
    assert sum(report.by_unit_nj.values()) == pytest.approx(report.total_nj, rel=1e-12)
    assert sum(report.by_cause_nj.values()) == pytest.approx(report.total_nj, rel=1e-12)
    assert all(row.nj >= 0 for row in report.rows)
    assert report.edp_nj_us == pytest.approx(report.total_nj * report.time_us)


@settings(deadline=None, max_examples=examples(20))
@given(case=cases())
def test_energy_is_counts_times_prices(case):
    result = simulate(case.layer, case.acts, case.arch, output=False)
    report = energy(result)
    for price in table_for(calibration(), case.arch).prices:
        events = np.sum(getattr(result.counts, price.event)) * (case.arch.n_pe if price.event == "broadcasts" else 1)
        assert report.by_cause_nj[price.event] == pytest.approx(events * price.pj * 1e-3)


def test_a_batch_of_summed_counters_costs_what_its_vectors_do():
    acts = np.array([[1, 0, 2], [0, 0, 0], [3, 1, 1]], np.float32)
    arch = ArchConfig(n_pe=2)
    whole = energy(simulate_batch(SMALL, acts, arch, counts="sum"), dram_bytes=3 * 40)
    alone = [energy(simulate(SMALL, vector, arch), dram_bytes=40) for vector in acts]
    assert whole.total_nj == pytest.approx(sum(report.total_nj for report in alone))
    assert whole.time_us == pytest.approx(sum(report.time_us for report in alone))
    assert whole.macs == sum(report.macs for report in alone)


def test_a_preloaded_bias_costs_an_accumulator_write_a_row():
    layer = pack_codes(np.ones((5, 3), np.uint8), np.arange(16, dtype=np.float32), n_pe=2, bias=np.ones(5))
    result = simulate(layer, np.ones(3), ArchConfig(n_pe=2, bias="preload"))
    report = energy(result)
    assert report.by_cause_nj["bias_writes"] == pytest.approx(report.by_cause_nj["acc_writes"] * 5 / 15)
    assert report.macs == 15
    assert "bias_writes" not in energy(simulate(SMALL, np.ones(3), ArchConfig(n_pe=2))).by_cause_nj


@pytest.mark.parametrize("name", ["table2-8cycle", "table2-alex7", "bottom-up"])
def test_a_layer_without_active_inputs_costs_the_static_energy_and_the_scan_alone(name):
    result = simulate(SMALL, np.zeros(3), ArchConfig(n_pe=2))
    report = energy(result, calibration(name, leak=0.1))
    assert result.cycles > 0
    assert {cause for cause, nj in report.by_cause_nj.items() if nj} == {CLOCK, LEAKAGE, SCAN}
    assert report.pj_per_mac is None


def test_useful_multiplications_are_those_of_weights():
    result = simulate(SMALL, np.ones(3), ArchConfig(n_pe=2))
    report = energy(result)
    assert report.macs == 6
    assert report.pj_per_mac == pytest.approx(report.total_nj * 1e3 / 6)


def test_a_report_names_what_made_it():
    result = simulate(SMALL, np.ones(3), ArchConfig(n_pe=2, technology_nm=28.0))
    assert energy(result).calibration == "table2-8cycle, 28 nm by paper"
    assert energy(result, "bottom-up", "cacti").calibration == "bottom-up, 28 nm by cacti"
    assert any("every 8 cycles" in text for text in energy(result).assumptions)


def test_calibrations_stand_side_by_side():
    result = run_of(EVERY_8_CYCLES)
    reports = by_calibration(result)
    assert list(reports) == list(CALIBRATIONS)
    assert [report.calibration for report in reports.values()] == list(CALIBRATIONS)
    assert len({round(report.total_nj, 6) for report in reports.values()}) == len(reports)


def test_the_band_at_28_nm_has_every_rule():
    result = run_of(EVERY_8_CYCLES, MACHINE.replace(technology_nm=28.0))
    reports = band(result)
    at_45 = energy(run_of(EVERY_8_CYCLES)).total_nj
    assert list(reports) == list(SCALINGS)
    assert {rule: report.total_nj / at_45 for rule, report in reports.items()} == pytest.approx(
        {rule: factors.energy for rule, factors in SCALINGS.items()}
    )
    with pytest.raises(ValueError, match="technology_nm: 45, but the rules lead to 28 nm"):
        band(run_of(EVERY_8_CYCLES))


# Other machines -------------------------------------------------------------------------------------------------------


def price_of(event, arch):
    return next(price.pj for price in table_for(calibration(), arch).prices if price.event == event)


@pytest.mark.parametrize(("width", "measured"), [(32, 25.3), (64, 32.3), (128, 50.3), (256, 73.8), (512, 97.8)])
def test_a_row_of_another_width_costs_what_cacti_says(width, measured):
    ratio = price_of("spmat_row_reads", MACHINE.replace(spmat_width_bits=width)) / price_of("spmat_row_reads", MACHINE)
    assert ratio == pytest.approx(measured / 32.3)


@pytest.mark.parametrize(
    ("arithmetic", "factor"), [("float32", 1), ("fixed16", 1), ("fixed8", 0.343), ("fixed32", 4.78)]
)
def test_arithmetic_costs_what_its_numbers_do(arithmetic, factor):
    ratio = price_of("entries", MACHINE.replace(arithmetic=arithmetic)) / price_of("entries", MACHINE)
    assert ratio == pytest.approx(factor, rel=2e-3)


@pytest.mark.parametrize(("arithmetic", "n_bytes"), [("fixed8", 1), ("fixed16", 2), ("fixed32", 4)])
def test_a_register_costs_what_cacti_says_of_a_file_of_its_width(arithmetic, n_bytes):
    ours, papers = (memory(64 * size, 8 * size) for size in (n_bytes, 2))
    machine = MACHINE.replace(arithmetic=arithmetic)
    for event, of in (("acc_reads", "read_pj"), ("acc_writes", "write_pj")):
        ratio = price_of(event, machine) / price_of(event, MACHINE)
        assert ratio == pytest.approx(getattr(ours, of) / getattr(papers, of))


@pytest.mark.parametrize("n_bytes", [8192, 32768, 131072])
def test_a_pointer_costs_what_cacti_says_of_a_bank_of_16_bits(n_bytes):
    ratio = price_of("ptr_reads", MACHINE.replace(ptr_bytes=n_bytes)) / price_of("ptr_reads", MACHINE)
    assert ratio == pytest.approx(memory(n_bytes / 2, 16).read_pj / memory(16384, 16).read_pj)


@pytest.mark.parametrize("field", ["spmat_bytes", "ptr_bytes", "act_queue_depth", "act_regfile_entries"])
def test_a_larger_memory_costs_more_for_each_access(field):
    events = {
        "spmat_bytes": "spmat_row_reads",
        "ptr_bytes": "ptr_reads",
        "act_queue_depth": "broadcasts",
        "act_regfile_entries": "acc_reads",
    }
    larger = MACHINE.replace(**{field: 2 * getattr(MACHINE, field)})
    assert price_of(events[field], larger) > price_of(events[field], MACHINE)
    unchanged = set(events.values()) - {events[field]}
    assert all(price_of(event, larger) == price_of(event, MACHINE) for event in unchanged)


@pytest.mark.parametrize(
    ("n_pe", "fanin", "nodes"), [(64, 4, 21), (256, 4, 85), (16, 4, 5), (1, 4, 0), (5, 4, 3), (64, 8, 9)]
)
def test_the_tree_has_its_nodes(n_pe, fanin, nodes):
    assert lnzd_nodes(ArchConfig(n_pe=n_pe, lnzd_fanin=fanin)) == nodes


def test_the_scan_is_outside_of_the_pes():
    result = run_of(EVERY_8_CYCLES)
    assert energy(result).by_unit_nj[LNZD] == pytest.approx(21 * 0.023 * result.time_us)


# DRAM, and models -----------------------------------------------------------------------------------------------------


def test_dram_costs_640_pj_for_32_bits():
    result = run_of(EVERY_8_CYCLES)
    report = energy(result, dram_bytes=4000)
    assert report.by_unit_nj[DRAM] == pytest.approx(1000 * 0.640)
    assert DRAM not in energy(result).by_unit_nj
    with pytest.raises(ValueError, match="dram_bytes: -1"):
        energy(result, dram_bytes=-1)
    with pytest.raises(ValueError, match="dram_bytes: nan"):
        energy(result, dram_bytes=float("nan"))


def test_a_machine_may_have_another_dram():
    result = simulate(SMALL, np.ones(SMALL.n_cols), preset("eie-64pe-45nm").replace(n_pe=SMALL.n_pe, dram_pj_per_bit=4))
    assert energy(result, dram_bytes=4000).by_cause_nj["dram"] == pytest.approx(8 * 4000 * 4e-3)


def test_what_fits_is_not_missing_and_what_does_not_is():
    layer = pack_codes(np.ones((64, 40), np.uint8), np.arange(16, dtype=np.float32), n_pe=2)
    arch = ArchConfig(n_pe=2)
    assert missing_bytes(layer, arch) == (0,)
    # 1,280 entries of a byte and 41 pointers of two in each PE.
    assert missing_bytes(layer, arch.replace(spmat_bytes=1024)) == (2 * 256,)
    assert missing_bytes(layer, arch.replace(ptr_bytes=64)) == (2 * 9 * 2,)
    # A bias column is in the SRAMs only where it is broadcast: 32 entries and a pointer in each PE.
    biased = pack_codes(np.ones((64, 40), np.uint8), np.arange(16), n_pe=2, bias_codes=np.ones(64, np.uint8))
    full = arch.replace(spmat_bytes=1280, ptr_bytes=82)
    assert missing_bytes(biased, full) == (2 * 32 + 2 * 2,)
    assert missing_bytes(biased, full.replace(bias="preload")) == (0,)
    # Together two of them need what one leaves.
    second = pack_codes(np.ones((64, 40), np.uint8), np.arange(16, dtype=np.float32), n_pe=2, name="second")
    model = PackedModel((layer, second), ("relu", "none"))
    assert missing_bytes(model, arch) == (0, 0)
    assert missing_bytes(model, arch.replace(spmat_bytes=2048)) == (0, 2 * 512)
    assert missing_bytes(model, arch.replace(ptr_bytes=2 * 50)) == (0, 2 * 32 * 2)


def test_a_model_costs_what_its_layers_do():
    second = pack_codes(SMALL.sparse_codes().dense(), SMALL.codebook, n_pe=2, name="second")
    model = PackedModel((SMALL, second), ("relu", "none"))
    result = simulate_model(model, np.ones(3), ArchConfig(n_pe=2))
    report = model_energy(result, "bottom-up", dram_bytes=(0, 8))
    one, two = energy(result.layers[0], "bottom-up"), energy(result.layers[1], "bottom-up", dram_bytes=8)
    assert report.layers == (one, two)
    assert report.total_nj == pytest.approx(one.total_nj + two.total_nj)
    assert sum(report.by_unit_nj.values()) == pytest.approx(report.total_nj)
    assert sum(report.by_cause_nj.values()) == pytest.approx(report.total_nj)
    assert report.time_us == pytest.approx(result.time_us)
    assert report.power_w == pytest.approx(report.total_nj / result.time_us * 1e-3)
    assert report.pj_per_mac == pytest.approx(report.total_nj * 1e3 / (one.macs + two.macs))
    assert report.edp_nj_us == pytest.approx(report.total_nj * report.time_us)
    with pytest.raises(ValueError, match="dram_bytes: 1 values for 2 layers"):
        model_energy(result, dram_bytes=(1,))


def test_a_pe_by_hand():
    # Energies of one PE at the paper's activity, less the clock's 20.46 %: energy.md's 49.6, 18.1, 1.12 and 1.45 pJ.
    shares = {price.event: price.pj / (1 - clock_fraction()) for price in calibration().prices}
    assert shares["spmat_row_reads"] == pytest.approx(49.55, abs=0.01)
    assert shares["ptr_reads"] == pytest.approx(18.07, abs=0.01)
    assert shares["broadcasts"] == pytest.approx(1.12, abs=0.01)
    assert shares["entries"] == pytest.approx(1.4525, abs=0.001)
    assert shares["acc_reads"] == shares["acc_writes"] == pytest.approx(0.70, abs=0.002)


def test_leakage_of_bottom_up_is_cactis_and_the_share():
    plain, leaking = calibration("bottom-up"), calibration("bottom-up", leak=0.3)
    assert plain.leak_mw["spmat_read"] == pytest.approx(0.0034, abs=2e-4)
    for unit in UNITS:
        share = 0.3 * paper.TABLE_II.at(unit, "power_mw")
        assert leaking.leak_mw[unit] - plain.leak_mw[unit] == pytest.approx(share)


def test_a_calibration_with_other_shares_says_so():
    assert calibration("table2-8cycle", clock=0.5, leak=0.2).name == "table2-8cycle, clock 50.0%, leakage 20.0%"


def test_a_larger_memory_leaks_more():
    arch = MACHINE.replace(spmat_bytes=8 * MACHINE.spmat_bytes)
    leaking = calibration("table2-8cycle", leak=0.1)
    assert table_for(leaking, arch).leak_mw["spmat_read"] == pytest.approx(8 * leaking.leak_mw["spmat_read"])


# Errors ---------------------------------------------------------------------------------------------------------------


def test_a_batch_is_refused():
    batch = simulate_batch(SMALL, np.ones((2, 3)), ArchConfig(n_pe=2))
    with pytest.raises(ValueError, match=r"result: a BatchResult, but energy is of one run or of a total"):
        energy(batch)
    assert energy(batch[0]).total_nj == energy(simulate(SMALL, np.ones(3), ArchConfig(n_pe=2))).total_nj


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="table: None, but it must be a CostTable or the name of a calibration"):
        energy(run_of(EVERY_8_CYCLES), None)


def test_an_unknown_calibration_is_an_error():
    with pytest.raises(ValueError, match="calibration: 'guess', but it must be one of table2-8cycle, table2-alex7, "):
        energy(run_of(EVERY_8_CYCLES), "guess")


@pytest.mark.parametrize(("clock", "leak"), [(-0.1, 0.0), (0.5, -0.1), (0.7, 0.4), (float("nan"), 0.0)])
def test_shares_of_clock_and_leakage_come_to_at_most_one(clock, leak):
    with pytest.raises(ValueError, match=r"clock, leak: .*, but they must be shares that come to at most 1"):
        calibration("table2-8cycle", clock, leak)
