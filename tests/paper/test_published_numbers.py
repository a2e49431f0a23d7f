"""The published numbers against each other: a slip of transcription breaks a relation that the paper's numbers obey."""

import math

import pytest

from eie_sim import paper
from eie_sim.paper import LAYERS, PES, QUEUE_DEPTHS, TABLE_IV, Published

TABLES = [value for value in vars(paper).values() if isinstance(value, Published)] + [paper.table_iii()]
OF_LAYERS = [paper.FIG_8, paper.FIG_9_RIGHT, paper.FIG_11, paper.FIG_12, paper.FIG_13]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.source)
def test_every_row_has_a_value_for_every_column(table):
    assert {len(row) for row in table.rows.values()} == {len(table.columns)}
    assert table.error > 0 or table.relative_error > 0


@pytest.mark.parametrize("figure", OF_LAYERS, ids=lambda figure: figure.source)
def test_every_figure_has_all_nine_layers_in_order(figure):
    assert tuple(figure.rows) == LAYERS


def test_table_iii_has_the_nine_layers_as_printed():
    table = paper.table_iii()
    assert tuple(table.rows) == LAYERS
    assert table.rows["VGG-6"] == (25088, 4096, 4, 18.3, 1)
    assert table.rows["NT-LSTM"] == (1201, 2400, 10, 100, 11)


@pytest.mark.parametrize("layer", LAYERS)
def test_theoretical_over_actual_time_is_the_load_balance_of_figures_8_and_13(layer):
    ideal, actual = TABLE_IV.at("eie theoretical", layer), TABLE_IV.at("eie actual", layer)
    # Both times are rounded to 0.1 us, and both figures are read to 0.4 points.
    slack = 100 * ideal / actual * (0.05 / ideal + 0.05 / actual) + 0.4
    assert abs(100 * ideal / actual - paper.FIG_8.at(layer, 8)) < slack
    assert abs(100 * ideal / actual - paper.FIG_13.at(layer, 64)) < slack


@pytest.mark.parametrize("layer", LAYERS)
def test_figure_11_is_the_work_of_figure_12_at_the_balance_of_figure_13(layer):
    """Also why its labels are corrected: with Alex and VGG as printed, Alex-7 would be 20 % off."""
    for n_pe in PES[1:]:
        value = paper.FIG_11.at(layer, n_pe)
        shares = [paper.FIG_12.at(layer, n) * paper.FIG_13.at(layer, n) for n in (1, n_pe)]
        if value is not None:
            assert value == pytest.approx(n_pe * shares[1] / shares[0], rel=0.04)


def test_the_units_and_the_kinds_of_cells_of_table_ii_add_up_to_the_pe():
    rows = paper.TABLE_II.rows
    units, kinds = ("act_queue", "ptr_read", "spmat_read", "arithmetic", "act_rw"), list(rows)[1:5]
    for names in (units, kinds):
        assert sum(rows[name][0] for name in names) == pytest.approx(rows["total"][0], abs=0.002)
        assert sum(rows[name][1] for name in (*names, "filler cell")) == pytest.approx(rows["total"][1], abs=2)


@pytest.mark.parametrize("figure", [paper.FIG_6, paper.FIG_7], ids=lambda figure: figure.source)
def test_the_last_column_of_figures_6_and_7_is_the_geometric_mean(figure):
    for row, (*values, mean) in figure.rows.items():
        rounding = 0.05 if figure is paper.FIG_6 and row == "mgpu dense" else 0.5
        least, most = (math.prod(value + sign * rounding for value in values) ** (1 / 9) for sign in (-1, 1))
        assert least - rounding <= mean <= most + rounding


def test_figure_6_follows_from_table_iv_but_for_the_two_layers_in_the_errata():
    off = []
    for layer in LAYERS:
        speed = TABLE_IV.at("cpu batch 1 dense", layer) / TABLE_IV.at("eie actual", layer)
        # The time of EIE is rounded to 0.1 us.
        if abs(speed - paper.FIG_6.at("eie", layer)) > 0.5 + speed * 0.05 / TABLE_IV.at("eie actual", layer):
            off.append(layer)
    assert off == ["NT-We", "NT-LSTM"]


@pytest.mark.parametrize("layer", paper.POWER_PER_LAYER.columns)
@pytest.mark.parametrize("row", [row for row in paper.FIG_7.rows if row != "eie"])
def test_figure_7_is_the_energy_of_the_times_of_table_iv_at_the_power_of_deep_compression_table_9(layer, row):
    platform, kind = row.split()
    ours, dense_cpu = (
        TABLE_IV.at(name, layer) * paper.POWER_PER_LAYER.at(name, layer)
        for name in (f"{platform} batch 1 {kind}", "cpu batch 1 dense")
    )
    # The power of 5.1 W is printed to 1 %; both times are near exact.
    assert dense_cpu / ours == pytest.approx(paper.FIG_7.at(row, layer), abs=0.5, rel=0.011)


@pytest.mark.parametrize("layer", paper.POWER_PER_LAYER.columns)
def test_the_eie_row_of_figure_7_is_one_power(layer):
    dense_cpu = TABLE_IV.at("cpu batch 1 dense", layer) * paper.POWER_PER_LAYER.at("cpu batch 1 dense", layer)
    eie = TABLE_IV.at("eie actual", layer) * paper.FIG_7_EIE_POWER_W
    # Rounded: the power of the CPU to 0.05 of 70 W, the time of EIE to 0.05 of 8 us.
    assert dense_cpu / eie == pytest.approx(paper.FIG_7.at("eie", layer), rel=0.007)


def test_table_v_times_are_those_of_table_iv_on_alex_7():
    for name, platform in paper.TABLE_IV_PLATFORMS.items():
        time_us = TABLE_IV.at(f"{platform} batch 1 dense", "Alex-7")
        assert paper.TABLE_V.at("frames_per_s", name) == pytest.approx(1e6 / time_us, abs=0.6)
    assert tuple(paper.TABLE_V_KINDS) == paper.TABLE_V.columns


def test_table_v_powers_and_frames_agree():
    rows = paper.TABLE_V.rows
    for frames, watts, per_joule in zip(rows["frames_per_s"], rows["power_w"], rows["frames_per_j"], strict=True):
        assert frames / watts == pytest.approx(per_joule, rel=0.02)


@pytest.mark.parametrize(("layer", "entries", "cycles"), [("Alex-8", 455_680, 7_920), ("VGG-6", 1_438_720, 27_520)])
def test_table_iv_in_entries_and_cycles(layer, entries, cycles):
    assert paper.published_entries(layer) == entries
    assert paper.published_cycles(layer) == cycles


def test_the_error_bar_is_the_larger_of_the_absolute_and_the_relative_one():
    assert paper.FIG_8.error_at("Alex-6", 8) == 0.4
    assert paper.FIG_11.error_at("Alex-6", 64) == pytest.approx(1.953)
    assert paper.FIG_11.error_at("Alex-6", 256) is None


def test_a_row_or_column_that_is_not_there_is_named():
    assert len(QUEUE_DEPTHS) == 9
    with pytest.raises(ValueError, match=r"EIE Fig. 8: no row 'Alex-9'; there are Alex-6, Alex-7"):
        paper.FIG_8.at("Alex-9", 8)
    with pytest.raises(ValueError, match=r"EIE Fig. 8: no column 3; there are 1, 2, 4"):
        paper.FIG_8.at("Alex-6", 3)


def test_a_value_that_the_paper_does_not_give_is_an_error_where_one_is_needed():
    assert paper.TABLE_V.given("power_w", "i7-5930K") == 73
    with pytest.raises(ValueError, match=r"EIE Table V: no value of 'area_mm2' at 'Tegra K1'"):
        paper.TABLE_V.given("area_mm2", "Tegra K1")
