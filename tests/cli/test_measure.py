"""`eie-sim measure`: tiny layers and a tiny network, few samples; what is printed, written and refused."""

import json

import numpy as np
import onnxruntime
import pytest

from compressor import save_compressed
from eie_sim.baselines import measure_cpu as module
from eie_sim.baselines import measure_network as network_module
from eie_sim.baselines.cpu_measurement import read_cpu_measurement
from eie_sim.cli import measure as command
from tests.baselines.measurements import a_measurement
from tests.network.small_networks import compressed, residual

FEW = ("--quick", "--libraries", "numpy,numba", "--samples", "2", "--limit", "0.2")


@pytest.fixture(autouse=True)
def _small_caches(monkeypatch):
    monkeypatch.setattr(module, "flush_bytes", lambda _host: 1024)


@pytest.fixture
def measured(monkeypatch):
    """What `measure` was asked for, with an answer at once."""
    asked = {}

    def answer(workloads, **more):
        asked.update(more, layers=[workload.name for workload in workloads], workloads=workloads)
        return a_measurement(
            layers=("a", "b"), caches=("cold", "hot"), absent={"torch": "pip install 'eie-sim[train]'"}
        )

    monkeypatch.setattr(module, "measure_cpu", answer)
    return asked


def test_a_file_is_measured_and_written(cli, files, tmp_path):
    out = tmp_path / "cpu.json"
    result = cli("measure", files / "chain.eie", "--layers", "fc3,fc1", *FEW, "--out", out)
    assert result.exit_code == 0, result.stderr
    measurement = read_cpu_measurement(out, least_samples=0)
    assert [layer.name for layer in measurement.layers] == ["fc1", "fc3"]
    assert (measurement.batches, measurement.threads, measurement.caches) == ((1,), (1,), ("cold",))
    assert "us per input vector, batch 1, 1 thread, cold caches:" in result.stdout
    assert "No energy: no source was named" in result.stdout
    assert f"eie-sim: note: wrote {out}" in result.stderr


def test_json_is_the_file(cli, files, tmp_path):
    result = cli("measure", files / "one.eie", *FEW, "--json", "--energy", "tdp", "--tdp-watts", "9")
    assert result.exit_code == 0, result.stderr
    (tmp_path / "cpu.json").write_text(result.stdout)
    measurement = read_cpu_measurement(tmp_path / "cpu.json", least_samples=0)
    assert (measurement.energy.source, measurement.energy.power_w) == ("tdp", 9)


@pytest.mark.compiled_only  # every library and both caches, each to its limit of time
def test_without_options_everything_is_measured(cli, measured):
    from compressor.jit import available_cores
    from eie_sim.paper import LAYERS

    assert cli("measure").exit_code == 0
    assert measured["layers"] == list(LAYERS)
    assert (measured["batches"], measured["caches"]) == ((1, 64), ("cold", "hot"))
    assert measured["threads"] == tuple(sorted({1, available_cores()}))
    assert (measured["samples"], measured["libraries"], measured["energy"]) == (20, None, None)
    assert all(workload.acts.shape[0] == 64 for workload in measured["workloads"])


def test_a_quick_look_gives_way_to_options(cli, measured):
    assert cli("measure", "--layers", "NT-We", "--quick", "--batch", "2").exit_code == 0
    assert (measured["batches"], measured["threads"], measured["caches"]) == ((2,), (1,), ("cold",))
    assert measured["samples"] == command.QUICK_SAMPLES


def test_the_inputs_of_a_file_are_as_dense_as_asked_for(cli, files, measured):
    cli("measure", files / "one.eie", "--act-density", "0.25", "--seed", "3")
    (workload,) = measured["workloads"]
    assert (workload.acts != 0).sum(axis=1).tolist() == [10] * 64
    assert str(workload.origin) == "one.eie; inputs drawn with seed 3, 25 % active"


def test_a_table_for_each_condition_with_the_ratio(cli, files, measured):
    result = cli("measure", files / "one.eie")
    assert measured["layers"] == ["one"]
    assert result.stdout.count("us per input vector, batch 1, 1 thread,") == 2
    assert "numpy-dense / csr" in result.stdout
    assert result.stdout.count("3.00") == 4
    assert "note: torch is not installed and was not measured (pip install 'eie-sim[train]')" in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_a_time_with_too_few_samples_says_so(cli, files, monkeypatch):
    monkeypatch.setattr(module, "measure_cpu", lambda *_a, **_m: a_measurement(samples=0))
    result = cli("measure", files / "one.eie")
    assert "warning: a numpy-dense, batch 1, 1 thread, cold: 0 quiet samples of 20 in 1 s, and 5 more" in result.stderr
    assert result.exit_code == 0


def test_an_interrupt_writes_nothing(cli, files, tmp_path, monkeypatch):
    def interrupted(*_arguments, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure_cpu", interrupted)
    result = cli("measure", files / "one.eie", "--out", tmp_path / "cpu.json")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "eie-sim: note: interrupted: nothing was written\n"
    assert list(tmp_path.iterdir()) == []


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A folder with a small network, compressed and not, and inputs for it."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "network.onnx").write_bytes(residual().SerializeToString())
    save_compressed(compressed(residual(), folder), folder / "network.dcz")
    np.savez(folder / "x.npz", x=np.ones((3, 2, 6, 5), np.float32))
    return folder


def test_a_network_is_timed_whole_and_by_node(cli, network):
    options = ("--inputs", network / "x.npz", "--samples", 2)
    result = cli("measure", network / "network.onnx", *options)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("network.onnx: us for one inference in ONNX Runtime ")
    rows = {line.split()[0]: line for line in lines if line}
    assert {"(network)", "first", "depthwise", "pointwise", "fc"} <= rows.keys()
    assert rows["first"].split()[1:3] == ["Conv", "machine"]
    assert rows["GlobalAveragePool"].split()[3] == "host"
    assert "Weights as in the file, in dense arrays. Inputs, of the first sample: x 1x2x6x5." in result.stdout
    assert "Median of 2 calls after 2 to warm up" in result.stdout
    assert max(map(len, lines)) <= 100
    assert "Decoded weights" in cli("measure", network / "network.dcz", *options, "--threads", 1).stdout


def test_a_quick_look_at_a_network_takes_one_thread(cli, network):
    result = cli("measure", network / "network.onnx", "--inputs", network / "x.npz", "--quick", "--json")
    document = json.loads(result.stdout)
    assert [times["threads"] for times in document["networks"]] == [1]
    assert len(document["networks"][0]["samples_us"]) == command.QUICK_SAMPLES


@pytest.mark.parametrize("name", ["times.csv", "times.json"])
def test_times_of_a_network_are_written_as_the_name_says(name, cli, network, tmp_path):
    result = cli(
        "measure", network / "network.onnx", "--inputs", network / "x.npz", "--quick", "--out", tmp_path / name
    )
    assert f"eie-sim: note: wrote {tmp_path / name}" in result.stderr
    text = (tmp_path / name).read_text()
    assert text.startswith("threads,node," if name.endswith("csv") else "{")


def test_inputs_of_a_network_are_fixed_sized_and_cut_as_asked_for(cli, network, monkeypatch):
    asked = {}

    def answer(*_arguments, **more):
        asked.update(more)
        raise KeyboardInterrupt

    monkeypatch.setattr(network_module, "measure_network", answer)
    result = cli(
        "measure", network / "network.onnx", "--inputs", network / "x.npz", "--fix", "sr=16000", "--shape", "x=1x2",
        "--batch-axis", "x=1", "--batch-axis", "h=0", "--limit", "3", "--threads", "1",
    )  # fmt: skip
    assert (asked["fix"], asked["shapes"], asked["batch_axis"]) == ({"sr": "16000"}, {"x": (1, 2)}, {"x": 1, "h": 0})
    assert (asked["threads"], asked["limit_s"], asked["device"]) == ([1], 3, "cpu")
    assert (result.exit_code, result.stderr) == (130, "eie-sim: note: interrupted: nothing was written\n")


def test_a_busy_machine_is_a_warning(cli, network, monkeypatch):
    switches = iter(range(0, 10**6, 9))
    monkeypatch.setattr(network_module, "involuntary_switches", lambda: next(switches))
    result = cli("measure", network / "network.onnx", "--inputs", network / "x.npz", "--quick")
    assert (
        "warning: 1 thread: the system took a core away 9 times during 5 calls; is the machine busy?" in result.stderr
    )


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("network.onnx", [], "a network is timed on real inputs; give them with --inputs FILE.npz"),
        ("network.dcz", ["--device", "cuda"], "--device: is for networks; give the inputs of one with --inputs"),
        (
            "one.eie",
            ["--inputs", "x.npz"],
            "--inputs: is for networks (.onnx, .dcz, .net), but one.eie is not such a file",
        ),
        (None, ["--inputs", "x.npz"], "--inputs: is for networks (.onnx, .dcz, .net), but no file is named"),
        ("network.onnx", ["--inputs", "x.npz", "--batch", "64"], "--batch: is for layers, but with --inputs a network"),
        ("network.onnx", ["--inputs", "x.npz", "--energy", "tdp"], "--energy: is for layers"),
        ("network.onnx", ["--inputs", "x.npz", "--batch-axis", "x"], "--batch-axis: 'x', but it must be NAME=VALUE"),
        ("network.onnx", ["--inputs", "x.npz", "--device", "tpu"], "device: 'tpu', but it must be one of cpu, cuda"),
        ("network.onnx", ["--inputs", "x.npz", "--device", "cuda"], "device: 'cuda', but the ONNX Runtime installed"),
        ("network.onnx", ["--inputs", "absent.npz"], "absent.npz: No such file"),
        ("network.onnx", ["--inputs", "network.dcz"], "network.dcz: is not an .npz or .npy file of arrays"),
        ("network.onnx", ["--inputs", "x.npz", "--out", "absent/x.json"], "--out: absent: no such folder"),
    ],
)
def test_a_network_that_cannot_be_timed_is_one_line(file, options, message, fails, network, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.chdir(network)
    assert message in fails("measure", *([] if file is None else [file]), *options)


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "Alex-9"], "--layers: 'Alex-9', but the layers are Alex-6"),
        (["--layers", ","], "--layers: '', but the layers are"),
        (["--batch", "one"], "--batch: 'one' is not an integer"),
        (["--batch", "0"], "batches: 0, but it must be 1 to"),
        (["--threads", "1,some"], "--threads: 'some' is not an integer"),
        (["--threads", "100000"], "threads: 100000, but it must be 1 to"),
        (["--cache", "warm"], "caches: 'warm', but they must be of cold, hot"),
        (["--libraries", "blas"], "libraries: 'blas', but it must be one of"),
        (["--energy", "guess"], "energy: 'guess', but it must be one of rapl, paper, tdp"),
        (["--energy", "tdp"], "energy: 'tdp' needs tdp_watts"),
        (["--energy", "paper", "--tdp-watts", "3"], "energy: 'paper' takes no tdp_watts"),
        (["--act-density", "0.5"], "--act-density: means nothing without a file"),
        (["--out", "/absent/folder/cpu.json"], "--out: /absent/folder: no such folder"),
    ],
)
def test_options_that_cannot_be_are_one_line(fails, options, message):
    assert message in fails("measure", *options)


def test_another_file_is_one_line(fails, files):
    assert "its name ends in '.toml'" in fails("measure", files / "machine.toml")


def test_a_process_that_dies_is_one_line(fails, files, monkeypatch):
    monkeypatch.setattr(module, "_START", "import os; os.abort()")
    assert "the measuring process (cpu, 1 thread) ended with signal 6" in fails("measure", files / "one.eie", *FEW)


def test_the_document_names_its_format(cli, files):
    document = json.loads(cli("measure", files / "one.eie", *FEW, "--json").stdout)
    assert (document["format"], document["format_version"]) == ("eie-sim-cpu", 1)
