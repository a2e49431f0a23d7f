"""`eie-sim info` and `eie-sim presets`."""

import json
import subprocess
import sys

import numpy as np
import pytest

from compressor import PackedModel, compress_model, load_model, pack_codes, save_compressed, save_model
from eie_sim import PRESETS, ArchConfig
from eie_sim.capacity import capacity_report
from tests.cli.conftest import BOOK, a_layer


def test_info_shows_what_is_in_a_file(cli, files):
    document = json.loads(cli("info", files / "chain.eie", "--json").stdout)
    model = load_model(files / "chain.eie")
    assert document["file_bytes"] == (files / "chain.eie").stat().st_size
    assert document["provenance"] == {"source": "drawn"}
    for shown, layer, activation in zip(document["layers"], model.layers, model.activations, strict=True):
        assert (shown["name"], shown["activation"]) == (layer.name, activation)
        assert (shown["n_rows"], shown["n_cols"], shown["n_pe"]) == (layer.n_rows, layer.n_cols, layer.n_pe)
        assert (shown["entries"], shown["fillers"]) == (layer.n_entries, layer.n_fillers)
        assert shown["density"] == layer.density
        assert shown["entries_per_pe"]["max"] == layer.entries_per_pe.max()


def test_info_sets_the_fullest_pe_against_the_machine(cli, files):
    (shown,) = json.loads(cli("info", files / "four.eie", "--json", "--set", "ptr_bytes=8").stdout)["layers"]
    layer = load_model(files / "four.eie").layers[0]
    needs = capacity_report(layer, ArchConfig(n_pe=4, ptr_bytes=8))
    assert [(n["memory"], n["used"], n["available"], n["fits"]) for n in shown["sram_per_pe"]] == [
        (n.memory, n.used, n.available, n.fits) for n in needs
    ]
    assert [n["fits"] for n in shown["sram_per_pe"]] == [True, False, True, True]


def test_info_prints_two_tables(cli, files):
    lines = cli("info", files / "chain.eie").stdout.splitlines()
    assert lines[0].endswith("chain.eie: 3 layers, 5,716 bytes") or "3 layers, " in lines[0]
    assert lines[2].split()[:3] == ["layer", "outputs", "inputs"]
    assert lines[4].split()[:3] == ["fc1", "60", "40"]
    assert any(line.startswith("The fullest PE, used of what eie-64pe-45nm has:") for line in lines)
    assert lines[-1] == "source: drawn"


def test_info_tells_bias_permutation_and_wide_entries(cli, tmp_path):
    import numpy as np

    from compressor import pack_codes

    codes = np.ones((6, 3), np.uint8)
    book = np.arange(256)
    layer = pack_codes(
        codes, book, n_pe=2, index_bits=8, bias_codes=codes[:, 0], row_permutation=range(6)[::-1], name="wide"
    )
    save_model(PackedModel((layer,), ("relu",)), tmp_path / "x.eie")
    result = cli("info", tmp_path / "x.eie", "--set", "spmat_width_bits=8")
    assert result.exit_code == 0, result.stderr
    assert "3 + bias" in result.stdout
    assert "8+8" in result.stdout
    assert "relu, permuted" in result.stdout


def test_info_shows_an_empty_layer(cli, tmp_path):
    from compressor import pack_codes

    save_model(pack_codes([[0, 0]], BOOK, n_pe=1, name="empty"), tmp_path / "x.eie")
    assert "0.00" in cli("info", tmp_path / "x.eie").stdout


@pytest.mark.compiled_only
def test_info_keeps_every_line_in_100_columns(cli, tmp_path):
    save_model(a_layer("a name longer than a table can bear", 3000, 2000), tmp_path / "x.eie")
    assert max(map(len, cli("info", tmp_path / "x.eie").stdout.splitlines()[1:])) <= 100


@pytest.mark.parametrize("name", ["truncated.eie", "acts.npy", "machine.toml", "absent.eie", "."])
def test_info_of_something_else_is_one_line(fails, files, name):
    assert str(files / name) in fails("info", files / name)


def test_info_of_a_compressed_model_without_a_graph_says_which_command_shows_it(fails, tmp_path):
    save_compressed(compress_model({"fc": np.ones((2, 3))}, 1.0), tmp_path / "x.dcz")
    assert fails("info", tmp_path / "x.dcz").endswith(
        "x.dcz: has no graph, so it is a set of matrices; eie-compress info shows what is in it"
    )
    (tmp_path / "x.net").touch()
    assert fails("info", tmp_path / "x.net").endswith(
        "x.net: size: 0 bytes, but the entry counts of 26 layers alone take 104; "
        "eie-compress info --shapes shows the file of another network"
    )


@pytest.mark.parametrize("name", ["x.pt", "x.npz", "x.safetensors"])
def test_info_of_a_trained_network_says_which_command_shows_it(fails, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK-of-some-archive")
    assert fails("info", tmp_path / name).endswith(
        f"{name}: not a packed model; eie-compress info shows a trained network, eie-compress compress FILE -o X.eie "
        "packs it"
    )


def test_info_of_a_topology_says_which_command_runs_it(fails, files):
    assert fails("info", files / "topology.csv").endswith(
        "topology.csv: not a packed model; eie-sim run simulates a topology of SCALE-Sim"
    )


def test_info_reads_a_packed_model_by_any_name(cli, files, tmp_path):
    (tmp_path / "x.bin").write_bytes((files / "chain.eie").read_bytes())
    assert cli("info", tmp_path / "x.bin").exit_code == 0


def test_presets_shows_every_parameter_with_its_source(cli):
    document = json.loads(cli("presets", "--json").stdout)
    assert document["presets"] == {name: machine.model_dump() for name, machine in PRESETS.items()}
    assert document["parameters"] == {name: f.description for name, f in ArchConfig.model_fields.items()}
    table = cli("presets").stdout
    for name in {*PRESETS, *ArchConfig.model_fields} - {"name"}:
        assert name in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_machine_that_is_asked_for_gets_the_model_repacked(tmp_path):
    layer = pack_codes(np.ones((64, 32), np.uint8), [0, *[1] * 15], 64, name="fc")
    save_model(PackedModel([layer], ["none"]), tmp_path / "m.eie")
    asked = subprocess.run(
        [sys.executable, "-m", "eie_sim", "info", str(tmp_path / "m.eie"), "--set", "n_pe=16", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (found,) = json.loads(asked.stdout)["layers"]
    assert (found["n_pe"], found["sram_per_pe"][0]["used"]) == (16, 4 * 32)
    assert "as repacked for 16 PEs and 4-bit runs" in asked.stderr
