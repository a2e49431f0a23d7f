"""`eie-compress compress --calibrate`."""

import json

import numpy as np
import pytest

from compressor import compress_calibrated, load_compressed, load_model, save_compressed
from tests.compressor.calibration.small_graphs import matrices


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network, inputs for it and their labels: what it answers itself."""
    folder = tmp_path_factory.mktemp("calibrate")
    network, inputs = matrices(folder, np.random.default_rng(0))
    np.savez(folder / "x.npz", x=inputs)
    hidden, out = (tensor.dense() for tensor in network.tensors)
    scores = np.maximum(inputs @ hidden.T + network.tensors[0].bias, 0) @ out.T + network.tensors[1].bias
    np.save(folder / "labels.npy", scores.argmax(axis=1))
    return folder


@pytest.fixture
def compress(cli, folder, tmp_path):
    """``compress(*options)`` -> the result, with ``network.onnx`` and ``out.dcz``."""
    return lambda *options: cli("compress", folder / "network.onnx", "-o", tmp_path / "out.dcz", *options)


def test_the_file_is_the_one_that_the_library_writes(compress, folder, tmp_path):
    from compressor.importers import read_onnx

    assert compress("--density", "0.3", "--calibrate", folder / "x.npz").exit_code == 0
    network, inputs = read_onnx(folder / "network.onnx"), np.load(folder / "x.npz")["x"]
    found = compress_calibrated(network, np.delete(inputs, np.s_[4::5], axis=0), 0.3)
    save_compressed(found.model, tmp_path / "library.dcz")
    assert (tmp_path / "out.dcz").read_bytes() == (tmp_path / "library.dcz").read_bytes()


def test_it_says_how_good_the_network_is_on_what_was_held_out(compress, folder):
    options = ("--density", "0.5", "--calibrate", folder / "x.npz", "--labels", folder / "labels.npy")
    result = compress(*options, "--json")
    found = json.loads(result.stdout)["calibration"]
    assert (found["calibration_samples"], found["held_out_samples"]) == (160, 40)
    (output,) = found["outputs"]
    assert output["correct_uncompressed"] == 40
    assert output["correct"] == output["agreeing"] > 30  # the labels are the network's own answers
    assert set(found["relative_error_of_layers"]) == {"first", "second"}
    notes = result.stderr
    assert "calibrated on 160 samples" in notes
    assert f"the same best class for {output['agreeing']} of 40" in notes
    assert "top-1 accuracy" in notes
    assert "uncompressed 100.0 %" in notes


def test_a_bad_network_is_warned_of_with_the_next_step(compress, folder):
    result = compress("--density", "0.02", "--calibrate", folder / "x.npz")
    assert (
        "warning: the outputs are far from those of the uncompressed network; give a larger --density" in result.stderr
    )


def test_without_inputs_it_says_that_accuracy_is_unknown(compress):
    assert "note: accuracy is unknown: " in compress("--density", "0.5").stderr


def test_matrices_are_packed_too(cli, folder, tmp_path):
    packed = tmp_path / "out.eie"
    result = cli("compress", folder / "network.onnx", "-o", packed, "--density", "0.3", "--calibrate", folder / "x.npz")
    assert result.exit_code == 0
    assert load_model(packed).provenance["calibration"].startswith("160 samples, SHA-256 ")


def test_settings_may_differ_from_layer_to_layer(compress, folder, tmp_path):
    compress("--density", "0.5,first=0.25", "--weight-bits", "3", "--calibrate", folder / "x.npz", "--holdout", "2")
    model = load_compressed(tmp_path / "out.dcz")
    assert [tensor.density for tensor in model.tensors] == [0.25, 0.5]
    assert [tensor.weight_bits for tensor in model.tensors] == [3, 3]
    assert model.provenance["calibration"].startswith("100 samples")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "labels.npy"], "--labels: is for --calibrate, which gives the inputs"),
        (["--damping", "0.1"], "--damping: is for --calibrate, which gives the inputs"),
        (["--calibrate", "x.npz", "--threshold", "0.1"], "--threshold: --calibrate chooses weights by"),
        (["--calibrate", "x.npz", "--damping", "0"], "--damping: 0.0, but it must be more than 0 and finite"),
        (["--calibrate", "x.npz", "--labels", "x.npz"], "is an archive of arrays; expected a .npy file"),
        (["--calibrate", "x.npz", "--holdout", "500"], "--holdout: every 500th of 200 samples leaves none"),
        (["--calibrate", "labels.npy"], "inputs: 'x' has shape (200,), but the network takes (n, 30)"),
        (["--calibrate", "missing.npz"], "No such file or directory"),
    ],
)
def test_options_that_contradict_or_inputs_that_do_not_fit_are_refused(options, message, fails, folder, tmp_path):
    given = [folder / one if one.endswith((".npz", ".npy")) else one for one in options]
    density = [] if "--threshold" in given else ["--density", "0.5"]
    line = fails("compress", folder / "network.onnx", "-o", tmp_path / "out.dcz", *density, *given)
    assert message in line
    assert not (tmp_path / "out.dcz").exists()


def test_a_file_without_a_graph_is_refused(fails, files, folder, tmp_path):
    line = fails(
        "compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--density", "1", "--calibrate", folder / "x.npz"
    )
    assert line.startswith("--calibrate: ")
    assert line.endswith("has no graph to run its inputs through; give an ONNX model")
