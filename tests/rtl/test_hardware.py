"""The hardware itself: its sources, its load port, and layers chained in it."""

import re
import subprocess

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import simulate
from eie_sim.rtl import build, engine
from eie_sim.rtl.model import Work, model
from eie_sim.rtl.parameters import Parameters
from tests.extras import needs_verilator
from tests.rtl.machines import LATE, MORE, QUICK, machine, sampled

FILES = sorted(build.SOURCES.glob("*.sv"))


def test_there_is_a_file_for_each_unit_and_all_are_at_most_a_thousand_lines():
    assert {path.stem for path in FILES} == set(build.UNITS)
    assert sum(len(path.read_text().splitlines()) for path in FILES) <= 1000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_what_it_is_when_it_acts_and_which_rules_it_obeys(path):
    lines = path.read_text().splitlines()
    for line, begin in zip(lines, ("// In the paper: ", "// In time: ", "// Contract: "), strict=False):
        assert line.startswith(begin)
        assert len(line) <= 130
    assert re.findall(r"^module (\w+)", "\n".join(lines), re.MULTILINE) == [path.stem]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_design_has_one_clock_no_delay_and_nothing_that_only_a_simulation_knows(path):
    code = re.sub(r"//.*", "", path.read_text())
    assert set(re.findall(r"\b(?:posedge|negedge) (\w+)", code)) <= {"clk"}
    assert "negedge" not in code
    for word in (r"#\d", r"\$(?!clog2)\w+", r"\binitial\b", r"\bimport\b", r"\bbind\b", r"\bforce\b"):
        assert re.findall(word, code) == []


@pytest.fixture(scope="module")
def verilator():
    needs_verilator()


@pytest.mark.parametrize("settings", [*QUICK, *MORE, *LATE], ids=range(len(QUICK) + len(MORE) + len(LATE)))
def test_verilator_finds_nothing_to_warn_of(verilator, settings):
    tools = build.tools()
    given = [f"-G{name}={value}" for name, value in Parameters.of(machine(settings)).verilog.items()]
    subprocess.run(
        [tools.verilator, "--lint-only", "-Wall", "--top-module", "eie", *given, *map(str, FILES)],
        check=True, env={"VERILATOR_ROOT": str(tools.root)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings", [QUICK[1], QUICK[2], QUICK[5]], ids=["rows of 8", "rows of 8 in 40 bits", "rows of 5"]
)
def test_the_load_port_writes_what_the_back_door_writes(verilator, settings):
    case = sampled(settings, 2)
    parameters = Parameters.of(case.arch, case.layer)
    hardware = model(parameters)
    work, _ = engine.work_of(case.layer, case.acts, case.arch)
    images = engine.memory_images(case.layer, case.arch, parameters)
    with hardware.lock:
        engine.load(hardware, case.layer, case.arch)
        expected = hardware.run(work)
        views = [(hardware.even[k], hardware.odd[k], hardware.rows[k]) for k in range(parameters.n_pe)]
        behind = [[view.copy() for view in of_pe] for of_pe in views]
        for pe, (of_pe, (even, odd, rows)) in enumerate(zip(views, images, strict=True)):
            for view in of_pe:
                view[:] = 0xA5  # a word that is not loaded is another than the back door wrote
            for half, words in enumerate((even, odd)):
                for place, word in enumerate(words):
                    hardware.load("pointers", pe, 2 * place + half, word)
            for place, row in enumerate(rows):
                hardware.load("spmat", pe, place, row)
        found = hardware.run(work)
        for pe, of_pe in enumerate(views):
            for view, written, image in zip(of_pe, behind[pe], images[pe], strict=True):
                n = len(image)
                assert view[:n].tolist() == written[:n].tolist()
    assert found.cycles == expected.cycles
    assert found.sums.tolist() == expected.sums.tolist()
    assert found.counts.tolist() == expected.counts.tolist()


@pytest.mark.parametrize("relu", [False, True])
def test_two_layers_are_chained_by_swapping_the_register_files(verilator, relu):
    rng = np.random.default_rng(7)
    arch = machine(QUICK[1]).replace(weight_frac_bits=12, act_frac_bits=10, bias="preload")
    book = np.append(0, rng.normal(size=15))
    shapes = ((21, 14), (10, 21))
    layers = [pack_codes(rng.integers(0, 16, shape), book, 4, 3, bias=rng.normal(size=shape[0])) for shape in shapes]
    acts = rng.normal(size=14)
    hidden = simulate(layers[0], acts, arch)
    second = simulate(layers[1], np.maximum(hidden.output, 0) if relu else hidden.output, arch)

    hardware = model(Parameters.of(arch))
    first_work, _ = engine.work_of(layers[0], acts, arch)
    then, _ = engine.work_of(layers[1], np.zeros(21), arch)
    chained = Work(**{**vars(then), "chained": True, "relu": relu})
    with hardware.lock:
        engine.load(hardware, layers[0], arch)
        hardware.run(first_work)
        engine.load(hardware, layers[1], arch)
        found = hardware.run(chained)
    assert np.ldexp(found.sums, -10).tolist() == second.output.tolist()
    assert (found.cycles, found.broadcasts) == (second.cycles, second.counts.broadcasts)
