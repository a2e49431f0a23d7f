"""``eie-sim report``: from a run, or from its file, to the comparison."""

import csv
import json

import numpy as np
import pytest

from compressor import PackedModel, pack_codes, save_model
from eie_sim.cost import CALIBRATIONS
from eie_sim.report.html.album import Album
from eie_sim.report.html.markup import Markup
from eie_sim.report.report_columns import REPORTS
from tests.report.pages import Parsed


@pytest.fixture
def saved(cli, files, tmp_path):
    """The results file of a run of the chain."""
    path = tmp_path / "results.json"
    path.write_text(cli("run", files / "chain.eie", "--acts", files / "acts.npy", "--json").stdout)
    return path


def test_a_run_and_its_file_have_one_report(cli, files, saved):
    from_file = json.loads(cli("report", saved, "--json").stdout)
    of_a_run = json.loads(cli("report", files / "chain.eie", "--acts", files / "acts.npy", "--json").stdout)
    assert from_file == of_a_run
    assert [row["layer"] for row in from_file["reports"]["COMPUTE_REPORT"]] == ["fc1", "fc2", "fc3"]
    assert {row["baseline"] for row in from_file["reports"]["COMPARISON_REPORT"]} == {"i7-5930K", "Titan X", "Tegra K1"}


def test_the_terminal_shows_energy_by_every_calibration_and_the_baselines(cli, saved):
    result = cli("report", saved)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("eie-64pe-45nm: 64 PEs, 800 MHz, 40.8 mm2\n")
    assert all(
        name in result.stdout
        for name in ("fc1", "i7-5930K", "Tegra K1", "times faster", "times less energy", "inference")
    )
    assert "Energy by table2-8cycle: " in result.stdout
    assert all(name in result.stdout for name in CALIBRATIONS)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_the_calibration_is_chosen_and_named(cli, saved, name):
    document = json.loads(cli("report", saved, "--calibration", name, "--json").stdout)
    assert document["calibration"] == name
    assert {row["calibration"] for row in document["reports"]["COMPUTE_REPORT"]} == {name}


def test_a_folder_gets_every_report_under_the_names_that_users_know(cli, saved, tmp_path):
    out = tmp_path / "out"
    assert cli("report", saved, "--out", out).exit_code == 0
    assert {path.name for path in out.iterdir()} == {"report.json", "report.md", *(f"{name}.csv" for name in REPORTS)}
    with (out / "COMPUTE_REPORT.csv").open() as lines:
        assert [row["layer"] for row in csv.DictReader(lines)] == ["fc1", "fc2", "fc3"]


def test_markdown_is_among_the_files_of_a_folder(cli, saved, tmp_path):
    assert cli("report", saved, "--out", tmp_path / "out").exit_code == 0
    text = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert text.startswith("# eie-64pe-45nm: 64 PEs, 800 MHz, 45 nm\n")
    assert "## COMPUTE_REPORT" in text


def test_some_layers_of_a_file_are_reported(cli, saved):
    document = json.loads(cli("report", saved, "--layers", "fc2", "--json").stdout)
    assert [row["layer"] for row in document["reports"]["COMPUTE_REPORT"]] == ["fc2"]


def test_a_device_of_ones_own_stands_beside(cli, saved, tmp_path):
    import eie_sim.baselines.devices as home
    from eie_sim.baselines.devices import device, write_device

    mine = device("i7-5930K").model_copy(update={"name": "mine", "published_as": None, "power_w": 10.0})
    write_device(tmp_path / "mine.toml", mine)
    document = json.loads(cli("report", saved, "--device", tmp_path / "mine.toml", "--json").stdout)
    assert {row["baseline"] for row in document["reports"]["COMPARISON_REPORT"]} == {"mine"}
    assert home.device("i7-5930K").name == "i7-5930K"


def test_layers_and_densities_are_chosen_as_for_a_run(cli, files):
    def energy(*options):
        found = json.loads(cli("report", files / "one.eie", "--json", *options).stdout)
        return found["reports"]["COMPUTE_REPORT"][0]["energy_nj"]

    assert energy("--act-density", "0.2") < energy()


def test_errors_are_one_line(fails, saved, files):
    assert fails("report", saved, "--calibration", "guess").startswith("--calibration: 'guess', but it must be one of ")
    assert fails("report", saved, "--layers", "fc9").startswith("--layers: 'fc9', but ")
    assert fails("report", saved, "--set", "n_pe=8").endswith("are for a new run")
    assert fails("report", saved, "--batch", "0").startswith("--batch: '0', but it must be whole numbers")
    assert fails("report", saved, "--device", "abacus").startswith("device: 'abacus', but it must be one of ")
    assert "not a CPU measurement" in fails("report", saved, "--cpu", saved)
    assert fails("report", saved, "--seed", "1").endswith("are for a new run")
    assert fails("report", saved, "--rule", "moore").startswith("--rule: 'moore', but it must be one of ")
    assert fails("report", saved, "--device", "i7-5930K", "--device", "i7-5930K").endswith("is there twice")
    saved.write_text(saved.read_text().replace('"gops"', '"gaps"'))
    assert fails("report", saved) == f"{saved}: results: layer 'fc1' has gops None, but a report needs a number"


def test_the_folder_of_a_run_is_reported_and_its_csv_is_not(cli, fails, files, tmp_path):
    out = tmp_path / "out"
    assert cli("run", files / "chain.eie", "--acts", files / "acts.npy", "--out", out).exit_code == 0
    assert cli("report", out).stdout == cli("report", out / "results.json").stdout
    assert "give results.json" in fails("report", out / "results.csv")


@pytest.mark.compiled_only
def test_a_layer_that_does_not_fit_is_told_of_in_every_form(cli, tmp_path):
    narrow = ("report", "--layers", "NT-We", "--set", "ptr_bytes=1024")
    forms = [cli(*narrow, *form).stdout for form in ((), ("--json",))]
    assert cli(*narrow, "--out", tmp_path / "out").exit_code == 0
    forms.append((tmp_path / "out" / "report.md").read_text("utf-8"))
    for text in forms:
        assert "No place in the SRAMs: NT-We" in " ".join(text.split())
    with_dram = json.loads(cli(*narrow, "--dram", "--json").stdout)["reports"]["COMPUTE_REPORT"][0]
    without = json.loads(cli(*narrow, "--json").stdout)["reports"]["COMPUTE_REPORT"][0]
    assert with_dram["energy_nj"] == pytest.approx(without["energy_nj"] + without["dram_nj"])


# The page -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_pictures(monkeypatch):
    """Pages are made in no time."""
    monkeypatch.setattr(Album, "_picture", lambda *_: Markup())


def maps_of(path):
    found = json.loads(Parsed(path.read_text(encoding="utf-8")).contents["heat-data"])
    return [one["layer"] for one in found.values()]


def test_a_page_of_a_model_shows_every_cycle_of_each_layer(cli, files, tmp_path, without_pictures):
    page = tmp_path / "page.html"
    result = cli("report", files / "chain.eie", "--acts", files / "acts.npy", "--html", page, "--json")
    assert result.exit_code == 0, result.stderr
    assert f"wrote {page}" in result.stderr.replace("\n", "")
    assert maps_of(page) == ["fc1", "fc2", "fc3"]
    assert str(tmp_path) not in page.read_text(encoding="utf-8")
    # What is shown of the later layers is what ran: each on the outputs of the one before.
    rows = json.loads(result.stdout)["reports"]["COMPUTE_REPORT"]
    last = json.loads(Parsed(page.read_text(encoding="utf-8")).contents["heat-data"])["layer-2"]["cycles"][-1] - 1
    assert rows[2]["cycles"] == last


def test_a_page_of_many_inputs_shows_the_first(cli, files, tmp_path, without_pictures):
    page = tmp_path / "page.html"
    assert cli("report", files / "chain.eie", "--acts", files / "batch.npy", "--html", page).exit_code == 0
    assert maps_of(page) == ["fc1", "fc2", "fc3"]


def test_a_page_of_kept_results_says_what_it_cannot_show(cli, saved, tmp_path, without_pictures):
    page = tmp_path / "page.html"
    result = cli("report", saved, "--html", page)
    assert result.exit_code == 0
    assert maps_of(page) == []
    assert "No schedule, no map and no capacity of fc1, fc2, fc3" in page.read_text(encoding="utf-8")


@pytest.mark.compiled_only
def test_a_page_of_kept_results_draws_published_layers_again(cli, tmp_path, without_pictures):
    saved, page, direct = tmp_path / "r.json", tmp_path / "page.html", tmp_path / "direct.html"
    saved.write_text(cli("run", "--layers", "NT-Wd", "--seed", "2", "--json").stdout)
    assert cli("report", saved, "--html", page).exit_code == 0
    assert cli("report", "--layers", "NT-Wd", "--seed", "2", "--html", direct).exit_code == 0
    assert maps_of(page) == ["NT-Wd"]
    assert page.read_bytes() == direct.read_bytes()
    # Results of another draw are not mixed with a schedule that is not theirs.
    document = json.loads(saved.read_text())
    document["origins"]["NT-Wd"] = document["origins"]["NT-Wd"].replace("seed 2", "seed 3")
    document["origin_fields"]["NT-Wd"]["seed"] = 3
    saved.write_text(json.dumps(document))
    assert cli("report", saved, "--html", page).exit_code == 0
    assert maps_of(page) == []


def test_a_page_that_cannot_be_written_is_told_of_before_anything_runs(fails, saved, tmp_path):
    assert "no such folder" in fails("report", saved, "--html", tmp_path / "none" / "page.html")
    assert fails("report", saved, "--html", tmp_path) == f"--html: {tmp_path}: is a folder"


def test_some_layers_of_a_chain_are_no_inference(cli, tmp_path):
    weights = {name: np.eye(8, dtype=np.uint8) for name in ("fc1", "fc2")}
    layers = tuple(pack_codes(codes, [0, 1], n_pe=2, name=name) for name, codes in weights.items())
    save_model(PackedModel(layers, ("relu", "none")), tmp_path / "m.eie")
    machine = ("--set", "n_pe=2", "--set", "weight_bits=1")
    assert cli("run", tmp_path / "m.eie", *machine, "--out", tmp_path / "kept").exit_code == 0
    whole = json.loads(cli("report", tmp_path / "kept", "--json").stdout)
    part = json.loads(cli("report", tmp_path / "kept", "--layers", "fc2", "--json").stdout)
    assert (whole["chained"], part["chained"]) == (True, False)
    assert set(part["origins"]) == {"fc2"}


# Many input vectors ---------------------------------------------------------------------------------------------------


@pytest.fixture
def many(cli, files, tmp_path):
    """The results of the chain with 200 input vectors."""
    acts = np.random.default_rng(0).random((200, 40)) * (np.random.default_rng(1).random((200, 40)) < 0.4)
    np.save(tmp_path / "acts.npy", acts)
    path = tmp_path / "many.json"
    path.write_text(cli("run", files / "chain.eie", "--acts", tmp_path / "acts.npy", "--json").stdout)
    return path


def test_two_hundred_vectors_are_one_screen_of_statistics(cli, many):
    result = cli("report", many)
    lines = result.stdout.splitlines()
    assert len(lines) <= 60
    assert len(set(result.stderr.splitlines())) == len(result.stderr.splitlines())
    rows = [row for row in json.loads(many.read_text())["results"] if row["layer"] == "fc1"]
    cycles = sorted(row["cycles"] for row in rows)
    shown = next(line for line in lines if line.startswith("fc1")).split()
    assert list(map(int, shown[1:4])) == [cycles[0], round((cycles[99] + cycles[100]) / 2), cycles[-1]]
    assert "min, median and max over the input vectors" in result.stdout


def test_markdown_has_their_statistics_and_the_csv_every_one(cli, many, tmp_path):
    assert cli("report", many, "--out", tmp_path / "out").exit_code == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert len(text.splitlines()) < 500
    assert "Of 200 input vectors: min, median and max of each column" in text
    compute = text.partition("## COMPUTE_REPORT")[2].partition("##")[0]
    assert [line.split(" | ")[:2] for line in compute.splitlines() if line.startswith("| fc2")] == [
        ["| fc2", which] for which in ("min", "median", "max")
    ]
    with (tmp_path / "out" / "COMPUTE_REPORT.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 600
