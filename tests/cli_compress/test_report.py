"""`eie-compress report` and `info`."""

import json
import sys

import numpy as np
import pytest

from compressor import PackedModel, save_compressed, save_model
from compressor.accounting import account_file, fixed_width_content, general_coders, paper_rule
from compressor.storage.coded_file import read_stored
from tests.extras import needs


def test_the_rule_of_the_paper_is_that_of_the_library(cli, files, model):
    document = json.loads(cli("report", files / "model.dcz", "--json").stdout)
    stored = read_stored(files / "model.dcz")
    for row, tensor, streams in zip(document["layers"], model.tensors, stored.streams, strict=True):
        rule = paper_rule(tensor, streams.index_bits)
        assert row["paper"]["n_kept"] == rule.n_kept == np.count_nonzero(tensor.codes)
        assert row["paper"]["huffman_rate"] == rule.huffman_rate
        assert row["paper"]["weight_bits_huffman"] == rule.weight_bits_huffman
    assert document["total"]["paper"]["n_weights"] == sum(tensor.codes.size for tensor in model.tensors)


def test_every_byte_of_a_dcz_file_is_in_the_table(cli, files):
    document = json.loads(cli("report", files / "model.dcz", "--json").stdout)
    size = (files / "model.dcz").stat().st_size
    assert document["file_bytes"] == size
    assert document["header_bytes"] + document["others_bytes"] + document["total"]["file"]["total"] == size


def test_every_byte_of_a_net_file_is_in_the_table(cli, files, model):
    result = cli("report", files / "model.net", "--shapes", files / "shapes.toml", "--json")
    document = json.loads(result.stdout)
    assert document["header_bytes"] == 4 * len(model.tensors)  # the numbers of entries, uint32
    size = (files / "model.net").stat().st_size
    assert document["header_bytes"] + document["total"]["file"]["total"] == document["file_bytes"] == size
    for row, tensor in zip(document["layers"], model.tensors, strict=True):
        entries = row["paper"]["n_entries"]
        assert row["file"]["codes"] == -(-entries * tensor.weight_bits // 8)
        assert row["file"]["runs"] == -(-entries // 2)
        assert row["file"]["tables"] == 0


def test_general_tools_stand_beside(cli, files, model):
    needs("zstandard", "formats")
    needs("brotli", "formats")
    document = json.loads(cli("report", files / "model.dcz", "--json").stdout)["general_coders"]
    assert {name: document[name] for name in ("zlib", "zstd", "brotli")} == general_coders(model)
    assert document["bytes"] == len(fixed_width_content(model))
    of_net = json.loads(cli("report", files / "model.net", "--shapes", files / "shapes.toml", "--json").stdout)
    assert of_net["general_coders"]["zlib"] == general_coders((files / "model.net").read_bytes())["zlib"]


def test_a_general_tool_that_is_absent_is_named(cli, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    text = " ".join(cli("report", files / "model.dcz").stdout.split())
    assert "Not installed: zstd, brotli (pip install 'eie-sim[formats]')." in text
    assert json.loads(cli("report", files / "model.dcz", "--json").stdout)["general_coders"]["brotli"] is None


def test_general_tools_can_be_left_out(cli, files):
    assert "General tools" not in cli("report", files / "model.dcz", "--no-compare").stdout
    document = json.loads(cli("report", files / "model.dcz", "--no-compare", "--json").stdout)
    assert document["general_coders"] is None


def test_the_tables_are_those_of_the_paper(cli, files):
    lines = cli("report", files / "model.dcz", "--no-compare").stdout.splitlines()
    headings = "layer weights fillers w w H i i H P P+Q P+Q+H smaller"
    assert lines[1].split() == headings.split()
    assert [line.split()[0] for line in lines[3:6]] == ["conv1", "fc1", "total"]
    assert max(map(len, lines)) <= 100
    total = account_file(files / "model.dcz").total
    assert lines[5].split()[1] == f"{total.paper.n_weights:,}"
    assert lines[5].split()[-2] == f"{100 * total.paper.huffman_rate:.2f}"


def test_a_wide_terminal_shows_every_column(cli, files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    text = cli("report", files / "model.dcz", "--no-compare").stdout
    assert "stored as" in text
    assert "more column" not in text
    monkeypatch.setenv("COLUMNS", "60")
    narrow = " ".join(cli("report", files / "model.dcz", "--no-compare").stdout.split())
    assert "in a terminal of" in narrow
    assert "all in --json" in narrow


def test_a_name_of_a_layer_cannot_break_the_table(cli, model, tmp_path):
    from dataclasses import replace

    evil = replace(model.tensors[1], name="\x1b[31m" + "x" * 50 + "\n")
    save_compressed(replace(model, tensors=(evil,), activations=("none",)), tmp_path / "x.dcz")
    assert "\x1b" not in cli("report", tmp_path / "x.dcz").stdout
    assert "\x1b" not in cli("info", tmp_path / "x.dcz").stdout


@pytest.mark.parametrize("command", ["report", "info"])
def test_shapes_are_those_of_a_known_network_or_of_a_file(fails, files, command):
    assert f"{files / 'model.net'}: ip2: " in fails(command, files / "model.net", "--shapes", "lenet-5")
    assert "--shapes: 'lenet-6', but it must be a file .toml or one of lenet-300-100, lenet-5" in fails(
        command, files / "model.net", "--shapes", "lenet-6"
    )
    assert "--shapes: is for .net files" in fails(command, files / "model.dcz", "--shapes", "lenet-5")


def test_a_list_of_shapes_that_is_none_is_one_line(fails, files, tmp_path):
    (tmp_path / "shapes.toml").write_text("conv1 = 3\n")
    line = fails("report", files / "model.net", "--shapes", tmp_path / "shapes.toml")
    assert line.startswith("--shapes: conv1 is 3, but it must be a list")


def test_a_report_is_of_compressed_models_alone(fails, files):
    assert fails("report", files / "network.npz").endswith("but it must be one of .dcz, .net")


# Info -----------------------------------------------------------------------------------------------------------------


def test_info_shows_the_layers_and_the_parts_of_a_dcz_file(cli, files, model):
    document = json.loads(cli("info", files / "model.dcz", "--json").stdout)
    assert sum(document["parts"].values()) == document["file_bytes"] == (files / "model.dcz").stat().st_size
    assert document["provenance"] == {"source": "drawn"}
    for row, tensor, activation in zip(document["layers"], model.tensors, model.activations, strict=True):
        assert (row["name"], row["kind"], row["shape"]) == (tensor.name, tensor.kind, list(tensor.shape))
        assert (row["weight_bits"], row["density"], row["activation"]) == (
            tensor.weight_bits, tensor.density, activation
        )  # fmt: skip


def test_info_shows_a_trained_network(cli, files):
    document = json.loads(cli("info", files / "network.npz", "--json").stdout)
    assert [row["name"] for row in document["layers"]] == ["conv1", "fc1", "fc2"]
    assert document["others"] == {"norm.weight": [20]}
    lines = cli("info", files / "network.npz").stdout.splitlines()
    assert lines[4].split() == ["conv1", "conv", "4x1x3x3", "+", "bias", "36", "100.00", "relu", "(assumed)"]
    assert "Not compressed: norm.weight 20." in lines


def test_info_shows_the_gates_of_a_recurrent_layer(cli, tmp_path):
    np.savez(tmp_path / "x.npz", **{"lstm.weight_ih_l0": np.ones((8, 3)), "lstm.weight_hh_l0": np.ones((8, 2))})
    document = json.loads(cli("info", tmp_path / "x.npz", "--json").stdout)
    assert [(row["kind"], row["gates"]) for row in document["layers"]] == [("lstm", ["i", "f", "g", "o"])] * 2
    assert "lstm i f g o" in cli("info", tmp_path / "x.npz").stdout


def test_info_shows_a_net_file(cli, files, model):
    result = cli("info", files / "model.net", "--shapes", files / "shapes.toml", "--json")
    document = json.loads(result.stdout)
    assert [row["nonzeros"] for row in document["layers"]] == [np.count_nonzero(t.codes) for t in model.tensors]


def test_info_of_a_net_file_without_a_graph_says_so_in_one_line(cli, files):
    line = "A set of matrices: a .net file has no graph, and only that of squeezenet-1.0 is known."
    shown = cli("info", files / "model.net", "--shapes", files / "shapes.toml").stdout.splitlines()
    assert shown.count(line) == 1
    assert line not in cli("info", files / "model.dcz").stdout.splitlines()


def test_info_shows_a_packed_model(cli, model, tmp_path):
    packed = model.select("fc1").pack(8, 4)
    save_model(PackedModel(packed.layers, packed.activations, {"source": "drawn"}), tmp_path / "x.eie")
    (row,) = json.loads(cli("info", tmp_path / "x.eie", "--json").stdout)["layers"]
    assert (row["n_pe"], row["entries"]) == (8, packed.layers[0].n_entries)
    assert cli("info", tmp_path / "x.eie").stdout.splitlines()[-1] == "source: drawn"


def test_info_keeps_long_lists_short(cli, tmp_path):
    arrays = {f"norm{at}.weight": np.ones(3) for at in range(30)}
    np.savez(tmp_path / "x.npz", fc=np.ones((2, 2)), **arrays)
    assert "and 22 more (all in --json)." in " ".join(cli("info", tmp_path / "x.npz").stdout.split())


@pytest.mark.compiled_only
def test_memory_is_given_to_a_file_from_a_trusted_source(cli, fails, tmp_path):
    from compressor import CodedTensor, CompressedModel

    cells = 120_000_000
    tensor = CodedTensor("fc", (1000, cells // 1000), "linear", [0, 1], np.zeros(cells, np.uint8))
    save_compressed(CompressedModel((tensor,), ("none",)), tmp_path / "x.dcz", "huffman", 8)
    del tensor
    assert "memory: " in fails("info", tmp_path / "x.dcz")
    assert cli("info", tmp_path / "x.dcz", "--max-memory", "1000", "--json").exit_code == 0
