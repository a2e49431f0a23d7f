"""What a reader of the output may do: leave early, or read in an encoding that lacks a layer's name."""

import subprocess
import sys

import numpy as np
import pytest

from compressor import PackedModel, compress_layer, save_model
from tests.command_line import in_a_process

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")

NAMES = ("größe", "層")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file with two layers whose names are not ASCII."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("names") / "m.eie"
    layers = [compress_layer(rng.normal(size=(16, 32)), density=0.3, name=NAMES[0])]
    layers += [compress_layer(rng.normal(size=(8, 16)), density=0.3, name=NAMES[1])]
    save_model(PackedModel(layers, ["relu", "none"]), path)
    return path


@pytest.mark.parametrize("command", ["run", "info", "report", "run --csv -"])
def test_a_name_that_the_encoding_lacks_is_shown_with_question_marks(model, command):
    verb, *more = command.split()
    done = in_a_process("eie_sim", verb, model, *more, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert "gr??e" in done.stdout


def test_so_does_eie_compress(model, tmp_path):
    np.savez(tmp_path / "w.npz", **{NAMES[0]: np.ones((8, 4), np.float32), NAMES[1]: np.eye(4, 8, dtype=np.float32)})
    out = tmp_path / "größe.dcz"
    done = in_a_process(
        "compressor", "compress", tmp_path / "w.npz", "--out", out, "--density", 0.5, PYTHONIOENCODING="ascii"
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    done = in_a_process("compressor", "info", out, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "gr??e" in done.stdout


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("eie_sim", ("--help",)),
        ("eie_sim", ("--version",)),
        ("eie_sim", ()),
        ("eie_sim", ("run", "--help")),
        ("eie_sim", ("sweep", "--help")),
        ("eie_sim", ("sweep", "run", "--help")),
        ("eie_sim", ("presets",)),
        ("compressor", ("--help",)),
        ("compressor", ("info", "--help")),
    ],
)
def test_a_reader_who_leaves_is_no_failure(module, arguments):
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        stderr = child.stderr.read()
    assert (child.returncode, stderr) == (0, "")


@pytest.mark.parametrize("command", ["run", "info", "report", "run --json", "run --csv -"])
def test_so_it_is_with_results(model, command):
    verb, *more = command.split()
    with subprocess.Popen(
        [sys.executable, "-m", "eie_sim", verb, str(model), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        child.stdout.close()
        stderr = child.stderr.read()
    assert child.returncode == 0
    assert "Traceback" not in stderr
