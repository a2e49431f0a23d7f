"""``python -m benchmarks.rtl_speed`` on a small machine."""

import json

import pytest

from benchmarks import rtl_speed
from benchmarks.harness import command
from tests.extras import needs_verilator

needs_verilator()


@pytest.mark.slow
def test_the_benchmark_reports_rates_builds_and_lines(capsys):
    arguments = ["--pes", "4", "--repeats", "1", "--json"]
    assert command("rtl_speed", None, rtl_speed.measure, arguments, rtl_speed.add_options) == 0
    figures = {figure["name"]: figure["value"] for figure in json.loads(capsys.readouterr().out)["figures"]}
    assert figures["4 PEs"] > 0
    assert 0 < figures["lines of SystemVerilog"] <= 1000
