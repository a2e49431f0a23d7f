"""`eie-sim trace`: any layer that `run` can run becomes a file that reads back to the counters of its run."""

import json
import sys

import numpy as np
import pytest

from compressor import load_model, save_compressed
from compressor.importers import read_matrix_market, write_eie_simulator
from compressor.models import packaged_digits, packaged_model
from eie_sim import load, preset, simulate, simulate_model
from eie_sim.trace import COUNTED, read_perfetto
from tests.cli.conftest import a_layer
from tests.extras import needs


@pytest.fixture
def trace(cli, tmp_path):
    """``trace("x.eie", ...)`` -> what the written file holds, and what was said on stderr."""

    def run(*arguments):
        path = tmp_path / "trace.json.gz"
        result = cli("trace", *arguments, "--out", path)
        assert result.exit_code == 0, result.stderr
        return read_perfetto(path), result

    return run


def assert_the_run_of(found, expected):
    assert found.about["cycles"] == expected.cycles
    assert found.about["layer"] == expected.layer
    for name in COUNTED:
        assert np.array_equal(found.counts.per_pe[name], getattr(expected.counts, name)), name


# What is traced -------------------------------------------------------------------------------------------------------


def test_a_packed_layer_with_inputs_is_traced_as_simulate_runs_it(trace, files):
    layer = load_model(files / "one.eie").layers[0]
    found, result = trace(files / "one.eie", "--acts", files / "acts.npy")
    assert_the_run_of(found, simulate(layer, np.load(files / "acts.npy")))
    assert f"one on eie-64pe-45nm: cycles 1 to {found.about['cycles']}" in result.stdout
    assert "ui.perfetto.dev" in result.stdout


def test_a_layer_of_a_chain_gets_the_outputs_of_those_before_it(trace, files):
    model, acts = load_model(files / "chain.eie"), np.load(files / "acts.npy")
    expected = simulate_model(model, acts).layers
    for at, name in enumerate(("fc1", "fc2", "fc3")):
        found, result = trace(files / "chain.eie", "--acts", files / "acts.npy", "--layer", name)
        assert_the_run_of(found, expected[at])
        before = ["", "gets the outputs of 'fc1'", "gets the outputs of 'fc2'; the layers before it run first"]
        assert before[at] in result.stderr
        assert ("gets the outputs" in result.stderr) == (at > 0)


def test_a_layer_of_a_chain_takes_inputs_of_its_own(trace, files, tmp_path):
    acts = np.linspace(-1, 1, 60, dtype=np.float32)
    np.save(tmp_path / "own.npy", acts)
    found, _ = trace(files / "chain.eie", "--acts", tmp_path / "own.npy", "--layers", "fc2")
    assert_the_run_of(found, simulate(load_model(files / "chain.eie").layers[1], acts))


def test_a_layer_beside_others_is_traced_alone(trace, files):
    found, result = trace(files / "apart.eie", "--layers", "b")
    assert found.about["layer"] == "b"
    assert "chain" not in result.stderr


def test_one_of_several_input_vectors_is_chosen(trace, files):
    layer, acts = load_model(files / "one.eie").layers[0], np.load(files / "batch.npy").astype(np.float32)
    found, _ = trace(files / "one.eie", "--acts", files / "batch.npy", "--input", 3)
    assert_the_run_of(found, simulate(layer, acts[3]))


def test_topologies_and_matrices_are_traced(trace, files):
    (expected,) = load(files / "topology.csv", layers="q")
    found, _ = trace(files / "topology.csv", "--layers", "q")
    assert_the_run_of(found, simulate(expected.layer, expected.acts if expected.acts.ndim == 1 else expected.acts[0]))
    layer = read_matrix_market(files / "matrix.mtx", 64)
    found, _ = trace(files / "matrix.mtx", "--name", "mine")
    assert found.about["layer"] == "mine"
    assert found.counts.per_pe["entries"].sum() == layer.n_entries


def test_a_folder_of_the_eie_simulator_is_traced(trace, tmp_path):
    layer = a_layer("fc8", 60, 40, n_pe=4, bias_codes=np.ones(60, np.uint8))
    acts = np.arange(40, dtype=np.float32)
    write_eie_simulator(layer, acts, tmp_path / "data")
    found, _ = trace("--eie-simulator", tmp_path / "data", "--rows", 60, "--set", "n_pe=4")
    expected = simulate(layer, acts, preset("eie-64pe-45nm").replace(n_pe=4))
    assert found.about["cycles"] == expected.cycles
    assert np.array_equal(found.counts.per_pe["entries"], expected.counts.entries)


def test_a_compressed_model_is_traced(trace, tmp_path):
    model = packaged_model("lenet-300-100")
    save_compressed(model, tmp_path / "lenet.dcz")
    np.save(tmp_path / "digit.npy", packaged_digits().inputs()[0].ravel())
    found, _ = trace(tmp_path / "lenet.dcz", "--layer", "ip2", "--set", "n_pe=8", "--acts", tmp_path / "digit.npy")
    arch = preset("eie-64pe-45nm").replace(n_pe=8)
    expected = simulate_model(model.pack(8, arch.index_bits), np.load(tmp_path / "digit.npy"), arch)
    assert_the_run_of(found, expected.layers[1])


@pytest.mark.compiled_only
def test_one_of_the_nine_layers_is_traced(trace):
    found, _ = trace("--layers", "NT-We", "--window", "100:200", "--pes", "0,62-63")
    assert (found.about["layer"], found.about["window"], found.about["pes"]) == ("NT-We", [100, 200], [0, 62, 63])


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.reference_data
def test_the_real_layer_is_traced_whole(trace, alex8):
    found, _ = trace("--eie-simulator", alex8)
    assert (found.about["cycles"], found.counts.broadcast["broadcast_stalls"]) == (7926, 6068)
    assert found.counts.per_pe["spmat_row_reads"].sum() == 100_900


def test_both_engines_make_the_same_file(cli, files, tmp_path):
    for engine in ("fast", "reference"):
        cli("trace", files / "four.eie", "--set", "n_pe=4", "--engine", engine, "--out", tmp_path / f"{engine}.json")
    assert (tmp_path / "fast.json").read_bytes() == (tmp_path / "reference.json").read_bytes()


# Windows and PEs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "window"), [("3:9", [3, 9]), (":9", [1, 9]), ("3:", [3, None]), (":", [1, None]), (" 1:2 ", [1, 2])]
)
def test_either_side_of_a_window_may_be_left_out(trace, files, text, window):
    found, _ = trace(files / "one.eie", "--window", text)
    assert found.about["window"] == [window[0], window[1] or found.about["cycles"] + 1]


def test_pes_are_numbers_and_ranges(trace, files):
    found, result = trace(files / "one.eie", "--pes", "7,0-2, 2-3")
    assert found.about["pes"] == [0, 1, 2, 3, 7]
    assert "5 of 64 PEs" in result.stdout


def test_of_a_large_run_the_first_cycles_are_traced_and_it_is_said(trace, files, monkeypatch):
    monkeypatch.setattr("eie_sim.trace.cuts.MOST_PE_CYCLES", 64 * 10)
    found, result = trace(files / "one.eie")
    assert found.about["window"] == [1, 11]
    assert f"note: traces cycles 1 to 10 of {found.about['cycles']}, for 64 PEs make a large file" in result.stderr
    for arguments in (["--window", "1:"], ["--pes", "0-1"]):
        found, result = trace(files / "one.eie", *arguments)
        assert found.about["window"] == [1, found.about["cycles"] + 1]
        assert "traces cycles" not in result.stderr


def test_json_tells_where_the_file_is_and_what_it_counts(cli, files, tmp_path):
    path = tmp_path / "trace.json"
    told = json.loads(cli("trace", files / "one.eie", "--pes", "3", "--json", "--out", path).stdout)
    found = read_perfetto(path)
    assert told["file"] == str(path)
    assert told["file_bytes"] == path.stat().st_size
    assert told["counters"] == found.counts.plain()
    assert (told["pes"], told["clock_hz"]) == ([3], 800e6)


def test_a_layer_beyond_the_sram_is_traced_with_one_warning(trace, files):
    _, result = trace(files / "one.eie", "--set", "ptr_bytes=10")
    assert result.stderr.count("warning: ") == 1


def test_a_dump_for_gtkwave_is_written_too(cli, files, tmp_path):
    needs("vcd", "vcd")
    path = tmp_path / "trace.vcd"
    result = cli("trace", files / "one.eie", "--window", "5:9", "--out", path)
    assert "Open it in GTKWave" in result.stdout
    text = path.read_text()
    assert "cycles 5 to 8 of" in text
    assert text.endswith("#9\n")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.eie", "--out", "trace.txt"], "its name must end in .json, .json.gz, .vcd or .vcd.gz"),
        (["one.eie", "--out", "absent/trace.json"], "no such folder"),
        (["one.eie", "--window", "5-9"], "must be FIRST:END"),
        (["one.eie", "--window", "5"], "must be FIRST:END"),
        (["one.eie", "--window=-1:4"], "must be FIRST:END"),
        (["one.eie", "--window", "9" * 30 + ":"], "must be FIRST:END"),
        (["one.eie", "--window", "0:4"], "window: 0, but it must be at least 1"),
        (["one.eie", "--window", "9:9"], "window: ends with cycle 8, before its first cycle 9"),
        (["one.eie", "--window", "1:99999"], "window: cycles 1 to 99998, but the run has cycles 1 to"),
        (["one.eie", "--pes", "5-99"], "--pes: 5-99, but the machine has PEs 0 to 63"),
        (["one.eie", "--pes", "0-999999999999"], "but the machine has PEs 0 to 63"),
        (["one.eie", "--pes", "8-5"], "but the machine has PEs 0 to 63"),
        (["one.eie", "--pes", "1,,2"], "must be a list of PEs such as 0,5-8"),
        (["one.eie", "--pes", ""], "must be a list of PEs such as 0,5-8"),
        (["one.eie", "--input", "1"], "--input: 1, but layer 'one' has the input vectors 0 to 0"),
        (["one.eie", "--engine", "slow"], "engine: 'slow'"),
        (["chain.eie"], "--layer: a trace is of one layer; give one of fc1, fc2, fc3"),
        (["chain.eie", "--layers", "fc9"], "--layers: 'fc9'"),
        (["chain.eie", "--layers", "fc1,fc2"], "--layer: a trace is of one layer; give one of fc1, fc2"),
        (["chain.eie", "--layer", "fc9"], "--layer: 'fc9', but the layers are fc1, fc2, fc3"),
        ([], "--layer: a trace is of one layer; give one of Alex-6"),
        (["truncated.eie"], "truncated.eie: "),
        (["absent.eie"], "No such file"),
    ],
)
def test_what_cannot_be_traced_is_one_line_and_leaves_no_file(fails, files, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    if arguments and arguments[0].endswith(".eie"):
        arguments = [files / arguments[0], *arguments[1:]]
    if "--out" not in arguments:
        arguments = [*arguments, "--out", "trace.json"]
    assert message in fails("trace", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_trace_goes_nowhere_without_a_file(fails, files):
    assert "Missing option '--out'" in fails("trace", files / "one.eie")


def test_a_missing_extra_is_told_before_the_run(fails, files, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vcd", None)
    assert fails("trace", files / "one.eie", "--out", tmp_path / "trace.vcd") == (
        "a .vcd file needs pip install 'eie-sim[vcd]'"
    )
