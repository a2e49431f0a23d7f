"""`eie-compress train` and what goes into PyTorch's files."""

import json
import subprocess
import sys

import numpy as np
import pytest

from compressor import load_compressed
from tests.command_line import on_a_terminal
from tests.extras import needs

torch = needs("torch", "train")

from compressor.importers import read_pytorch  # noqa: E402
from compressor.networks import network  # noqa: E402

torch.set_num_threads(1)

SHORT = ["--epochs", "1", "--rounds", "1", "--retrain-epochs", "1", "--tune-epochs", "1", "--batch-size", "10"]


def save_idx(path, array):
    """A file in MNIST's format."""
    header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of 200 + 50 images of two classes that anybody can tell apart."""
    folder = tmp_path_factory.mktemp("idx")
    rng = np.random.default_rng(0)
    for part, n in (("train", 200), ("t10k", 50)):
        labels = rng.integers(0, 2, n)
        images = rng.integers(0, 100, (n, 28, 28))
        images[labels == 1, :, :14] += 150
        save_idx(folder / f"{part}-images-idx3-ubyte", images)
        save_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


def test_a_network_is_trained_compressed_and_accounted_for(cli, data, tmp_path):
    out = tmp_path / "x.dcz"
    result = cli("train", "lenet-300-100", "-o", out, "--data", data, "--density", "0.2,ip3=0.5", *SHORT, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [phase["name"] for phase in document["phases"]] == ["dense", "prune", "share"]
    assert document["error"] == document["phases"][-1]["errors"][-1] <= 0.1
    assert (document["n_train"], document["n_test"], document["epochs"]) == (200, 50, 3)
    assert document["file_bytes"] == out.stat().st_size
    model = load_compressed(out)
    assert [round(tensor.density, 2) for tensor in model.tensors] == [0.2, 0.2, 0.5]
    assert [tensor.weight_bits for tensor in model.tensors] == [5, 5, 5]
    assert model.activations == ("relu", "relu", "none")
    assert model.provenance["network"] == "lenet-300-100"
    assert "not recognised" in model.provenance["data"]


def test_the_bytes_do_not_depend_on_the_threads_that_pytorch_has(cli, data, tmp_path):
    made = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            options = ["--data", data, "--density", "0.2", *SHORT]
            assert cli("train", "lenet-300-100", "-o", tmp_path / "x.dcz", *options).exit_code == 0
            assert torch.get_num_threads() == threads
            made.append((tmp_path / "x.dcz").read_bytes())
    finally:
        torch.set_num_threads(1)
    assert made[0] == made[1]


def test_a_training_that_is_resumed_gives_the_same_bytes(cli, data, tmp_path):
    def train(name, *more):
        options = ["--data", data, "--density", "0.2", *SHORT, *more]
        result = cli("train", "lenet-300-100", "-o", tmp_path / name, *options)
        assert result.exit_code == 0, result.stderr
        return (tmp_path / name).read_bytes(), result.stderr

    whole, _ = train("a.dcz", "--checkpoint", tmp_path / "state", "--state-dict", tmp_path / "a.pt")
    resumed, told = train("b.dcz", "--checkpoint", tmp_path / "state")
    assert resumed == whole == train("c.dcz")[0]
    assert f"note: going on from {tmp_path / 'state'}" in told
    decoded = {tensor.name: tensor.weights for tensor in read_pytorch(tmp_path / "a.pt").tensors}
    for tensor in load_compressed(tmp_path / "a.dcz").tensors:
        assert np.array_equal(decoded[tensor.name], tensor.dense())


def test_the_state_dict_fits_the_plain_network(cli, data, tmp_path):
    out = tmp_path / "x.pt"
    result = cli("train", "lenet-5", "-o", out, "--data", data, "--epochs", "1", "--dsd", "0.3", "--dsd-epochs", "1")
    assert result.exit_code == 0, result.stderr
    lines = [line.split()[:2] for line in result.stdout.splitlines()[4:7]]
    assert lines == [["dense", "1"], ["sparse", "1"], ["re-dense", "1"]]
    network("lenet-5", n_classes=2).load_state_dict(torch.load(out, weights_only=True))


def test_the_published_densities_are_those_of_the_tables(cli, data, tmp_path):
    options = ["--data", data, "--density", "published", "--epochs", "0", "--retrain-epochs", "0", "--tune-epochs", "0"]
    result = cli("train", "lenet-300-100", "-o", tmp_path / "x.dcz", *options)
    assert result.exit_code == 0, result.stderr
    assert [round(t.density, 2) for t in load_compressed(tmp_path / "x.dcz").tensors] == [0.08, 0.09, 0.26]


def test_errors_can_be_measured_on_held_out_training_images(cli, data, tmp_path):
    options = ["--data", data, "--hold-out", "30", "--epochs", "1", "--json"]
    document = json.loads(cli("train", "lstm-classifier", "-o", tmp_path / "x.pt", *options).stdout)
    assert (document["n_train"], document["n_test"]) == (170, 30)


@pytest.mark.parametrize(
    ("network_name", "options", "message"),
    [
        ("lenet-300-100", ["x.dcz"], "--density: must be given for a .dcz file"),
        ("lenet-300-100", ["x.pt", "--density", "1"], "--density: means nothing for a .pt file"),
        ("lenet-300-100", ["x.pt", "--coder", "fixed"], "--coder: means nothing for a .pt file"),
        ("lenet-300-100", ["x.zip"], "must be one of .dcz, .pt"),
        ("lenet-300-100", ["x.dcz", "--density", "ip1=0.1"], "--density: there is none for layer 'ip2'"),
        ("lenet-300-100", ["x.dcz", "--density", "0.1,ip9=1"], "--density: 'ip9' fits no layer"),
        ("lenet-300-100", ["x.dcz", "--density", "1", "--init", "linear,ip2=exact"], "--init: must be the same"),
        ("lenet-300-100", ["x.dcz", "--density", "1", "--index-bits", "fc=4"], "--index-bits: 'fc' fits no layer"),
        ("lstm-classifier", ["x.dcz", "--density", "published"], "no published ones of lstm-classifier"),
        ("alexnet", ["x.pt"], "network: 'alexnet', but those that are trained on images here are"),
        ("lenet-5", ["no/x.pt"], "no such folder"),
        ("lenet-5", ["x.pt", "--checkpoint", "."], "is a folder"),
        ("lenet-5", ["x.pt", "--rate", "1e30"], "is too high"),
    ],
)
def test_what_cannot_be_trained_is_one_line(fails, data, tmp_path, monkeypatch, network_name, options, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails("train", network_name, "-o", *options, "--data", data)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_training_is_one_line(cli, fails, data, tmp_path):
    options = ["--data", data, "--checkpoint", tmp_path / "state"]
    assert cli("train", "lenet-300-100", "-o", tmp_path / "x.pt", *options, "--epochs", "1").exit_code == 0
    line = fails("train", "lenet-300-100", "-o", tmp_path / "x.pt", *options, "--epochs", "2")
    assert "it is of another schedule" in line
    (tmp_path / "state").write_bytes(b"damaged")
    assert "but a checkpoint with" in fails("train", "lenet-300-100", "-o", tmp_path / "x.pt", *options)


def test_images_of_another_size_are_one_line(cli, fails, tmp_path):
    for part in ("train", "t10k"):
        save_idx(tmp_path / f"{part}-images-idx3-ubyte", np.arange(4 * 6 * 5).reshape(4, 6, 5) % 256)
        save_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.array([0, 1, 0, 1]))
    line = fails("train", "lenet-5", "-o", tmp_path / "x.pt", "--data", tmp_path)
    assert line == "--data: images of 6 x 5, but lenet-5 takes 28 x 28"
    result = cli("train", "lstm-classifier", "-o", tmp_path / "x.pt", "--data", tmp_path, "--epochs", "1")
    assert result.exit_code == 0, result.stderr


def test_data_that_are_not_here_are_one_line_that_says_where_they_belong(fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EIE_SIM_DATA", raising=False)
    assert "--data: mnist is not found on this machine" in fails("train", "lenet-5", "-o", "x.pt", "--data", "mnist")
    assert "--data: 'cifar' is no folder" in fails("train", "lenet-5", "-o", "x.pt", "--data", "cifar")
    monkeypatch.setenv("EIE_SIM_DATA", str(tmp_path / "nowhere"))
    assert "EIE_SIM_DATA" in fails("train", "lenet-5", "-o", "x.pt", "--data", "mnist")


# PyTorch's files ------------------------------------------------------------------------------------------------------


def test_a_state_dict_is_compressed_and_comes_back(cli, tmp_path):
    torch.save(network("lenet-300-100").state_dict(), tmp_path / "x.pt")
    assert cli("compress", tmp_path / "x.pt", "-o", tmp_path / "x.dcz", "--density", "0.1").exit_code == 0
    assert cli("unpack", tmp_path / "x.dcz", "-o", tmp_path / "y.pt", "--like", tmp_path / "x.pt").exit_code == 0
    model = network("lenet-300-100")
    model.load_state_dict(torch.load(tmp_path / "y.pt", weights_only=True))
    decoded = load_compressed(tmp_path / "x.dcz").tensors
    assert [np.array_equal(getattr(model, t.name).weight.detach().numpy(), t.dense()) for t in decoded] == [True] * 3


@pytest.mark.parametrize("command", ["info", "compress"])
def test_a_damaged_state_dict_is_one_line(fails, files, tmp_path, command):
    more = ["-o", tmp_path / "x.dcz", "--density", "1"] if command == "compress" else []
    assert str(files / "text.pt") in fails(command, files / "text.pt", *more)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on this system")
@pytest.mark.slow
def test_progress_with_an_estimate_is_shown_on_a_terminal_alone(data, tmp_path):
    options = ["train", "lenet-300-100", "-o", tmp_path / "x.pt", "--data", data, "--epochs", "3", "--json"]
    command = [sys.executable, "-m", "compressor", *map(str, options)]
    exit_code, stdout, shown = on_a_terminal(command)
    assert exit_code == 0
    assert b"dense, epoch" in shown
    piped = subprocess.run(command, capture_output=True, check=True)
    assert piped.stdout == stdout
    assert b"epoch" not in piped.stderr
