"""`eie-compress compress`."""

import json

import numpy as np
import pytest

from compressor import CompressedModel, compress_model, load_compressed, load_model, save_compressed
from compressor.importers import read_npz
from tests.cli_compress.conftest import a_network


@pytest.fixture
def compressed(cli, tmp_path):
    """``compressed(file, *options)`` -> what stands in the file that is written."""

    def call(file, *options):
        result = cli("compress", file, "-o", tmp_path / "out.dcz", *options)
        assert result.exit_code == 0, result.stderr
        return load_compressed(tmp_path / "out.dcz")

    return call


def test_the_file_is_the_one_that_the_library_writes(cli, files, tmp_path):
    result = cli("compress", files / "network.npz", "-o", tmp_path / "cli.dcz", "--density", "0.3")
    normalised, told, wrote = result.stderr.splitlines()
    assert "not assumed to be relu after fc1 (norm.weight comes before the next layer): left to the host" in normalised
    assert told.startswith("eie-compress: note: the file does not say which activation functions it has: relu is assum")
    assert wrote == f"eie-compress: note: wrote {tmp_path / 'cli.dcz'}"
    model = compress_model(read_npz(files / "network.npz"), 0.3, weight_bits=4)
    save_compressed(model, tmp_path / "library.dcz")
    assert (tmp_path / "cli.dcz").read_bytes() == (tmp_path / "library.dcz").read_bytes()


def test_the_accounting_sums_to_the_size_of_the_file(cli, files, tmp_path):
    result = cli("compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--density", "0.3", "--json")
    document = json.loads(result.stdout)
    parts = ("codebook", "bias", "tables", "codes", "runs")
    of_layers = sum(layer["file"][part] for layer in document["layers"] for part in parts)
    assert of_layers == document["total"]["file"]["total"]
    size = of_layers + document["header_bytes"] + document["others_bytes"]
    assert size == document["file_bytes"] == (tmp_path / "x.dcz").stat().st_size
    assert document["dense_bytes"] == 4 * sum(array.size for array in a_network().values())
    assert document["source"] == str(files / "network.npz")


def test_the_tables_keep_to_100_columns_and_end_with_the_rate(cli, files, tmp_path):
    lines = cli("compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--density", "0.3").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    size = (tmp_path / "x.dcz").stat().st_size
    assert f" smaller: {size:,} bytes of " in lines[-2]
    assert ["file", f"{size:,}"] in [line.split()[:2] for line in lines]


def test_a_later_pair_wins_over_an_earlier_one_and_over_the_value_of_all(compressed, files):
    model = compressed(files / "network.npz", "--density", "0.1,fc*=0.5,conv=1,fc2=0.25", "--weight-bits", "5,conv1=8")
    assert [tensor.density for tensor in model.tensors] == [1, 0.5, 0.25]
    assert [tensor.weight_bits for tensor in model.tensors] == [8, 5, 5]


def test_activation_functions_can_be_said_and_then_nothing_is_assumed(cli, files, tmp_path):
    out = tmp_path / "x.dcz"
    options = ("--density", "0.3", "--activation", "relu,fc1=tanh,fc2=none")
    result = cli("compress", files / "network.npz", "-o", out, *options)
    assert result.stderr == f"eie-compress: note: wrote {out}\n"
    assert load_compressed(out).activations == ("relu", "tanh", "none")
    assert cli("compress", out, "-o", tmp_path / "y.dcz", "--activation", "fc1=sigmoid").exit_code == 0
    assert load_compressed(tmp_path / "y.dcz").activations == ("relu", "sigmoid", "none")


def test_codes_that_the_papers_machine_does_not_take_are_noted(cli, files, tmp_path):
    def notes(bits):
        options = ("--density", "1", "--weight-bits", bits)
        return cli("compress", files / "matrices.npz", "-o", tmp_path / "x.eie", *options).stderr

    assert "note: codes of 5 bits: the paper's machine takes 4 (eie-sim run --set weight_bits=5" in notes("5")
    assert "codes of" not in notes("4")
    assert "note: codes of 3 bits: the paper's machine takes 4 (eie-sim run --set weight_bits=3" in notes("3")


def test_layers_of_different_codes_are_for_no_machine(cli, files, tmp_path):
    options = ("--density", "1", "--weight-bits", "4,fc2=5", "--keep", "conv1*")
    told = cli("compress", files / "network.npz", "-o", tmp_path / "x.eie", *options).stderr
    assert "note: codes of 4 and 5 bits: the paper's machine takes 4 (--weight-bits 4 here)" in told


@pytest.mark.parametrize("note", ["null", "5", "oops", '"abc"', "[1]"])
def test_a_forged_note_is_one_error_that_names_it(fails, model, tmp_path, note):
    forged = CompressedModel(model.tensors, model.activations, {"assumed_relu": note})
    save_compressed(forged, tmp_path / "bad.dcz")
    line = fails("compress", tmp_path / "bad.dcz", "-o", tmp_path / "x.dcz")
    assert line.startswith("provenance: assumed_relu is ")


def test_a_density_of_zero_leaves_nothing_to_compress(fails, files, tmp_path):
    line = fails("compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--density", "0")
    assert line == "--density: 0, but it must be above 0 and at most 1"


def test_an_unknown_activation_function_is_one_error(fails, files, tmp_path):
    line = fails("compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--density", "1", "--activation", "gelu")
    assert line == "--activation: 'gelu', but it must be one of none, relu, sigmoid, tanh, host"


def test_the_value_of_all_may_stand_anywhere(compressed, files):
    model = compressed(files / "network.npz", "--density", "conv1=1,0.5,fc2=0.25")
    assert [tensor.density for tensor in model.tensors] == [1, 0.5, 0.25]


def test_layers_may_be_pruned_in_different_ways(compressed, files):
    options = ["--threshold", "conv1=0.5,fc2=0", "--quality", "fc1=1"]
    model = compressed(files / "network.npz", *options, "--weight-bits", "8")
    network = read_npz(files / "network.npz")
    conv, fc1, fc2 = (tensor.weights for tensor in network.tensors)
    kept = [np.abs(conv) >= 0.5, np.abs(fc1) >= fc1.std(), np.abs(fc2) >= 0]
    assert [np.count_nonzero(tensor.codes) for tensor in model.tensors] == [np.count_nonzero(mask) for mask in kept]


def test_settings_from_a_file_are_those_of_the_command_line(compressed, files, tmp_path):
    (tmp_path / "s.toml").write_text(
        'weight_bits = 5\nindex_bits = 4\ncoder = "fixed"\nkeep = ["fc2"]\n[density]\n"*" = 0.5\nconv1 = 1\n'
    )
    by_file = compressed(files / "network.npz", "--settings", tmp_path / "s.toml")
    content = (tmp_path / "out.dcz").read_bytes()
    options = ["--density", "0.5,conv1=1", "--weight-bits", "5", "--index-bits", "4", "--coder", "fixed"]
    options += ["--keep", "fc2"]
    assert compressed(files / "network.npz", *options) == by_file
    assert (tmp_path / "out.dcz").read_bytes() == content


def test_an_option_wins_over_the_settings_of_a_file(compressed, files, tmp_path):
    (tmp_path / "s.toml").write_text("density = 0.5\nweight_bits = 6\n")
    model = compressed(files / "network.npz", "--settings", tmp_path / "s.toml", "--density", "0.25")
    assert [tensor.weight_bits for tensor in model.tensors] == [6, 6, 6]
    assert [tensor.density for tensor in model.tensors] == [0.25, 0.25, 0.25]


def test_layers_that_are_kept_stay_as_they_are(compressed, files):
    model = compressed(files / "network.npz", "--density", "0.5", "--keep", "conv*", "--keep", "fc2")
    assert [tensor.name for tensor in model.tensors] == ["fc1"]
    for name in ("conv1.weight", "fc2.weight", "norm.weight"):
        assert np.array_equal(model.others[name], a_network()[name])


def test_a_layer_with_a_comma_or_an_equals_sign_in_its_name_can_be_named(compressed, tmp_path):
    rng = np.random.default_rng(0)
    names = ["conv,1", "a=b", "fc"]
    np.savez(tmp_path / "odd.npz", **{f"{name}.weight": rng.normal(size=(10, 10)) for name in names})
    model = compressed(
        tmp_path / "odd.npz", "--density", '0.1,"conv,1"=0.5,a=b=0.3', "--weight-bits", '"conv,1"=2,4', "--keep", "fc"
    )
    assert [(t.name, t.density, t.weight_bits) for t in model.tensors] == [("conv,1", 0.5, 2), ("a=b", 0.3, 4)]
    model = compressed(tmp_path / "odd.npz", "--density", "1", "--keep", '"conv,1",a=b', "--init", "fc=exact")
    assert [tensor.name for tensor in model.tensors] == ["fc"]


def test_a_name_with_a_comma_that_is_not_quoted_says_so(fails, tmp_path):
    np.savez(tmp_path / "odd.npz", **{"conv,1.weight": np.ones((2, 2))})
    line = fails("compress", tmp_path / "odd.npz", "-o", tmp_path / "x.dcz", "--density", "1=0.5")
    assert "'1' fits no layer; there are conv,1; a name with a comma needs double quotes" in line


def test_what_is_kept_and_what_is_transposed_is_said_and_take_overrides_it(cli, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"dense/kernel:0": (6, 3), "dense/bias:0": (3,), "embedding.weight": (9, 2)}
    np.savez(tmp_path / "a.npz", **{name: rng.normal(size=shape) for name, shape in arrays.items()})
    words = ("compress", tmp_path / "a.npz", "-o", tmp_path / "a.dcz", "--density", "1")
    said = cli(*words).stderr
    assert "note: stored (inputs, outputs), read transposed: dense/kernel:0" in said
    assert "note: kept as they are: embedding.weight (embedding table)" in said
    shown = " ".join(cli("info", tmp_path / "a.dcz").stdout.split())
    assert "Stored (inputs, outputs), read transposed: dense/kernel:0." in shown
    assert "Kept as they are: embedding.weight (embedding table)" in shown
    assert "kept as they are" not in cli(*words, "--take", "embedding").stderr
    assert [t.name for t in load_compressed(tmp_path / "a.dcz").tensors] == ["dense/kernel:0", "embedding"]
    (tmp_path / "s.toml").write_text('take = ["embed*"]\n')
    cli(*words, "--settings", tmp_path / "s.toml")
    assert len(load_compressed(tmp_path / "a.dcz").tensors) == 2


def test_the_coder_and_the_index_width_are_those_asked_for(cli, files, tmp_path):
    options = ["--density", "0.2", "--coder", "fixed,huffman", "--index-bits", "5,conv=none"]
    result = cli("compress", files / "network.npz", "-o", tmp_path / "x.dcz", *options, "--json")
    stored = [layer["stored"] for layer in json.loads(result.stdout)["layers"]]
    assert stored[0].endswith("codes, dense")
    assert all(text.endswith("runs of 5 bits") for text in stored[1:])


def test_a_compressed_model_is_coded_anew(compressed, files, model, tmp_path):
    assert compressed(files / "model.dcz", "--coder", "fixed", "--index-bits", "3") == model
    save_compressed(model, tmp_path / "library.dcz", "fixed", 3)
    assert (tmp_path / "out.dcz").read_bytes() == (tmp_path / "library.dcz").read_bytes()


def test_a_file_of_the_authors_becomes_a_dcz_file(compressed, files, model):
    found = compressed(files / "model.net", "--shapes", files / "shapes.toml")
    assert found.tensors == model.tensors


def test_compressing_a_net_file_without_a_graph_says_so(cli, files, tmp_path):
    result = cli("compress", files / "model.net", "--shapes", files / "shapes.toml", "-o", tmp_path / "x.dcz")
    notes = [line for line in result.stderr.splitlines() if "graph" in line]
    assert notes == [
        "eie-compress: note: a set of matrices: a .net file has no graph, and only that of squeezenet-1.0 is known"
    ]


def test_a_file_may_take_its_own_place(cli, tmp_path, model):
    save_compressed(model, tmp_path / "x.dcz")
    assert cli("compress", tmp_path / "x.dcz", "-o", tmp_path / "x.dcz", "--coder", "fixed").exit_code == 0
    assert load_compressed(tmp_path / "x.dcz") == model


# For the machine ------------------------------------------------------------------------------------------------------


def test_matrices_are_packed_for_the_machine_and_convolutions_left_out(cli, files, tmp_path):
    options = ["--density", "0.3", "--n-pe", "4", "--index-bits", "3"]
    result = cli("compress", files / "network.npz", "-o", tmp_path / "x.eie", *options, "--json")
    assert "note: left out, for the machine runs matrices only: conv1\n" in result.stderr
    assert load_model(tmp_path / "x.eie").others.keys() == {"norm.weight"}
    packed = load_model(tmp_path / "x.eie")
    wanted = compress_model(read_npz(files / "network.npz"), 0.3).select("fc1", "fc2").pack(4, 3)
    assert [layer.dense().tolist() for layer in packed.layers] == [layer.dense().tolist() for layer in wanted.layers]
    document = json.loads(result.stdout)
    assert document["left_out"] == ["conv1"]
    assert [(row["name"], row["n_pe"], row["index_bits"]) for row in document["layers"]] == [
        ("fc1", 4, 3), ("fc2", 4, 3)
    ]  # fmt: skip


def test_a_compressed_model_is_packed_for_the_paper_s_machine(cli, files, tmp_path):
    result = cli("compress", files / "model.dcz", "-o", tmp_path / "x.eie")
    (layer,) = load_model(tmp_path / "x.eie").layers
    assert layer.packing == (64, 4, 4)
    assert "fc1" in result.stdout


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--density: must be given, or --threshold or --quality"),
        ([], "--density 1 keeps every weight that is not zero"),
        (["--density", "2"], "--density: 2, but it must be above 0 and at most 1"),
        (["--density", "much"], "--density: 'much' is not a number"),
        (["--density", "0.1,=2"], "--density: '0.1,=2', but it must be a value or pairs name=value"),
        (["--density", "0.1,fc9=1"], "--density: 'fc9' fits no layer; there are conv1, fc1, fc2"),
        (["--density", "fc=1,conv=1"], "--density: 'fc' fits no layer"),
        (["--density", "conv=1"], "nothing says how 'fc1' is to be pruned"),
        (["--density", "conv=1"], "; --density fc1=X, or X alone for all others, does"),
        (["--quality", "fc1=1"], "; --quality conv1=X, or X alone for all others, does"),
        (["--density", "1", "--quality", "fc2=1"], "--density and --quality say how 'fc2' is to be pruned"),
        (["--density", "1", "--weight-bits", "9"], "--weight-bits: 9, but it must be 1 to 8"),
        (["--density", "1", "--weight-bits", "2.5"], "--weight-bits: '2.5' is not an integer"),
        (["--density", "1", "--index-bits", "1"], "--index-bits: 1, but it must be 2 to 8"),
        (["--density", "1", "--index-bits", "fc7=4"], "--index-bits: 'fc7' fits no layer"),
        (["--density", "1", "--init", "random"], "--init: 'random', but it must be one of linear"),
        (["--density", "1", "--coder", "zip"], "coder: 'zip', but it must be one of"),
        (["--density", "1", "--keep", "nothing*"], "keep: no array"),
        (["--density", "1", "--take", "nothing*"], "take: no array"),
        (["--density", "1", "--keep", "fc1", "--take", "fc*"], "take: 'fc1.weight' is matched by keep too"),
        (["--density", "1", "--n-pe", "4"], "--n-pe: means nothing for a .dcz file"),
        (["--density", "1", "--shapes", "lenet-5"], "--shapes: is for .net files"),
        (["--density", "1", "--max-memory", "5"], "--max-memory: is for .dcz files"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(fails, files, tmp_path, options, message):
    assert message in fails("compress", files / "network.npz", "-o", tmp_path / "x.dcz", *options)
    assert not (tmp_path / "x.dcz").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("densities = 1\n", "unknown key 'densities'"),
        ("density = \n", "not a TOML file"),
        ("density = true\n", "'True' is not a number"),
        ("density = 0.5\nkeep = 3\n", "--keep: 3, but it must be a text or a list of texts"),
    ],
)
def test_a_settings_file_that_is_wrong_is_one_line(fails, files, tmp_path, text, message):
    (tmp_path / "s.toml").write_text(text)
    line = fails("compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--settings", tmp_path / "s.toml")
    assert message in line


@pytest.mark.parametrize("option", ["--density", "--threshold", "--weight-bits", "--init", "--keep", "--seed"])
def test_what_is_shared_already_is_not_compressed_again(fails, files, tmp_path, option):
    value = {"--init": "exact", "--keep": "fc1"}.get(option, "1")
    line = fails("compress", files / "model.dcz", "-o", tmp_path / "x.dcz", option, value)
    assert line.startswith(f"{option}: means nothing for")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("model.dcz", ["--coder", "fixed"], "--coder: means nothing for a .eie file"),
        ("model.dcz", ["--index-bits", "best"], "--index-bits: must be one number"),
        ("model.dcz", ["--index-bits", "4,fc1=3"], "--index-bits: must be one number"),
        ("only.dcz", [], "all of its layers are convolutions"),
    ],
)
def test_what_the_machine_cannot_take_is_one_line(fails, files, model, tmp_path, name, options, message):
    save_compressed(model, tmp_path / "model.dcz")
    save_compressed(model.select("conv1"), tmp_path / "only.dcz")
    assert message in fails("compress", tmp_path / name, "-o", tmp_path / "x.eie", *options)
    assert not (tmp_path / "x.eie").exists()


def test_a_target_that_cannot_be_is_told_before_anything_is_read(fails, tmp_path):
    def line(out):
        return fails("compress", tmp_path / "absent.npz", "-o", out, "--density", "1")

    (tmp_path / "folder.dcz").mkdir()
    assert line(tmp_path / "no" / "x.dcz") == f"--out: {tmp_path / 'no'}: no such folder"
    assert line(tmp_path / "folder.dcz") == f"--out: {tmp_path / 'folder.dcz'}: is a folder"
    assert line(tmp_path / "x.zip").endswith("but it must be one of .dcz, .eie")


def test_after_a_failure_what_was_there_is_there_still(fails, files, tmp_path):
    (tmp_path / "x.dcz").write_text("mine")
    assert "fits no layer" in fails("compress", files / "network.npz", "-o", tmp_path / "x.dcz", "--density", "fc9=1")
    assert (tmp_path / "x.dcz").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["x.dcz"]


def test_info_says_which_activation_functions_are_assumed(cli, files, tmp_path):
    options = ("--density", "0.3", "--activation", "fc1=relu")
    assert cli("compress", files / "network.npz", "-o", tmp_path / "x.dcz", *options).exit_code == 0
    lines = cli("info", tmp_path / "x.dcz").stdout.splitlines()
    ends = {line.split()[0]: line.rstrip() for line in lines if line.split()}
    assert ends["conv1"].endswith(" relu (assumed)")
    assert ends["fc1"].endswith(" relu")
    assert ends["fc2"].endswith(" none")
