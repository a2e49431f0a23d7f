"""`eie-sim measure`: tiny layers, few samples; what is printed and written, and what is refused."""

import json

import pytest

from eie_sim.baselines import measure_cpu as module
from eie_sim.baselines.cpu_measurement import read_cpu_measurement
from eie_sim.cli import measure as command
from tests.baselines.measurements import a_measurement

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "Alex-9"], "--layers: 'Alex-9', but the layers are Alex-6"),
        (["--layers", ","], "--layers: '', but the layers are"),
        (["--batch", "one"], "--batch: 'one' is not a whole number"),
        (["--batch", "0"], "batches: 0, but it must be 1 to"),
        (["--threads", "1,some"], "--threads: 'some' is not a whole number"),
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
