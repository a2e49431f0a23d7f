"""``eie-sim plot``: the pictures that were chosen, in the forms that were chosen, or one line of error."""

import pytest
from PIL import Image

from eie_sim.cli.plot import OF_A_LAYER, OF_ALL_LAYERS
from eie_sim.cli.saving import file_stems


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_all_kinds_are_drawn_of_each_layer_and_of_all(cli, files, tmp_path):
    result = cli("plot", files / "one.eie", "--out", tmp_path / "new" / "pictures", "--bins", 20)
    assert result.exit_code == 0, result.stderr
    expected = {*(f"{kind}-one.png" for kind in OF_A_LAYER), *(f"{kind}.png" for kind in OF_ALL_LAYERS)}
    assert names_in(tmp_path / "new" / "pictures") == expected
    last = result.stderr.splitlines()[-1]
    assert last.startswith("eie-sim: note: wrote utilisation-one, queues-one, ")
    assert result.stdout == ""


def test_the_kinds_and_layers_are_chosen(cli, files, tmp_path):
    chosen = ("--kind", "layers,balance", "--layers", "fc1,fc3", "--format", "svg,png")
    result = cli("plot", files / "chain.eie", "--out", tmp_path, *chosen)
    assert result.exit_code == 0, result.stderr
    assert names_in(tmp_path) == {
        f"{name}.{ending}" for name in ("balance-fc1", "balance-fc3", "layers") for ending in ("png", "svg")
    }
    assert " as png and svg in " in result.stderr


def test_a_chain_is_drawn_with_the_first_of_its_inputs(cli, files, tmp_path):
    result = cli("plot", files / "chain.eie", "--acts", files / "batch.npy", "--out", tmp_path, "--kind", "queues")
    assert names_in(tmp_path) == {f"queues-fc{number}.png" for number in (1, 2, 3)}
    assert "fc1: has 5 input vectors, of which the first is shown; --input N chooses" in result.stderr


def test_another_input_is_chosen(cli, fails, files, tmp_path):
    asked = ("plot", files / "chain.eie", "--acts", files / "batch.npy", "--kind", "queues", "--layers", "fc1")
    for number in (0, 4):
        assert "has 5 input" not in cli(*asked, "--out", tmp_path / str(number), "--input", number).stderr
    drawn = [(tmp_path / str(number) / "queues-fc1.png").read_bytes() for number in (0, 4)]
    assert drawn[0] != drawn[1]
    line = fails(*asked, "--out", tmp_path / "5", "--input", 5)
    assert line == "--input: 5, but layer 'fc1' has the input vectors 0 to 4"


def test_the_timeline_shows_the_cycles_and_pes_asked_for(cli, files, tmp_path):
    heights = []
    for name, more in (("all", ()), ("some", ("--pes", "0-1")), ("window", ("--window", "2:9", "--pes", "1"))):
        result = cli("plot", files / "one.eie", "--out", tmp_path / name, "--kind", "timeline", *more)
        assert result.exit_code == 0, result.stderr
        with Image.open(tmp_path / name / "timeline-one.png") as image:
            heights.append(image.height)
    assert heights[0] > heights[1] > heights[2]


@pytest.mark.parametrize(("style", "width"), [("screen", 1600), ("paper", 1432)])
def test_the_style_sets_the_width(cli, files, tmp_path, style, width):
    cli("plot", files / "one.eie", "--out", tmp_path, "--kind", "stalls", "--style", style)
    with Image.open(tmp_path / "stalls-one.png") as image:
        assert image.width == width


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--kind", "queues,pie"), "--kind: 'pie', but it must be some of utilisation, queues, "),
        (("--format", "gif"), "--format: 'gif', but it must be some of png, svg, pdf"),
        (("--style", "poster"), "--style: 'poster', but it must be one of screen, paper"),
        (("--bins", "0"), "--bins"),
        (("--window", "1-9"), "--window: '1-9', but it must be FIRST:END"),
        (("--kind", "timeline", "--window", "5:900000"), "window: cycles 5 to 899999, but the run has cycles 1 to "),
        (("--pes", "0-99"), "--pes: 0-99, but the machine has PEs 0 to "),
        (("--set", "n_pe=0"), "--set: n_pe: 0"),
    ],
)
def test_a_wrong_option_is_one_line(fails, files, tmp_path, options, told):
    assert told in fails("plot", files / "one.eie", "--out", tmp_path / "out", *options)
    assert not list((tmp_path / "out").glob("*"))


def test_a_folder_is_needed(fails, files):
    assert "--out" in fails("plot", files / "one.eie")


def test_stems_of_files_are_one_s_own():
    assert list(file_stems(["a/b", "a_b", "A_B"]).values()) == ["a_b", "a_b-2", "A_B-3"]
