"""Figures of compression, the LSTM and DSD in their quick forms: points, resuming, files, and what they say."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.figures.spreads import Spread, SpreadPanel, SpreadPanels, spread_panels
from tests.extras import needs

torch = needs("torch", "train")

from benchmarks import compression_figures, dsd, lstm  # noqa: E402
from benchmarks.harness import command  # noqa: E402
from benchmarks.reproduction import against_size, bench, bits, regularisation, sensitivity  # noqa: E402
from benchmarks.reproduction import dsd as dsd_runs  # noqa: E402
from benchmarks.reproduction import lstm as lstm_runs  # noqa: E402
from benchmarks.reproduction.bench import Bench, table_densities  # noqa: E402
from benchmarks.reproduction.data import load_images  # noqa: E402
from benchmarks.reproduction.found import Compared  # noqa: E402
from benchmarks.reproduction.parts import load_part  # noqa: E402
from compressor import published  # noqa: E402
from compressor.accounting import FLOAT_BITS  # noqa: E402
from compressor.training import Prune, find_layers  # noqa: E402
from eie_sim.report import plots  # noqa: E402
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    return Bench(load_images("quick"), "quick", 0, tmp_path_factory.mktemp("bench") / "stand")


def run(name, module, tmp_path, *arguments):
    options = ["--quick", "--json", "--check", "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    return command(name, "", module.measure, [*options, *arguments], module.add_options)


def rows_in(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


# The bench ------------------------------------------------------------------------------------------------------------


def test_densities_are_in_the_ratio_of_the_papers_table():
    rows = published.LENET_300_100.layers
    assert table_densities(0.08) == pytest.approx({name: row.kept_pct / 100 for name, row in rows.items()})
    assert table_densities(0.5)["ip3"] == 1


def test_a_kept_network_is_loaded_with_its_masks(stand):
    model = bench.new_network("lenet-300-100", 0)
    Prune(table_densities(0.08)).apply(model)
    result = stand.keep("lenet-300-100, some", model)
    again = stand.load("lenet-300-100, some")
    assert result["densities"]["ip1"] == pytest.approx(0.08, abs=1e-5)
    for old, new in zip(find_layers(model).values(), find_layers(again).values(), strict=True):
        assert torch.equal(old.weight, new.weight)


def test_trainings_that_follow_one_another_have_orders_of_their_own(stand):
    seeds = {stand.settings(1, 0.1).seed, stand.retraining(1).seed, stand.tuning(1, 0.1).seed}
    assert len(seeds) == 3


# Sizes of Fig. 6 ------------------------------------------------------------------------------------------------------


def test_a_shared_network_takes_its_codes_and_codebooks():
    model = bench.new_network("lenet-300-100", 0)
    n = 266_200
    assert against_size._shared_size(model, 4) == (n * 4 + 3 * 16 * FLOAT_BITS) / (n * FLOAT_BITS)


def test_a_pruned_network_takes_a_value_and_a_run_for_each_entry():
    model = bench.new_network("lenet-300-100", 0)
    Prune({"ip1": 0.5, "ip2": 0.5, "ip3": 0.5}).apply(model)
    # At half density in five bits there are hardly any fillers.
    assert against_size._pruned_size(model) == pytest.approx(0.5 * 37 / 32, rel=1e-3)


def test_two_factors_of_full_rank_are_the_layer():
    model, whole = bench.new_network("lenet-300-100", 0), bench.new_network("lenet-300-100", 0)
    images = load_images("quick").test.inputs
    n_left = against_size._factor(model, "ip2", 1.0)
    assert n_left == 75 * 400
    assert torch.allclose(model.ip1(images.reshape(-1, 784)), whole.ip1(images.reshape(-1, 784)))
    assert model(images).shape == (len(images), 10)


# What is said ---------------------------------------------------------------------------------------------------------


def test_nothing_is_lost_down_to_the_first_loss():
    rows = [("a", "b", 8, 1.0), ("a", "b", 7, 1.2), ("a", "b", 6, 1.3), ("a", "b", 5, 1.1)]
    assert bits._fewest(1.0, rows) == 7
    assert bits._fewest(0.5, rows) is None
    assert sensitivity._least_density([0.01, 0.01, 0.0124, 0.013, *[0.01] * 7]) == sensitivity.DENSITIES[2]


def test_the_rate_is_that_of_the_sparsest_that_loses_nothing():
    rows = [("L2", 0.5, 50.0, 50.0, 1.6), ("L2", 0.1, 10.0, 90.0, 1.8), ("L2", 0.05, 5.0, 95.0, 2.5)]
    assert regularisation._rate(1.6, rows, "L2") == 10
    assert regularisation._rate(1.0, rows, "L2") is None


def test_a_deviation_is_ours_less_the_papers():
    assert Compared("", 3.0, "%", 2.5, "").deviation == 0.5
    assert Compared("", 3.0, "%", None, "").deviation is None


def test_the_gain_of_dsd_is_the_mean_over_seeds_with_its_standard_error():
    of_seed = {seed: {"errors": {"control": c, "DSD": d}} for seed, (c, d) in enumerate([(0.10, 0.09), (0.10, 0.11)])}
    gain, spread = dsd.gains(of_seed, "control")
    assert gain == pytest.approx(0)
    assert spread == pytest.approx(1)
    assert dsd.gains({0: of_seed[0]}, "control") == (pytest.approx(1), 0)


# Schedules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", dsd_runs.RECIPES)
def test_the_control_of_dsd_has_the_same_epochs_at_the_same_rates(name):
    recipe = dsd_runs.RECIPES[name]
    first, ours, control = recipe.steps(recipe.make(0), 0, quick=False)
    assert [step.train for step in ours] == [step.train for step in control]
    assert [first.train.rate, *(step.train.rate for step in ours)] == pytest.approx(
        [recipe.rate, recipe.rate / 10, recipe.rate / 100]
    )
    assert all(step.step is None for step in control)
    assert len({first.train.seed, *(step.train.seed for step in ours)}) == 3


def test_the_cnn_has_the_weights_it_is_said_to_have():
    model = dsd_runs.FashionCNN(0)
    assert sum(layer.weight.numel() for layer in find_layers(model).values()) == 687_392
    assert torch.equal(model.conv2.weight, dsd_runs.FashionCNN(0).conv2.weight)


def test_the_lstm_prunes_nothing_back():
    run_of = lstm_runs.LSTMRun(load_images("quick"), 0, False, None)
    first, second = (phase.step.density for phase in run_of.pruning())
    assert all(second[name] <= first[name] for name in second)
    assert replace(run_of, quick=True).epochs == 4


def test_a_part_of_the_images_says_so():
    part = load_part("mnist", "quick", 100)
    assert len(part.train) == 100
    assert len(part.test) == 200
    assert "first 100 images" in part.source


def test_without_data_it_says_where_to_put_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EIE_SIM_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        load_part("mnist", "test", 100)
    assert ended.value.code == 2
    assert "EIE_SIM_DATA" in capsys.readouterr().err


# Pictures -------------------------------------------------------------------------------------------------------------


def test_pictures_of_curves_and_spreads_are_the_same_every_time():
    panel = CurvePanel("a", "x", "y", (Curve("one", (1, 2), (3, 4)), Curve("two", (1, 2), (4, 3), True, 0)), level=3.5)
    for draw, data in (
        (plots.curve_panels, CurvePanels((panel, replace(panel, log_x=True, y_limits=(0, 5))), "note")),
        (spread_panels, SpreadPanels((SpreadPanel("a", (Spread("x", (1, 2)), Spread("y", (2, 1)))),), "note")),
    ):
        assert plots.as_png(draw(data), dpi=50) == plots.as_png(draw(data), dpi=50)


# The commands ---------------------------------------------------------------------------------------------------------


def test_a_quick_figure_writes_its_files_and_is_done_once(tmp_path, capsys, monkeypatch):
    assert run("compression_figures", compression_figures, tmp_path, "--figures", "histograms") == 0
    report = json.loads(capsys.readouterr().out)
    assert "no digits" in report["facts"]["data"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"weight_histograms.csv", "weight_histograms.md", "weight_histograms.png"}
    rows = rows_in(tmp_path / "out" / "weight_histograms.csv")
    assert {row["stage"] for row in rows} == {"dense", "pruned", "shared"}
    monkeypatch.setattr(bench, "run_phases", None)
    assert run("compression_figures", compression_figures, tmp_path, "--figures", "histograms") == 0
    assert json.loads(capsys.readouterr().out)["figures"] == report["figures"]


@pytest.mark.slow
def test_every_quick_figure_stands_beside_the_papers_values(tmp_path, capsys):
    assert run("compression_figures", compression_figures, tmp_path) == 0
    report = json.loads(capsys.readouterr().out)
    assert sum("paper" in figure["note"] for figure in report["figures"]) >= 10
    assert len(list((tmp_path / "out").glob("*.png"))) == len(compression_figures.FIGURES)
    sizes = rows_in(tmp_path / "out" / "accuracy_against_size.csv")
    both = [float(row["size_pct"]) for row in sizes if row["method"] == "pruning and sharing"]
    alone = [float(row["size_pct"]) for row in sizes if row["method"] == "pruning alone"]
    assert all(np.array(both) < alone)


@pytest.mark.compiled_only
def test_the_quick_lstm_is_pruned_shared_packed_and_run(tmp_path, capsys):
    assert run("lstm", lstm, tmp_path, "--seeds", "0") == 0
    capsys.readouterr()
    rows = rows_in(tmp_path / "out" / "lstm.csv")
    assert [row["matrix"] for row in rows] == ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "fc", "total"]
    assert [row["kept_pct"] for row in rows[:3]] == ["10.0", "10.0", "25.0"]
    assert [row["n"] for row in rows] == ["14336", "65536", "1280", "81152"]
    page = (tmp_path / "out" / "lstm.md").read_text("utf-8")
    assert "## On the machine" in page
    assert "eie-64pe-45nm" in page


def test_quick_dsd_writes_every_seed_beside_its_control(tmp_path, capsys):
    assert run("dsd", dsd, tmp_path, "--networks", "lstm", "--seeds", "0,1", "--images", "200") == 0
    capsys.readouterr()
    rows = rows_in(tmp_path / "out" / "dsd.csv")
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert all(float(row[f"{way}_pct"]) >= 0 for row in rows for way in dsd.WAYS)


@pytest.mark.parametrize(
    ("module", "option"), [(compression_figures, ("--figures", "fig-1")), (dsd, ("--networks", "alexnet"))]
)
def test_names_that_are_not_known_are_refused(module, option, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run("x", module, tmp_path, *option)
    assert ended.value.code == 2
    assert option[1] in capsys.readouterr().err
