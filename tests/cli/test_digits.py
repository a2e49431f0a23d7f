"""`eie-sim run` begins with a trained network on real digits."""

import json

import pytest

from compressor.models import packaged_model
from compressor.storage.coded_file import save_compressed

pytestmark = pytest.mark.compiled_only  # 256 digits through two networks


def test_a_run_without_a_file_begins_with_the_network(cli):
    shown = cli("run").stdout
    assert shown.index("LeNet-300-100: 256 real handwritten digits") < shown.index("Alex-6")
    assert "16-bit fixed point, 9 of fraction" in shown


def test_json_has_the_accuracy_and_the_latencies_of_both_arithmetics(cli):
    document = json.loads(cli("run", "--json").stdout)
    exact, fixed = document["classifications"]
    assert (exact["arithmetic"], fixed["arithmetic"]) == ("float32", "fixed16")
    for row in (exact, fixed):
        assert row["correct"] / row["inputs"] == row["accuracy"] > 0.95
        assert row["min_us"] <= row["median_us"] <= row["p99_us"] <= row["max_us"]
        assert row.keys() == document["classification_columns"].keys()


@pytest.mark.parametrize("arguments", [("--layers", "NT-We"), ("--model", "none", "--layers", "NT-We")])
def test_the_network_stays_away_when_layers_are_picked(cli, arguments):
    done = cli("run", *arguments)
    assert "LeNet" not in done.stdout


def test_another_network_can_be_asked_for(cli):
    shown = cli("run", "--model", "lenet-5", "--layers", "NT-We").stdout
    assert "LeNet-5: 256 real" in shown
    assert "conv1, conv2: computed on the host" in shown


def test_an_unknown_network_is_one_line(fails):
    assert "--model: 'x', but it must be one of lenet-300-100, lenet-5, none" in fails("run", "--model", "x")


def test_a_network_and_a_file_do_not_go_together(fails, files, monkeypatch):
    monkeypatch.chdir(files)
    assert "--model: runs without a file" in fails("run", "one.eie", "--model", "lenet-5")


def test_a_machine_with_other_codes_leaves_the_network_out_and_says_so(cli):
    done = cli("run", "--model", "lenet-300-100", "--layers", "NT-We", "--set", "weight_bits=5")
    assert "LeNet-300-100 has codes of 4 bits, but the machine takes 5: left out" in done.stderr


def test_a_folder_gets_a_picture_of_the_answers(cli, tmp_path):
    cli("run", "--model", "lenet-300-100", "--layers", "NT-We", "--out", str(tmp_path / "o"))
    assert (tmp_path / "o" / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_a_compressed_model_is_an_input(cli, tmp_path):
    save_compressed(packaged_model("lenet-5"), tmp_path / "net.dcz")
    done = cli("run", str(tmp_path / "net.dcz"), "--json")
    assert [row["layer"] for row in json.loads(done.stdout)["results"]] == ["ip1", "ip2"]
    assert "conv1, conv2: convolutions, which the machine does not run, are left out" in done.stderr


def test_the_machine_that_was_asked_for_is_always_among_the_runs(cli):
    arguments = ("run", "--model", "lenet-300-100", "--layers", "NT-We", "--json", "--set", "arithmetic=fixed16")
    rows = json.loads(cli(*arguments).stdout)["classifications"]
    assert [row["act_frac_bits"] for row in rows] == [None, 9, None]
    assert rows[2]["saturations"] > rows[1]["saturations"] == 0
