"""The command line in this process, and small files for it."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from compressor import PackedModel, pack_codes, save_model
from eie_sim.cli.app import app
from tests import command_line
from tests.command_line import call, error_line

BOOK = np.concatenate([[0], np.linspace(-1, 1, 15)]).astype(np.float32)


def a_layer(name: str, n_rows: int, n_cols: int, n_pe: int = 64, seed: int = 0, **more):
    """A layer of 10 % weights."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < 0.1)
    return pack_codes(codes, BOOK, n_pe=n_pe, name=name, **more)


@pytest.fixture
def cli(monkeypatch):
    """``cli("run", "x.eie")`` -> exit_code, stdout, stderr."""
    monkeypatch.delenv("COLUMNS", raising=False)
    return partial(call, app)


@pytest.fixture
def fails(cli):
    """``fails("run", "x.eie")`` -> the one line of error; anything but one line and exit code 2 fails the test."""
    return lambda *arguments: error_line(cli(*arguments), "eie-sim")


in_a_process = partial(command_line.in_a_process, "eie_sim")
"""``python -m eie_sim`` as a user runs it."""


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A folder of inputs: models, activations, a topology, a matrix."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(1)
    chain = (a_layer("fc1", 60, 40), a_layer("fc2", 20, 60), a_layer("fc3", 10, 20))
    save_model(PackedModel(chain, ("relu", "tanh", "none"), {"source": "drawn"}), folder / "chain.eie")
    save_model(PackedModel((a_layer("a", 60, 40), a_layer("b", 20, 9)), ("none", "none")), folder / "apart.eie")
    save_model(a_layer("one", 60, 40), folder / "one.eie")
    save_model(a_layer("four", 60, 40, n_pe=4), folder / "four.eie")
    (folder / "truncated.eie").write_bytes((folder / "one.eie").read_bytes()[:700])
    np.save(folder / "acts.npy", rng.normal(size=40).astype(np.float32))
    np.save(folder / "batch.npy", np.maximum(rng.normal(size=(5, 40)), 0))
    np.save(folder / "wrong.npy", np.zeros(7))
    np.save(folder / "empty.npy", np.zeros((0, 40)))
    np.save(folder / "nan.npy", np.where(np.arange(40) == 3, np.nan, 0))
    np.save(folder / "objects.npy", np.array([None] * 40, object))
    (folder / "topology.csv").write_text("Layer, M, N, K, Sparsity,\nq, 1, 30, 50, 1:4,\nffn, 3, 80, 30, 1:2,\n")
    (folder / "matrix.mtx").write_text("%%MatrixMarket matrix coordinate real general\n3 4 3\n1 1 .5\n2 3 -1\n3 4 2\n")
    (folder / "machine.toml").write_text('preset = "eie-256pe-28nm"\nn_pe = 16\n')
    (folder / "unknown.toml").write_text("n_pes = 16\n")
    (folder / "text.toml").write_text("n_pe: 16\n")
    return folder
