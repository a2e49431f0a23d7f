"""`eie-sim rtl export`: the folder runs as it is in two simulators, and finds every fault and every wrong number."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import simulate
from eie_sim.cli.app import app
from eie_sim.rtl import build
from eie_sim.rtl.export import exported_files
from eie_sim.rtl.parameters import Parameters
from tests.command_line import call
from tests.extras import needs_icarus, needs_verilator
from tests.rtl.machines import LATE, QUICK, machine, sampled
from tests.rtl.test_faults import FAULTS

SMALL = ("random:20x9", "--set", "n_pe=4", "--set", "arithmetic=fixed16")


def export(folder, case):
    """Writes what the command writes; returns what `simulate` found."""
    result = simulate(case.layer, case.acts, case.arch)
    folder.mkdir(exist_ok=True)
    for name, text in exported_files(case.layer, case.acts, result, "sampled").items():
        (folder / name).write_text(text, encoding="utf-8")
    return result


def make(folder, target, **variables):
    """`make TARGET` as somebody with the tools of this environment runs it; quick to compile rather than to run."""
    more = {"OPT_FAST": "-O0", "OPT_GLOBAL": "-O0"}
    if target == "verilator":
        tools = build.tools()
        more |= {"VERILATOR": tools.verilator, "VERILATOR_ROOT": str(tools.root), "CXX": tools.cxx}
        more["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "-s", target, *words],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )


def passes(done):
    return done.returncode == 0 and "PASS" in done.stdout and "FAIL" not in done.stdout


QUICKLY = ((1, 1), (2, 4), (4, 4))
"""Machines of `QUICK` and seeds of the fast tests: queues of 8, 2 and 1; a preloaded bias, a bias column, none."""

OTHERS = [(number, seed) for number in range(len(QUICK)) for seed in (0, 10)]

FAULTS_QUICKLY = ("a pop that is a cycle late", "no bypass", "sums that wrap around")


def quick_first(quick, others):
    return [*quick, *(pytest.param(one, marks=pytest.mark.slow) for one in others)]


@pytest.mark.parametrize("of", quick_first(QUICKLY, OTHERS))
def test_the_exported_folder_passes_in_icarus(of, tmp_path):
    needs_icarus()
    number, seed = of
    case = sampled(QUICK[number], seed)
    result = export(tmp_path, case)
    done = make(tmp_path, "icarus")
    assert passes(done), done.stdout + done.stderr
    assert (
        f"{result.n_rows} sums, {result.cycles} cycles, {14 * result.counts.entries.size + 3} counters" in done.stdout
    )


@pytest.mark.parametrize("settings", LATE[:2], ids=["lock-step", "D = 2"])
def test_an_exported_machine_with_a_broadcast_latency_passes_in_icarus(settings, tmp_path):
    needs_icarus()
    result = export(tmp_path, sampled(settings, 3))
    done = make(tmp_path, "icarus")
    assert passes(done), done.stdout + done.stderr
    assert result.counts.broadcast_stalls > 0


def test_the_exported_folder_passes_in_verilator_and_fails_on_another_sum(tmp_path):
    needs_verilator()
    export(tmp_path, sampled(QUICK[2], 2))
    done = make(tmp_path, "verilator")
    assert passes(done), done.stdout + done.stderr
    path = tmp_path / "sums.hex"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([f"{int(first, 16) ^ 1:x}", *others]) + "\n")
    done = make(tmp_path, "verilator")
    assert done.returncode != 0
    assert "FAIL: sum 0 (PE 0, register 0): " in done.stdout


@pytest.mark.parametrize("name", quick_first(FAULTS_QUICKLY, sorted({*FAULTS} - {*FAULTS_QUICKLY})))
def test_a_fault_in_the_exported_hardware_fails_in_icarus(name, tmp_path):
    needs_icarus()
    unit, right, wrong = FAULTS[name]
    for seed in range(30):
        export(tmp_path, sampled(QUICK[1], seed))
        patch(tmp_path / f"{unit}.sv", right, wrong)
        done = make(tmp_path, "icarus")
        if not passes(done):
            assert done.returncode != 0
            assert re.search(r"^FAIL: .*, expected -?\d+", done.stdout, re.MULTILINE), done.stdout + done.stderr
            return
    pytest.fail("not found on 30 layers")


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("sums.hex", 0, "FAIL: sum 0 (PE 0, register 0): "),
        ("counters.hex", 2, "FAIL: PE 0: ptr_reads: "),
        ("counters.hex", -1, "FAIL: PE 3: bias_writes: "),
        ("layer.svh", "CYCLES", "FAIL: cycles: "),
        ("layer.svh", "BUBBLES", "FAIL: scan_bubbles: "),
    ],
    ids=["a sum", "the first counter", "the last counter", "cycles", "bubbles"],
)
def test_every_expected_number_is_compared(file, line, says, tmp_path):
    needs_icarus()
    export(tmp_path, sampled(QUICK[1], 1))
    path = tmp_path / file
    lines = path.read_text().splitlines()
    if isinstance(line, str):
        (line,) = (at for at, text in enumerate(lines) if f" {line} = " in text)
        lines[line] = lines[line].replace(";", " + 1;")
    else:
        lines[line] = f"{int(lines[line], 16) ^ 1:x}"
    path.write_text("\n".join(lines) + "\n")
    done = make(tmp_path, "icarus")
    assert done.returncode != 0
    assert says in done.stdout, done.stdout + done.stderr


def patch(path, right, wrong):
    text = path.read_text()
    assert text.count(right) == 1, f"{path.name}: {right!r} is not there once"
    path.write_text(text.replace(right, wrong))


# The folder -----------------------------------------------------------------------------------------------------------


def test_the_design_has_the_parameters_of_the_machine_and_the_units_are_the_projects_own(tmp_path):
    case = sampled(QUICK[3], 0)
    export(tmp_path, case)
    wanted = Parameters.of(case.arch, case.layer).verilog
    found = re.findall(r"^    parameter \w+ (\w+) = (\d+),", (tmp_path / "eie.sv").read_text(), re.MULTILINE)
    assert {name: int(value) for name, value in found} == wanted
    for unit in build.UNITS[1:]:
        assert (tmp_path / f"{unit}.sv").read_bytes() == (build.SOURCES / f"{unit}.sv").read_bytes()


def test_the_readme_names_every_file_the_machine_and_the_source(tmp_path):
    case = sampled(QUICK[2], 0)
    result = export(tmp_path, case)
    text = (tmp_path / "README.md").read_text()
    for path in tmp_path.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text
    for words in ("| source | sampled |", case.arch.name, f"{result.cycles} cycles", "N_PE=3, DEPTH=2, BITS=8"):
        assert words in text


def test_a_sum_that_results_do_not_hold_exactly_is_refused():
    arch = machine(QUICK[5]).replace(weight_frac_bits=0, act_frac_bits=0, bias="preload")
    layer = pack_codes(np.ones((8, 1), np.uint8), [0, 1, 1, 1], 8, 4, bias=np.full(8, 2.0**60))
    result = simulate(layer, np.ones(1), arch)
    with pytest.raises(ValueError, match=r"acc_bits: 62.*below 2\*\*53; set acc_bits=53"):
        exported_files(layer, np.ones(1), result, "sampled")


def test_a_result_without_outputs_is_refused():
    case = sampled(QUICK[1], 0)
    result = simulate(case.layer, case.acts, case.arch, output=False)
    with pytest.raises(ValueError, match="output=True"):
        exported_files(case.layer, case.acts, result, "sampled")


# The command ----------------------------------------------------------------------------------------------------------


def command(*words):
    return call(app, "rtl", "export", *words)


def test_the_command_writes_a_folder_and_says_what_is_in_it(tmp_path):
    done = command(*SMALL, "--out", str(tmp_path / "out"), "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    result = call(app, "run", *SMALL, "--json")
    assert said["cycles"] == json.loads(result.stdout)["results"][0]["cycles"]
    text = (tmp_path / "out" / "layer.svh").read_text()
    assert f"CYCLES = {said['cycles']};" in text
    again = command(*SMALL, "--out", str(tmp_path / "again"))
    assert again.exit_code == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("random:20x9",), "arithmetic: float32, but the engine 'rtl' is fixed-point hardware"),
        (("--set", "arithmetic=fixed16"), "--layers: an export is of one layer; give one of Alex-6, Alex-7"),
        ((*SMALL, "--set", "weight_frac_bits=64"), "weight_frac_bits: 64, but the engine 'rtl' shifts by 0 to 63 bits"),
        ((*SMALL, "--input", "1"), "--input: 1, but layer '20x9' has the input vectors 0 to 0"),
        (("missing.eie", "--set", "arithmetic=fixed16"), "missing.eie"),
    ],
    ids=["float32", "nine layers", "a shift of 64", "no such input", "no such file"],
)
def test_what_cannot_be_exported_is_refused_in_one_line_and_leaves_no_folder(words, says, tmp_path):
    done = command(*words, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "mine").write_text("mine")
    done = command(*SMALL, "--out", str(tmp_path))
    assert done.exit_code == 2
    assert "is there already, but it must be a new or empty folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
