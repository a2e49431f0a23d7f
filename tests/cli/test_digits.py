"""`eie-sim run` begins with a trained network on real digits."""

import json

import pytest

from compressor.models import MODELS, packaged_model
from compressor.storage.coded_file import save_compressed
from eie_sim.cli.console import Printer
from eie_sim.cli.digits import chosen_models

pytestmark = pytest.mark.compiled_only  # 256 digits through two networks


def test_a_run_without_a_file_begins_with_the_networks(cli):
    shown = cli("run").stdout
    assert shown.index("256 real handwritten digits") < shown.index("LeNet-5, node by node") < shown.index("Alex-6")
    assert "16-bit fixed point, 9 to 12 of fraction" in shown


def test_json_has_the_accuracy_and_the_latencies_of_both_arithmetics(cli):
    document = json.loads(cli("run", "--json").stdout)
    runs = [(row["model"], row["arithmetic"]) for row in document["classifications"]]
    assert runs == [(model, arithmetic) for model in MODELS for arithmetic in ("float32", "fixed16")]
    for row in document["classifications"]:
        assert row["correct"] / row["inputs"] == row["accuracy"] > 0.95
        assert row["min_us"] <= row["median_us"] <= row["p99_us"] <= row["max_us"]
        assert row.keys() == document["classification_columns"].keys()


@pytest.mark.parametrize("arguments", [("--layers", "NT-We"), ("--model", "none", "--layers", "NT-We")])
def test_the_network_stays_away_when_layers_are_picked(cli, arguments):
    done = cli("run", *arguments)
    assert "LeNet" not in done.stdout


def test_another_network_can_be_asked_for(cli):
    shown = cli("run", "--model", "lenet-5", "--layers", "NT-We").stdout
    assert [line.split()[2] for line in shown.splitlines() if line.startswith("conv")] == ["147,456", "16,384"]
    assert "LeNet-300-100" not in shown


def test_an_unknown_network_is_one_line(fails):
    assert "--model: 'x', but it must be one of lenet-300-100, lenet-5, none" in fails("run", "--model", "x")


def test_a_network_and_a_file_do_not_go_together(fails, files, monkeypatch):
    monkeypatch.chdir(files)
    assert "--model: runs without a file" in fails("run", "one.eie", "--model", "lenet-5")


def test_a_machine_with_narrower_codes_leaves_the_network_out_and_says_so(cli):
    done = cli("run", "--model", "lenet-300-100", "--set", "weight_bits=3")
    assert "LeNet-300-100 has codes of 4 bits, but the machine takes 3: left out" in done.stderr


def test_the_reference_engine_leaves_out_what_would_take_hours():
    printer = Printer()
    assert chosen_models(None, "reference", printer) == ("lenet-300-100",)
    assert "LeNet-5: left out, for the engine 'reference' would take hours; --model lenet-5 runs it" in printer.notes
    assert chosen_models("lenet-5", "reference", printer) == ("lenet-5",)


def test_a_folder_gets_a_picture_of_the_answers(cli, tmp_path):
    cli("run", "--model", "lenet-300-100", "--layers", "NT-We", "--out", str(tmp_path / "o"))
    assert (tmp_path / "o" / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_a_compressed_model_is_an_input(cli, tmp_path):
    save_compressed(packaged_model("lenet-5"), tmp_path / "net.dcz")
    done = cli("run", str(tmp_path / "net.dcz"), "--json")
    assert [row["layer"] for row in json.loads(done.stdout)["results"]] == ["ip1", "ip2"]
    assert "conv1, conv2: convolutions, which the machine does not run, are left out" in done.stderr


def test_the_machine_that_was_asked_for_is_always_among_the_runs(cli):
    machine = ("--set", "arithmetic=fixed16", "--set", "act_frac_bits=12")
    rows = json.loads(cli("run", "--model", "lenet-300-100", "--layers", "NT-We", "--json", *machine).stdout)
    chosen = [row["act_frac_bits"] for row in rows["classifications"]]
    assert chosen == [None, 9, 12]
    saturations = [row["saturations"] for row in rows["classifications"]]
    assert saturations[2] > saturations[1] == 0
