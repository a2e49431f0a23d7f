"""The comparison of Winograd's transform with im2col on the authors' SqueezeNet."""

import json

import numpy as np
import pytest

from benchmarks import winograd
from benchmarks.harness import command
from tests.extras import needs


def call(*arguments):
    return command("winograd", "", winograd.measure, arguments, winograd.add_options)


def test_without_the_authors_file_nothing_is_measured_and_the_note_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.delenv("EIE_SIM_SQUEEZENET", raising=False)
    assert call("--json", "--check") == 1
    (figure,) = json.loads(capsys.readouterr().out)["figures"]
    assert figure["value"] is None
    assert figure["note"].startswith("name the folder of compressed_SqueezeNet.net in EIE_SIM_SQUEEZENET")


@pytest.mark.slow
@pytest.mark.compiled_only
def test_a_photo_takes_fewer_multiply_accumulates_and_an_error_that_is_reported(squeezenet, tmp_path, capsys):
    needs("skimage", "photos")
    from PIL import Image

    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (227, 227, 3), np.uint8)).save(tmp_path / "noise.png")
    options = ["--net", str(squeezenet), "--photo", str(tmp_path / "noise.png"), "--out", str(tmp_path), "--json"]
    assert call(*options) == 0
    report = json.loads(capsys.readouterr().out)
    layers = report["tables"]["Layers of 3 x 3"]
    assert [row["layer"] for row in layers[::2]] == [f"fire{number}/conv3x3_2" for number in range(2, 10)]
    for plain, other in zip(layers[::2], layers[1::2], strict=True):
        assert (plain["lowering"], plain["error"]) == ("im2col", "")
        assert 0 < float(other["error"]) < 0.1
        assert int(other["MACs dense"].replace(",", "")) < int(plain["MACs dense"].replace(",", ""))
    assert report["figures"][0]["value"] == pytest.approx(447_492_096 / 211_943_424)
    page = (tmp_path / "winograd.md").read_text()
    assert report["facts"]["finding"] in page
