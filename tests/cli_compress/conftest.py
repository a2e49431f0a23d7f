"""The command line in this process, and small files for it."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from compressor import CodedTensor, CompressedModel, save_compressed
from compressor.cli.app import app
from compressor.importers import write_deep_compression_net
from tests.command_line import call, error_line

PROGRAM = "eie-compress"


@pytest.fixture
def cli(monkeypatch):
    """``cli("info", "x.dcz")`` -> exit_code, stdout, stderr."""
    monkeypatch.delenv("COLUMNS", raising=False)
    return partial(call, app)


@pytest.fixture
def fails(cli):
    """``fails("info", "x.dcz")`` -> the one line of error; anything but one line and exit code 2 fails the test."""
    return lambda *arguments: error_line(cli(*arguments), PROGRAM)


def a_network(seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a convolution, two matrices, their biases and a normalisation, as a state dict names them."""
    rng = np.random.default_rng(seed)
    shapes = {"conv1.weight": (4, 1, 3, 3), "conv1.bias": (4,), "fc1.weight": (20, 36), "fc1.bias": (20,)}
    shapes |= {"norm.weight": (20,), "fc2.weight": (10, 20), "fc2.bias": (10,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def a_coded(name: str, shape: tuple[int, ...], weight_bits: int, kind: str = "linear", seed: int = 0) -> CodedTensor:
    """A tensor of 20 % weights and a bias."""
    rng = np.random.default_rng(seed)
    size, n_values = int(np.prod(shape)), 1 << weight_bits
    codes = rng.integers(1, n_values, size) * (rng.random(size) < 0.2)
    book = np.concatenate([[0], rng.normal(size=n_values - 1)])
    return CodedTensor(name, shape, kind, book, codes.astype(np.uint8), rng.normal(size=shape[0]))


@pytest.fixture(scope="session")
def model() -> CompressedModel:
    """A convolution of 8-bit codes and a matrix of 4-bit ones, as a .net file has them."""
    tensors = (a_coded("conv1", (6, 5, 3, 3), 8, "conv"), a_coded("fc1", (40, 54), 4))
    return CompressedModel(tensors, ("relu", "none"), {"source": "drawn"})


@pytest.fixture(scope="session")
def files(tmp_path_factory, model) -> Path:
    """A folder of inputs: a trained network, compressed models, damaged ones, settings."""
    folder = tmp_path_factory.mktemp("inputs")
    np.savez(folder / "network.npz", **a_network())
    np.savez(folder / "matrices.npz", fc=np.random.default_rng(3).normal(size=(8, 9)).astype(np.float32))
    save_compressed(model, folder / "model.dcz")
    write_deep_compression_net(model, folder / "model.net")
    (folder / "shapes.toml").write_text("conv1 = [6, 5, 3, 3]\nfc1 = [40, 54]\n")
    (folder / "truncated.dcz").write_bytes((folder / "model.dcz").read_bytes()[:-3])
    (folder / "truncated.npz").write_bytes((folder / "network.npz").read_bytes()[:-30])
    (folder / "truncated.net").write_bytes((folder / "model.net").read_bytes()[:-3])
    (folder / "text.pt").write_text("no tensors")
    (folder / "text.onnx").write_text("no graph")
    (folder / "text.eie").write_text("no layers")
    (folder / "text.safetensors").write_text("no tensors")
    return folder
