"""`eie-compress unpack`: decoded weights out again."""

import json

import numpy as np
import pytest

from compressor.importers import read_npz, read_safetensors
from tests.cli_compress.conftest import a_network


@pytest.fixture
def compressed(cli, files, tmp_path):
    """The trained network, compressed."""
    path = tmp_path / "network.dcz"
    assert cli("compress", files / "network.npz", "-o", path, "--density", "0.5").exit_code == 0
    return path


@pytest.mark.parametrize(("suffix", "read"), [(".npz", read_npz), (".safetensors", read_safetensors)])
def test_the_decoded_weights_stand_under_their_names(cli, files, model, tmp_path, suffix, read):
    result = cli("unpack", files / "model.dcz", "-o", tmp_path / f"x{suffix}", "--json")
    assert result.exit_code == 0, result.stderr
    found = {tensor.name: tensor for tensor in read(tmp_path / f"x{suffix}").tensors}
    for tensor in model.tensors:
        assert np.array_equal(found[tensor.name].weights, tensor.dense())
        assert np.array_equal(found[tensor.name].bias, tensor.bias)
    document = json.loads(result.stdout)
    assert document["weights"] == sum(tensor.codes.size for tensor in model.tensors)
    assert document["file_bytes"] == (tmp_path / f"x{suffix}").stat().st_size


def test_a_net_file_goes_through_a_dcz_file_byte_for_byte(cli, files, tmp_path):
    cli("compress", files / "model.net", "--shapes", files / "shapes.toml", "-o", tmp_path / "x.dcz")
    result = cli("unpack", tmp_path / "x.dcz", "-o", tmp_path / "back.net")
    assert result.stdout.startswith("2 layers, 2,430 weights; 0 other parameters; ")
    assert (tmp_path / "back.net").read_bytes() == (files / "model.net").read_bytes()


def test_what_is_not_compressed_comes_back_as_it_was(cli, compressed, files, tmp_path):
    assert cli("unpack", compressed, "-o", tmp_path / "x.npz", "--like", files / "network.npz").exit_code == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert list(arrays) == list(a_network())
        assert np.array_equal(arrays["norm.weight"], a_network()["norm.weight"])
        assert np.count_nonzero(arrays["fc1.weight"]) == 360


@pytest.mark.parametrize(
    ("out", "like", "message"),
    [
        ("x.pt", None, "--like: must name the original for a .pt file"),
        ("x.pt", None, "; .npz and .safetensors need none"),
        ("x.pth", None, "--like: must name the original for a .pt file"),
        ("x.onnx", None, "--like: must name the original for a .onnx file, which gives the graph"),
        ("x.net", "network.npz", "--like: means nothing for a .net file"),
        ("x.zip", None, "must be one of .npz, .safetensors, .pt, .pth, .bin, .ckpt, .onnx, .net"),
        ("x.npz", "matrices.npz", "matrices.npz: array 'conv1.weight' of the model is not there"),
        ("no/x.npz", None, "no such folder"),
        ("x.net", None, "has no place in a .net file"),
    ],
)
def test_what_cannot_be_written_is_one_line(fails, compressed, files, tmp_path, out, like, message):
    more = [] if like is None else ["--like", files / like]
    assert message in fails("unpack", compressed, "-o", tmp_path / out, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["network.dcz"]
