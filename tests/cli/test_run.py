"""`eie-sim run`: what it simulates, and that it prints what the library finds."""

import csv
import hashlib
import io
import json
import os

import numpy as np
import pytest

from compressor import PackedModel, load_model, pack_codes, save_model
from compressor.importers import read_matrix_market, write_eie_simulator
from eie_sim import ArchConfig, load, preset, simulate, simulate_model
from eie_sim.cli.saving import output_files
from eie_sim.report.results_file import read_results
from eie_sim.report.tables import COLUMNS, column_definitions, result_row
from tests.cli.conftest import a_layer, in_a_process


def rows_of(result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["results"]


# Inputs -----------------------------------------------------------------------------------------------------


def test_a_packed_layer_with_inputs_gives_the_row_of_simulate(cli, files):
    layer = load_model(files / "one.eie").layers[0]
    expected = result_row(simulate(layer, np.load(files / "acts.npy")))
    assert rows_of(cli("run", files / "one.eie", "--acts", files / "acts.npy", "--json")) == [expected]


def test_both_engines_print_the_same_rows(cli, files):
    arguments = ("run", files / "one.eie", "--acts", files / "acts.npy", "--json", "--engine")
    assert rows_of(cli(*arguments, "fast")) == rows_of(cli(*arguments, "reference"))


def test_a_batch_gives_a_row_for_each_vector_and_a_summary(cli, files):
    layer, acts = load_model(files / "one.eie").layers[0], np.load(files / "batch.npy").astype(np.float32)
    document = json.loads(cli("run", files / "one.eie", "--acts", files / "batch.npy", "--json").stdout)
    assert document["results"] == [result_row(simulate(layer, vector), n) for n, vector in enumerate(acts)]
    cycles = sorted(row["cycles"] for row in document["results"])
    assert document["summary"]["one"]["cycles"] == {"min": cycles[0], "median": cycles[2], "max": cycles[4]}


def test_layers_that_fit_are_a_chain_with_a_total(cli, files):
    model, acts = load_model(files / "chain.eie"), np.load(files / "acts.npy")
    document = json.loads(cli("run", files / "chain.eie", "--acts", files / "acts.npy", "--json").stdout)
    expected = simulate_model(model, acts)
    assert document["results"] == [result_row(layer) for layer in expected.layers]
    assert document["totals"] == [{"input": 0, "cycles": expected.cycles, "time_us": expected.time_us}]


def test_a_chain_takes_batches(cli, files):
    model, acts = load_model(files / "chain.eie"), np.load(files / "batch.npy")
    document = json.loads(cli("run", files / "chain.eie", "--acts", files / "batch.npy", "--json").stdout)
    assert [total["cycles"] for total in document["totals"]] == [simulate_model(model, v).cycles for v in acts]
    assert [row["layer"] for row in document["results"]] == ["fc1"] * 5 + ["fc2"] * 5 + ["fc3"] * 5
    assert "total" in cli("run", files / "chain.eie", "--acts", files / "batch.npy").stdout


def test_layers_that_do_not_fit_get_inputs_of_their_own_and_this_is_said(cli, files):
    result = cli("run", files / "apart.eie", "--json")
    assert [row["layer"] for row in rows_of(result)] == ["a", "b"]
    assert "b has 9 inputs, a before it 60 outputs" in result.stderr
    assert "totals" not in json.loads(result.stdout)


def test_layers_picks_some(cli, files):
    document = json.loads(cli("run", files / "chain.eie", "--layers", "fc3,fc2", "--json").stdout)
    assert [row["layer"] for row in document["results"]] == ["fc2", "fc3"]
    assert document["chained"]


def test_drawn_inputs_are_said_and_follow_the_seed(cli, files):
    def run(*options):
        return cli("run", files / "one.eie", "--act-density", "0.5", "--json", *options)

    first = run("--seed", 3)
    assert "inputs drawn with seed 3, 50 % active" in first.stderr
    assert rows_of(first)[0]["broadcasts"] == 20
    assert first.stdout == run("--seed", 3).stdout
    assert rows_of(first) != rows_of(run("--seed", 4))


def test_without_a_density_every_drawn_input_is_active(cli, files):
    assert rows_of(cli("run", files / "one.eie", "--json"))[0]["broadcasts"] == 40


def test_a_layer_for_another_machine_is_repacked_and_this_is_said(cli, files):
    arguments = ("--acts", files / "acts.npy", "--json")
    result = cli("run", files / "four.eie", *arguments)
    assert "layer 'four' was packed for 4 PEs and 4-bit runs: repacked for 64 PEs and 4-bit runs" in result.stderr
    layer = load_model(files / "four.eie").layers[0].repack(n_pe=64)
    assert rows_of(result) == [result_row(simulate(layer, np.load(files / "acts.npy")))]
    assert "repacked" not in cli("run", files / "four.eie", "--set", "n_pe=4", *arguments).stderr


def test_a_name_can_be_given(cli, files):
    assert rows_of(cli("run", files / "one.eie", "--name", "fc7", "--json"))[0]["layer"] == "fc7"


def test_the_figures_of_the_paper_beside_a_layer_of_ones_own_are_said_to_be_of_another(cli, tmp_path):
    said = "NT-We: the paper's figures are of the authors' weights and inputs, not of these."
    save_model(a_layer("mine", 600, 4096), tmp_path / "m.eie")
    assert said in " ".join(cli("run", tmp_path / "m.eie", "--name", "NT-We").stdout.split())
    assert "of the authors' weights" not in cli("run", tmp_path / "m.eie").stdout


def test_a_folder_of_the_eie_simulator_is_an_input(cli, tmp_path):
    layer, acts = a_layer("x", 60, 40, n_pe=8), np.arange(40, dtype=np.float32)
    write_eie_simulator(layer, acts, tmp_path / "data")
    arguments = ("run", "--eie-simulator", tmp_path / "data", "--rows", 60, "--set", "n_pe=8", "--json")
    arch = preset("eie-64pe-45nm").replace(n_pe=8)
    (row,) = rows_of(cli(*arguments))
    assert row == {**result_row(simulate(layer, acts, arch)), "layer": "data"}
    (named,) = rows_of(cli(*arguments, "--name", "fc8", "--act-density", 1))
    assert (named["layer"], named["broadcasts"]) == ("fc8", 40)


@pytest.mark.reference_data
def test_the_real_alex_8_stands_beside_the_paper(cli, alex8):
    (row,) = rows_of(cli("run", "--eie-simulator", alex8, "--name", "Alex-8", "--json"))
    assert row["cycles"] == 7926
    assert row["paper_time_us"] == 9.9


def test_a_topology_of_scale_sim_is_an_input(cli, files):
    result = cli("run", files / "topology.csv", "--act-density", "0.5", "--seed", 2, "--json")
    workloads = load(files / "topology.csv", act_density=0.5, seed=2)
    expected = [result_row(simulate(w.layer, vector), n) for w in workloads for n, vector in enumerate(w.acts)]
    assert rows_of(result) == expected
    assert "weights and inputs drawn with seed 2, 50 % active" in result.stderr
    assert [row["layer"] for row in expected] == ["q", "ffn", "ffn", "ffn"]


def test_a_sparse_matrix_is_an_input(cli, files, tmp_path):
    np.save(tmp_path / "acts.npy", [1, 0, 2, 3])
    result = cli("run", files / "matrix.mtx", "--acts", tmp_path / "acts.npy", "--json")
    expected = result_row(simulate(read_matrix_market(files / "matrix.mtx"), [1, 0, 2, 3]))
    assert rows_of(result) == [expected]
    assert expected["entries"] == 3


@pytest.mark.compiled_only
def test_a_published_layer_is_drawn_at_any_number_of_pes(cli):
    (row,) = rows_of(cli("run", "--layers", "NT-LSTM", "--set", "n_pe=16", "--seed", 5, "--json"))
    assert (row["layer"], row["n_rows"], row["n_cols"], row["n_pe"]) == ("NT-LSTM", 2400, 1201, 16)
    assert row["paper_time_us"] is None
    assert row["paper_load_balance"] == 0.959
    assert abs(row["deviation_load_balance_points"]) < 3


# Machines ---------------------------------------------------------------------------------------------------


def machine_of(result) -> dict:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["machine"]


def test_settings_change_the_machine_and_its_name(cli, files):
    settings = ("--set", "n_pe=32", "--set", "arithmetic=fixed16", "--set", "clock_hz=1e9", "--set", "acc_bits=none")
    machine = machine_of(cli("run", files / "one.eie", "--json", *settings))
    assert (machine["n_pe"], machine["arithmetic"], machine["clock_hz"]) == (32, "fixed16", 1e9)
    assert machine["acc_bits"] is None
    assert machine["name"].startswith("eie-64pe-45nm, n_pe=32, arithmetic=fixed16")


def test_a_name_that_is_set_stays(cli, files):
    assert machine_of(cli("run", files / "one.eie", "--json", "--set", "name=mine"))["name"] == "mine"


def test_a_file_gives_the_machine_and_settings_come_last(cli, files):
    arguments = ("run", files / "one.eie", "--json", "--arch", files / "machine.toml")
    machine = machine_of(cli(*arguments))
    assert (machine["n_pe"], machine["clock_hz"]) == (16, 1.2e9)
    assert machine_of(cli(*arguments, "--set", "n_pe=8"))["n_pe"] == 8


def test_a_preset_gives_the_machine(cli, files):
    machine = machine_of(cli("run", files / "one.eie", "--json", "--preset", "eie-256pe-28nm"))
    assert machine == preset("eie-256pe-28nm").model_dump()


# Results ----------------------------------------------------------------------------------------------------


def test_json_is_alone_on_stdout(files):
    result = in_a_process("run", files / "four.eie", "--json")
    document = json.loads(result.stdout)
    assert document["format"] == "eie-sim-results"
    assert result.stderr.count("eie-sim: note: ") == 2
    assert len(document["notes"]) == 2


def test_every_column_is_defined(cli, files):
    document = json.loads(cli("run", files / "one.eie", "--json").stdout)
    assert tuple(document["results"][0]) == COLUMNS
    assert document["columns"] == column_definitions()


def test_csv_has_one_row_a_layer(cli, files):
    result = cli("run", files / "chain.eie", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["layer"] for row in rows] == ["fc1", "fc2", "fc3"]
    assert tuple(rows[0]) == COLUMNS
    expected = rows_of(cli("run", files / "chain.eie", "--json"))
    assert [int(row["cycles"]) for row in rows] == [row["cycles"] for row in expected]


def test_csv_to_a_file_leaves_the_table(cli, files, tmp_path):
    result = cli("run", files / "one.eie", "--csv", tmp_path / "r.csv")
    assert "cycles" in result.stdout
    assert (tmp_path / "r.csv").read_text() == cli("run", files / "one.eie", "--csv", "-").stdout


def test_a_folder_gets_json_and_csv(cli, files, tmp_path):
    folder = tmp_path / "deep" / "results"
    assert cli("run", files / "one.eie", "--out", folder).exit_code == 0
    names = ["outputs-one.npy", "results.csv", "results.json", "times.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / "results.json").read_text() == cli("run", files / "one.eie", "--json").stdout


def test_a_folder_gets_the_outputs_of_every_layer(cli, files, tmp_path):
    model, acts = load_model(files / "chain.eie"), np.load(files / "batch.npy").astype(np.float32)
    result = cli("run", files / "chain.eie", "--acts", files / "batch.npy", "--out", tmp_path)
    assert "times.png and outputs-<layer>.npy of 3 layers in" in result.stderr
    digests = {(r["layer"], r["input"]): r["output_sha256"] for r in read_results(tmp_path / "results.json").rows}
    for number, vector in enumerate(acts):
        for layer in simulate_model(model, vector).layers:
            found = np.load(tmp_path / f"outputs-{layer.layer}.npy")
            assert found.shape == (5, layer.n_rows)
            assert np.array_equal(found[number], layer.output)
            assert hashlib.sha256(found[number].tobytes()).hexdigest() == digests[layer.layer, number]


def test_one_input_vector_gives_outputs_of_one_dimension(cli, files, tmp_path):
    cli("run", files / "one.eie", "--acts", files / "acts.npy", "--set", "arithmetic=fixed16", "--out", tmp_path)
    machine = preset("eie-64pe-45nm").replace(arithmetic="fixed16")
    expected = simulate(load_model(files / "one.eie").layers[0], np.load(files / "acts.npy"), machine).output
    found = np.load(tmp_path / "outputs-one.npy")
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_files_of_outputs_have_safe_names_and_each_its_own():
    names = ["fc", "FC", "a/b", "a b", "../x", "é" * 300, "é" * 301, ".", "fc-2"]
    files = list(output_files(names).values())
    assert files[:5] == [
        "outputs-fc.npy",
        "outputs-FC-2.npy",
        "outputs-a_b.npy",
        "outputs-a_b-2.npy",
        "outputs-.._x.npy",
    ]
    assert len({file.lower() for file in files}) == len(names)
    assert max(map(len, files)) <= 120


def test_a_name_of_a_file_that_cannot_be_guessed_is_said(cli, tmp_path):
    save_model(PackedModel((a_layer("a/b", 6, 4), a_layer("a b", 4, 6)), ("none", "none")), tmp_path / "m.eie")
    result = cli("run", tmp_path / "m.eie", "--out", tmp_path / "r")
    assert "the outputs of layer 'a b' are in outputs-a_b-2.npy" in result.stderr
    assert "outputs-a_b.npy" not in result.stderr


@pytest.mark.parametrize("name", ["results.json", "results.csv", "times.png", "outputs-one.npy"])
def test_a_folder_in_the_place_of_a_file_is_found_before_the_simulation(fails, files, tmp_path, name):
    (tmp_path / name).mkdir()
    assert fails("run", files / "absent.eie", "--out", tmp_path) == f"--out: {tmp_path / name}: is a folder"


def test_a_device_in_the_place_of_a_file_is_left_alone(fails, files):
    assert fails("run", files / "one.eie", "--csv", os.devnull) == f"--csv: {os.devnull}: is no regular file"


def test_files_that_stood_in_the_folder_stay_when_one_cannot_be_written(fails, files, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    (tmp_path / "results.json").write_text("old")
    monkeypatch.setattr(np, "save", full)
    assert fails("run", files / "one.eie", "--out", tmp_path) == f"{tmp_path}: No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "old"


def test_results_of_the_same_command_are_the_same_bytes(cli, files):
    arguments = ("run", files / "chain.eie", "--acts", files / "batch.npy", "--json")
    assert cli(*arguments).stdout == cli(*arguments).stdout


def test_too_small_a_memory_is_one_warning_a_layer(cli, files):
    result = cli("run", files / "chain.eie", "--acts", files / "batch.npy", "--set", "ptr_bytes=100", "--json")
    warnings = [line for line in result.stderr.splitlines() if "warning" in line]
    assert warnings == [
        "eie-sim: warning: layer 'fc2' does not fit the SRAM: ptr_bytes: 61 pointers a PE, where there are 50"
    ]
    assert any("61 pointers" in note for note in json.loads(result.stdout)["notes"])


def test_layers_that_fit_alone_but_not_together_are_a_warning(cli, files):
    result = cli("run", files / "chain.eie", "--set", "ptr_bytes=150", "--json")
    assert "warning: layer by layer it does, but the model does not fit the SRAM: ptr_bytes: 1" in result.stderr


def test_outputs_that_overflow_name_the_layer_they_would_go_to(fails, tmp_path):
    layers = [pack_codes([[1]], np.eye(1, 16, 1)[0] * 1e30, n_pe=64, name=name) for name in ("a", "b", "c")]
    save_model(PackedModel(tuple(layers), ("none",) * 3), tmp_path / "m.eie")
    np.save(tmp_path / "one.npy", [1])
    assert fails("run", tmp_path / "m.eie", "--acts", tmp_path / "one.npy").startswith("layer 'c': acts: inf at ")


def test_strict_capacity_makes_it_an_error(fails, files):
    line = fails("run", files / "chain.eie", "--set", "ptr_bytes=100", "--set", "strict_capacity=true")
    assert line == "layer 'fc2' does not fit the SRAM: ptr_bytes: 61 pointers a PE, where there are 50"


# Bad input --------------------------------------------------------------------------------------------------


_WRONG = [("--engine", "foo"), ("--set", "n_pe=4000000000"), ("--layers", "x")]


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        *((file, wrong) for file in ("four.eie", "apart.eie", "topology.csv", None) for wrong in _WRONG),
        ("apart.eie", ("--set", "weight_bits=5")),
    ],
)
def test_an_error_that_can_be_seen_at_once_comes_before_any_note(cli, files, file, wrong):
    result = cli("run", *([] if file is None else [files / file]), *wrong)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.eie"], "absent.eie: No such file or directory"),
        (["truncated.eie"], "truncated.eie: "),
        (["machine.toml"], "its name ends in '.toml', but it must be one of .eie, .dcz, .csv, .mtx"),
        (["."], "is a folder, but not a data folder of the EIE simulator: it has no act.dat"),
        (["one.eie", "--acts", "wrong.npy"], "shape (7,), but layer 'one' takes (40,) or (B, 40)"),
        (["one.eie", "--acts", "empty.npy"], "empty.npy: no input vector"),
        (["one.eie", "--acts", "nan.npy"], "nan.npy: nan at (3,), but every number must be finite"),
        (["one.eie", "--acts", "objects.npy"], "objects.npy: holds objects of Python, but must hold numbers"),
        (["one.eie", "--acts", "machine.toml"], "machine.toml: no .npy file"),
        (["one.eie", "--acts", "absent.npy"], "absent.npy: No such file or directory"),
        (["one.eie", "--acts", "."], "Is a directory"),
        (["one.eie", "--acts", "acts.npy", "--act-density", "0.5"], "--act-density: is for drawn inputs"),
        (["one.eie", "--act-density", "nan"], "Invalid value for '--act-density'"),
        (["apart.eie", "--acts", "acts.npy"], "--acts: the layers are not a chain"),
        (["chain.eie", "--name", "x"], "--name: names one layer, but there are several"),
        (["chain.eie", "--layers", "fc9"], "--layers: 'fc9', but the layers are fc1, fc2, fc3"),
        (["chain.eie", "--layers", ","], "--layers: '', but the layers are"),
        (["one.eie", "--fit", "pe64"], "--fit: means nothing with an .eie file"),
        (["one.eie", "--rows", "9"], "--rows: means nothing with an .eie file"),
        (["matrix.mtx", "--layers", "x"], "--layers: means nothing with an .mtx file"),
        (["topology.csv", "--acts", "acts.npy"], "--acts: means nothing with a topology"),
        (["topology.csv", "--layers", "x"], "--layers: 'x', but the layers are q, ffn"),
        (["one.eie", "--eie-simulator", "."], "give a file or a folder, not both"),
        (["--eie-simulator", "."], "has no act.dat"),
        (["--eie-simulator", "one.eie"], "--eie-simulator: one.eie: is not a folder"),
        (["--eie-simulator", "absent"], "absent: No such file or directory"),
        (["--eie-simulator", ".", "--layers", "x"], "--layers: means nothing with a data folder"),
        (["--acts", "acts.npy"], "--acts: means nothing without a file"),
        (["--layers", "Alex-9"], "--layers: 'Alex-9', but the layers are Alex-6, "),
        (["--fit", "all"], "--fit: 'all', but it must be one of all_points, pe64"),
        (["one.eie", "--engine", "slow"], "engine: 'slow', but it must be one of fast, reference"),
        (["--preset", "tpu"], "preset: 'tpu', but it must be one of eie-64pe-45nm"),
        (["--preset", "eie-64pe-45nm", "--arch", "machine.toml"], "--preset and --arch: give one of them"),
        (["--arch", "unknown.toml"], "unknown.toml: n_pes: unknown field; the fields are name, n_pe"),
        (["--arch", "text.toml"], "text.toml: not a TOML file"),
        (["--arch", "absent.toml"], "absent.toml: No such file or directory"),
        (["--set", "n_pes=3"], "--set: n_pes: unknown field"),
        (["--set", "n_pe"], "--set: 'n_pe', but it must be NAME=VALUE"),
        (["--set", "n_pe=0"], "--set: n_pe: 0: "),
        (["--set", "n_pe=[1]"], "--set: n_pe: [1]: "),
        (["--set", "n_pe=1\nname='x'"], "--set: n_pe: "),
        (["one.eie", "--set", "weight_bits=5"], "--set weight_bits=4 changes the machine"),
        (["one.eie", "--json", "--csv", "-"], "--json and --csv -: both want stdout"),
        (["one.eie", "--csv", "absent/r.csv"], "--csv: absent: no such folder"),
        (["one.eie", "--csv", "."], "is a folder"),
        (["one.eie", "--out", "one.eie"], "one.eie: File exists"),
    ],
)
def test_bad_input_is_one_line(fails, files, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    assert message in fails("run", *arguments)


def test_nothing_is_written_after_an_error(fails, files, tmp_path):
    fails("run", files / "one.eie", "--out", tmp_path / "r", "--set", "ptr_bytes=2", "--set", "strict_capacity=true")
    assert list((tmp_path / "r").iterdir()) == []


def test_a_damaged_npy_file_is_one_line(fails, files, tmp_path):
    content = (files / "acts.npy").read_bytes()
    rng = np.random.default_rng(0)
    for n in range(60):
        damaged = bytearray(content[: rng.integers(1, 128)] if n % 2 else content)
        damaged[rng.integers(0, min(len(damaged), 127))] = rng.integers(0, 256)
        (tmp_path / "x.npy").write_bytes(damaged)
        try:
            np.load(tmp_path / "x.npy", allow_pickle=False)
        except Exception:
            fails("run", files / "one.eie", "--acts", tmp_path / "x.npy")


# The nine layers --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_nine_layers_stand_beside_the_paper():
    result = in_a_process("run", "--json")
    document = json.loads(result.stdout)
    assert len(document["results"]) == 9
    for row in document["results"]:
        assert abs(row["deviation_time_percent"]) < 5
        assert abs(row["deviation_theoretical_percent"]) < 1.5
    assert result.stderr == (
        "eie-sim: warning: layer 'VGG-6' does not fit the SRAM: "
        "ptr_bytes: 25,089 pointers a PE, where there are 16,384\n"
    )


@pytest.mark.parametrize(
    ("acts", "told"),
    [
        (np.full(40, 0.5), "of its inputs none is 0: right for an image"),
        (np.where(np.arange(40) < 20, -0.5, 0), "of its inputs some are negative: right for an image"),
        (np.full((3, 40), -0.5), "of its inputs some are negative and none is 0: right for an image"),
        (np.where(np.arange(40) < 20, 0.5, 0), None),
    ],
)
@pytest.mark.parametrize("file", ["one.eie", "chain.eie"])
def test_inputs_that_no_relu_gives_are_one_note(cli, files, tmp_path, file, acts, told):
    np.save(tmp_path / "acts.npy", acts.astype(np.float32))
    result = cli("run", files / file, "--acts", tmp_path / "acts.npy")
    assert result.exit_code == 0
    notes = [line for line in result.stderr.splitlines() if "of its inputs" in line]
    assert [told in note for note in notes] == ([] if told is None else [True])


def test_a_topology_of_too_many_vectors_asks_first_and_then_runs_a_part(cli, fails, tmp_path):
    file = tmp_path / "large.csv"
    file.write_text("Layer,M,N,K,\nq,1000000,30,50,\n")
    line = fails("run", file)
    assert line.startswith("--max-vectors: not given, but large.csv has 1,000,000 input vectors, about ")
    assert "--max-vectors N runs the first N of each layer; --yes" in line
    assert fails("report", file) == line
    result = cli("run", file, "--max-vectors", 3)
    assert result.exit_code == 0
    assert "large.csv: first 3 input vectors of a layer alone (q 3 of 1,000,000)" in " ".join(result.stdout.split())
    assert "first 3 input vectors" in json.loads(cli("run", file, "--max-vectors", 3, "--json").stdout)["notes"][1]
    assert fails("run", file, "--yes", "--max-vectors", 3).startswith("--yes and --max-vectors: ")


def test_commands_that_show_one_vector_run_any_topology(cli, tmp_path):
    file = tmp_path / "large.csv"
    file.write_text("Layer,M,N,K,\nq,100000000,30,50,\n")
    assert cli("trace", file, "--out", tmp_path / "t.json").exit_code == 0
    assert cli("plot", file, "--kind", "stalls", "--out", tmp_path).exit_code == 0


def test_all_vectors_run_where_the_user_says_so(cli, files):
    result = cli("run", files / "topology.csv", "--yes", "--json")
    assert [row["layer"] for row in rows_of(result)] == ["q", "ffn", "ffn", "ffn"]
    assert cli("run", files / "one.eie", "--yes").exit_code == 0


def test_what_is_drawn_in_chunks_gives_the_rows_of_all_at_once(cli, tmp_path, monkeypatch):
    file = tmp_path / "t.csv"
    file.write_text("Layer,M,N,K,\nq,20,30,50,\n")
    whole = rows_of(cli("run", file, "--act-density", 0.4, "--json"))
    monkeypatch.setattr("eie_sim.cli.running._CHUNK", 3)
    for arithmetic in ("float32", "fixed16"):
        chunked = rows_of(cli("run", file, "--act-density", 0.4, "--json", "--set", f"arithmetic={arithmetic}"))
        assert len(chunked) == 20
        assert arithmetic != "float32" or chunked == whole
    (drawn,) = load(file, ArchConfig(arithmetic="fixed16"), act_density=0.4)
    machine = ArchConfig(arithmetic="fixed16")
    assert [row["output_sha256"] for row in chunked] == [
        result_row(simulate(drawn.layer, vector, machine))["output_sha256"] for vector in drawn.acts
    ]


def test_a_clock_in_mhz_is_one_warning(files):
    result = in_a_process("run", files / "one.eie", "--set", "clock_hz=800.0")
    assert result.returncode == 0
    warnings = [line for line in result.stderr.splitlines() if "clock_hz" in line]
    assert warnings == ["eie-sim: warning: clock_hz: 800 Hz, below 1 MHz; if 800 MHz is meant, give 8e8"]


def test_a_configuration_of_scale_sim_is_a_machine_and_no_network(cli, fails, files, tmp_path):
    config = tmp_path / "scale.cfg"
    config.write_text("[architecture_presets]\nArrayHeight: 8\nArrayWidth: 4\nDataflow : ws\n")
    result = cli("run", files / "topology.csv", "--arch", config)
    assert "scale: 32 PEs" in result.stdout
    assert "n_pe = ArrayHeight x ArrayWidth = 8 x 4 = 32" in result.stderr
    assert "not taken over: Dataflow" in result.stderr
    assert "is a configuration of SCALE-Sim, not a network; --arch scale.cfg" in fails("run", config)
