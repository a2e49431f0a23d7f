"""The same words run the same thing everywhere: every kind of source through every command, sweeps and Python."""

import json
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest

from compressor import CodedTensor, CompressedModel, PackedModel, pack_codes, save_compressed, save_model
from compressor.importers import write_eie_simulator
from eie_sim import ArchConfig, load, simulate, simulate_model
from eie_sim.cli.app import app
from eie_sim.cli.measure import _workloads
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.trace import read_perfetto
from tests.command_line import call
from tests.graphs import chain_of
from tests.sweep.tiny import rows

N_PE = 8
BOOK = np.concatenate([[0], np.linspace(-1, 1, 15)]).astype(np.float32)
SIZES = {"fc1": (60, 40), "fc2": (20, 60)}
MTX = "%%MatrixMarket matrix coordinate real general\n30 40 3\n1 1 .5\n2 3 -1\n3 4 2\n"


def codes(n_rows, n_cols, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < 0.2)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of every kind; what is packed is packed for other machines than the one that runs."""
    folder = tmp_path_factory.mktemp("sources")
    layers = tuple(pack_codes(codes(*size), BOOK, n_pe=4, name=name) for name, size in SIZES.items())
    save_model(PackedModel(layers, ("relu", "none")), folder / "chain.eie")
    tensors = tuple(CodedTensor(name, size, "linear", BOOK, codes(*size).ravel()) for name, size in SIZES.items())
    save_compressed(CompressedModel(tensors, ("relu", "none"), network=chain_of(*SIZES)), folder / "chain.dcz")
    (folder / "matrix.mtx").write_text(MTX)
    (folder / "shapes.csv").write_text("Layer, M, N, K, Sparsity,\nq, 2, 30, 50, 1:4,\nffn, 1, 80, 30, 1:2,\n")
    write_eie_simulator(pack_codes(codes(60, 40), BOOK, n_pe=4), np.linspace(0, 1, 40), folder / "alex8")
    np.save(folder / "acts.npy", np.linspace(-1, 1, 40))
    return folder


# What a user types for a command, what the axis `workload` of a sweep names, and more options of both.
SOURCES = {
    "packed chain": (["chain.eie"], "chain.eie", {"act_density": 0.6}),
    "one layer of a packed chain": (["chain.eie", "--layers", "fc2"], "chain.eie#fc2", {"act_density": 0.6}),
    "packed chain, inputs of a file": (["chain.eie", "--acts", "acts.npy"], "chain.eie", {"acts": "acts.npy"}),
    "compressed chain": (["chain.dcz"], "chain.dcz", {"act_density": 0.6}),
    "matrix": (["matrix.mtx"], "matrix.mtx", {"act_density": 0.6}),
    "topology": (["shapes.csv", "--layers", "q"], "shapes.csv#q", {"act_density": 0.6}),
    "data folder": (["--eie-simulator", "alex8", "--rows", "1000"], "alex8", {}),
    "data folder as a file": (["alex8"], "alex8", {}),
    "published layer": (["--layers", "NT-We"], "NT-We", {}),
    "published layer by its name": (["NT-We"], "NT-We", {}),
    "packaged network": (["lenet-300-100"], "lenet-300-100", {}),
    "random layer": (["random:70x50"], "random:70x50", {"act_density": 0.6}),
}


@pytest.mark.compiled_only
@pytest.mark.parametrize("kind", SOURCES)
def test_every_command_and_a_sweep_run_the_same_cycles(kind, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COLUMNS", raising=False)
    words, workload, more = SOURCES[kind]
    density = ["--act-density", str(more["act_density"])] if "act_density" in more else []
    words = [*words, *density, "--seed", "3", "--set", f"n_pe={N_PE}"]
    cli = partial(call, app)

    def done(command, *options):
        result = cli(command, *words, *options)
        assert result.exit_code == 0, result.stderr
        return result

    run = json.loads(done("run", "--json").stdout)["results"]
    cycles = {row["layer"]: row["cycles"] for row in run if row["input"] == 0}
    report = json.loads(done("report", "--json").stdout)["reports"]["COMPUTE_REPORT"]
    assert {row["layer"]: row["cycles"] for row in report if row["input"] == 0} == cycles
    for layer in cycles:
        path = tmp_path / "trace.json"
        done("trace", "--layer", layer, "--window", "1:", "--out", path)
        assert read_perfetto(path).about["cycles"] == cycles[layer]
    drawn = {}
    monkeypatch.setattr(
        "eie_sim.cli.plot._write", lambda ran, *_: drawn.update((r.layer, r.cycles) for r in ran.results)
    )
    done("plot", "--out", tmp_path / "pictures")
    assert drawn == cycles
    axes = {"workload": workload, "n_pe": N_PE, "seed": 3}
    run_sweep(Space(axes=axes, **more), tmp_path / "store.sqlite", jobs=1)
    assert rows(tmp_path / "store.sqlite", "cycles", "error") == [(sum(cycles.values()), None)]
    assert in_python(words, more) == cycles


def in_python(words, more):
    """Cycles of each layer by `load` and `simulate`, of the words of a command."""
    arch = ArchConfig(n_pe=N_PE)
    picked = words[words.index("--layers") + 1] if "--layers" in words else None
    what = words[1] if words[0] == "--eie-simulator" else None if words[0].startswith("--") else words[0]
    job = load(what, arch, layers=picked, seed=3, **more)
    if job.chain is not None:
        return {one.layer: one.cycles for one in simulate_model(job.chain, job.acts[0], arch).layers}
    pairs = [(layer, acts if acts.ndim == 1 else acts[0]) for layer, acts in zip(job.layers, job.acts, strict=True)]
    return {layer.name: simulate(layer, acts, arch).cycles for layer, acts in pairs}


@pytest.mark.parametrize(
    "words", ["chain.eie", "chain.dcz", "matrix.mtx", "shapes.csv", "alex8", "random:70x50", "lenet-300-100", "NT-We"]
)
def test_the_processor_is_measured_on_what_runs(words, folder, monkeypatch):
    monkeypatch.chdir(folder)

    class Silent:
        note = staticmethod(lambda _text: None)

        def progress(self, _steps):
            return nullcontext(lambda *_a, **_k: None)

    measured = _workloads(words, None, 5, Silent(), seed=3)
    alone = load(words, seed=3, chain=False, n_vectors=5)
    assert [one.name for one in measured] == list(alone.names)
    for one, layer, acts in zip(measured, alone.layers, alone.acts, strict=True):
        assert one.layer == layer
        assert np.array_equal(one.acts, acts)
        assert acts.shape == (5, layer.n_cols)
