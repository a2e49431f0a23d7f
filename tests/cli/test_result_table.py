"""The table of `eie-sim run`, as a user sees it."""

import dataclasses
import subprocess
import sys

import pytest

from eie_sim import preset
from eie_sim.cli.console import Printer
from eie_sim.cli.result_table import print_results
from eie_sim.report.results_file import Results
from eie_sim.report.tables import COLUMNS
from tests.cli.conftest import in_a_process
from tests.command_line import on_a_terminal

ARCH = preset("eie-64pe-45nm")


def row(layer: str, number: int = 0, **figures) -> dict:
    return {**dict.fromkeys(COLUMNS, 1), "layer": layer, "input": number, **figures}


def compared(layer: str, cycles: int, time_us: float, deviation: float) -> dict:
    return row(
        layer, cycles=cycles, time_us=time_us, paper_time_us=9.9, deviation_time_percent=deviation,
        theoretical_us=8.862, paper_theoretical_us=8.9, deviation_theoretical_percent=-0.04,
        load_balance=0.8945, paper_load_balance=0.893, deviation_load_balance_points=0.15,
        real_work=1.0, paper_real_work=1.0, deviation_real_work_points=0.0, gops=91.6,
    )  # fmt: skip


BESIDE_PAPER = Results([compared("Alex-8", 7926, 9.9075, 0.08), compared("VGG-8", 11800, 14.75, -6.0)], {}, "fast")


@pytest.fixture
def shown(capsys, monkeypatch):
    """``shown(results, columns)`` -> the lines on stdout."""

    def call(results, columns=None, remarks=()):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns:
            monkeypatch.setenv("COLUMNS", str(columns))
        print_results(results, ARCH, remarks, Printer())
        return capsys.readouterr().out.splitlines()

    return call


def test_results_stand_beside_the_paper_in_100_columns(shown):
    lines = shown(BESIDE_PAPER, 100)
    assert lines[:8] == [
        "eie-64pe-45nm: 64 PEs, 800 MHz, queue 8, 64-bit rows, 4+4-bit entries, float32, engine fast",
        "",
        "                         time us        theoretical us   load balance %    real work %",
        "layer       cycles    sim paper   dev   sim paper  dev   sim paper  dev    sim paper dev  GOP/s",
        "─" * 95,
        "Alex-8       7,926   9.91   9.9 +0.1%  8.86   8.9 0.0%  89.5  89.3 +0.1  100.0 100.0 0.0   91.6",
        "VGG-8       11,800  14.75   9.9 -6.0%  8.86   8.9 0.0%  89.5  89.3 +0.1  100.0 100.0 0.0   91.6",
        "mean |dev|                       3.0%             0.0%              0.1              0.0",
    ]


@pytest.mark.parametrize("columns", [60, 80, 100, 130, 200])
def test_no_line_is_wider_than_the_terminal(shown, columns):
    lines = shown(BESIDE_PAPER, columns, ["A remark. " * 30])
    assert max(map(len, lines[1:])) <= columns


def test_a_wider_terminal_shows_more_columns(shown):
    assert "row reads" in shown(BESIDE_PAPER, 200)[3]
    assert "row reads" not in shown(BESIDE_PAPER, 100)[3]
    assert any("5 more columns in a terminal of 14" in line for line in shown(BESIDE_PAPER, 100))
    assert not any("more columns" in line for line in shown(BESIDE_PAPER, 200))


def test_cycles_and_time_are_never_left_out(shown):
    heading = shown(BESIDE_PAPER, 40)[3].split()
    assert heading[:5] == ["layer", "cycles", "sim", "paper", "dev"]


def test_a_pipe_gets_100_columns_and_no_colour(shown):
    assert shown(BESIDE_PAPER) == shown(BESIDE_PAPER, 100)


def test_colour_is_for_terminals(shown, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    good, bad = shown(BESIDE_PAPER, 100)[5:7]
    assert "\x1b[32m+0.1%\x1b[0m" in good
    assert "\x1b[31m-6.0%\x1b[0m" in bad


def test_without_figures_of_the_paper_there_is_no_deviation(shown):
    nothing = {name: None for name in COLUMNS if name.startswith(("paper_", "deviation_"))}
    lines = shown(Results([{**row("mine", cycles=238, time_us=0.2975), **nothing}], {}, "fast"), 100)
    assert "dev" not in lines[2]
    assert lines[4].split()[:4] == ["mine", "1", "238", "0.297"]


def test_a_figure_the_paper_does_not_give_is_a_dash(shown):
    without = {**compared("mine", 1, 1.0, 0.0), "paper_time_us": None, "deviation_time_percent": None}
    lines = shown(Results([compared("Alex-8", 7926, 9.9, 0.0), without], {}, "fast"), 100)
    assert lines[6].split()[:5] == ["mine", "1", "1.00", "-", "-"]


def test_a_batch_shows_min_median_and_max(shown):
    rows = [row("fc", n, cycles=cycles, time_us=cycles / 800) for n, cycles in enumerate([500, 100, 300])]
    lines = shown(Results(rows, {}, "fast"), 100)
    assert lines[3].split()[:11] == ["layer", "vectors", "cycles", "time", "us", *["min", "median", "max"] * 2]
    assert lines[5].split()[:10] == ["fc", "3", "900", "1.12", "100", "300", "500", "0.125", "0.375", "0.625"]


def test_a_layer_of_many_vectors_is_summed_beside_a_layer_of_one(shown):
    rows = [row("conv", n, cycles=100, time_us=0.125) for n in range(784)] + [row("fc", cycles=4000, time_us=5.0)]
    for width in (60, 100):
        lines = shown(Results(rows, {}, "fast"), width)
        assert "all vectors" in lines[2]
        assert lines[5].split()[:4] == ["conv", "784", "78,400", "98.00"]
        assert lines[6].split()[:4] == ["fc", "1", "4,000", "5.00"]
    rows = [row(layer, n, cycles=100, time_us=2.0) for layer in ("fc1", "fc2") for n in range(3)]
    total = shown(Results(rows, {}, "fast", chained=True), 100)[7]
    assert total.split()[:3] == ["total", "600", "12.00"]


def test_a_chain_ends_with_its_total(shown):
    rows = [row("fc1", cycles=100, time_us=2.0), row("fc2", cycles=11, time_us=1.0)]
    nothing = {name: None for name in COLUMNS if name.startswith(("paper_", "deviation_"))}
    results = Results([{**r, **nothing} for r in rows], {}, "fast", chained=True)
    assert shown(results)[6].split() == ["total", "111", "3.00"]
    assert not any("total" in line for line in shown(dataclasses.replace(results, chained=False)))


def test_a_name_of_a_layer_cannot_break_the_table(shown):
    lines = shown(Results([compared("\x1b[31m" + "x" * 50 + "\n", 1, 1.0, 0.0)], {}, "fast"), 120)
    assert lines[5].startswith("?[31mxxxxxxxxxxxxxxxx... ")


@pytest.mark.compiled_only
def test_a_terminal_without_line_drawing_gets_ascii(files):
    result = in_a_process("run", files / "one.eie", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert "-" * 60 in result.stdout
    assert result.stdout.isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on this system")
def test_progress_is_shown_on_a_terminal_alone(files):
    command = [sys.executable, "-m", "eie_sim", "run", str(files / "apart.eie"), "--json"]
    exit_code, stdout, stderr = on_a_terminal(command)
    assert exit_code == 0
    assert b"2/2" in stderr
    piped = subprocess.run(command, capture_output=True, check=True)
    assert piped.stdout == stdout
    assert b"2/2" not in piped.stderr
