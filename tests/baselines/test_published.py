"""The models beside the published numbers: the bar of the leave-one-out error, powers and where they are from."""

import json
import statistics

import pytest

from benchmarks import baseline_models
from benchmarks.harness import command
from benchmarks.leave_one_out import against_published, median_left_out_error_pct
from eie_sim.baselines.devices import device, devices
from eie_sim.baselines.platforms import platforms
from eie_sim.baselines.published import (
    BATCHES,
    KINDS,
    fit_published,
    layer_work,
    power_of_fig_7_w,
    published_power_w,
    published_time_us,
)
from eie_sim.baselines.roofline import dense_time_us, frame_time, sparse_time_us
from eie_sim.networks import published_layer
from eie_sim.paper import LAYERS, POWER_PER_LAYER, TABLE_IV, TABLE_V
from tests.baselines.test_devices import MINE

of_devices = pytest.mark.parametrize("name", devices())
of_kinds = pytest.mark.parametrize("kind", KINDS)
of_batches = pytest.mark.parametrize("batch", BATCHES)


@of_devices
@of_kinds
def test_the_median_error_of_a_layer_left_out_meets_the_bar_at_batch_1(name, kind):
    assert median_left_out_error_pct(against_published(device(name), kind, 1)) <= baseline_models.ERROR_BAR_PCT


@pytest.mark.parametrize(
    ("name", "launches_us"), [("i7-5930K", [5.0]), ("Titan X", [0.0, 10.0]), ("Tegra K1", [0, 50])]
)
@of_kinds
def test_the_assumed_launch_costs_do_not_decide_whether_the_bar_is_met(name, launches_us, kind):
    for launch_us in launches_us:
        other = device(name).replace(launch_us=float(launch_us))
        assert median_left_out_error_pct(against_published(other, kind, 1)) <= baseline_models.ERROR_BAR_PCT


def test_the_bar_of_dense_layers_on_the_cpu_needs_its_cache():
    """Plain bandwidth misses it: large matrices come slower than those that the cache holds in part."""
    without = device("i7-5930K").replace(cache_bytes=0)
    assert 25 < median_left_out_error_pct(against_published(without, "dense", 1)) < 30


@of_devices
@of_kinds
@of_batches
def test_the_published_time_stands_beside_every_layer(name, kind, batch):
    rows = against_published(device(name), kind, batch)
    prefix = {"i7-5930K": "cpu", "Titan X": "gpu", "Tegra K1": "mgpu"}[name]
    assert [row.layer for row in rows] == list(LAYERS)
    assert tuple(row.published_us for row in rows) == TABLE_IV.rows[f"{prefix} batch {batch} {kind}"]
    for row in rows:
        assert row.error_pct == pytest.approx(100 * (row.modelled_us - row.published_us) / row.published_us)
        assert row.published_uj == pytest.approx(row.published_us * row.power_w)
        assert row.modelled_uj / row.published_uj == pytest.approx(row.modelled_us / row.published_us)


@of_devices
def test_the_modelled_time_is_that_of_the_public_functions(name):
    one = device(name)
    for row in against_published(one, "dense", 64):
        layer = published_layer(row.layer)
        assert row.modelled_us == dense_time_us(one, layer.inputs, layer.outputs, 64)
    for row in against_published(one, "sparse", 1):
        layer = published_layer(row.layer)
        assert row.modelled_us == sparse_time_us(one, layer.inputs, layer.outputs, layer.weight_density)


@of_devices
def test_a_prediction_never_saw_its_layer(name):
    one = device(name)
    for row in against_published(one, "sparse", 1):
        others = fit_published(one, "sparse", 1, [layer for layer in LAYERS if layer != row.layer])
        assert row.left_out_us == frame_time(one, layer_work(row.layer, "sparse", 1), others).time_us


def test_the_median_is_of_the_sizes_of_the_errors():
    rows = against_published(device("Titan X"), "dense", 1)
    assert median_left_out_error_pct(rows) == statistics.median(abs(row.left_out_error_pct) for row in rows)
    assert any(row.left_out_error_pct < 0 for row in rows)


# Powers ---------------------------------------------------------------------------------------------------------------


@of_devices
@of_kinds
@of_batches
def test_a_power_says_where_it_is_from(name, kind, batch):
    for layer in LAYERS:
        power_w, source = published_power_w(device(name), layer, kind, batch)
        assert power_w > 0
        if not layer.startswith("NT"):
            assert source == POWER_PER_LAYER.source == "Deep Compression Table 9"
        elif batch == 1:
            assert source == "EIE Fig. 7, implied"
        else:
            assert (power_w, source) == (TABLE_V.at("power_w", name), "EIE Table V")


@of_devices
@of_kinds
@pytest.mark.parametrize("layer", POWER_PER_LAYER.columns)
def test_the_power_that_figure_7_implies_is_the_printed_one_where_there_is_one(name, kind, layer):
    printed, _ = published_power_w(device(name), layer, kind, 1)
    # Half a unit of the smallest label it is worked out from, and the digits of the rest.
    label = 1e9 if (name, kind) == ("i7-5930K", "dense") else label_of(name, kind, layer)
    assert power_of_fig_7_w(device(name), layer, kind) == pytest.approx(
        printed, rel=0.5 / label / (1 - 0.5 / label) + 0.012
    )


def label_of(name, kind, layer):
    from eie_sim.paper import FIG_7, TABLE_IV_PLATFORMS

    return FIG_7.at(f"{TABLE_IV_PLATFORMS[name]} {kind}", layer)


# What is not published ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [published_time_us, published_power_w])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": "Alex-9"}, "Alex-9.*Alex-6"),
        ({"kind": "banded"}, "kind: 'banded'.*dense, sparse"),
        ({"batch": 8}, "batch: 8.*1 and 64"),
    ],
)
def test_what_table_iv_does_not_have_is_refused(function, changes, message):
    case = {"layer": "Alex-6", "kind": "dense", "batch": 64} | changes
    with pytest.raises(ValueError, match=message):
        function(device("Titan X"), **case)


def test_a_device_of_ones_own_has_no_published_times():
    mine = device("Titan X").replace(name="mine", published_as=None)
    with pytest.raises(ValueError, match=r"mine: no published times.*Titan X"):
        against_published(mine, "dense", 1)


# Table V --------------------------------------------------------------------------------------------------------------


def test_the_platforms_are_all_of_table_v_with_the_fpga_and_the_asics():
    assert tuple(platforms()) == TABLE_V.columns
    kinds = [x.kind for x in platforms().values()]
    assert kinds == ["CPU", "GPU", "mobile GPU", "FPGA", "ASIC", "ASIC", "ASIC", "ASIC"]
    assert platforms()["A-Eye"].area_mm2 is None
    assert platforms()["TrueNorth"].clock_mhz is None


def test_the_time_and_the_energy_of_a_platform_follow_from_its_row():
    for x in platforms().values():
        assert x.time_us * x.frames_per_s == pytest.approx(1e6)
        assert 1e6 / x.energy_uj == pytest.approx(x.frames_per_j, rel=0.02)


# The benchmark --------------------------------------------------------------------------------------------------------


def test_the_benchmark_meets_its_bars_and_shows_every_layer(capsys):
    assert (
        command("baseline_models", None, baseline_models.measure, ["--check", "--json"], baseline_models.add_options)
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert len(report["figures"]) == 12
    assert [figure["bar"] for figure in report["figures"]] == [25.0] * 6 + [None] * 6
    of_layers = [rows for rows in report["tables"].values() if "published us" in rows[0]]
    assert [[row["layer"] for row in rows] for rows in of_layers] == [list(LAYERS)] * 12


def test_the_benchmark_takes_a_device_of_ones_own(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8")
    arguments = ["--json", "--device", str(path)]
    assert command("baseline_models", None, baseline_models.measure, arguments, baseline_models.add_options) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    (rows,) = (rows for title, rows in tables.items() if title.startswith("My card"))
    assert [row["layer"] for row in rows] == list(LAYERS)


def test_the_benchmark_refuses_a_wrong_file_in_one_line(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("name = 3", encoding="utf-8")
    with pytest.raises(SystemExit):
        command("baseline_models", None, baseline_models.measure, ["--device", str(path)], baseline_models.add_options)
    assert "mine.toml: name: 3" in capsys.readouterr().err
